"""The portable curve and peak are those of warehouse/metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portable_cases import in_integers, rows
from use_cases import SUITES, WEIGHTS, Session, at, described, session, stated, weekends

from warehouse.errors import Problem
from warehouse.metrics import concurrency as native
from warehouse.metrics.states import BASES
from warehouse.portable.concurrency import GROUPS, KEYS, curve, intervals, peak

DAY = at(0), at(24 * 60)


def found(sessions: list[Session], key: str, basis: str = "run", **options: Any) -> pl.LazyFrame:
    window = options.pop("window", DAY)
    frames = in_integers(stated(*sessions)), in_integers(described(*sessions))
    return intervals(*frames, key, basis, *window, **options)


def minutes(frame: pl.LazyFrame, *columns: str) -> list[tuple[Any, ...]]:
    """Rows with their instants in minutes after 09:00."""
    after = (pl.col("^(start|end|at|first_reached)$") - int(at(0).timestamp() * 1000)) // 60_000
    return sorted(frame.with_columns(after).select(columns).collect().rows())


def test_what_overlaps_or_touches_is_one_stretch_of_a_key_and_a_null_key_is_merged_with_nothing() -> None:
    sessions = [
        session(1, (0, 20, "active")),
        session(2, (20, 30, "active")),
        session(3, (25, 40, "active")),
        session(4, (0, 10, "active"), person=None),
        session(5, (0, 10, "active"), person=None),
    ]
    columns = ("start", "end", "units")
    assert minutes(found(sessions, "user"), *columns) == [(0, 10, 1), (0, 10, 1), (0, 40, 1)]
    assert minutes(found(sessions, "session"), "start", "end") == [
        *((0, 10), (0, 10), (0, 20), (20, 30), (25, 40)),
    ]


def test_the_peak_says_when_it_was_first_reached_and_for_how_long_it_held_also_over_midnight() -> None:
    late = 14 * 60  # 23:00 UTC
    sessions = [
        session(1, (0, late + 120, "active")),
        session(2, (late, late + 120, "active"), person="P-2"),
        session(3, (late + 120, late + 180, "active"), person="P-3"),
        session(4, (20, 30, "active"), person="P-4"),
    ]
    used = found(sessions, "user")
    assert minutes(peak(used), "application", "peak", "first_reached", "minutes_at_peak") == [
        ("cad", 2, 20, 130.0)
    ]
    assert minutes(curve(used), "at", "demand") == [
        *((0, 1), (20, 2), (30, 1), (late, 2), (late + 120, 1), (late + 180, 0)),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "seat"}, "unknown key 'seat'"),
        ({"key": "user", "basis": "idle"}, "unknown basis 'idle'"),
        ({"key": "user", "group": "office"}, "unknown group 'office'"),
        ({"key": "user", "group": "entitlement"}, "needs `suites`"),
        ({"key": "user", "window": (at(1), at(1))}, "not after its start"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        found([session(1, (0, 1, "active"))], **options)


def test_the_words_are_written_twice_and_agree() -> None:
    assert (KEYS, GROUPS) == (native.KEYS, native.GROUPS)


@given(weekends(), st.sampled_from(KEYS), st.sampled_from(list(BASES)), st.sampled_from(GROUPS))
def test_portable_intervals_curve_and_peak_are_those_of_the_metrics(
    weekend: tuple[list[Session], datetime, datetime], key: str, basis: str, group: str
) -> None:
    sessions, *window = weekend
    options: dict[str, Any] = {"weights": WEIGHTS, "suites": SUITES, "group": group}
    used = found(sessions, key, basis, window=window, **options)
    expected = native.intervals(stated(*sessions), described(*sessions), key, basis, *window, **options)
    order = (group, "key", "start", "end", "units")
    assert rows(used, *order) == rows(expected, *order)
    assert rows(curve(used), group, "at") == rows(native.curve(expected), group, "at")
    assert rows(peak(used), group) == rows(native.peak(expected), group)
