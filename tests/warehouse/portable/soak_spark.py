"""A real Spark master and two workers answer what Polars answers, value by value, over the same mirror."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import spark_cluster
from portable_cases import in_integers
from sqlalchemy import Engine

from pipelines import spark
from pipelines.engines import EngineFrames, engine_frames, engine_named
from pipelines.queries import query
from pipelines.sample.load import load
from pipelines.sample.plan import Plan
from warehouse import frames, landing, mirror, portable, store
from warehouse.errors import Problem
from warehouse.metrics import concurrency, licenses, usage_hours, utilization
from warehouse.metrics.states import BASES, Policy, Rule, states

LACKS = spark_cluster.missing()
pytestmark = [
    pytest.mark.skipif(
        LACKS is not None,
        reason=f"NOT TESTED: that Apache Spark gives equal answers; missing here: {LACKS}",
    ),
    pytest.mark.timeout(1800),
]

PLAN = Plan(today=date(2026, 11, 24), months=4, earlier_months=0)
START, END = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
WINDOW: Any = (START, END)
ZONE = "Europe/Berlin"
POLICY = Policy(
    default=Rule(idle_timeout_ms=600_000),
    applications={
        "draftline-cad": Rule(signal="focus"),
        "femora-solver": Rule(signal="input+cpu", held_is_active=True),
    },
)


@pytest.fixture(scope="module", autouse=True)
def on_loopback() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", spark_cluster.HOST)
        yield


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Iterator[Engine]:
    """The sample organization, mirrored, in a folder of an odd name; some sessions landed again since."""
    folder = tmp_path_factory.mktemp("shared") / "the [shared] storage, 100 %"
    folder.mkdir()
    engine = store.open_warehouse(f"sqlite:///{shutil.copyfile(empty_warehouse, folder / 'w.sqlite')}")
    load(engine, PLAN)
    mirror.update(engine)
    again = store.read(engine, "SELECT id, started_ms, ended_ms FROM session WHERE id % 50 = 0")
    with engine.begin() as connection:
        landing.land(
            connection,
            [
                landing.Landed(session, start, (start + end) // 2, replaced=session % 100 == 0)
                for session, start, end in again.drop_nulls().rows()
                if start < end
            ],
            at_ms=0,
        )
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with spark_cluster.running(tmp_path_factory.mktemp("spark"), workers=2) as url:
        yield url


# --- First those who need the workers for themselves


def test_the_command_asks_spark_and_answers_as_without(warehouse: Engine, master: str) -> None:
    asked = ["query", "usage_hours", "-p", "start=2026-10-01", "-p", "end=2026-11-01", "--json"]
    on_spark = ["--engine", "spark", "--master", master]
    answers = [_command(warehouse, *asked, *more) for more in (on_spark, [])]
    assert [answer.stderr for answer in answers] == ["", ""]
    assert [answer.returncode for answer in answers] == [0, 0]
    assert json.loads(answers[0].stdout) == json.loads(answers[1].stdout)
    assert len(json.loads(answers[0].stdout)) > 5


def test_a_peak_has_its_witnesses_on_spark_too(warehouse: Engine, master: str) -> None:
    busiest = _usage(warehouse)["application"][0]
    asked = {"application": busiest, "basis": "busy", "start": "2026-10-01", "end": "2026-11-01"}
    found = query(warehouse, "peak_concurrency", asked, compute_on="spark", master=master)
    assert found == query(warehouse, "peak_concurrency", asked)
    assert isinstance(found, dict)
    assert found["peak"] > 10


def test_a_master_without_workers_says_so(
    warehouse: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark, "WORKER_SECONDS", 5)
    with (
        spark_cluster.running(tmp_path, workers=0) as alone,
        pytest.raises(Problem, match="gave no worker within 5 s; see on its page"),
        engine_named("spark", warehouse, alone),
    ):
        pass


def test_what_fails_in_spark_is_one_line_that_names_its_log(warehouse: Engine, master: str) -> None:
    with pytest.raises(Problem, match=r"Spark at spark://.* failed: .*; its log is ") as failed:
        _lose_a_file(warehouse, master)
    assert "\n" not in str(failed.value)
    log = Path(failed.value.remedy.removeprefix("its log is "))
    assert "does not exist" in log.read_text()
    log.unlink()


def _lose_a_file(warehouse: Engine, master: str) -> None:
    with engine_named("spark", warehouse, master) as place:
        gone = place.put(pl.LazyFrame({"session": [1]}))
        for file in mirror.folder_of(warehouse).glob("asked-*/*.parquet"):
            file.unlink()
        place.take(gone)


def test_nothing_is_left_beside_the_mirror(warehouse: Engine) -> None:
    assert not [*mirror.folder_of(warehouse).glob("asked-*")]


def _command(warehouse: Engine, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apps.cli", *arguments, "--warehouse", str(warehouse.url)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))


# --- Then the metrics, in one session


@pytest.fixture(scope="module")
def on_spark(warehouse: Engine, master: str) -> Iterator[EngineFrames]:
    with engine_named("spark", warehouse, master) as place:
        yield engine_frames(place, POLICY, *WINDOW)


@pytest.fixture(scope="module")
def native(warehouse: Engine) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    stated = states(frames.segments(warehouse, *WINDOW), POLICY).collect().lazy()
    return stated, frames.sessions(warehouse, *WINDOW).collect().lazy()


def _usage(warehouse: Engine) -> pl.DataFrame:
    stated = states(frames.segments(warehouse, *WINDOW), POLICY)
    used = utilization.usage(stated, frames.sessions(warehouse, *WINDOW), ["application"], *WINDOW)
    return used.sort("people", descending=True).collect()


def same(found: pl.LazyFrame, expected: pl.LazyFrame, *order: str) -> int:
    """Every value, fractions to twelve digits; how many rows were compared."""
    asked = in_integers(expected).with_columns(pl.col(pl.Float64).round(12)).collect().sort(order)
    answer = in_integers(found).with_columns(pl.col(pl.Float64).round(12)).collect().sort(order)
    assert answer.columns == asked.columns
    assert answer.cast(dict(asked.schema)).equals(asked)
    return asked.height


def test_states_on_spark_are_those_of_the_metrics(
    on_spark: EngineFrames, native: tuple[pl.LazyFrame, pl.LazyFrame]
) -> None:
    columns = ("session", "start", "end", "state", "gap_start", "gap_end", "provisional")
    segments = on_spark.place.segments(START, END, None)
    there = on_spark.place.take(portable.states(segments, POLICY)).select(columns)
    assert same(there, native[0].select(columns), "session", "start") > 100_000


@pytest.mark.parametrize(
    ("key", "basis", "group"),
    [
        ("user", "busy", "application"),
        ("device", "run", "product"),
        ("user_device", "active", "application"),
        ("session", "busy", "entitlement"),
        ("token", "run", "application"),
    ],
)
def test_intervals_and_peaks_on_spark_are_those_of_the_metrics(  # noqa: PLR0917
    warehouse: Engine,
    on_spark: EngineFrames,
    native: tuple[pl.LazyFrame, pl.LazyFrame],
    key: str,
    basis: str,
    group: str,
) -> None:
    assert basis in BASES
    options: Any = {
        "weights": frames.applications(warehouse).select("application", "token_weight"),
        "suites": frames.entitlement_applications(warehouse).select("entitlement", "application"),
        "group": group,
    }
    asked: Any = (key, basis, *WINDOW)
    used = concurrency.intervals(*native, *asked, **options)
    assert same(on_spark.intervals(*asked, **options), used, group, "key", "start", "end", "units") > 1000
    assert same(on_spark.peak(*asked, **options), concurrency.peak(used), group) > 3


def test_the_curve_on_spark_is_that_of_the_metrics(
    on_spark: EngineFrames, native: tuple[pl.LazyFrame, pl.LazyFrame]
) -> None:
    asked: Any = ("user", "run", *WINDOW)
    expected = concurrency.curve(concurrency.intervals(*native, *asked))
    assert same(on_spark.curve(*asked), expected, "application", "at") > 1000


@pytest.mark.parametrize("by", [[], ["application"], ["office", "day"], ["person", "weekday", "hour"]])
def test_use_on_spark_is_that_of_the_metrics(
    on_spark: EngineFrames, native: tuple[pl.LazyFrame, pl.LazyFrame], by: list[str]
) -> None:
    asked: Any = (by, *WINDOW, ZONE)
    assert same(on_spark.usage(*asked), utilization.usage(*native, *asked), *by) >= 1


@pytest.mark.parametrize("by", ["application", "user", "host"])
def test_usage_hours_on_spark_are_those_of_the_metrics(
    on_spark: EngineFrames, native: tuple[pl.LazyFrame, pl.LazyFrame], by: str
) -> None:
    expected = usage_hours.usage_hours(*native, by, *WINDOW)
    assert same(on_spark.usage_hours(by, *WINDOW), expected, by) > 3


def test_unused_seats_on_spark_are_those_of_the_metrics(
    warehouse: Engine, on_spark: EngineFrames, native: tuple[pl.LazyFrame, pl.LazyFrame]
) -> None:
    seats = frames.assignments(warehouse), frames.entitlement_applications(warehouse)
    directory = frames.hosts(warehouse), frames.offices(warehouse), frames.holidays(warehouse)
    fleet = utilization.fleet_coverage(frames.watches(warehouse, *WINDOW), *directory, *WINDOW)
    bounds = {"threshold_ms": 3_600_000, "minimum_coverage": 0.5}
    expected = licenses.unused(*seats, *native, fleet, *WINDOW, ZONE, **bounds)
    found = on_spark.unused(*seats, fleet, *WINDOW, ZONE, **bounds)
    assert same(found, expected, "entitlement", "person", "host") > 20
    assert set(expected.collect()["proposal"]) > {"keep", "reclaim"}


def test_a_window_without_evidence_has_no_use_and_no_peak(warehouse: Engine, on_spark: EngineFrames) -> None:
    before: Any = (START - timedelta(days=900), START - timedelta(days=899))
    empty = engine_frames(on_spark.place, POLICY, *before)
    assert empty.peak("user", "run", *before).collect().is_empty()
    assert empty.usage([], *before).collect()["sessions"].to_list() == [0]
