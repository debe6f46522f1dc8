"""The times, the project and the origin of sessions, and that nothing of it tells idle time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from use_cases import MORNING, Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.session_times import received, session_times, unknown_by_source
from warehouse.periods import INSTANT

MINUTE_MS = 60_000
ENTRY = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "instance": pl.Int32,
    "start": INSTANT,
    "end": INSTANT,
    "project": pl.String,
}


def entry(
    number: int, of: int, start: float, end: float | None, project: str, *, instance: int | None = None
) -> Any:
    return number, of, instance, at(start), None if end is None else at(end), project


def times(sessions: list[Session], *entries: Any) -> pl.DataFrame:
    entered = pl.LazyFrame(entries, ENTRY, orient="row")
    return session_times(stated(*sessions), described(*sessions), entered).collect()


def projects(sessions: list[Session], *entries: Any) -> list[str | None]:
    return times(sessions, *entries)["project"].to_list()


HOUR = session(1, (0, 60, "active"))


def test_the_states_of_a_session_but_no_idle_time() -> None:
    found = times(
        [
            session(
                1,
                (0, 20, "active"),
                (20, 25, "pause"),
                (25, 40, "idle"),
                (40, 50, "held"),
                (50, 57, "suspended"),
                (57, 60, "unknown"),
            )
        ]
    )
    assert found.columns[-6:] == ["project", "run_ms", "active_ms", "pause_ms", "suspended_ms", "unknown_ms"]
    assert [ms // MINUTE_MS for ms in found.row(0)[-5:]] == [50, 20, 5, 7, 3]
    assert "idle_ms" not in found.columns


def test_a_session_of_no_length_has_no_time_and_sessions_come_in_order_of_start() -> None:
    found = times([HOUR, Session(2, (), at(-5), at(-5))])
    assert found.select("session", "run_ms").rows() == [(2, 0), (1, 60 * MINUTE_MS)]


def test_the_project_of_a_session_is_the_one_in_force() -> None:
    assert projects([HOUR]) == [None]
    assert projects([HOUR], entry(1, 1, 0, None, "0077")) == ["0077"]
    assert projects([HOUR], entry(1, 1, 2, None, "0077")) == ["0077"]  # entered after the launch
    assert projects([HOUR], entry(1, 1, 0, 60, "0077"), entry(2, 1, 0, None, "0078")) == ["0078"]
    assert projects([HOUR], entry(1, 1, -90, -30, "0077"), entry(2, 1, 60, None, "0078")) == [None]


def test_of_several_projects_a_session_says_so() -> None:
    assert projects([HOUR], entry(1, 1, 0, None, "0077"), entry(2, 1, 30, None, "0078")) == ["several"]
    by_instance = entry(1, 1, 0, None, "0077", instance=0), entry(2, 1, 0, None, "0078", instance=1)
    assert projects([HOUR], *by_instance) == ["several"]
    assert projects([HOUR], *by_instance, entry(3, 1, 0, None, "0079")) == ["0079"]
    same = entry(1, 1, 0, 30, "0077"), entry(2, 1, 30, None, "0077")
    assert projects([HOUR], *same) == ["0077"]


def test_open_sessions_and_those_of_no_length_have_their_project_too() -> None:
    opened = Session(2, ((at(0), at(60), "active", 1),), at(0), None)
    assert projects([opened], entry(1, 2, 0, 20, "0077"), entry(2, 2, 20, None, "0078")) == ["several"]
    assert projects([Session(2, (), at(5), at(5))], entry(1, 2, 0, None, "0077")) == ["0077"]


@given(weekends())
def test_run_suspended_and_unknown_make_up_every_closed_session(weekend: Any) -> None:
    sessions = weekend[0]
    for row in times(sessions).to_dicts():
        if row["ended"] is not None:
            whole = (row["ended"] - row["started"]) // timedelta(milliseconds=1)
            assert row["run_ms"] + row["suspended_ms"] + row["unknown_ms"] == whole


# --- Sources


def test_the_unknown_part_of_each_source() -> None:
    sessions = [
        session(1, (0, 45, "idle"), (45, 60, "unknown")),
        session(2, (0, 20, "held"), source="flexnet"),
        Session(3, (), at(0), at(0), {"source": "sysmon"}),
        session(4, (120, 180, "unknown"), source="slurm"),
    ]
    found = unknown_by_source(stated(*sessions), described(*sessions), at(0), at(60)).collect()
    assert found.rows() == [
        ("agent", 1, 60 * MINUTE_MS, 15 * MINUTE_MS, 0.25),
        ("flexnet", 1, 20 * MINUTE_MS, 0, 0.0),
        ("sysmon", 1, 0, 0, None),
    ]


def test_where_sessions_come_from_and_when_they_came_in() -> None:
    sessions = [
        session(1, (0, 10, "active")),
        session(2, (10, 20, "held"), source="flexnet"),
        session(3, (-60, 0, "active"), source="slurm"),  # over before the window
        Session(4, (), at(0), at(0), {"source": "agent", "application": "bim"}),
    ]
    came = described(*sessions).with_columns(received=pl.lit(MORNING) + pl.duration(days=pl.col("session")))
    assert received(came, at(0), at(60)).collect().rows() == [
        ("bim", "agent", MORNING + timedelta(days=4), MORNING + timedelta(days=4)),
        ("cad", "agent, flexnet", MORNING + timedelta(days=1), MORNING + timedelta(days=2)),
    ]


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(Problem, match="not after"):
        received(described(HOUR), at(0), at(0))
    with pytest.raises(Problem, match="not after"):
        unknown_by_source(stated(HOUR), described(HOUR), at(0), at(0))
