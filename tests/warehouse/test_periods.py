"""Intervals, local days and business hours."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from warehouse.errors import Problem
from warehouse.periods import (
    INSTANT,
    business_days,
    business_hours,
    check_window,
    clip,
    covered_before,
    day_bounds,
    intersect,
    local_days,
    local_quarters,
    union,
)

MORNING = datetime(2026, 10, 5, 9, tzinfo=UTC)
OFFICES = pl.LazyFrame(
    {
        "office": ["BER", "NYC"],
        "zone": ["Europe/Berlin", "America/New_York"],
        "opens_minute": [480, 540],
        "closes_minute": [1080, 1440],
        "business_weekdays": ["12345", "6"],
    }
)
HOLIDAYS = pl.LazyFrame({"office": ["BER"], "day": [date(2026, 10, 6)]})


def minutes(*pairs: tuple[int, int], **keys: Any) -> pl.LazyFrame:
    """Intervals in minutes after 09:00."""
    rows = [(MORNING + timedelta(minutes=a), MORNING + timedelta(minutes=b)) for a, b in pairs]
    frame = pl.LazyFrame(rows, schema={"start": INSTANT, "end": INSTANT}, orient="row")
    return frame.with_columns(**{name: pl.lit(value) for name, value in keys.items()})


def pairs(frame: pl.LazyFrame) -> list[tuple[int, int]]:
    rows = frame.select("start", "end").collect().rows()
    return [tuple(int((instant - MORNING) / timedelta(minutes=1)) for instant in row) for row in rows]


# --- Local days


@pytest.mark.realdata
def test_days_are_as_long_as_the_tz_database_says(real_data: Path) -> None:
    cases = json.loads((real_data / "interval-cases" / "interval_cases.json").read_text(encoding="utf-8"))
    for case in cases["local_day_length_hours"]:
        start, end = day_bounds(case["zone"], date.fromisoformat(case["date"]))
        assert start == datetime.fromisoformat(case["utc_start"])
        assert (end - start) / timedelta(hours=1) == case["hours"]


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("America/New_York", date(2026, 3, 8), "2026-03-08T05:00Z", 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00Z", 24.5),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00Z", 23),  # midnight does not exist
        ("Atlantic/Azores", date(2026, 10, 25), "2026-10-25T00:00Z", 25),  # midnight comes twice
        ("Pacific/Apia", date(2011, 12, 30), "2011-12-30T10:00Z", 0),  # the day does not exist
    ],
)
def test_a_local_day_starts_and_ends_at_its_own_midnights(
    zone: str, day: date, start: str, hours: float
) -> None:
    found, end = day_bounds(zone, day)
    assert found == datetime.fromisoformat(start)
    assert (end - found) / timedelta(hours=1) == hours


def test_a_window_is_cut_into_local_days_and_a_day_left_out_by_its_zone_has_no_row() -> None:
    found = local_days(
        "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=UTC), datetime(2011, 12, 31, 12, tzinfo=UTC)
    )
    assert found.collect().rows() == [
        (
            date(2011, 12, 29),
            datetime(2011, 12, 29, 12, tzinfo=UTC),
            datetime(2011, 12, 30, 10, tzinfo=UTC),
        ),
        (
            date(2011, 12, 31),
            datetime(2011, 12, 30, 10, tzinfo=UTC),
            datetime(2011, 12, 31, 10, tzinfo=UTC),
        ),
        (date(2012, 1, 1), datetime(2011, 12, 31, 10, tzinfo=UTC), datetime(2011, 12, 31, 12, tzinfo=UTC)),
    ]


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Atlantic/Azores"]
)
instants = st.integers(0, 3 * 366 * 96).map(
    lambda n: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15) * n
)


@given(zones, instants, st.integers(1, 20 * 96))
@example("Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC), 96)
def test_local_days_tile_their_window_and_agree_with_the_calendar_of_polars(
    zone: str, start: datetime, quarters: int
) -> None:
    end = start + timedelta(minutes=15) * quarters
    days = local_days(zone, start, end).collect()
    assert (days["start"][0], days["end"][-1]) == (start, end)
    assert days["end"][:-1].to_list() == days["start"][1:].to_list()
    assert (days["start"] < days["end"]).all()
    for column, step in (("start", 0), ("end", -1)):
        local = days[column].dt.offset_by(f"{step}ms").dt.convert_time_zone(zone)
        assert local.dt.date().to_list() == days["day"].to_list()


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "/etc", "../UTC", "Europe"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(Problem, match="unknown time zone"):
        day_bounds(zone, date(2026, 10, 5))


def test_a_window_without_zone_or_time_is_refused() -> None:
    with pytest.raises(Problem, match="has no time zone"):
        check_window(datetime(2026, 10, 5), MORNING)  # noqa: DTZ001
    with pytest.raises(Problem, match="not after its start"):
        local_days("UTC", MORNING, MORNING)


# --- Business hours


def test_business_hours_leave_out_holidays_and_other_weekdays_and_follow_the_clock_change() -> None:
    start, end = datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 10, 8, tzinfo=UTC)
    assert business_hours(OFFICES, HOLIDAYS, "BER", start, end).collect().rows() == [
        (datetime(2026, 10, 5, 6, tzinfo=UTC), datetime(2026, 10, 5, 16, tzinfo=UTC)),
        (datetime(2026, 10, 7, 6, tzinfo=UTC), datetime(2026, 10, 7, 16, tzinfo=UTC)),
    ]
    start, end = datetime(2026, 10, 26, tzinfo=UTC), datetime(2026, 10, 27, tzinfo=UTC)
    assert business_hours(OFFICES, HOLIDAYS, "BER", start, end).collect().rows() == [
        (datetime(2026, 10, 26, 7, tzinfo=UTC), datetime(2026, 10, 26, 17, tzinfo=UTC)),
    ]


def test_business_hours_are_cut_to_the_window_and_may_last_until_midnight() -> None:
    start, end = datetime(2026, 10, 5, 10, tzinfo=UTC), datetime(2026, 10, 12, tzinfo=UTC)
    found = business_days(OFFICES, HOLIDAYS, start, end).filter(
        pl.col("day").is_in([date(2026, 10, 5), date(2026, 10, 10)])
    )
    assert found.collect().rows() == [
        ("BER", date(2026, 10, 5), start, datetime(2026, 10, 5, 16, tzinfo=UTC)),
        (
            "NYC",
            date(2026, 10, 10),
            datetime(2026, 10, 10, 13, tzinfo=UTC),
            datetime(2026, 10, 11, 4, tzinfo=UTC),
        ),
    ]


def test_an_office_that_is_none_is_refused() -> None:
    with pytest.raises(Problem, match="unknown office 'XXX'"):
        business_hours(OFFICES, HOLIDAYS, "XXX", MORNING, MORNING + timedelta(days=1))


# --- The algebra of intervals


@pytest.mark.realdata
def test_union_and_intersection_give_what_peers_say(real_data: Path) -> None:
    cases = json.loads((real_data / "interval-cases" / "interval_cases.json").read_text(encoding="utf-8"))
    tried = 0
    for case in cases["interval"]:
        if "mask" in case:
            found = pairs(intersect(minutes(*case["keep"]), minutes(*case["mask"])))
            assert [end - start for start, end in found] == case["expect_minutes"]
            tried += 1
        elif "b" in case:
            assert len(pairs(union(minutes(*case["a"], *case["b"])))) == case["expect_count"]
            tried += 1
    assert tried == 6


def test_a_union_merges_what_overlaps_touches_or_lies_within() -> None:
    merged = union(minutes((20, 30), (0, 10), (10, 15), (21, 22), (40, 40)))
    assert pairs(merged) == [(0, 15), (20, 30)]


def test_a_union_keeps_the_values_of_its_key_apart_and_null_is_a_value() -> None:
    mine, yours, nobodys = (
        minutes((0, 10), (5, 20), person=name).cast({"person": pl.String}) for name in ("P-1", "P-2", None)
    )
    merged = union(pl.concat([mine, yours, nobodys]), ["person"]).collect()
    assert merged.columns == ["person", "start", "end"]
    assert sorted(map(str, merged["person"].to_list())) == ["None", "P-1", "P-2"]
    assert pairs(merged.lazy()) == [(0, 20)] * 3


def test_an_intersection_is_what_both_cover_and_touching_is_not_covering() -> None:
    left, right = minutes((0, 10), (20, 40)), minutes((5, 25), (10, 20), (30, 35))
    assert pairs(intersect(left, right)) == [(5, 10), (20, 25), (30, 35)]
    assert pairs(intersect(minutes((0, 10)), minutes((10, 20)))) == []


def test_an_intersection_meets_only_what_agrees_in_its_key() -> None:
    left = pl.concat([minutes((0, 10), host="H-1"), minutes((0, 10), host="H-2")])
    found = intersect(left, minutes((5, 15), host="H-2"), ["host"]).collect()
    assert found["host"].to_list() == ["H-2"]
    assert pairs(found.lazy()) == [(5, 10)]


def test_nothing_gives_nothing() -> None:
    assert pairs(union(minutes())) == []
    assert pairs(intersect(minutes(), minutes((0, 10)))) == []


def test_a_clip_keeps_what_lies_in_the_window() -> None:
    window = (MORNING + timedelta(minutes=10), MORNING + timedelta(minutes=20))
    found = clip(minutes((0, 10), (5, 15), (12, 13), (15, 25), (20, 30)), *window)
    assert pairs(found) == [(10, 15), (12, 13), (15, 20)]


def test_what_is_covered_before_an_instant_counts_its_own_key_alone() -> None:
    intervals = pl.concat([minutes((0, 10), (20, 30), host="H-1"), minutes((0, 60), host="H-2")])
    asked = minutes((-5, 0), (5, 0), (10, 0), (15, 0), (25, 0), (90, 0), host="H-1")
    found = covered_before(asked, "start", intervals, "host").collect()
    assert (found["covered_ms"] / 60_000).to_list() == [0, 5, 10, 10, 15, 20]
    assert found.columns == ["start", "end", "host", "covered_ms"]


def test_every_quarter_that_a_window_touches_has_its_local_time() -> None:
    start = datetime(2026, 10, 31, 18, 1, tzinfo=UTC)
    found = local_quarters("Asia/Kathmandu", start, start + timedelta(minutes=20)).collect()
    assert found.rows() == [  # 5:45 ahead of UTC
        (1992744, date(2026, 10, 1), date(2026, 10, 31), 6, 23),
        (1992745, date(2026, 11, 1), date(2026, 11, 1), 7, 0),
    ]
    with pytest.raises(Problem, match="unknown time zone"):
        local_quarters("Mars/Base", start, start + timedelta(hours=1))


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda it: (it[0], sum(it))))


@given(spans, spans)
def test_union_and_intersection_agree_with_sets_of_minutes(left: list[Any], right: list[Any]) -> None:
    def covered(intervals: list[tuple[int, int]]) -> set[int]:
        return {minute for start, end in intervals for minute in range(start, end)}

    merged, both = pairs(union(minutes(*left))), pairs(intersect(minutes(*left), minutes(*right)))
    assert covered(merged) == covered(left)
    assert covered(both) == covered(left) & covered(right)
    for found in (merged, both):
        assert all(start < end for start, end in found)
        assert all(before[1] < after[0] for before, after in pairwise(found))
