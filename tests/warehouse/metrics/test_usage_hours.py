"""Hours by application, user, host or project: the four questions of scripts."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.states import BASES
from warehouse.metrics.usage_hours import GROUPS, usage_hours
from warehouse.periods import INSTANT

ENTRY = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "instance": pl.Int32,
    "start": INSTANT,
    "end": INSTANT,
    "project": pl.String,
}
MINUTE_MS = 60_000
DAY = (at(0), at(24 * 60))
MINE = session(
    1, (0, 60, "active", 2), (60, 75, "pause"), (75, 90, "idle"), (90, 95, "held"), (95, 99, "unknown")
)
OTHER = session(2, (10, 40, "active"), application="bim", person="P-2", host="H-2")
TIMELESS = Session(3, started=at(20), ended=at(20), facts={"person": None})


def entries(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=ENTRY, orient="row")


def minutes(by: str, *sessions: Session, rows: pl.LazyFrame | None = None) -> list[tuple[Any, ...]]:
    found = usage_hours(stated(*sessions), described(*sessions), by, *DAY, rows).collect()
    times = [name for name in found.columns if name.endswith("_ms")]
    return found.with_columns(pl.col(times) // MINUTE_MS).rows()


def test_by_application_with_idle_hours() -> None:
    assert minutes("application", MINE, OTHER) == [
        ("bim", 1, 30, 30, 30, 0),
        ("cad", 1, 95, 75, 155, 15),  # the first hour took two units
    ]


@pytest.mark.parametrize(("by", "first", "second"), [("user", "P-1", "P-2"), ("host", "H-1", "H-2")])
def test_by_a_person_or_a_machine_without_idle_hours(by: str, first: str, second: str) -> None:
    assert minutes(by, MINE, OTHER) == [(first, 1, 95, 75, 155), (second, 1, 30, 30, 30)]


def test_time_goes_to_the_project_in_force_at_it_and_the_rest_to_none() -> None:
    rows = entries((1, 1, None, at(0), at(30), "24-017"), (2, 1, None, at(20), at(80), "24-020"))
    assert minutes("project", MINE, OTHER, rows=rows) == [
        ("24-017", 1, 20, 20, 40, 0),
        ("24-020", 1, 60, 55, 100, 5),
        (None, 2, 45, 30, 45, 10),
    ]


def test_a_session_of_no_length_is_a_session_and_no_time() -> None:
    assert minutes("user", OTHER, TIMELESS) == [("P-2", 1, 30, 30, 30), (None, 1, 0, 0, 0)]
    rows = entries((1, 3, None, at(0), None, "24-017"), (2, 3, None, at(30), None, "24-020"))
    assert minutes("project", OTHER, TIMELESS, rows=rows) == [
        ("24-017", 1, 0, 0, 0, 0),
        (None, 1, 30, 30, 30, 0),
    ]


def test_an_instance_has_a_project_of_its_own() -> None:
    rows = entries((1, 1, None, at(0), None, "24-017"), (2, 1, 7, at(0), None, "24-020"))
    focused = stated(MINE).with_columns(
        instance=pl.when(pl.col("start") < at(30)).then(7).otherwise(8).cast(pl.Int32)
    )
    found = usage_hours(focused, described(MINE), "project", *DAY, rows).collect()
    assert [(row[0], row[3] // MINUTE_MS) for row in found.rows()] == [("24-017", 45), ("24-020", 30)]


def test_an_instance_that_had_the_focus_before_the_window_still_has_its_project() -> None:
    rows = entries((1, 1, None, at(0), None, "24-017"), (2, 1, 7, at(0), None, "24-020"))
    first = pl.when(pl.col("start") < at(30)).then(7).cast(pl.Int32)  # then the focus is elsewhere
    window = (at(45), at(60))
    found = usage_hours(stated(MINE).with_columns(instance=first), described(MINE), "project", *window, rows)
    assert [(row[0], row[2] // MINUTE_MS) for row in found.collect().rows()] == [("24-020", 15)]


@pytest.mark.parametrize(
    ("by", "window", "says"),
    [
        ("person", DAY, "use cannot be summed by 'person'; give one of application, user, host, project"),
        ("project", DAY, "needs the project entries; pass `entries`"),
        ("user", (at(10), at(10)), "is not after"),
    ],
)
def test_what_cannot_be_asked_is_refused(by: str, window: tuple[datetime, datetime], says: str) -> None:
    with pytest.raises(Problem) as refused:
        usage_hours(stated(MINE), described(MINE), by, *window)
    assert says in str(refused.value)


# --- Counted again, second by second of thought, in plain Python


def counted(
    sessions: list[Session], by: str, start: datetime, end: datetime, rows: list[Any]
) -> dict[Any, Any]:
    found: dict[Any, Any] = {}

    def group(each: Session, moment: datetime) -> Any:
        if by != "project":
            return each.fact({"user": "person"}.get(by, by))
        covering = [
            r for r in rows if r[1] == each.session and r[3] <= moment and (not r[4] or moment < r[4])
        ]
        return max(covering)[5] if covering else None

    def add(key: Any, number: int, state: str, length: timedelta, units: int) -> None:
        entry = found.setdefault(key, {"sessions": set(), "run": 0, "busy": 0, "unit": 0})
        entry["sessions"].add(number)
        ms = length // timedelta(milliseconds=1)
        entry["run"] += ms * (state in BASES["run"])
        entry["busy"] += ms * (state in BASES["busy"])
        entry["unit"] += ms * units * (state in BASES["run"])

    for each in sessions:
        for first, last, state, units in each.parts:
            edges = sorted({first, last, start, end, *(m for r in rows for m in r[3:5] if m)})
            for a, b in pairwise(edges):
                if first <= a < last and start <= a < end:
                    add(group(each, a), each.session, state, b - a, units)
        if start <= each.started < end and not any(each.session in it["sessions"] for it in found.values()):
            add(group(each, each.started), each.session, "unknown", timedelta(), 1)
    return {key: (len(it["sessions"]), it["run"], it["busy"], it["unit"]) for key, it in found.items()}


@st.composite
def entered(draw: st.DrawFn) -> Any:
    sessions, start, end = draw(weekends())
    moments = sorted({edge for each in sessions for part in each.parts for edge in part[:2]} | {start, end})
    rows = []
    for number in range(draw(st.integers(0, 4))):
        first, last = sorted((draw(st.sampled_from(moments)), draw(st.sampled_from(moments))))
        of = draw(st.sampled_from([each.session for each in sessions] or [1]))
        until = None if first == last else last
        rows.append((number + 1, of, None, first, until, draw(st.sampled_from(["24-017", "24-020"]))))
    return sessions, start, end, rows


@given(entered(), st.sampled_from(GROUPS))
def test_it_equals_a_plain_count(case: Any, by: str) -> None:
    sessions, start, end, rows = case
    found = usage_hours(stated(*sessions), described(*sessions), by, start, end, entries(*rows)).collect()
    measured = {
        row[by]: (row["sessions"], row["run_ms"], row["busy_ms"], row["unit_ms"]) for row in found.to_dicts()
    }
    assert measured == counted(sessions, by, start, end, rows)
