"""Bounds of a peak while data are missing: literal silent hosts, and properties over generated sessions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from use_cases import (
    MORNING,
    SUITES,
    WEIGHTS,
    Session,
    at,
    cells,
    described,
    key_of,
    session,
    stated,
    weekends,
)

from warehouse.metrics.bounds import LOOK_BACK, Counting, peak_bounds, silent_hosts
from warehouse.metrics.concurrency import peak
from warehouse.metrics.states import BASES
from warehouse.metrics.utilization import BLIND, host_workdays
from warehouse.periods import INSTANT

DAY_MIN = 24 * 60
BUSY = Counting("user", "busy")
SILENT = {"application": pl.String, "start": INSTANT, "end": INSTANT, "mean": pl.Float64}


def bounds(
    sessions: list[Session], counting: Counting = BUSY, silent: pl.LazyFrame | None = None
) -> list[Any]:
    window = at(0), at(DAY_MIN)
    return peak_bounds(stated(*sessions), described(*sessions), counting, *window, silent).collect().rows()


def silences(*rows: tuple[float, float, float]) -> pl.LazyFrame:
    """Silent stretches of `cad`: (from, to, mean)."""
    whole = [("cad", at(first), at(last), mean) for first, last, mean in rows]
    return pl.LazyFrame(whole, schema=SILENT, orient="row")


# --- Unknown time ------------------------------------------------------------------------------------------


def test_unknown_time_counts_as_use_in_the_upper_bound_alone() -> None:
    seen = session(1, (0, 30, "active"))
    blind = session(2, (20, 40, "unknown"), person="P-2")
    assert bounds([seen, blind]) == [("cad", 1, 2)]


def test_a_person_who_is_known_to_be_there_is_not_counted_again_for_unknown_time() -> None:
    assert bounds([session(1, (0, 30, "active")), session(2, (0, 30, "unknown"))]) == [("cad", 1, 1)]


def test_held_time_hides_who_was_busy_but_not_what_was_open() -> None:
    held = session(1, (0, 30, "held"), person="P-2")
    assert bounds([held]) == [("cad", 0, 1)]
    assert bounds([held], Counting("user", "run")) == [("cad", 1, 1)]


def test_tokens_and_suites_are_counted_as_the_peak_counts_them() -> None:
    blind = [session(1, (0, 30, "unknown", 3)), session(2, (0, 30, "active", 1), application="bim")]
    tokens = Counting("token", "busy", WEIGHTS, "entitlement", SUITES)
    assert bounds(blind, tokens) == [("suite", 3, 9)]


# --- Silent hosts ------------------------------------------------------------------------------------------


def test_means_of_silent_hosts_add_up_and_are_rounded_up() -> None:
    one = session(1, (0, 30, "active"))
    assert bounds([one], silent=silences((0, 60, 0.25))) == [("cad", 1, 2)]
    thirds = [(0.0, 60.0, 1 / 3) for _ in range(3)]
    assert bounds([one], silent=silences(*thirds)) == [("cad", 1, 2)]
    assert bounds([one], silent=silences((30, 60, 1.0))) == [("cad", 1, 1)]


def test_a_group_that_only_silent_hosts_may_have_used_has_bounds_too() -> None:
    assert bounds([], silent=silences((0, 60, 0.5))) == [("cad", 0, 1)]


OFFICES = pl.LazyFrame(
    {
        "office": ["BER"],
        "zone": ["UTC"],
        "opens_minute": [540],
        "closes_minute": [1140],
        "business_weekdays": ["12345"],
    }
)
HOLIDAYS = pl.LazyFrame(schema={"office": pl.String, "day": pl.Date})


def hosts(*names: str) -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "host": list(names),
            "office": ["BER" for _ in names],
            "zone": ["UTC" for _ in names],
            "in_directory": [True for _ in names],
            "valid_from": [date(2026, 1, 1) for _ in names],
            "valid_to": [None for _ in names],
        },
        schema_overrides={"valid_to": pl.Date},
    )


def watches(*rows: tuple[str, int, float, float]) -> pl.LazyFrame:
    """Watched: (host, days after Monday, 5 October, from, to) in minutes after 09:00."""
    whole = [(host, at(day * DAY_MIN + a), at(day * DAY_MIN + b)) for host, day, a, b in rows]
    return pl.LazyFrame(whole, schema={"host": pl.String, "start": INSTANT, "end": INSTANT}, orient="row")


def silent(
    sessions: list[Session], watched: pl.LazyFrame, counting: Counting = BUSY, days: int = 5, first: int = 0
) -> list[Any]:
    start, end = at(first * DAY_MIN), at(days * DAY_MIN)
    workdays = host_workdays(watched, hosts("H-1"), OFFICES, HOLIDAYS, start - LOOK_BACK, end)
    found = silent_hosts(stated(*sessions), described(*sessions), counting, workdays, watched, start, end)
    return found.collect().rows()


def test_a_silent_workday_counts_for_the_mean_of_the_observed_ones() -> None:
    # Business hours are ten; Monday and Tuesday were watched, with five and one hour of use; then silence.
    work = [session(1, (0, 300, "active")), session(2, (DAY_MIN, DAY_MIN + 60, "active"))]
    watched = watches(("H-1", 0, 0, 600), ("H-1", 1, 0, 600))
    assert silent(work, watched, days=3) == [
        ("cad", at(2 * DAY_MIN), at(2 * DAY_MIN + 600), pytest.approx(0.3))
    ]


def test_what_was_watched_of_a_silent_day_is_left_out() -> None:
    work = [session(1, (0, 600, "active"))]
    watched = watches(("H-1", 0, 0, 600), ("H-1", 1, 60, 120))
    assert [row[1:] for row in silent(work, watched, days=2)] == [
        (at(DAY_MIN), at(DAY_MIN + 60), 1.0),
        (at(DAY_MIN + 120), at(DAY_MIN + 600), 1.0),
    ]


def test_the_mean_is_of_the_30_days_up_to_the_last_one_observed() -> None:
    # Used all day on the first Monday; observed without use 28 days later; then away for weeks.
    work = [session(1, (0, 600, "active"))]
    near = watches(("H-1", 0, 0, 600), ("H-1", 28, 0, 600))
    assert {row[3] for row in silent(work, near, first=30, days=58)} == {0.5}
    far = watches(("H-1", 0, 0, 600), ("H-1", 35, 0, 600))
    assert silent(work, far, first=37, days=58) == []


def test_a_host_that_was_never_observed_has_no_mean() -> None:
    assert silent([session(1, (0, 600, "active"))], watches()) == []


def test_two_people_on_a_silent_host_count_as_two_and_tokens_add_up() -> None:
    work = [session(1, (0, 600, "active", 2)), session(2, (0, 300, "active", 1), person="P-2")]
    watched = watches(("H-1", 0, 0, 600))
    assert [row[3] for row in silent(work, watched, days=2)] == [1.5]
    assert [row[3] for row in silent(work, watched, Counting("token", "busy", WEIGHTS), days=2)] == [5.0]


# --- On generated sessions ---------------------------------------------------------------------------------


@settings(max_examples=20)
@given(weekends(), st.sampled_from(["user", "session"]), st.sampled_from(list(BASES)))
def test_bounds_equal_a_count_cell_by_cell(case: Any, key: str, basis: str) -> None:
    sessions, start, end = case
    counted: dict[str, list[int]] = {}
    for place, states in enumerate((BASES[basis], (*BASES[basis], *BLIND[basis]))):
        for cell in cells(start, end):
            seen: dict[str, set[Any]] = {}
            for each in sessions:
                if any(a <= cell < b and state in states for a, b, state, _ in each.parts):
                    seen.setdefault(each.fact("application"), set()).add(key_of(each, key))
            for name, keys in seen.items():
                most = counted.setdefault(name, [0, 0])
                most[place] = max(most[place], len(keys))
    got = peak_bounds(stated(*sessions), described(*sessions), Counting(key, basis), start, end).collect()
    assert {row[0]: [row[1], row[2]] for row in got.rows()} == counted


@given(
    weekends(), st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 500), st.floats(0, 2)), max_size=4)
)
def test_the_peak_lies_between_its_bounds_and_silence_never_lowers_them(
    case: Any, quiet: list[tuple[int, int, float]]
) -> None:
    sessions, start, end = case
    minutes = (start - MORNING) / timedelta(minutes=1)
    rows = [(minutes + a, minutes + a + length, mean) for a, length, mean in quiet]
    evidence = stated(*sessions), described(*sessions)
    alone, added = (
        {row[0]: row[1:] for row in peak_bounds(*evidence, BUSY, start, end, given_).collect().rows()}
        for given_ in (None, silences(*rows))
    )
    peaks = dict(peak(BUSY.intervals(*evidence, start, end)).select("application", "peak").collect().rows())
    for name, (lower, upper) in added.items():
        assert lower == peaks.get(name, 0) <= alone.get(name, (0, 0))[1] <= upper


# --- A second implementation of the mean, in plain Python --------------------------------------------------

MONDAY = date(2026, 10, 5)


@given(
    st.lists(
        st.tuples(st.sampled_from(["watched", "half", "silent"]), st.integers(0, 10)), min_size=1, max_size=60
    ),
    st.integers(31, 45),
)
def test_silent_days_equal_a_count_day_by_day(history: list[tuple[str, int]], first: int) -> None:
    work, watched = [], []
    for day, (seen, hours) in enumerate(history):
        start = day * DAY_MIN
        if hours and seen != "silent":
            work.append(session(day, (start, start + 60 * hours, "active")))
        if seen != "silent":
            watched.append(("H-1", day, 0, 600 if seen == "watched" else 240))
    got = silent(work, watches(*watched), days=len(history) + first, first=first)
    assert [(row[1], row[2], round(row[3], 9)) for row in got] == _expected(history, first)


def _expected(history: list[tuple[str, int]], first: int) -> list[Any]:
    """Walk through the workdays; the watched ones are the observed ones, and half of one is not enough."""

    def at_work(day: int) -> bool:
        return (MONDAY + timedelta(days=day)).isoweekday() <= 5

    rows = []
    seen = [day for day, (what, _) in enumerate(history) if what == "watched" and at_work(day)]
    for day in range(first, len(history) + first):
        what = history[day][0] if day < len(history) else "silent"
        before = [other for other in seen if first - 30 <= other < day]
        if not at_work(day) or what == "watched" or not before:
            continue
        used = [history[other][1] for other in before if other > before[-1] - 30]
        mean = sum(used) / (10 * len(used))
        if mean:
            start = day * DAY_MIN + (240 if what == "half" else 0)
            rows.append((at(start), at(day * DAY_MIN + 600), round(mean, 9)))
    return rows
