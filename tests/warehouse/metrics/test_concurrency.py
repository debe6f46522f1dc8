"""How many at once: exact demand, its peak and its witnesses."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import (
    CELL,
    MORNING,
    STATED,
    SUITES,
    WEIGHTS,
    Session,
    at,
    cells,
    demand_at,
    described,
    found,
    session,
    stated,
    weekends,
)

from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS, curve, intervals, peak, witnesses
from warehouse.metrics.states import BASES
from warehouse.periods import INSTANT


def spans(frame: pl.LazyFrame, *columns: str) -> list[tuple[Any, ...]]:
    rows = frame.select(*columns, "start", "end").collect().rows()
    return [
        tuple(
            (value - MORNING) / timedelta(minutes=1) if isinstance(value, datetime) else value
            for value in row
        )
        for row in rows
    ]


BC = datetime(2, 1, 1, tzinfo=UTC)


def stated_whole(*sessions: Session) -> pl.LazyFrame:
    """Sessions of ages, whose quarters nobody wants to list."""
    rows = [(each.session, *part[:2], part[3], part[2]) for each in sessions for part in each.parts]
    return pl.LazyFrame(rows, schema=STATED, orient="row")


def steps(frame: pl.LazyFrame) -> list[tuple[str, float, int]]:
    rows = curve(frame).collect().rows()
    return [(name, (instant - MORNING) / timedelta(minutes=1), demand) for name, instant, demand in rows]


# --- Intervals and keys


def test_overlapping_sessions_of_one_person_count_once_under_the_key_user() -> None:
    mine = [session(1, (0, 60, "active")), session(2, (30, 90, "active"), device="D-2")]
    assert spans(found(mine, "user"), "key", "units") == [("P-1", 1, 0, 90)]
    assert spans(found(mine, "device"), "key") == [("D-1", 0, 60), ("D-2", 30, 90)]
    assert spans(found(mine, "user_device"), "key") == [("P-1 D-1", 0, 60), ("P-1 D-2", 30, 90)]
    assert spans(found(mine, "session"), "key") == [("1", 0, 60), ("2", 30, 90)]


def test_a_null_key_is_merged_with_nothing() -> None:
    unknown = [
        session(1, (0, 30, "active"), (30, 60, "pause"), person=None),
        session(2, (30, 90, "active"), person=None),
    ]
    for key in ("user", "user_device"):
        assert spans(found(unknown, key), "key") == [(None, 0, 60), (None, 30, 90)]
    assert steps(found(unknown)) == [("cad", 0, 1), ("cad", 30, 2), ("cad", 60, 1), ("cad", 90, 0)]


def test_tokens_are_units_times_weight_over_all_sessions_with_nothing_merged() -> None:
    solver = [session(1, (0, 30, "held", 2), (30, 60, "held", 4)), session(2, (10, 20, "held"))]
    asked = found(solver, "token", weights=WEIGHTS)
    assert spans(asked, "key", "units") == [("1", 4, 0, 30), ("1", 8, 30, 60), ("2", 2, 10, 20)]
    assert steps(asked) == [
        ("cad", 0, 4),
        ("cad", 10, 6),
        ("cad", 20, 4),
        ("cad", 30, 8),
        ("cad", 60, 0),
    ]
    assert spans(found(solver, "token"), "units") == [(2, 0, 30), (4, 30, 60), (1, 10, 20)]


def test_an_application_without_a_weight_weighs_one() -> None:
    other = [session(1, (0, 30, "held", 2), application="cfd")]
    assert spans(found(other, "token", weights=WEIGHTS), "units") == [(2, 0, 30)]


def test_each_basis_counts_its_own_states() -> None:
    states = ["active", "pause", "idle", "suspended", "held", "unknown"]
    mine = [session(1, *((10 * n, 10 * n + 10, state) for n, state in enumerate(states)))]
    assert spans(found(mine, basis="run")) == [(0, 30), (40, 50)]
    assert spans(found(mine, basis="busy")) == [(0, 20)]
    assert spans(found(mine, basis="active")) == [(0, 10)]


def test_demand_comes_by_group_whatever_the_order_of_the_intervals() -> None:
    mixed = [("cad", at(0), at(30), 1), ("bim", at(10), at(20), 2), ("cad", at(5), at(40), 1)]
    names = ["application", "start", "end", "units"]
    frame = pl.LazyFrame(mixed, names, orient="row").cast({"start": INSTANT, "end": INSTANT})
    assert steps(frame) == [
        ("bim", 10, 2),
        ("bim", 20, 0),
        ("cad", 0, 1),
        ("cad", 5, 2),
        ("cad", 30, 1),
        ("cad", 40, 0),
    ]
    highest = peak(frame).select("application", "peak", "first_reached", "minutes_at_peak").collect().rows()
    assert highest == [("bim", 2, at(10), 10.0), ("cad", 2, at(5), 25.0)]


def test_use_comes_by_group_and_key_whatever_the_order_of_the_sessions() -> None:
    first = session(1, (60, 90, "active"), person="P-2"), session(2, (0, 30, "active"))
    later = session(3, (40, 50, "active")), session(4, (0, 9, "active"), application="bim", person=None)
    seen = pl.concat([stated(*later), stated(*first)])
    known = described(*first, *later)
    for key, expected in {
        "user": [("bim", None, 0, 9), ("cad", "P-1", 0, 30), ("cad", "P-1", 40, 50), ("cad", "P-2", 60, 90)],
        "session": [("bim", "4", 0, 9), ("cad", "1", 60, 90), ("cad", "2", 0, 30), ("cad", "3", 40, 50)],
    }.items():
        asked = intervals(seen, known, key, "run", at(0), at(100))
        assert spans(asked, "application", "key") == expected


def test_more_holders_and_time_than_one_number_holds_are_refused() -> None:
    ages = [Session(number, ((BC, MORNING, "active", 1),), BC, MORNING) for number in range(3)]
    known = described(*ages).join(pl.LazyFrame({"many": range(50_000)}), how="cross")
    each = known.with_columns(person=pl.format("P-{}-{}", "session", "many"))
    with pytest.raises(Problem, match="too many people, devices and days"):
        intervals(stated_whole(*ages), each, "user", "run", MORNING - timedelta(days=1), MORNING)


def test_use_is_cut_to_the_window_and_says_where_it_was_carried_in() -> None:
    mine = [session(1, (0, 60, "active")), session(2, (60, 90, "active"), person="P-2")]
    asked = found(mine, start=at(60 - 1), end=at(70))
    assert spans(asked, "key", "carried") == [("P-1", True, 59, 60), ("P-2", False, 60, 70)]
    assert spans(found(mine, start=at(100)), "key") == []


def test_every_key_but_token_counts_once_for_a_suite() -> None:
    both = [
        session(1, (0, 60, "active"), application="cad"),
        session(2, (30, 90, "active"), application="bim"),
        session(3, (0, 60, "active"), application="fem"),
    ]
    as_suite: dict[str, Any] = {"group": "entitlement", "suites": SUITES}
    assert spans(found(both, "user", **as_suite), "entitlement") == [("suite", 0, 90)]
    assert steps(found(both, "token", weights=WEIGHTS, **as_suite)) == [
        ("suite", 0, 2),
        ("suite", 30, 5),
        ("suite", 60, 3),
        ("suite", 90, 0),
    ]


def test_versions_count_together_for_their_product_and_an_application_without_one_is_its_own() -> None:
    both = [
        session(1, (0, 60, "active"), application="cad-2025", product="cad"),
        session(2, (30, 90, "active"), application="cad-2026", product="cad"),
        session(3, (0, 60, "active"), application="fem", product=None),
    ]
    assert spans(found(both, group="product"), "product") == [("cad", 0, 90), ("fem", 0, 60)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "host"}, "unknown key 'host'; give one of user, device, user_device, session, token"),
        ({"basis": "idle"}, "unknown basis 'idle'; give one of run, busy, active"),
        ({"group": "office"}, "unknown group 'office'"),
        ({"group": "entitlement"}, "needs `suites`"),
        ({"end": at(0)}, "not after its start"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        found([session(1, (0, 60, "active"))], **options)


# --- Curve and peak


@pytest.mark.realdata
def test_the_peak_of_half_open_intervals_is_what_a_peer_says(real_data: Path) -> None:
    cases = json.loads((real_data / "interval-cases" / "interval_cases.json").read_text(encoding="utf-8"))
    (case,) = [case for case in cases["interval"] if "expect_peak" in case]
    sessions = [
        session(number, (start, end, "active"), person=f"P-{number}")
        for number, (start, end) in enumerate(case["intervals"])
    ]
    assert peak(found(sessions)).collect()["peak"].to_list() == [case["expect_peak"]]


def test_an_end_and_a_start_at_the_same_instant_do_not_overlap() -> None:
    relay = [session(1, (0, 60, "active")), session(2, (60, 90, "active"), person="P-2")]
    assert steps(found(relay)) == [("cad", 0, 1), ("cad", 90, 0)]


def test_the_peak_says_when_it_was_first_reached_and_for_how_long_it_held() -> None:
    crowd = [
        session(1, (0, 60, "active")),
        session(2, (10, 20, "active"), person="P-2"),
        session(3, (40, 45.5, "active"), person="P-2"),
        session(4, (5, 10, "active"), application="bim"),
    ]
    assert peak(found(crowd)).collect().rows() == [("bim", 1, at(5), 5.0), ("cad", 2, at(10), 15.5)]


def test_without_use_there_is_no_curve_and_no_peak() -> None:
    assert steps(found([])) == []
    assert peak(found([])).collect().rows() == []
    nothing = found([]).with_columns(pl.col("units"))
    assert curve(nothing).collect().schema == pl.Schema(
        {"application": pl.String, "at": INSTANT, "demand": pl.Int64}
    )


def test_intervals_without_length_or_units_are_no_demand() -> None:
    rows = [("cad", at(0), at(0), 1), ("fem", at(0), at(9), 0), ("bim", at(1), at(2), 5)]
    schema = {"application": pl.String, "start": INSTANT, "end": INSTANT, "units": pl.Int64}
    odd = pl.LazyFrame(rows, schema=schema, orient="row")
    assert steps(odd) == [("bim", 1, 5), ("bim", 2, 0)]
    assert peak(odd).collect()["peak"].to_list() == [5]


def test_what_no_sort_key_can_hold_is_refused() -> None:
    schema = {"application": pl.String, "start": INSTANT, "end": INSTANT, "units": pl.Int64}
    huge = pl.LazyFrame([("cad", at(0), at(10**7), 10**9)], schema=schema, orient="row")
    with pytest.raises(Problem, match="ask for a shorter window"):
        curve(huge)


# --- Witnesses


def test_witnesses_are_the_sessions_in_use_at_an_instant_with_state_and_since_when() -> None:
    crowd = [
        session(1, (0, 20, "idle"), (20, 40, "pause"), (40, 60, "active")),
        session(2, (0, 30, "active"), (30, 50, "idle"), person="P-2", host="H-2"),
        session(3, (45, 50, "active"), person="P-3"),
    ]
    seen = witnesses(stated(*crowd), described(*crowd), "busy", at(40)).collect()
    assert seen.rows() == [("cad", 1, "P-1", "A-1", "H-1", "D-1", "BER", "active", at(20), at(0))]
    assert seen.columns == [
        *("application", "session", "person", "account", "host", "device", "office"),
        *("state", "since", "started"),
    ]
    running = witnesses(stated(*crowd), described(*crowd), "run", at(40)).collect()
    assert running["session"].to_list() == [1, 2]
    assert running["since"].to_list() == [at(0), at(0)]
    with pytest.raises(Problem, match="unknown basis"):
        witnesses(stated(*crowd), described(*crowd), "idle", at(40))


# --- Against a second implementation


GROUPS = st.sampled_from(["application", "entitlement"])


@given(weekends(), st.sampled_from(KEYS), st.sampled_from(list(BASES)), GROUPS)
def test_curve_and_peak_agree_with_a_look_at_every_instant(
    weekend: tuple[list[Session], datetime, datetime], key: str, basis: str, group: str
) -> None:
    sessions, start, end = weekend
    asked = found(sessions, key, basis, start=start, end=end, weights=WEIGHTS, group=group, suites=SUITES)
    expected: dict[str, list[tuple[datetime, int]]] = {"cad": [], "bim": [], "fem": [], "suite": []}
    for moment in cells(start, end):
        now = demand_at(sessions, key, basis, moment, group)
        for name, history in expected.items():
            history.append((moment, sum(now.get(name, {}).values())))
    swept = curve(asked).collect()
    peaks = {row[0]: row[1:] for row in peak(asked).collect().rows()}
    for name, history in expected.items():
        changes = [(start, history[0][1])] if history[0][1] else []
        changes += [after for before, after in pairwise(history) if before[1] != after[1]]
        changes += [(end, 0)] if history[-1][1] else []
        assert swept.filter(pl.col(group) == name).select("at", "demand").rows() == changes
        highest = max(demand for _, demand in history)
        reached = [moment for moment, demand in history if demand == highest]
        minutes = len(reached) * CELL / timedelta(minutes=1)
        assert peaks.get(name) == ((highest, reached[0], minutes) if highest else None)
