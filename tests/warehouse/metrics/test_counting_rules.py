"""The vendors' counting rules: literal cases, and plain Python over generated weekends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import CELL, WEIGHTS, Session, at, found, key_of, session, weekends

from warehouse.errors import Problem
from warehouse.metrics.concurrency import curve, peak
from warehouse.metrics.counting_rules import consumed_balance, fixed_intervals, user_days
from warehouse.metrics.states import BASES

DAY = at(0), at(24 * 60)


def counted(sessions: list[Session], **options: Any) -> list[tuple[Any, ...]]:
    """Count of devices from each minute on at which it changes."""
    snapped = fixed_intervals(found(sessions, "device"), **options)
    minutes = (pl.col("at") - at(0)).dt.total_minutes()
    return curve(snapped).select(minutes, "demand").collect().rows()


def test_a_device_counts_in_every_interval_that_it_touches_but_the_first_partial_one() -> None:
    assert counted([session(1, (3, 21, "active"))]) == [(10, 1), (30, 0)]
    assert counted([session(1, (3, 21, "active"))], first_free=False) == [(0, 1), (30, 0)]
    assert counted([session(1, (10, 20, "active"))]) == [(10, 1), (20, 0)], "nothing of it is partial"
    assert counted([session(1, (3, 9, "active"))]) == [], "it was never in a whole interval"


def test_one_device_counts_once_in_an_interval_however_often_it_is_used() -> None:
    again = [session(1, (0, 4, "active")), session(2, (5, 22, "active")), session(3, (26, 29, "active"))]
    assert counted(again, first_free=False) == [(0, 1), (30, 0)]
    assert counted([*again, session(4, (20, 21, "active"), device="D-2")]) == [(0, 1), (20, 2), (30, 0)]


def test_fixed_intervals_count_more_than_were_ever_in_use_at_once() -> None:
    in_turn = [session(n, (n, n + 1, "active"), device=f"D-{n}") for n in range(10, 15)]
    used = found(in_turn, "device")
    assert peak(used).collect()["peak"].item() == 1
    assert peak(fixed_intervals(used, first_free=False)).collect()["peak"].item() == 5


def test_a_use_that_began_before_the_window_has_no_first_interval_in_it() -> None:
    snapped = fixed_intervals(found([session(1, (-7, 12, "active"))], "device", start=at(3))).collect()
    assert snapped.select("start", "end", "carried").rows() == [(at(0), at(20), True)]


def test_uses_on_no_known_device_are_one_each() -> None:
    nobody = [session(n, (0, 10, "active"), device=None) for n in (1, 2)]
    assert counted(nobody) == [(0, 2), (10, 0)]


@pytest.mark.parametrize("minutes", [0, 7, -10])
def test_intervals_that_do_not_fill_a_day_are_refused(minutes: int) -> None:
    with pytest.raises(Problem, match=f"intervals of {minutes} minutes"):
        fixed_intervals(found([]), minutes)


def test_a_user_day_needs_five_minutes_in_all_and_counts_once() -> None:
    sessions = [
        session(1, (0, 3, "active"), (3, 6, "idle")),
        session(2, (60, 62, "active")),
        session(3, (0, 4, "active"), person="P-2"),
        session(4, (0, 5, "active"), person=None),
        session(5, (0, 5, "active"), person=None),
    ]
    day = date(2026, 10, 5)
    assert user_days(found(sessions), "UTC", *DAY).collect().rows() == [("cad", day, 3)]
    assert user_days(found(sessions), "UTC", *DAY, minimum_minutes=0).collect().rows() == [("cad", day, 4)]
    busy = found(sessions, basis="busy")
    assert user_days(busy, "UTC", *DAY, minimum_minutes=5.5).collect().rows() == []


def test_a_night_is_two_user_days_where_midnight_is_the_vendor_s() -> None:
    night = found([session(1, (12 * 60, 14 * 60, "active"))])  # 21:00 to 23:00 UTC
    assert user_days(night, "UTC", *DAY).collect()["user_days"].to_list() == [1]
    assert user_days(night, "Europe/Berlin", *DAY).collect().rows() == [
        ("cad", date(2026, 10, 5), 1), ("cad", date(2026, 10, 6), 1),
    ]  # fmt: skip
    with pytest.raises(Problem, match="a minimum of -1 minutes"):
        user_days(night, "UTC", *DAY, minimum_minutes=-1)


def test_a_balance_is_spent_by_units_weight_and_time() -> None:
    sessions = [session(1, (0, 90, "held", 2)), session(2, (0, 30, "held"), application="fem"),
                session(3, (15 * 60, 16 * 60, "held"))]  # fmt: skip
    used = found(sessions, "token", weights=WEIGHTS)
    hour = 60 * 60_000
    assert consumed_balance(used, "UTC", *DAY).collect().rows() == [
        ("cad", date(2026, 10, 5), 6 * hour, 6 * hour),
        ("cad", date(2026, 10, 6), 2 * hour, 8 * hour),
        ("fem", date(2026, 10, 5), hour // 2, hour // 2),
    ]


# --- Against plain Python


def moments(each: Session, start: datetime, end: datetime) -> set[datetime]:
    """Cells of the grid, ten minutes each, in which a session is in use."""
    return {
        first + CELL * number
        for first, last, state, _ in each.parts
        if state in BASES["run"]
        for number in range((last - first) // CELL)
        if start <= first + CELL * number < end
    }


@given(weekends(), st.sampled_from([10, 20, 60]))
def test_devices_of_intervals_are_those_that_plain_python_finds(
    story: tuple[list[Session], datetime, datetime], minutes: int
) -> None:
    sessions, start, end = story
    length = timedelta(minutes=minutes)
    expected: dict[tuple[str, datetime], set[Any]] = {}
    for each in sessions:
        mine = set().union(*(moments(other, start, end) for other in sessions if _same(each, other)))
        for moment in mine:
            floor = (
                datetime.min.replace(tzinfo=UTC)
                + (moment - datetime.min.replace(tzinfo=UTC)) // length * length
            )
            begun = moment
            while begun - CELL in mine:
                begun -= CELL
            was_before = begun == start and any(
                _same(each, other) and moments(other, start - CELL, start) for other in sessions
            )
            if begun <= floor or was_before:  # the first partial interval is free
                expected.setdefault((each.fact("application"), floor), set()).add(key_of(each, "device"))
    used = found(sessions, "device", start=start, end=end)
    told = curve(fixed_intervals(used, minutes)).collect()
    seen = {
        (group, instant): demand
        for (group,), rows in told.group_by("application")
        for instant, demand in _each_interval(rows.sort("at"), length)
    }
    assert seen == {place: len(devices) for place, devices in expected.items()}


def _same(one: Session, other: Session) -> bool:
    return (one.fact("application"), one.fact("device")) == (other.fact("application"), other.fact("device"))


def _each_interval(rows: pl.DataFrame, length: timedelta) -> list[tuple[datetime, int]]:
    steps = rows.select("at", "demand").rows()
    return [
        (at_ + length * number, demand)
        for (at_, demand), (until, _) in pairwise(steps)
        for number in range((until - at_) // length)
        if demand
    ]


@given(weekends(), st.sampled_from(["Europe/Berlin", "America/New_York"]), st.sampled_from([5, 30, 90]))
def test_user_days_are_those_that_plain_python_counts(
    story: tuple[list[Session], datetime, datetime], zone: str, minimum: int
) -> None:
    everybody, start, end = story
    sessions = [each for each in everybody if each.fact("person")]
    used: dict[tuple[str, date, Any], set[datetime]] = {}
    for each in sessions:
        for moment in moments(each, start, end):
            day = moment.astimezone(ZoneInfo(zone)).date()
            used.setdefault((each.fact("application"), day, key_of(each, "user")), set()).add(moment)
    charged = [place[:2] for place, cells in used.items() if CELL * len(cells) >= timedelta(minutes=minimum)]
    answer = user_days(found(sessions, start=start, end=end), zone, start, end, minimum_minutes=minimum)
    assert answer.collect().rows() == sorted((*place, charged.count(place)) for place in set(charged))
