"""Engines answer what the metrics answer, and say in one line why they cannot."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small_warehouse
from sqlalchemy import Engine

from apps import cli
from pipelines import spark
from pipelines.answers import peak_demand
from pipelines.answers.question import ask
from pipelines.engines import EngineFrames, engine_frames, engine_named, in_integers
from pipelines.queries import query
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics import concurrency, licenses, utilization
from warehouse.metrics.states import states
from warehouse.store import open_warehouse

START = datetime(2026, 10, 5, tzinfo=UTC)
END = START + timedelta(days=7)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Iterator[Engine]:
    copied = shutil.copyfile(empty_warehouse, tmp_path_factory.mktemp("week") / "week.sqlite")
    opened = open_warehouse(f"sqlite:///{copied}")
    small_warehouse.fill(opened, with_charges=False)
    yield opened
    opened.dispose()


@pytest.fixture
def on_polars(week: Engine) -> Iterator[EngineFrames]:
    with engine_named("polars", week) as place:
        yield engine_frames(place, frames.policy(week, "license"), START, END)


def native(week: Engine) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    stated = states(frames.segments(week, START, END), frames.policy(week, "license"))
    return stated, frames.sessions(week, START, END)


def same(found: pl.LazyFrame, expected: pl.LazyFrame, *order: str) -> None:
    """Equal rows and columns, in the same order unless one is given; counts may be of another width."""
    asked = in_integers(expected).collect()
    assert asked.height
    answer = in_integers(found).collect().cast(dict(asked.schema))
    if order:
        answer, asked = answer.sort(order), asked.sort(order)
    assert answer.rows(named=True) == asked.rows(named=True)


def test_intervals_curve_and_peak_are_those_of_the_metrics(week: Engine, on_polars: EngineFrames) -> None:
    weights = frames.applications(week).select("application", "token_weight")
    asked: Any = ("token", "busy", START, END)
    used = concurrency.intervals(*native(week), *asked, weights=weights)
    same(on_polars.intervals(*asked, weights=weights), used, "application", "key", "start")
    same(on_polars.curve(*asked, weights=weights), concurrency.curve(used))
    same(on_polars.peak(*asked, weights=weights), concurrency.peak(used))


def test_states_brought_here_are_those_of_the_metrics(week: Engine, on_polars: EngineFrames) -> None:
    found = on_polars.judged().collect()
    expected = native(week)[0].select(found.columns).collect()
    assert found.height > 100
    assert found.equals(expected)
    assert found.schema == expected.schema


def test_a_report_has_one_answer_on_every_engine(week: Engine) -> None:
    asked: Any = {"start": "2026-10-05", "end": "2026-10-12", "now": small_warehouse.NOW}
    usual, other = (peak_demand.answer(ask(week, **asked, compute_on=name)) for name in ("", "polars"))
    assert usual.results == other.results
    assert usual.ranking.equals(other.ranking)


def test_use_by_local_hour_is_that_of_the_metrics(week: Engine, on_polars: EngineFrames) -> None:
    asked: Any = (["office", "hour"], START, END, "Europe/Berlin")
    same(on_polars.usage(*asked), utilization.usage(*native(week), *asked))


def test_unused_seats_are_those_of_the_metrics(week: Engine, on_polars: EngineFrames) -> None:
    seats = frames.assignments(week), frames.entitlement_applications(week)
    directory = frames.hosts(week), frames.offices(week), frames.holidays(week)
    fleet = utilization.fleet_coverage(frames.watches(week, START, END), *directory, START, END)
    expected = licenses.unused(*seats, *native(week), fleet, START, END, "Europe/Berlin")
    same(on_polars.unused(*seats, fleet, START, END, "Europe/Berlin"), expected)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("peak_concurrency", {"application": "sim", "key": "token", "basis": "run"}),
        ("peak_concurrency", {"application": "lt"}),
        ("usage_hours", {"by": "application"}),
        ("usage_hours", {"by": "user"}),
        ("usage_hours", {"by": "host", "application": "cad"}),
    ],
)
def test_a_query_has_one_answer_on_every_engine(week: Engine, name: str, values: dict[str, str]) -> None:
    assert query(week, name, values, compute_on="polars") == query(week, name, values)


def test_what_no_other_engine_computes_is_refused(week: Engine) -> None:
    with pytest.raises(Problem, match="daily_usage is not computed on other engines"):
        query(week, "daily_usage", {}, compute_on="polars")
    with pytest.raises(Problem, match="use by project is not computed"):
        query(week, "usage_hours", {"by": "project"}, compute_on="polars")


@pytest.mark.parametrize(
    ("engine", "master", "message"),
    [
        ("dask", "", "there is no engine 'dask'; give one of polars, spark"),
        ("polars", "local[2]", "a master is for the engine spark"),
        ("spark", "", r"the engine spark needs a master; add --master spark://HOST:7077"),
        ("spark", "http://host", "'http://host' is no master; write it as spark://HOST:7077"),
        ("spark", "spark://host", "'spark://host' is no master"),
    ],
)
def test_an_engine_that_is_none_is_refused(week: Engine, engine: str, master: str, message: str) -> None:
    with pytest.raises(Problem, match=message), engine_named(engine, week, master):
        pass


@pytest.mark.parametrize(
    ("found", "java", "message"),
    [
        (None, 17, r"Spark is not installed here; pip install 'process-meter\[spark\]'"),
        (object, None, "Spark needs Java, and there is none; install Java 17"),
        (object, 11, "Spark needs Java 17 or later; this is 11; name a later one in JAVA_HOME"),
    ],
)
def test_what_spark_needs_is_named_where_it_is_missing(
    week: Engine, monkeypatch: pytest.MonkeyPatch, found: Any, java: int | None, message: str
) -> None:
    monkeypatch.setattr(spark, "SparkSession", found)
    monkeypatch.setattr(spark, "_java_version", lambda: java)
    with pytest.raises(Problem, match=message), engine_named("spark", week, "local[2]"):
        pass


@pytest.mark.parametrize(
    ("told", "version"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "1.8.0_402"', 8), ("no such thing", None)],
)
def test_the_version_of_java_is_read_from_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, version: int | None
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert spark._java_version() == version


def test_a_master_that_does_not_answer_is_named_before_spark_waits_for_it(
    week: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(spark, "SparkSession", object)
    monkeypatch.setattr(spark, "_java_version", lambda: 17)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        master = f"spark://127.0.0.1:{taken.getsockname()[1]}"
        asked = ["query", "usage_hours", "--engine", "spark", "--master", master]
        monkeypatch.setattr(sys, "argv", ["process-meter", *asked, "--warehouse", str(week.url)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
    assert exit_.value.code == 1
    told = capsys.readouterr().err
    assert f"no Spark master answers at {master}: Connection refused; start it" in told
    assert told.count("\n") == 1


def test_spark_reads_no_warehouse_without_a_mirror(week: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "SparkSession", object)
    monkeypatch.setattr(spark, "_java_version", lambda: 17)
    with (
        pytest.raises(Problem, match=r"Spark reads the mirror, and there is none in .*run `process-meter"),
        engine_named("spark", week, "local[2]"),
    ):
        pass


def test_of_a_failure_in_spark_the_cause_is_told() -> None:
    error = RuntimeError(
        "An error occurred\n\tat a.b\nCaused by: first\n\tat c.d\nCaused by: second: it broke\n"
    )
    assert spark._reason(error) == "second: it broke"
    assert spark._reason(RuntimeError("plain\nmore")) == "plain"
    assert spark._reason(RuntimeError()) == "RuntimeError()"


def test_a_folder_may_have_any_name() -> None:
    assert spark._path(Path("/a [1]/*.parquet")) == r"file:/a \[1\]/\*.parquet"
    assert spark._path(Path("/a [1]"), is_pattern=False) == "file:/a [1]"
