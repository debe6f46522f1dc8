"""The portable unused seats are those of warehouse/metrics."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portable_cases import in_integers, rows
from use_cases import SUITES, Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics import licenses as native
from warehouse.metrics.utilization import FleetCoverage
from warehouse.portable.licenses import GRACE_DAYS, unused

LONG_AGO = date(2025, 1, 1)
SEATS = {
    "entitlement": pl.String,
    "person": pl.String,
    "host": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}
DAYS = {"host": pl.String, "observed_workdays": pl.UInt32, "workdays": pl.UInt32}


def seats(*given_seats: tuple[Any, ...]) -> pl.LazyFrame:
    return pl.LazyFrame(list(given_seats), schema=SEATS, orient="row")


def fleet(*hosts: tuple[str, int, int]) -> FleetCoverage:
    return FleetCoverage(pl.LazyFrame(list(hosts), schema=DAYS, orient="row"), 0.5)


def found(
    assigned: pl.LazyFrame, sessions: list[Session], seen: FleetCoverage, *window: datetime, **options: Any
) -> pl.LazyFrame:
    frames = in_integers(stated(*sessions)), in_integers(described(*sessions))
    return unused(assigned, SUITES, *frames, seen.by_host, seen.share, *window, **options)


def test_a_seat_without_busy_time_is_proposed_where_enough_was_seen() -> None:
    assigned = seats(
        ("suite", "P-1", None, LONG_AGO, None),
        ("suite", "P-2", None, LONG_AGO, None),
        ("suite", "P-3", None, LONG_AGO, None),
        ("suite", None, "H-2", None, None),
        ("suite", "P-4", None, date(2026, 10, 1), None),
        ("suite", "P-5", None, LONG_AGO, date(2026, 10, 1)),
    )
    sessions = [
        session(1, (0, 30, "active"), (30, 40, "pause")),
        session(2, (0, 600, "idle"), person="P-2", host="H-2"),
    ]
    judged = found(assigned, sessions, fleet(("H-1", 8, 10), ("H-2", 9, 10)), at(0), at(24 * 60))
    columns = ("person", "host", "last_active", "busy_ms", "coverage", "proposal")
    minutes = (pl.col("last_active") - int(at(0).timestamp() * 1000)) // 60_000
    assert judged.with_columns(minutes).select(columns).sort("person", nulls_last=True).collect().rows() == [
        ("P-1", None, 30, 2_400_000, 0.8, "keep"),
        ("P-2", None, None, 0, 0.9, "reclaim"),
        ("P-3", None, None, 0, None, "not observed enough"),
        ("P-4", None, None, 0, None, "not observed enough"),
        (None, "H-2", None, 0, 0.9, "reclaim"),
    ]


def test_bounds_that_cannot_be_are_refused() -> None:
    with pytest.raises(Problem, match="a threshold of -1 ms"):
        found(seats(), [], fleet(), at(0), at(1), threshold_ms=-1)
    with pytest.raises(Problem, match=r"a coverage of 1\.5"):
        found(seats(), [], fleet(), at(0), at(1), minimum_coverage=1.5)


def test_the_grace_is_written_twice_and_agrees() -> None:
    assert GRACE_DAYS == native.GRACE_DAYS


days = st.none() | st.integers(-60, 60)
holders = st.sampled_from([("P-1", None), ("P-2", None), ("P-9", None), (None, "H-1"), (None, "H-9")])
assignments = st.lists(st.tuples(st.sampled_from(["suite", "other"]), holders, days, days), max_size=6)
counted = st.dictionaries(st.sampled_from(["H-1", "H-9"]), st.tuples(st.integers(0, 5), st.integers(5, 9)))


@given(weekends(), assignments, counted, st.integers(0, 5_000_000), st.sampled_from([0, 0.5, 0.8, 1]))
def test_portable_unused_seats_are_those_of_the_metrics(
    weekend: tuple[list[Session], datetime, datetime],
    held: list[Any],
    hosts: dict[str, tuple[int, int]],
    threshold_ms: int,
    minimum_coverage: float,
) -> None:
    sessions, *window = weekend

    def day(offset: int | None) -> date | None:
        return None if offset is None else window[1].date() + timedelta(days=offset)

    assigned = seats(*((name, *holder, day(start), day(end)) for name, holder, start, end in held))
    seen = fleet(*((host, *counts) for host, counts in hosts.items()))
    options = {"threshold_ms": threshold_ms, "minimum_coverage": minimum_coverage, "zone": "Europe/Berlin"}
    expected = native.unused(
        assigned, SUITES, stated(*sessions), described(*sessions), seen, *window, **options
    )
    order = ("entitlement", "person", "host")
    assert rows(found(assigned, sessions, seen, *window, **options), *order) == rows(expected, *order)
