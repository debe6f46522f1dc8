"""The same evidence under several definitions of idle."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from use_cases import MORNING, SESSION, SUITES, at

from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS, intervals, peak
from warehouse.metrics.idle_definitions import IN_FORCE, Definition, idle_definitions
from warehouse.metrics.states import SIGNALS, Policy, Rule, states
from warehouse.metrics.utilization import usage
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

EVIDENCE = {
    "session": pl.Int64,
    "application": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "attention": pl.Enum(ATTENTIONS),
    "cpu_percent": pl.Float64,
    "units": pl.Int32,
    "inhibiting": pl.Boolean,
    "since": INSTANT,
}
MINUTE = 60_000
FIVE, TEN, HALF_AN_HOUR = (Definition(minutes * MINUTE) for minutes in (5, 10, 30))


def seen(*rows: tuple[Any, ...], session: int = 1, application: str = "cad") -> list[tuple[Any, ...]]:
    """Segments from (start, end, attention, since[, cpu][, inhibiting]) in minutes after 09:00."""
    return [
        (session, application, at(a), at(b), attention, (more or [0.0])[0], 1, bool(more[1:]), at(since))
        for a, b, attention, since, *more in rows
    ]


def frames(*rows: list[tuple[Any, ...]], **facts: dict[int, Any]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Evidence, and a session of P-1 for each that is in it unless `person` says otherwise."""
    segments = pl.DataFrame([row for part in rows for row in part], schema=EVIDENCE, orient="row")
    known = [
        {
            "session": number,
            "application": name,
            "person": facts.get("person", {}).get(number, "P-1"),
            "device": "D",
            "started": MORNING,
        }
        for number, name in segments.select("session", "application").unique(maintain_order=True).iter_rows()
    ]
    return segments.lazy(), pl.DataFrame(known, schema=SESSION).lazy()


MORNING_OF_GAPS = seen(
    (0, 10, "input", 0),
    (10, 17, "no_input", 10),
    (17, 20, "input", 17),
    (20, 28, "background", 20),
    (28, 35, "locked", 20),
    (35, 40, "input", 35),
)
"""A gap of seven minutes, and one of fifteen, the second half of which is locked."""


def measured(given: tuple[pl.LazyFrame, pl.LazyFrame], *definitions: Definition, **options: Any) -> Any:
    policy = options.pop("policy", Policy())
    return idle_definitions(*given, policy, definitions, at(-60), at(600), **options).collect()


def brief(found: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    minutes = pl.col("idle_timeout_ms", "busy_ms", "idle_ms") // MINUTE
    return found.with_columns(minutes).select(columns).rows()


def test_a_longer_timeout_turns_idle_time_into_busy_time_gap_by_whole_gap() -> None:
    found = measured(frames(MORNING_OF_GAPS), FIVE, TEN, HALF_AN_HOUR)
    assert brief(found, "signal", "idle_timeout_ms", "application", "busy_ms", "idle_ms") == [
        ("input", 5, "cad", 18, 22),
        ("input", 10, "cad", 25, 15),
        ("input", 30, "cad", 33, 7),
    ]


def test_peak_and_seats_follow_the_definition() -> None:
    other = seen((0, 5, "input", 0), (5, 45, "no_input", 5), session=2)
    third = seen((0, 45, "background", 0), session=3)
    given = frames(MORNING_OF_GAPS, other, third, person={2: "P-2", 3: "P-3"})
    found = measured(given, FIVE, HALF_AN_HOUR, Definition(60 * MINUTE), Definition(5 * MINUTE, "focus"))
    assert brief(found, "signal", "idle_timeout_ms", "peak", "first_reached", "in_use", "busy_ms") == [
        ("input", 5, 2, at(0), 2, 23),
        ("input", 30, 2, at(0), 2, 38),
        ("input", 60, 3, at(0), 3, 123),
        ("focus", 5, 2, at(0), 2, 70),
    ]


def test_what_a_definition_does_not_name_stays_as_the_policy_says() -> None:
    held = seen((0, 30, "held", 0), session=1, application="fem")
    solver = seen((0, 30, "background", 0, 40.0), session=2, application="bim")
    rules = {"fem": Rule(held_is_active=True), "bim": Rule(cpu_threshold=50)}
    found = measured(
        frames(held, solver), FIVE, Definition(5 * MINUTE, "input+cpu"), policy=Policy(1, Rule(), rules)
    )
    assert brief(found, "signal", "application", "busy_ms", "idle_ms") == [
        ("input", "bim", 0, 30),
        ("input", "fem", 30, 0),
        ("input+cpu", "bim", 0, 30),
        ("input+cpu", "fem", 30, 0),
    ]


def test_the_policy_in_force_keeps_the_rule_of_each_application() -> None:
    other = seen((0, 5, "input", 0), (5, 45, "no_input", 5), session=2, application="bim")
    policy = Policy(1, Rule(5 * MINUTE), {"bim": Rule(60 * MINUTE)})
    found = measured(frames(MORNING_OF_GAPS, other), IN_FORCE, Definition(5 * MINUTE, None), policy=policy)
    assert brief(found, "signal", "idle_timeout_ms", "application", "busy_ms") == [
        (None, None, "bim", 45),
        (None, None, "cad", 18),
        (None, 5, "bim", 5),
        (None, 5, "cad", 18),
    ]


def test_a_group_that_was_never_busy_has_a_peak_of_none_and_no_session_no_row() -> None:
    found = measured(frames(seen((0, 30, "locked", 0))), FIVE)
    assert found.select("peak", "first_reached", "in_use", "busy_ms").rows() == [(0, None, 0, 0)]
    assert measured(frames(), FIVE).is_empty()


def test_suites_count_once_and_sessions_of_nobody_known_count_each() -> None:
    both = [
        seen((0, 10, "input", 0), session=1),
        seen((0, 10, "input", 0), session=2, application="bim"),
        seen((0, 10, "input", 0), session=3),
    ]
    given = frames(*both, person={3: None})
    found = measured(given, FIVE, group="entitlement", suites=SUITES)
    assert found.select("entitlement", "peak", "in_use").rows() == [("suite", 2, 2)]


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        ([], "no definition of idle"),
        ([FIVE, FIVE], "given twice"),
        ([Definition(-1)], "idle_timeout_ms is -1"),
        ([Definition(5, "typing")], "signal is 'typing'"),
    ],
)
def test_definitions_that_are_none_are_refused(definitions: list[Definition], message: str) -> None:
    with pytest.raises(Problem, match=message):
        measured(frames(MORNING_OF_GAPS), *definitions)


# --- Against the long way: everything judged, swept and summed anew for each definition

stretch = st.tuples(
    st.integers(1, 20), st.sampled_from(ATTENTIONS), st.booleans(), st.sampled_from([0.0, 5.0, 60.0])
)


@st.composite
def evidence(draw: st.DrawFn) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    rows: list[list[tuple[Any, ...]]] = []
    for number in range(draw(st.integers(1, 4))):
        now = since = draw(st.integers(0, 40))
        mine = []
        for length, attention, is_fresh, cpu in draw(st.lists(stretch, max_size=10)):
            since = now if is_fresh or attention == "input" else since
            mine.append((now, now + length, attention, since, cpu, *([True] if length == 7 else [])))
            now += length
        rows.append(seen(*mine, session=number, application=draw(st.sampled_from(["cad", "bim"]))))
    people = draw(st.dictionaries(st.integers(0, 3), st.sampled_from(["P-1", "P-2", None])))
    return frames(*rows, person=people)


definitions = st.builds(
    Definition,
    st.none() | st.integers(0, 40).map(lambda minutes: minutes * MINUTE),
    st.none() | st.sampled_from(SIGNALS),
)
rules = st.builds(
    Rule,
    idle_timeout_ms=st.integers(0, 40).map(lambda minutes: minutes * MINUTE),
    signal=st.sampled_from(SIGNALS),
    held_is_active=st.booleans(),
)
policies = st.builds(Policy, default=rules, applications=st.dictionaries(st.just("bim"), rules, max_size=1))


@given(
    evidence(),
    st.lists(definitions, min_size=1, max_size=4, unique=True),
    policies,
    st.sampled_from(KEYS),
    st.tuples(st.integers(0, 60), st.integers(1, 60)),
)
def test_each_definition_says_what_states_peaks_and_use_say_of_it(
    given_: tuple[pl.LazyFrame, pl.LazyFrame],
    asked: list[Definition],
    policy: Policy,
    key: str,
    window: tuple[int, int],
) -> None:
    segments, sessions = given_
    start = at(window[0])
    end: datetime = start + timedelta(minutes=window[1])
    found = idle_definitions(segments, sessions, policy, asked, start, end, key=key).collect()
    expected = []
    for each in asked:
        stated = states(segments, each.of(policy))
        used = intervals(stated, sessions, key, "busy", start, end)
        peaks = {row[0]: row[1:3] for row in peak(used).collect().iter_rows()}
        sums = usage(stated, sessions, ["application"], start, end).collect()
        for row in sums.filter(pl.sum_horizontal("run_ms", "suspended_ms", "unknown_ms") > 0).to_dicts():
            name = row["application"]
            expected.append(
                (each.signal, each.idle_timeout_ms, name, *peaks.get(name, (0, None)), row["busy_ms"],
                 row["idle_ms"])
            )  # fmt: skip
    assert found.drop("in_use").rows() == expected
