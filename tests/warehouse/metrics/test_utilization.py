"""How much applications are used, by whom, when, and how much of it was seen."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.states import BASES, STATES
from warehouse.metrics.utilization import (
    PRIVATE_GROUPS,
    SESSION_GROUPS,
    TIME_GROUPS,
    daily_usage,
    fleet_coverage,
    session_coverage,
    usage,
)
from warehouse.periods import INSTANT

DAY = (at(-9 * 60), at(15 * 60))
MINUTE = 60_000
MIXED = session(
    1,
    *((10 * n, 10 * n + 10, state, 2) for n, state in enumerate(STATES)),
)
"""Ten minutes of each state, with two units."""


def used(
    sessions: list[Session], by: list[str], window: tuple[datetime, datetime] = DAY, **options: Any
) -> Any:
    return usage(stated(*sessions), described(*sessions), by, *window, **options).collect()


def test_use_is_summed_by_state_and_basis_in_milliseconds() -> None:
    assert used([MIXED], ["application"]).to_dicts() == [
        {
            "application": "cad",
            "sessions": 1,
            "people": 1,
            "launches": 1,
            "ends": 1,
            "run_ms": 40 * MINUTE,
            "active_ms": 10 * MINUTE,
            "pause_ms": 10 * MINUTE,
            "busy_ms": 20 * MINUTE,
            "idle_ms": 10 * MINUTE,
            "held_ms": 10 * MINUTE,
            "suspended_ms": 10 * MINUTE,
            "unknown_ms": 10 * MINUTE,
            "unit_ms": 80 * MINUTE,
        }
    ]


def test_use_is_cut_to_the_window_and_launches_and_ends_count_where_they_fall() -> None:
    row = used([MIXED], [], (at(5), at(60))).to_dicts()[0]
    assert (row["active_ms"], row["sessions"], row["launches"], row["ends"]) == (5 * MINUTE, 1, 0, 0)
    assert used([MIXED], [], (at(60), at(61)))["ends"].to_list() == [1]
    assert used([MIXED], [], (at(60), at(61)))["sessions"].to_list() == [0]


def test_a_session_of_zero_length_counts_as_session_person_launch_and_end_but_never_in_hours() -> None:
    blink = Session(7, started=at(5), ended=at(5), facts={"person": "P-9"})
    row = used([blink], ["day"]).to_dicts()[0]
    assert {name: row[name] for name in ("day", "sessions", "people", "launches", "ends")} == {
        "day": date(2026, 10, 5),
        "sessions": 1,
        "people": 1,
        "launches": 1,
        "ends": 1,
    }
    assert sum(value for name, value in row.items() if name.endswith("_ms")) == 0


def test_people_are_persons_and_each_account_without_one() -> None:
    crowd = [
        session(1, (0, 10, "active"), account="A-1"),
        session(2, (0, 10, "active"), account="A-2"),
        session(3, (0, 10, "active"), person=None, account="A-3"),
        session(4, (0, 10, "active"), person=None, account="A-3"),
        session(5, (0, 10, "active"), person=None, account="A-4"),
    ]
    assert used(crowd, [])["people"].to_list() == [3]


def test_use_is_grouped_by_office_and_unknown_is_a_group() -> None:
    crowd = [
        session(1, (0, 10, "active"), office="NYC"),
        session(2, (0, 20, "idle"), office="NYC"),
        session(3, (0, 30, "active"), office=None),
    ]
    answer = used(crowd, ["office"]).select("office", "sessions", "run_ms", "idle_ms").rows()
    assert answer == [(None, 1, 30 * MINUTE, 0), ("NYC", 2, 30 * MINUTE, 20 * MINUTE)]


def test_times_of_use_are_local_to_the_zone_that_is_asked_for() -> None:
    late = [session(1, (14 * 60 + 30, 15 * 60 + 15, "active"))]  # 23:30 to 00:15 UTC
    window = (at(0), at(24 * 60))
    by = ["month", "day", "weekday", "hour"]
    assert used(late, by, window).select(*by, "active_ms").rows() == [
        (date(2026, 10, 1), date(2026, 10, 5), 1, 23, 30 * MINUTE),
        (date(2026, 10, 1), date(2026, 10, 6), 2, 0, 15 * MINUTE),
    ]
    assert used(late, by, window, zone="Asia/Kolkata").select(*by, "active_ms").rows() == [
        (date(2026, 10, 1), date(2026, 10, 6), 2, 5, 45 * MINUTE),
    ]


def test_an_hour_that_comes_twice_holds_two_hours_of_use() -> None:
    start, end = datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 25, 3, tzinfo=UTC)
    night = Session(1, ((start, end, "active", 1),), start, end)
    answer = used([night], ["hour"], (start, end), zone="Europe/Berlin").select("hour", "active_ms").rows()
    assert answer == [(2, 120 * MINUTE), (3, 60 * MINUTE)]


@pytest.mark.parametrize("group", PRIVATE_GROUPS)
def test_nothing_tells_the_idle_time_of_one_person_nor_gives_it_by_subtraction(group: str) -> None:
    answer = used([MIXED], ["application", group])
    assert answer.columns == [
        *("application", group, "sessions", "people", "launches", "ends"),
        *("active_ms", "pause_ms", "busy_ms", "held_ms", "unknown_ms"),
    ]


def test_a_grouping_or_zone_that_is_none_is_refused() -> None:
    with pytest.raises(Problem, match="use cannot be grouped by 'state'"):
        used([MIXED], ["state"])
    with pytest.raises(Problem, match="unknown time zone 'Mars'"):
        used([MIXED], [], zone="Mars")
    with pytest.raises(Problem, match="not after its start"):
        used([MIXED], [], (at(1), at(0)))


def test_without_sessions_there_are_no_groups_and_zero_in_all() -> None:
    assert used([], ["application"]).is_empty()
    assert used([], [])["run_ms"].to_list() == [0]


# --- By local day


def test_every_local_day_has_its_row_and_utilization_is_a_share_of_the_days_length() -> None:
    start, end = datetime(2026, 10, 23, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
    sunday = datetime(2026, 10, 24, 22, tzinfo=UTC)
    job = Session(1, ((sunday, end, "held", 4),), sunday, end)
    blink = Session(2, started=sunday, ended=sunday, facts={"person": "P-2"})
    hour_ms = 3_600_000
    days = [date(2026, 10, 24), date(2026, 10, 25)]
    capacity = pl.LazyFrame({"day": days, "capacity_ms": [24 * 8 * hour_ms, 25 * 8 * hour_ms]})
    answer = daily_usage(stated(job), described(job, blink), "Europe/Berlin", start, end, capacity).collect()
    assert answer.columns == [
        *("day", "sessions", "active_users", "sessions_ended"),
        *("session_hours", "unit_hours", "utilization"),
    ]
    assert answer.rows() == [
        (date(2026, 10, 24), 0, 0, 0, 0.0, 0.0, 0.0),
        (date(2026, 10, 25), 2, 2, 1, 25.0, 100.0, 0.5),  # a day of 25 hours
    ]


def test_utilization_is_null_where_no_capacity_is_known() -> None:
    answer = daily_usage(stated(MIXED), described(MIXED), "UTC", *DAY).collect()
    assert answer["utilization"].to_list() == [None]


# --- Coverage


def test_session_coverage_is_the_share_of_time_whose_state_is_known_for_the_basis() -> None:
    assert session_coverage(stated(MIXED), "run") == 5 / 6  # unknown is missing
    assert session_coverage(stated(MIXED), "busy") == 4 / 6  # held is missing, too
    assert session_coverage(stated(MIXED), "active") == 4 / 6
    assert session_coverage(stated(MIXED), "run", at(45), at(60)) == 5 / 15


def test_session_coverage_of_nothing_cannot_be_told() -> None:
    with pytest.raises(Problem, match="no session in the window"):
        session_coverage(stated(), "run")
    with pytest.raises(Problem, match="unknown basis 'idle'"):
        session_coverage(stated(MIXED), "idle")


OFFICES = pl.LazyFrame(
    {
        "office": ["BER"],
        "zone": ["Europe/Berlin"],
        "opens_minute": [480],
        "closes_minute": [1080],
        "business_weekdays": ["12345"],
    }
)
HOLIDAYS = pl.LazyFrame({"office": ["BER"], "day": [date(2026, 10, 7)]})
MONDAY, NEXT_MONDAY = datetime(2026, 10, 4, 22, tzinfo=UTC), datetime(2026, 10, 11, 22, tzinfo=UTC)


def fleet(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    """Hosts from (host, office, zone, in the directory, valid from, valid to)."""
    kinds = (pl.String, pl.String, pl.String, pl.Boolean, pl.Date, pl.Date)
    names = ("host", "office", "zone", "in_directory", "valid_from", "valid_to")
    return pl.LazyFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


def watches(*rows: tuple[str, float, float]) -> pl.LazyFrame:
    """Watches from (host, from hour, to hour), in hours of the week in Berlin."""
    spans = [
        (host, MONDAY + timedelta(hours=start), MONDAY + timedelta(hours=end)) for host, start, end in rows
    ]
    return pl.LazyFrame(spans, schema={"host": pl.String, "start": INSTANT, "end": INSTANT}, orient="row")


def covered(hosts: pl.LazyFrame, seen: pl.LazyFrame) -> tuple[list[tuple[Any, ...]], float]:
    found = fleet_coverage(seen, hosts, OFFICES, HOLIDAYS, MONDAY, NEXT_MONDAY)
    return found.by_host.collect().rows(), found.share


def test_a_host_workday_is_observed_when_half_of_its_business_hours_were_watched() -> None:
    hosts = fleet(("H-1", "BER", "Europe/Berlin", True, None, None))
    seen = watches(
        ("H-1", 0, 13),  # Monday: 5 of 10 business hours
        ("H-1", 24 + 13.001, 48),  # Tuesday: a little less
        ("H-1", 48, 72),  # Wednesday is a holiday
        ("H-1", 72 + 8, 72 + 10),  # Thursday: 2 and 3 hours, by two agents at once
        ("H-1", 72 + 9, 72 + 13),
    )
    assert covered(hosts, seen) == ([("H-1", 2, 4)], 0.5)


def test_a_host_never_heard_from_counts_as_nothing_and_one_unknown_to_the_directory_not_at_all() -> None:
    hosts = fleet(
        ("H-1", "BER", "Europe/Berlin", True, None, None),
        ("H-2", "BER", "Europe/Berlin", True, None, None),
        ("H-3", "BER", "Europe/Berlin", False, None, None),
    )
    seen = watches(("H-1", 0, 168), ("H-3", 0, 168), ("H-4", 0, 168))
    assert covered(hosts, seen) == ([("H-1", 4, 4), ("H-2", 0, 4)], 0.5)


def test_a_host_has_workdays_only_while_it_is_in_the_directory() -> None:
    hosts = fleet(
        ("H-1", "BER", "Europe/Berlin", True, date(2026, 10, 6), date(2026, 10, 9)),
        ("H-2", "BER", "Europe/Berlin", True, date(2026, 11, 1), None),
    )
    assert covered(hosts, watches(("H-1", 0, 168))) == ([("H-1", 2, 2)], 1.0)


def test_a_host_without_an_office_has_workdays_in_its_own_zone() -> None:
    hosts = fleet(("H-1", None, "Asia/Kolkata", True, None, None))
    # Its Monday is 04:30 to 14:30 in Berlin.
    assert covered(hosts, watches(("H-1", 4.5, 9.5))) == ([("H-1", 1, 5)], 0.2)
    assert covered(hosts, watches(("H-1", 9.6, 18))) == ([("H-1", 0, 5)], 0.0)


def test_a_fleet_without_any_workday_cannot_be_told() -> None:
    with pytest.raises(Problem, match="no host of the directory has a workday"):
        covered(fleet(), watches())


# --- Against a second implementation


def slow_usage(sessions: list[Session], by: list[str], start: datetime, end: datetime, zone: str) -> Any:
    """Walk over all pieces and events; {group: measures}."""
    local = {
        "month": lambda moment: moment.date().replace(day=1),
        "day": lambda moment: moment.date(),
        "weekday": lambda moment: moment.isoweekday(),
        "hour": lambda moment: moment.hour,
    }
    totals: Any = defaultdict(lambda: defaultdict(int))
    members: Any = defaultdict(lambda: {"sessions": set(), "people": set()})

    def group(each: Session, moment: datetime) -> tuple[Any, ...]:
        there = moment.astimezone(ZoneInfo(zone))
        return tuple(
            local[name](there) if name in local else each.session if name == "session" else each.fact(name)
            for name in by
        )

    def see(each: Session, key: tuple[Any, ...]) -> None:
        members[key]["sessions"].add(each.session)
        members[key]["people"].add(each.fact("person") or each.fact("account"))

    for each in sessions:
        for first, last, state, units in each.pieces():
            length = (min(last, end) - max(first, start)) // timedelta(milliseconds=1)
            if length > 0:
                key = group(each, max(first, start))
                see(each, key)
                totals[key][f"{state}_ms"] += length
                for basis in ("run", "busy"):
                    totals[key][f"{basis}_ms"] += length * (state in BASES[basis])
                totals[key]["unit_ms"] += units * length * (state in BASES["run"])
        if start <= each.started < end:
            key = group(each, each.started)
            see(each, key)
            totals[key]["launches"] += 1
        if each.ended and start <= each.ended < end:
            totals[group(each, each.ended)]["ends"] += 1
    return {
        key: {**sums, **{name: len(found) for name, found in members[key].items()}}
        for key, sums in totals.items()
    }


Weekend = tuple[list[Session], datetime, datetime]
groupings = st.lists(st.sampled_from([*SESSION_GROUPS, *TIME_GROUPS]), max_size=3, unique=True)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])


@given(weekends(), groupings, zones)
def test_use_agrees_with_a_second_implementation(weekend: Weekend, by: list[str], zone: str) -> None:
    sessions, start, end = weekend
    expected = slow_usage(sessions, by, start, end, zone)
    rows = used(sessions, by, (start, end), zone=zone).to_dicts()
    answer = {tuple(row.pop(name) for name in by): row for row in rows}
    if not by and not expected:
        expected = {(): {}}
    assert answer.keys() == expected.keys()
    for key, row in answer.items():
        assert row == {name: expected[key].get(name, 0) for name in row}


@given(weekends(), zones)
def test_the_days_sum_to_the_whole(weekend: Weekend, zone: str) -> None:
    sessions, start, end = weekend
    whole = used(sessions, [], (start, end)).row(0, named=True)
    days = used(sessions, ["day"], (start, end), zone=zone)
    for name, value in whole.items():
        if name.endswith("_ms") or name in ("launches", "ends"):
            assert days[name].sum() == value
    daily = daily_usage(stated(*sessions), described(*sessions), zone, start, end).collect()
    assert daily["session_hours"].sum() == pytest.approx(whole["run_ms"] / 3_600_000)
    assert daily["sessions_ended"].sum() == whole["ends"]
