"""What other numbers of licenses would have meant, counted by hand and once more in plain Python."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from use_cases import CELL, Session, at, cells, demand_at, described, found, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics.concurrency import intervals, peak
from warehouse.metrics.what_if import at_most, pooling, what_if

# Ann and Ben meet for 20 minutes, all three for 10; Ben comes back later, alone.
MORNING = [
    session(1, (0, 60, "active"), person="ann"),
    session(2, (30, 50, "active"), (100, 110, "active"), person="ben"),
    session(3, (40, 50, "active"), person="cem"),
]


def test_each_number_of_licenses_has_its_shortage() -> None:
    curve = what_if(found(MORNING)).collect()
    assert curve.rows() == [
        # n, minutes short, license by license, turned away, people affected, launches
        (0, 70.0, 100.0, 4, 3, 4),
        (1, 20.0, 30.0, 2, 2, 4),
        (2, 10.0, 10.0, 1, 1, 4),
        (3, 0.0, 0.0, 0, 0, 4),
    ]


def test_what_was_open_before_the_window_is_in_demand_but_is_no_launch() -> None:
    curve = what_if(found(MORNING, start=at(35))).collect()
    assert curve.select("n", "turned_away", "people_affected").rows()[:2] == [(0, 2, 2), (1, 1, 1)]


def test_tokens_are_turned_away_from_people_not_from_sessions() -> None:
    two = [
        session(1, (0, 30, "active"), person="ann"),
        session(2, (10, 30, "active"), person="ann"),
        session(3, (20, 30, "active"), person=None),
    ]
    used = found(two, key="token")
    holders = pl.LazyFrame({"key": ["1", "2", "3"], "person": ["ann", "ann", None]})
    curve = what_if(used, holders, most=1).collect()
    assert curve.select("n", "turned_away", "people_affected").rows() == [(0, 3, 2), (1, 2, 2)]


def test_without_use_nothing_is_short() -> None:
    curve = what_if(found([])).collect()
    assert curve.rows() == [(0, 0.0, 0.0, 0, 0, 0)]


def test_two_groups_at_once_are_refused() -> None:
    two = [session(1, (0, 9, "active")), session(2, (0, 9, "active"), application="bim")]
    with pytest.raises(Problem, match="ask for one product at a time"):
        what_if(found(two))
    with pytest.raises(Problem, match="at most -1 licenses"):
        what_if(found(MORNING), most=-1)


@given(weekends())
def test_shortage_is_that_of_plain_counting(case: tuple[list[Session], datetime, datetime]) -> None:
    sessions, start, end = case
    mine = [each for each in sessions if each.fact("application") == "cad"]
    used = found(mine, start=start, end=end)
    curve = what_if(used, most=3).collect()
    demands = [len(demand_at(mine, "user", "run", moment).get("cad", {})) for moment in cells(start, end)]
    minutes = CELL.total_seconds() / 60
    assert curve["minutes_short"].to_list() == [minutes * sum(d > n for d in demands) for n in range(4)]
    assert curve["license_minutes_short"].to_list() == [
        minutes * sum(max(d - n, 0) for d in demands) for n in range(4)
    ]


def test_one_pool_needs_less_than_a_pool_in_every_place() -> None:
    berlin, york = [MORNING[0], MORNING[1]], [session(4, (200, 260, "active"), person="dia")]
    places = {"Berlin": found(berlin), "New York": found(york), "Oslo": found([])}
    assert pooling(places, found([*berlin, *york])).collect().rows() == [
        ("Berlin", 2, at(30)),
        ("New York", 1, at(200)),
        ("Oslo", 0, None),
        (None, 2, at(30)),
    ]
    with pytest.raises(Problem, match="no place to pool"):
        pooling({}, found([]))


def test_unknown_time_may_have_been_use() -> None:
    seen = [session(1, (0, 10, "active"), (10, 40, "unknown")), session(2, (20, 30, "active"), person="P-2")]
    asked = (stated(*seen), described(*seen), "user", "busy", at(0), at(60))
    assert peak(intervals(*asked)).collect()["peak"].to_list() == [1]
    assert peak(at_most(*asked)).collect()["peak"].to_list() == [2]
