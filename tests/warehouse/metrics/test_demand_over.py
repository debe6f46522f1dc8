"""Demand by day, by hour of the week, by minute: literal days, and against a count cell by cell."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import CELL, WEIGHTS, at, cells, demand_at, described, found, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.concurrency import curve
from warehouse.metrics.demand_over import STATES, by_day, by_hour_of_week, states_over_time
from warehouse.periods import INSTANT

MINUTE_MS = 60_000
HOURS = {"day": pl.Date, "start": INSTANT, "end": INSTANT}
MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
TWO_DAYS = (at(-9 * 60), at(39 * 60))


def open_hours(*rows: tuple[date, float, float]) -> pl.LazyFrame:
    return pl.LazyFrame([(day, at(a), at(b)) for day, a, b in rows], schema=HOURS, orient="row")


ONE = session(1, (0, 60, "active"))
TWO = session(2, (30, 90, "active"), person="P-2")
USED = curve(found([ONE, TWO]))


def test_a_day_has_its_maximum_its_average_its_percentile_and_its_minutes_above() -> None:
    hours = open_hours((MONDAY, 0, 120), (MONDAY, 60, 120), (TUESDAY, 24 * 60, 25 * 60))
    rows = by_day(USED, hours, 1, "UTC", *TWO_DAYS, 75).collect().rows()
    assert rows == [
        (MONDAY, 2, 1.0, 1, 30.0),  # 30 minutes of 0, 60 of 1, 30 of 2: three quarters are at most 1
        (TUESDAY, 0, 0.0, 0, 0.0),
    ]


def test_a_day_without_calendar_has_no_average_and_without_owned_nothing_is_above() -> None:
    rows = by_day(USED, open_hours((TUESDAY, 24 * 60, 25 * 60)), None, "UTC", *TWO_DAYS).collect().rows()
    assert rows == [(MONDAY, 2, None, None, None), (TUESDAY, 0, 0.0, 0, None)]


def test_office_hours_of_two_days_may_lie_at_the_same_time() -> None:
    hours = open_hours((MONDAY, 0, 60), (TUESDAY, 30, 90))  # another office, where it is morning already
    rows = by_day(USED, hours, None, "UTC", *TWO_DAYS).collect().rows()
    assert [row[2] for row in rows] == [1.5, 1.5]


def test_a_percentile_outside_0_to_100_is_refused() -> None:
    with pytest.raises(Problem, match="percentile 101 is outside 0 to 100"):
        by_day(USED, open_hours((MONDAY, 0, 60)), None, "UTC", *TWO_DAYS, 101).collect()


def test_hours_of_the_week_are_local_ones() -> None:
    rows = by_hour_of_week(USED, "Europe/Berlin", at(-9 * 60), at(15 * 60)).collect()
    assert rows.filter(pl.col("maximum") > 0).rows() == [(1, 11, 2, 1.5), (1, 12, 1, 0.5)]
    assert rows.height == 24


def test_who_has_two_sessions_counts_once_by_the_better_state() -> None:
    mine = session(1, (0, 10, "active"), (10, 14, "pause"), (14, 30, "idle"))
    other = session(2, (12, 20, "active"))
    held = session(3, (0, 30, "held"), person="P-2")
    got = states_over_time(
        stated(mine, other, held), described(mine, other, held), "user", at(0), at(30), "15m"
    )
    minutes = got.select("minute", *((pl.col(name) * 15).round(9) for name in STATES)).collect()
    assert minutes.rows() == [
        (at(0), 13.0, 2.0, 0.0, 15.0),
        (at(15), 5.0, 0.0, 10.0, 15.0),
    ]


# --- Counted again, cell by cell


@given(weekends(), st.sampled_from(["user", "token"]), st.sampled_from(["Europe/Berlin", "America/New_York"]))
def test_days_and_hours_equal_a_count_cell_by_cell(case: Any, key: str, zone: str) -> None:
    sessions, start, end = case
    used = curve(found(sessions, key, "run", start=start, end=end, weights=WEIGHTS)).collect()
    if "cad" not in used["application"]:
        return
    mine = used.lazy().filter(pl.col("application") == "cad")
    hours = pl.LazyFrame({"day": [MONDAY], "start": [start], "end": [end]}, schema=HOURS)
    days: dict[date, list[int]] = defaultdict(list)
    week: dict[tuple[int, int], list[int]] = defaultdict(list)
    for cell in cells(start, end):
        now = sum(demand_at(sessions, key, "run", cell).get("cad", {}).values())
        local = cell.astimezone(ZoneInfo(zone))
        days[local.date()].append(now)
        week[local.isoweekday(), local.hour].append(now)
    by = by_day(mine, hours, 1, zone, start, end).collect()
    minutes = CELL / timedelta(minutes=1)
    assert {row[0]: (row[1], row[4]) for row in by.rows()} == {
        day: (max(each), sum(minutes for n in each if n > 1)) for day, each in days.items()
    }
    got = {
        row[:2]: (row[2], round(row[3], 9))
        for row in by_hour_of_week(mine, zone, start, end).collect().rows()
    }
    assert got == {place: (max(each), round(sum(each) / len(each), 9)) for place, each in week.items()}


@given(weekends())
def test_states_over_time_equal_a_count_cell_by_cell(case: Any) -> None:
    sessions, start, end = case
    got = states_over_time(stated(*sessions), described(*sessions), "user", start, end, "10m").collect()
    measured = {
        (row["application"], row["minute"], name): row[name]
        for row in got.to_dicts()
        for name in STATES
        if row[name]
    }
    counted: dict[Any, int] = defaultdict(int)
    for cell in cells(start, end):
        for application in ("cad", "bim", "fem"):
            best: dict[Any, int] = {}
            for each in sessions:
                for first, last, state, _ in each.parts:
                    if each.fact("application") == application and first <= cell < last and state in STATES:
                        who = each.fact("person") or each.session
                        best[who] = min(best.get(who, 9), STATES.index(state))
            for place in best.values():
                counted[application, cell, STATES[place]] += 1
    assert {key: round(value, 9) for key, value in measured.items()} == counted
