"""The portable use is that of warehouse/metrics."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portable_cases import in_integers, rows
from use_cases import Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics import utilization as native
from warehouse.periods import local_quarters
from warehouse.portable import utilization as portable
from warehouse.portable.utilization import usage

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
GROUPINGS = st.lists(st.sampled_from([*native.SESSION_GROUPS, *native.TIME_GROUPS]), max_size=3, unique=True)


def used(
    sessions: list[Session], by: list[str], start: datetime, end: datetime, zone: str | None = "UTC"
) -> pl.LazyFrame:
    quarters = local_quarters(zone, start, end) if zone else None
    return usage(in_integers(stated(*sessions)), in_integers(described(*sessions)), by, start, end, quarters)


def test_a_session_of_zero_length_counts_as_session_person_launch_and_end_but_never_in_hours() -> None:
    sessions = [
        session(1, (0, 30, "active", 2), (30, 40, "idle", 2)),
        Session(2, (), at(5), at(5), {"person": "P-2"}),
    ]
    assert used(sessions, ["application"], at(0), at(60)).collect().to_dicts() == [
        {
            "application": "cad",
            "sessions": 2,
            "people": 2,
            "launches": 2,
            "ends": 2,
            "run_ms": 2_400_000,
            "active_ms": 1_800_000,
            "pause_ms": 0,
            "busy_ms": 1_800_000,
            "idle_ms": 600_000,
            "held_ms": 0,
            "suspended_ms": 0,
            "unknown_ms": 0,
            "unit_ms": 4_800_000,
        }
    ]


def test_nothing_tells_the_idle_time_of_one_person() -> None:
    columns = used([session(1, (0, 1, "idle"))], ["host"], at(0), at(60)).collect_schema().names()
    assert not {"idle_ms", "run_ms", "suspended_ms", "unit_ms"} & set(columns)


def test_a_grouping_that_is_none_is_refused() -> None:
    with pytest.raises(Problem, match="cannot be grouped by 'mood'"):
        used([], ["mood"], at(0), at(1))
    with pytest.raises(Problem, match="use by hour needs `quarters`"):
        used([], ["application", "hour"], at(0), at(1), None)


def test_the_groupings_are_written_twice_and_agree() -> None:
    assert portable.SESSION_GROUPS == native.SESSION_GROUPS
    assert tuple(native.TIME_GROUPS) == portable.TIME_GROUPS
    assert set(native.PRIVATE_GROUPS) == portable.OF_ONE_PERSON
    assert portable.TELLS_IDLE_TIME == native.PRIVATE_COLUMNS


@given(weekends(), GROUPINGS, ZONES)
def test_portable_use_is_that_of_the_metrics(
    weekend: tuple[list[Session], datetime, datetime], by: list[str], zone: str
) -> None:
    sessions, start, end = weekend
    expected = native.usage(stated(*sessions), described(*sessions), by, start, end, zone)
    found = used(sessions, by, start, end, zone)
    order = [pl.nth(place) for place in range(len(by))] or [pl.nth(0)]
    names = found.select(order).collect_schema().names()
    assert rows(found, *names) == rows(expected, *names)
    assert found.collect_schema().names() == expected.collect_schema().names()
