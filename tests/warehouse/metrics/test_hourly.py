"""Use by hour, person, application and project."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import CELL, MORNING, Session, at, cells, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.hourly import HOURLY, by_chunks, hourly_usage
from warehouse.periods import INSTANT

ENTRY = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "instance": pl.Int32,
    "start": INSTANT,
    "end": INSTANT,
    "project": pl.String,
}
MINUTE = 60_000
Entry = tuple[int, int, int | None, datetime, datetime | None, str]


def entries(*rows: Entry) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=ENTRY, orient="row")


def focused(*sessions: Session) -> pl.LazyFrame:
    """States whose instance with the focus is the number of units, where active; else none has it."""
    instance = pl.when(pl.col("state") == "active").then("units").cast(pl.Int32)
    return stated(*sessions).with_columns(instance=instance)


def hours(sessions: list[Session], *rows: Entry, window: tuple[datetime, datetime] | None = None) -> Any:
    asked = window or (at(-9 * 60), at(15 * 60))
    return hourly_usage(focused(*sessions), described(*sessions), entries(*rows), *asked).collect()


def brief(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    minutes = pl.col("active_ms", "pause_ms", "held_ms", "unknown_ms", "busy_ms") // MINUTE
    hour = (pl.col("hour") - MORNING).dt.total_hours()
    return frame.select(hour, "person", "application", "project", minutes).rows()


def test_use_is_summed_by_hour_person_application_and_project_without_idle_time() -> None:
    mine = session(
        1, (50, 70, "active"), (70, 80, "pause"), (80, 90, "idle"), (90, 95, "held"), (95, 99, "unknown")
    )
    found = hours([mine], (1, 1, None, at(0), None, "24-017"))
    assert brief(found) == [
        (0, "P-1", "cad", "24-017", 10, 0, 0, 0, 10),
        (1, "P-1", "cad", "24-017", 10, 10, 5, 4, 20),
    ]
    assert found.schema == pl.Schema(HOURLY)


def test_an_hour_without_any_use_has_no_row() -> None:
    assert brief(hours([session(1, (0, 10, "idle"), (60, 70, "suspended"))])) == []
    assert hours([]).schema == pl.Schema(HOURLY)
    assert brief(hours([Session(1, started=at(5), ended=at(5))])) == []


def test_sessions_of_one_person_add_up_and_unknown_persons_and_projects_are_groups() -> None:
    crowd = [
        session(1, (0, 10, "active")),
        session(2, (0, 20, "active"), device="D-2"),
        session(3, (0, 30, "active"), person=None),
        session(4, (0, 40, "active"), application="bim"),
    ]
    assert brief(hours(crowd, (1, 4, None, at(0), at(40), "A"))) == [
        (0, None, "cad", None, 30, 0, 0, 0, 30),
        (0, "P-1", "bim", "A", 40, 0, 0, 0, 40),
        (0, "P-1", "cad", None, 30, 0, 0, 0, 30),
    ]


def test_the_project_in_force_changes_in_the_midst_of_a_segment() -> None:
    mine = session(1, (0, 15, "active"))
    rows: list[Entry] = [(1, 1, None, at(0), None, "A"), (2, 1, None, at(4), at(9), "B")]
    assert brief(hours([mine], *rows)) == [
        (0, "P-1", "cad", "A", 10, 0, 0, 0, 10),
        (0, "P-1", "cad", "B", 5, 0, 0, 0, 5),
    ]
    corrected: Entry = (3, 1, None, at(-10), at(60), "C")
    assert brief(hours([mine], *rows, corrected)) == [(0, "P-1", "cad", "C", 15, 0, 0, 0, 15)]


def test_time_before_the_first_entry_and_after_the_last_is_without_a_project() -> None:
    mine = session(1, (0, 15, "active"))
    assert brief(hours([mine], (1, 1, None, at(5), at(12), "A"))) == [
        (0, "P-1", "cad", None, 8, 0, 0, 0, 8),
        (0, "P-1", "cad", "A", 7, 0, 0, 0, 7),
    ]


def test_time_goes_to_the_project_of_the_instance_that_had_the_focus_last() -> None:
    two = session(1, (0, 10, "active", 1), (10, 15, "pause"), (15, 20, "active", 2))
    rows: list[Entry] = [(1, 1, 1, at(0), None, "A"), (2, 1, 2, at(0), None, "B")]
    assert brief(hours([two], *rows)) == [
        (0, "P-1", "cad", "A", 10, 5, 0, 0, 15),
        (0, "P-1", "cad", "B", 5, 0, 0, 0, 5),
    ]
    # The focus is known from before the window.
    assert brief(hours([two], *rows, window=(at(12), at(16)))) == [
        (0, "P-1", "cad", "A", 0, 3, 0, 0, 3),
        (0, "P-1", "cad", "B", 1, 0, 0, 0, 1),
    ]


def test_the_instance_is_not_asked_for_where_no_entry_names_one() -> None:
    mine = session(1, (0, 15, "active"))
    for row in ((1, 1, None, at(0), None, "A"), (1, 1, None, at(5), None, "A")):
        found = hourly_usage(stated(mine), described(mine), entries(row), at(0), at(60)).collect()
        assert found["busy_ms"].sum() == 15 * MINUTE


def test_what_no_number_can_hold_is_refused() -> None:
    far = session(2**61, (0, 10, "active"))
    with pytest.raises(Problem, match="too many sessions and hours"):
        hours([far])


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(Problem, match="not after its start"):
        hours([], window=(at(0), at(0)))


# --- Against a second implementation


@st.composite
def projects(draw: st.DrawFn, sessions: list[Session]) -> list[Entry]:
    """Entries on the grid of the weekend, some for one instance, some open, some that cover all."""
    if not sessions:
        return []
    found: list[Entry] = []
    for number in range(draw(st.integers(0, 8))):
        each = draw(st.sampled_from(sessions))
        since = each.started + CELL * draw(st.integers(-2, 20))
        until = draw(st.none() | st.integers(1, 60).map(lambda length, since=since: since + CELL * length))
        instance = draw(st.sampled_from([None, None, 1, 2]))
        found.append((number, each.session, instance, since, until, draw(st.sampled_from("AB"))))
    return found


weekends_with_projects = weekends().flatmap(
    lambda weekend: projects(weekend[0]).map(lambda rows: (*weekend, rows))
)


def project_at(each: Session, moment: datetime, rows: list[Entry]) -> str | None:
    """Project in force: the highest entry that covers the moment and fits the instance last focused."""
    mine = [row for row in rows if row[1] == each.session]
    had_focus = [units for start, _, state, units in each.parts if state == "active" and start <= moment]
    last = had_focus[-1] if had_focus else None
    by_instance = any(row[2] is not None for row in mine)
    fits = [
        row
        for row in mine
        if row[3] <= moment and (row[4] is None or moment < row[4])
        if row[2] is None or not by_instance or last is None or row[2] == last
    ]
    return max(fits)[5] if fits else None


def slowly(
    sessions: list[Session], start: datetime, end: datetime, rows: list[Entry]
) -> dict[tuple[Any, ...], list[int]]:
    """Milliseconds active, in pause, held and unknown, moment by moment."""
    sums: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for moment in cells(start, end):
        for each in sessions:
            for begins, ends, state, _ in each.parts:
                if begins <= moment < ends and state in {"active", "pause", "held", "unknown"}:
                    hour = moment.replace(minute=0)
                    who = (hour, each.fact("person"), each.fact("application"))
                    place = ["active", "pause", "held", "unknown"].index(state)
                    sums[*who, project_at(each, moment, rows)][place] += CELL // timedelta(milliseconds=1)
    return sums


@given(weekends_with_projects, st.sampled_from(["1mo", "1w", "1d"]))
def test_hours_agree_with_a_look_at_every_moment_at_once_and_in_parts(
    case: tuple[list[Session], datetime, datetime, list[Entry]], every: str
) -> None:
    sessions, start, end, rows = case
    whole = hours(sessions, *rows, window=(start, end))
    expected = slowly(sessions, start, end, rows)
    found = {row[:4]: list(row[4:8]) for row in whole.iter_rows()}
    assert found == expected
    assert whole.height == len(expected)
    assert (whole["busy_ms"] == whole["active_ms"] + whole["pause_ms"]).all()
    parts = list(by_chunks(lambda first, last: overlapping(sessions, rows, first, last), start, end, every))
    assert pl.concat([whole.clear(), *parts]).equals(whole)


def overlapping(
    sessions: list[Session], rows: list[Entry], start: datetime, end: datetime
) -> tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]:
    """Give what the frames give of a window: whole sessions that overlap it."""
    mine = [each for each in sessions if each.started < end and (each.ended is None or each.ended > start)]
    numbers = {each.session for each in mine}
    return focused(*mine), described(*mine), entries(*(row for row in rows if row[1] in numbers))
