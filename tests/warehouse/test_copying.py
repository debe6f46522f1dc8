"""A copy holds what the original held, on either database, and a copy that fails leaves nothing."""

from __future__ import annotations

import inspect
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from billing_warehouse import hour, on, use
from planted_defects import plant, tidy
from sqlalchemy import Engine

from apps import cli
from pipelines.queries import query
from pipelines.sample import bills
from pipelines.sample.load import load
from pipelines.sample.plan import Plan
from warehouse import directory, frames, landing, rollups, schema, store
from warehouse.check import check
from warehouse.copying import copy
from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS, intervals, peak
from warehouse.metrics.states import BASES, states
from warehouse.metrics.utilization import SESSION_GROUPS, TIME_GROUPS, fleet_coverage, usage

PLAN = Plan(today=date(2026, 11, 24), people=5, months=2, earlier_months=0)
WINDOW = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
FRAMES = [getattr(frames, name) for name in frames.__all__ if name.islower()]


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def opened() -> Iterator[Callable[[str], Engine]]:
    """Open warehouses that are closed at the end."""
    engines: list[Engine] = []

    def open_one(url: str) -> Engine:
        engines.append(store.open_warehouse(url))
        return engines[-1]

    yield open_one
    for engine in engines:
        engine.dispose()


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = {
            table.name: int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
            for table in schema.metadata.sorted_tables
        }
    return {name: count for name, count in found.items() if count and name != "mark"}


# --- Everything is there -----------------------------------------------------------------------------------


def frame_of(engine: Engine, function: Callable[..., Any]) -> Any:
    """Call a function of `frames` with what it asks for."""
    given = {"engine": engine, "start": WINDOW[0], "end": WINDOW[1], "purpose": "license", "person_id": 1}
    asked = [
        given[name]
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    found = function(*asked)
    return found.collect() if isinstance(found, pl.LazyFrame) else found


def metrics_of(engine: Engine) -> dict[str, pl.DataFrame | float]:
    """Work out use, peaks and coverage in every way there is."""
    stated = states(frames.segments(engine, *WINDOW), frames.policy(engine, "license")).collect().lazy()
    sessions = frames.sessions(engine, *WINDOW).collect().lazy()
    suites = frames.entitlement_applications(engine)
    found: dict[str, pl.DataFrame | float] = {
        f"use by {name}": usage(stated, sessions, [name], *WINDOW).collect()
        for name in (*SESSION_GROUPS, *TIME_GROUPS)
    }
    for key in KEYS:
        for basis in BASES:
            for group in ("application", "entitlement"):
                used = intervals(stated, sessions, key, basis, *WINDOW, group=group, suites=suites)
                found[f"peak {key} {basis} {group}"] = peak(used).collect()
    fleet = [frames.hosts(engine), frames.offices(engine), frames.holidays(engine)]
    found["fleet"] = fleet_coverage(frames.watches(engine, *WINDOW), *fleet, *WINDOW).share
    return found


def test_a_sample_organization_on_postgresql_has_every_frame_and_every_metric(
    engine: Engine, postgres_url: str, opened: Callable[[str], Engine]
) -> None:
    load(engine, PLAN)
    bills.close_month_before_last(engine, PLAN, "ann")
    rollups.update(engine)
    copied = copy(url_of(engine), postgres_url)
    target = opened(postgres_url)
    assert {name: count for name, count in copied.rows.items() if count and name != "mark"} == counts(engine)
    for function in FRAMES:
        ours, theirs = (frame_of(each, function) for each in (engine, target))
        assert ours.equals(theirs) if isinstance(ours, pl.DataFrame) else ours == theirs, function.__name__
    mine, others = metrics_of(engine), metrics_of(target)
    assert len(mine) > 40
    for name, value in mine.items():
        other = others[name]
        assert value.equals(other) if isinstance(value, pl.DataFrame) else value == other, name
    assert query(engine, "daily_usage") == query(target, "daily_usage")
    assert check(target) == []
    assert rollups.update(target).stretches == 0


# --- Both ways ---------------------------------------------------------------------------------------------


def test_from_postgresql_to_sqlite_and_back_nothing_changes(
    postgres_engine: Engine, tmp_path: Path, opened: Callable[[str], Engine]
) -> None:
    tidy(postgres_engine)
    first = f"sqlite:///{tmp_path / 'first.sqlite'}"
    copied = copy(url_of(postgres_engine), first)
    assert copied.target == first
    again = copy(first, f"sqlite:///{tmp_path / 'again.sqlite'}")
    assert copied.rows == again.rows
    engine = opened(first)
    assert check(engine) == []
    assert landing.identity(engine) != landing.identity(postgres_engine)
    assert frame_of(engine, frames.sessions).equals(frame_of(postgres_engine, frames.sessions))


def test_new_rows_get_numbers_after_those_of_the_source_also_where_the_last_ones_are_gone(
    engine: Engine, both_urls: str, tmp_path: Path, opened: Callable[[str], Engine]
) -> None:
    tidy(engine)
    with store.writing(engine) as connection:
        newest = landing.since(connection, 0)["landing"].max()
        landing.forget(connection, 1_000, 2**62)
    url = both_urls if both_urls.startswith("postgres") else f"sqlite:///{tmp_path / 'target.sqlite'}"
    copy(url_of(engine), url)
    target = opened(url)
    use(target, hour(3, "2026-10-05"))
    with target.connect() as connection:
        assert landing.since(connection, 0)["landing"].to_list() == [newest + 1]
        greatest = connection.scalar(sa.select(sa.func.max(schema.project_entry.c.id)))
    with store.writing(target) as connection:
        values = {
            "session_id": 3, "from_ms": 0, "project_number": "A", "author": "ada", "reason": "",
            "created_ms": 0,
        }  # fmt: skip
        added = connection.execute(schema.project_entry.insert().values(values)).inserted_primary_key
    assert added == (greatest + 1,)


# --- Refused -----------------------------------------------------------------------------------------------


def test_a_target_that_holds_something_is_refused_and_left_as_it_is(
    engine: Engine, postgres_engine: Engine
) -> None:
    tidy(engine)
    tidy(postgres_engine)
    on(postgres_engine, 1, "B", at_="2026-09-07 09:00", entry=9)
    before = counts(postgres_engine)
    with pytest.raises(Problem, match=r"is not empty \(.*rows.*\); name an empty database or a new file"):
        copy(url_of(engine), url_of(postgres_engine))
    assert counts(postgres_engine) == before


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
def test_a_copy_that_fails_leaves_the_target_empty(
    engine: Engine,
    database: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    opened: Callable[[str], Engine],
) -> None:
    tidy(engine)
    plant(engine, ["UPDATE charge_share SET session_id = 99 WHERE charge_line_id = 2"])
    sqlite = f"sqlite:///{tmp_path / 'target.sqlite'}"
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else sqlite
    with pytest.raises(
        Problem, match=r"refuses a row of charge share: .*; run `process-meter warehouse check`"
    ):
        copy(url_of(engine), url)
    assert counts(opened(url)) == {}
    plant(engine, ["UPDATE charge_share SET session_id = 2 WHERE charge_line_id = 2"])
    assert copy(url_of(engine), url).rows["charge_share"] == 2


def test_keys_go_with_the_data_and_other_keys_are_refused(engine: Engine, tmp_path: Path) -> None:
    tidy(engine)
    key = directory.pseudonym_key(engine.url)
    target = tmp_path / "target.sqlite"
    copied = copy(url_of(engine), f"sqlite:///{target}")
    assert copied.keys == ("pseudonym.key",)
    assert (tmp_path / "target.sqlite.keys" / "pseudonym.key").read_bytes() == key
    assert (tmp_path / "target.sqlite.keys" / "pseudonym.key").stat().st_mode & 0o777 == 0o600
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    directory.pseudonym_key(other)
    with pytest.raises(Problem, match=r"pseudonym\.key is not that of the warehouse to be copied"):
        copy(url_of(engine), other)
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (0,)


def test_a_source_that_is_not_there_makes_no_target(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="There is no warehouse at"):
        copy(f"sqlite:///{tmp_path / 'none.sqlite'}", f"sqlite:///{tmp_path / 'target.sqlite'}")
    assert list(tmp_path.glob("target*")) == []


def test_the_command_says_what_it_copied(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tidy(engine)
    directory.pseudonym_key(engine.url)
    target = f"sqlite:///{tmp_path / 'target.sqlite'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["process-meter", "warehouse", "copy", url_of(engine), target])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert ended.value.code in {0, None}
    said, keys, further = capsys.readouterr().out.splitlines()
    rows = sum(counts(engine).values())
    tables = len(counts(engine))
    assert said == f"Copied {rows} rows of {tables} tables to {target}: counts and contents are equal."
    assert keys == "Copied the keys pseudonym.key."
    assert "set PROCESS_METER_WAREHOUSE" in further
