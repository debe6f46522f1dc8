"""How many licenses are enough, as a share of time, launches or days."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import (
    CELL,
    SUITES,
    WEIGHTS,
    Session,
    at,
    cells,
    demand_at,
    found,
    session,
    weekends,
)

from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS, curve
from warehouse.metrics.percentiles import (
    calendar,
    daily_peak_percentile,
    daily_peaks,
    launch_percentile,
    minutes_at_or_above,
    percentile,
    percentiles,
)
from warehouse.metrics.states import BASES

OFFICES = pl.LazyFrame(
    {
        "office": ["BER", "SAT"],
        "zone": ["Europe/Berlin", "Europe/Berlin"],
        "opens_minute": [480, 480],
        "closes_minute": [1080, 1080],
        "business_weekdays": ["12345", "6"],
    }
)
HOLIDAYS = pl.LazyFrame({"office": ["BER"], "day": [date(2026, 10, 6)]})
BUSINESS: dict[str, Any] = {"offices": OFFICES, "holidays": HOLIDAYS, "office": "BER"}

CROWD = [
    session(1, (0, 80, "active")),
    session(2, (10, 40, "active"), person="P-2"),
    session(3, (30, 35, "active"), person="P-3"),
]
"""In use: 1 for 50 minutes, 2 for 25, 3 for 5; none for the other 20 of the first 100."""


def demand(sessions: list[Session] = CROWD, **options: Any) -> pl.LazyFrame:
    return curve(found(sessions, **options))


# --- Percentiles of time


@pytest.mark.parametrize(
    ("p", "n"), [(0, 0), (20, 0), (20.1, 1), (70, 1), (70.01, 2), (95, 2), (95.1, 3), (100, 3)]
)
def test_n_is_enough_for_a_share_of_all_hours_with_those_without_demand(p: float, n: int) -> None:
    assert percentile(demand(), calendar("all", at(0), at(100)), p) == n


def test_hours_in_use_leave_out_the_time_without_demand() -> None:
    hours = calendar("in_use", at(0), at(100), demand=demand())
    assert hours.collect().rows() == [("cad", at(0), at(80))]
    assert percentile(demand(), hours, 62) == 1  # 50 of 80 minutes are 62.5 %
    assert percentile(demand(), hours, 63) == 2


def test_business_hours_are_those_of_the_office_without_its_holidays() -> None:
    late = [session(1, (7 * 60 - 30, 7 * 60 + 30, "active"))]  # Berlin closes at 16:00 UTC
    hours = calendar("business", at(6 * 60), at(24 * 60), **BUSINESS)
    assert hours.collect().rows() == [(at(6 * 60), at(7 * 60))]
    assert percentile(demand(late), hours, 50) == 0
    assert percentile(demand(late), hours, 51) == 1


def test_each_application_has_its_own_percentile() -> None:
    both = [*CROWD, session(4, (0, 100, "active"), application="bim")]
    answer = percentiles(demand(both), calendar("all", at(0), at(100)), 50).collect()
    assert answer.rows() == [("bim", 1), ("cad", 1)]
    assert percentiles(demand(both), calendar("all", at(0), at(100)), 20).collect().rows() == [
        ("bim", 1),
        ("cad", 0),
    ]


def test_an_application_never_in_use_needs_no_license() -> None:
    assert percentile(demand([]), calendar("all", at(0), at(100)), 95) == 0
    assert percentiles(demand([]), calendar("all", at(0), at(100)), 95).collect().is_empty()


def test_a_number_is_given_for_one_application_alone() -> None:
    both = [*CROWD, session(4, (0, 100, "active"), application="bim")]
    with pytest.raises(Problem, match="several groups"):
        percentile(demand(both), calendar("all", at(0), at(100)), 95)


@pytest.mark.parametrize("p", [-1, 100.5, float("nan")])
def test_a_percentile_outside_0_to_100_is_refused(p: float) -> None:
    with pytest.raises(Problem, match="outside 0 to 100"):
        percentile(demand(), calendar("all", at(0), at(100)), p)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("office", {}, "unknown calendar 'office'; give one of all, business, in_use"),
        ("business", {}, "the calendar 'business' needs `offices`"),
        ("business", BUSINESS | {"office": "XXX"}, "unknown office 'XXX'"),
        ("in_use", {}, "the calendar 'in_use' needs `demand`"),
    ],
)
def test_a_calendar_that_is_none_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        calendar(name, at(0), at(100), **options)


def test_a_calendar_without_time_is_an_error() -> None:
    tuesday = at(24 * 60)  # a holiday in Berlin
    with pytest.raises(Problem, match="has no time in this window"):
        calendar("business", tuesday, at(26 * 60), **BUSINESS)
    with pytest.raises(Problem, match="has no time in this window"):
        calendar("in_use", at(0), at(100), demand=demand([]))
    with pytest.raises(Problem, match="has no time in this window"):
        percentile(demand(), calendar("all", at(0), at(100)).filter(pl.col("start") > at(0)), 95)


# --- The use-duration curve


def test_minutes_at_and_above_every_n() -> None:
    assert minutes_at_or_above(demand(), calendar("all", at(0), at(100))).collect().rows() == [
        ("cad", 0, 20.0, 100.0, 1.0),
        ("cad", 1, 50.0, 80.0, 0.8),
        ("cad", 2, 25.0, 30.0, 0.3),
        ("cad", 3, 5.0, 5.0, 0.05),
    ]


def test_an_n_that_was_leapt_over_has_its_row_and_what_lies_outside_the_calendar_has_none() -> None:
    tokens = [session(1, (0, 10, "held", 2)), session(2, (50, 60, "held", 3), person="P-2")]
    answer = minutes_at_or_above(demand(tokens, key="token"), calendar("all", at(0), at(20))).collect()
    assert answer.rows() == [
        ("cad", 0, 10.0, 20.0, 1.0),
        ("cad", 1, 0.0, 10.0, 0.5),
        ("cad", 2, 10.0, 10.0, 0.5),
    ]


# --- Percentiles of launches


def test_half_of_the_launches_found_a_license_with_two() -> None:
    # Levels on arrival: 1, 2, 3.
    assert launch_percentile(found(CROWD), 50).collect().rows() == [("cad", 2)]
    assert launch_percentile(found(CROWD), 33).collect().rows() == [("cad", 1)]
    assert launch_percentile(found(CROWD), 100).collect().rows() == [("cad", 3)]


def test_simultaneous_launches_rank_in_turn_after_what_ends_at_the_same_instant() -> None:
    relay = [
        session(1, (0, 30, "active")),
        session(2, (30, 60, "active"), person="P-2"),
        session(3, (30, 60, "active"), person="P-3"),
    ]
    # Levels on arrival: 1, then 1 and 2.
    assert launch_percentile(found(relay), 66).collect()["demand"].to_list() == [1]
    assert launch_percentile(found(relay), 67).collect()["demand"].to_list() == [2]


def test_a_second_session_of_the_same_person_is_no_launch() -> None:
    mine = [session(1, (0, 60, "active")), session(2, (10, 20, "active"))]
    assert launch_percentile(found(mine), 100).collect()["demand"].to_list() == [1]
    assert launch_percentile(found(mine, "session"), 100).collect()["demand"].to_list() == [2]


def test_what_was_open_before_the_window_is_no_launch_in_it_but_takes_its_license() -> None:
    carried = [session(1, (0, 60, "active")), session(2, (30, 60, "active"), person="P-2")]
    assert launch_percentile(found(carried, start=at(30)), 1).collect().rows() == [("cad", 2)]
    assert launch_percentile(found(carried, start=at(31)), 1).collect().is_empty()


def test_a_rise_in_tokens_is_a_launch_of_the_difference_and_a_fall_is_none() -> None:
    solver = [session(1, (0, 30, "held", 2), (30, 60, "held", 5), (60, 90, "held", 1))]
    assert launch_percentile(found(solver, "token"), 50).collect()["demand"].to_list() == [2]
    assert launch_percentile(found(solver, "token"), 100).collect()["demand"].to_list() == [5]


# --- Percentiles of daily peaks


def test_each_local_day_has_its_peak_days_without_use_and_demand_over_midnight_included() -> None:
    night = [
        session(1, (60, 14 * 60, "active")),  # until 23:00 UTC: one hour into Tuesday in Berlin
        session(2, (60, 90, "active"), person="P-2"),
    ]
    start, end = datetime(2026, 10, 4, 22, tzinfo=UTC), datetime(2026, 10, 7, 22, tzinfo=UTC)
    peaks = daily_peaks(demand(night, start=start, end=end), "Europe/Berlin", start, end)
    assert peaks.collect().rows() == [
        ("cad", date(2026, 10, 5), 2),
        ("cad", date(2026, 10, 6), 1),
        ("cad", date(2026, 10, 7), 0),
    ]
    for p, n in ((33, 0), (66, 1), (67, 2)):
        assert daily_peak_percentile(peaks, p).collect().rows() == [("cad", n)]


def test_days_without_any_use_have_no_peaks() -> None:
    assert daily_peaks(demand([]), "UTC", at(0), at(100)).collect().is_empty()


# --- Against a second implementation


def nearest_rank(values: list[int], p: float) -> int | None:
    if not values:
        return None
    rank = math.ceil(Fraction(str(p)) * len(values) / 100)
    return sorted(values)[rank - 1] if rank else 0


Weekend = tuple[list[Session], datetime, datetime]
APPLICATIONS = ("cad", "bim", "fem")
shares = st.sampled_from([0, 0.1, 5, 33.3, 50, 80, 95, 99, 100])


def history(weekend: Weekend, key: str, basis: str) -> list[tuple[datetime, dict[str, dict[Any, int]]]]:
    sessions, start, end = weekend
    return [(moment, demand_at(sessions, key, basis, moment)) for moment in cells(start, end)]


def curve_of(weekend: Weekend, key: str, basis: str) -> pl.LazyFrame:
    sessions, start, end = weekend
    options: dict[str, Any] = {"start": start, "end": end, "weights": WEIGHTS, "suites": SUITES}
    return curve(found(sessions, key, basis, **options))


def in_saturday_hours(moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo("Europe/Berlin"))
    return local.isoweekday() == 6 and 8 <= local.hour < 18


@given(weekends(), st.sampled_from(KEYS), st.sampled_from(list(BASES)), shares)
def test_percentiles_of_time_agree_with_a_sorted_list_of_every_ten_minutes(
    weekend: Weekend, key: str, basis: str, p: float
) -> None:
    _, start, end = weekend
    seen, swept = history(weekend, key, basis), curve_of(weekend, key, basis)
    calendars = {
        "all": lambda _: True,
        "business": in_saturday_hours,
    }
    options = BUSINESS | {"office": "SAT"}
    for name, counts in calendars.items():
        if not any(counts(moment) for moment, _ in seen):
            continue
        hours = calendar(name, start, end, **options)
        answer = dict(percentiles(swept, hours, p).collect().rows())
        used = minutes_at_or_above(swept, hours).collect()
        for application in APPLICATIONS:
            values = [sum(now.get(application, {}).values()) for moment, now in seen if counts(moment)]
            assert answer.get(application, 0) == nearest_rank(values, p)
            for n, minutes in used.filter(application=application).select("n", "minutes_at").rows():
                assert minutes == values.count(n) * CELL.total_seconds() / 60
    for application in APPLICATIONS:
        mine = swept.filter(application=application)
        values = [n for _, now in seen if (n := sum(now.get(application, {}).values()))]
        if values:
            hours = calendar("in_use", start, end, demand=swept)
            assert percentile(mine, hours, p) == nearest_rank(values, p)


@given(weekends(), st.sampled_from(KEYS), st.sampled_from(list(BASES)), shares)
def test_percentiles_of_launches_agree_with_a_walk_through_every_instant(
    weekend: Weekend, key: str, basis: str, p: float
) -> None:
    sessions, start, end = weekend
    levels: dict[str, list[int]] = {name: [] for name in APPLICATIONS}
    before = demand_at(sessions, key, basis, start - CELL)
    for _, now in history(weekend, key, basis):
        for application, taken in levels.items():
            was, has = before.get(application, {}), now.get(application, {})
            level = sum(min(was.get(each, 0), has.get(each, 0)) for each in has)
            for rise in sorted(has[each] - was.get(each, 0) for each in has):
                if rise > 0:
                    level += rise
                    taken.append(level)
        before = now
    asked = found(sessions, key, basis, start=start, end=end, weights=WEIGHTS)
    answer = dict(launch_percentile(asked, p).collect().rows())
    assert answer == {name: nearest_rank(taken, p) for name, taken in levels.items() if taken}


@given(weekends(), st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]), shares)
def test_daily_peaks_agree_with_the_highest_of_every_ten_minutes_of_a_local_day(
    weekend: Weekend, zone: str, p: float
) -> None:
    _, start, end = weekend
    peaks = daily_peaks(curve_of(weekend, "user", "run"), zone, start, end)
    answer = dict(daily_peak_percentile(peaks, p).collect().rows())
    highest: dict[str, dict[date, int]] = {name: {} for name in APPLICATIONS}
    for moment, now in history(weekend, "user", "run"):
        day = moment.astimezone(ZoneInfo(zone)).date()
        for application, days in highest.items():
            days[day] = max(days.get(day, 0), sum(now.get(application, {}).values()))
    for application, days in highest.items():
        if any(days.values()):
            assert dict(peaks.filter(application=application).select("day", "peak").collect().rows()) == days
            assert answer[application] == nearest_rank(list(days.values()), p)
        else:
            assert application not in answer
