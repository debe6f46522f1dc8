"""A vendor's counts beside ours: literal stretches, plain Python, and reasons in their order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from use_cases import CELL, Session, at, described, key_of, session, stated, weekends

from warehouse.metrics.concurrency import intervals
from warehouse.metrics.reconciliation import COUNTED, EQUAL, UNEXPLAINED, peak_in, people_in, reconciled
from warehouse.metrics.states import BASES
from warehouse.periods import INSTANT

DAYS = at(-600), at(6000)


def used(sessions: list[Session], window: tuple[datetime, datetime] = DAYS) -> pl.LazyFrame:
    return intervals(stated(*sessions), described(*sessions), "user", "run", *window, group="product")


def stretches(*bounds: tuple[datetime, datetime], product: str = "cad") -> pl.LazyFrame:
    schema = {"product": pl.String, "start": INSTANT, "end": INSTANT}
    return pl.LazyFrame([(product, *each) for each in bounds], schema=schema, orient="row")


TWO = stretches((at(0), at(60)), (at(60), at(120)))
CROWD = [
    session(1, (-30, 10, "active")),
    session(2, (5, 70, "active"), person="P-2"),
    session(3, (58, 62, "active"), person="P-3"),
]


def test_the_peak_of_a_stretch_counts_what_was_open_at_its_start_and_not_what_begins_at_its_end() -> None:
    assert peak_in(used(CROWD), TWO).collect()["count"].to_list() == [2, 2]
    alone = stretches((at(20), at(58)), (at(70), at(80)))
    assert peak_in(used(CROWD), alone).collect()["count"].to_list() == [1, 0]
    assert peak_in(used([]), TWO).collect()["count"].to_list() == [0, 0]


def test_people_count_in_each_stretch_in_which_they_were_long_enough() -> None:
    assert people_in(used(CROWD), TWO).collect()["count"].to_list() == [2, 1]
    assert people_in(used(CROWD), TWO, 0).collect()["count"].to_list() == [3, 2]
    assert people_in(used([]), TWO).collect()["count"].to_list() == [0, 0]


def counts(*numbers: int) -> pl.LazyFrame:
    rows = [("cad", at(60 * place), number) for place, number in enumerate(numbers)]
    return pl.LazyFrame(rows, schema=COUNTED, orient="row")


def test_the_first_way_of_counting_that_gives_the_vendor_s_number_is_the_reason() -> None:
    vendor = counts(5, 6, 7, 8).with_columns(end=pl.col("start") + timedelta(minutes=60))
    found = reconciled(
        vendor, counts(5, 5, 5, 5), {"first": counts(9, 6, 6, 6), "second": counts(5, 6, 7, 7)}
    )
    assert found.select("vendor", "ours", "difference", "reason").collect().rows() == [
        (5, 5, 0, EQUAL), (6, 5, 1, "first"), (7, 5, 2, "second"), (8, 5, 3, UNEXPLAINED),
    ]  # fmt: skip


def test_a_product_that_was_never_seen_in_use_is_counted_as_none() -> None:
    vendor = counts(3).with_columns(end=pl.col("start") + timedelta(minutes=60))
    assert reconciled(vendor, counts(), {}).select("ours", "reason").collect().rows() == [(0, UNEXPLAINED)]


@given(weekends())
def test_stretches_are_counted_as_plain_python_does(story: tuple[list[Session], datetime, datetime]) -> None:
    sessions, start, end = story
    length = 6 * CELL
    bounds = [(start + length * n, start + length * (n + 1)) for n in range((end - start) // length)]
    known = [each for each in sessions if each.fact("person")]
    found = used(known, (start, end))
    for product in ("cad", "fem"):
        mine = [each for each in known if each.fact("application") == product]
        wanted = stretches(*bounds, product=product)
        at_once, people = [], []
        for first, last in bounds:
            cells = {first + CELL * n: _keys(mine, first + CELL * n) for n in range((last - first) // CELL)}
            at_once.append(max(len(keys) for keys in cells.values()))
            named = [key for keys in cells.values() for key in keys]
            people.append(sum(named.count(key) * CELL >= 3 * CELL for key in set(named)))
        assert peak_in(found, wanted).collect()["count"].to_list() == at_once
        assert people_in(found, wanted, 30).collect()["count"].to_list() == people


def _keys(sessions: list[Session], moment: datetime) -> set[Any]:
    return {
        key_of(each, "user")
        for each in sessions
        for first, last, state, _ in each.parts
        if state in BASES["run"] and first <= moment < last
    }
