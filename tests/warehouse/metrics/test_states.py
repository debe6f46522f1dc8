"""Evidence becomes states, gap by whole gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import Problem
from warehouse.metrics.states import BASES, SIGNALS, STATES, Policy, Rule, StateEnum, states
from warehouse.schema import ATTENTIONS

MORNING = datetime(2026, 10, 5, 9, tzinfo=UTC)
SCHEMA = {
    "session": pl.Int64,
    "application": pl.String,
    "start": pl.Datetime("ms", "UTC"),
    "end": pl.Datetime("ms", "UTC"),
    "attention": pl.Enum(ATTENTIONS),
    "cpu_percent": pl.Float64,
    "inhibiting": pl.Boolean,
    "since": pl.Datetime("ms", "UTC"),
}
EMPTY = pl.LazyFrame(schema=SCHEMA)


def at(seconds: float) -> datetime:
    return MORNING + timedelta(seconds=seconds)


def evidence(*stretches: tuple[Any, ...], session: int = 1, application: str = "cad") -> pl.LazyFrame:
    """Segments from (start s, end s, attention, since s[, cpu][, inhibiting]), in seconds after 09:00."""
    rows = [
        (session, application, at(row[0]), at(row[1]), row[2], *(row[4:5] or (0.0,)), *(row[5:6] or (False,)))
        for row in stretches
    ]
    sinces = [at(row[3]) for row in stretches]
    frame = pl.DataFrame(rows, schema=list(SCHEMA)[:-1], orient="row").with_columns(since=pl.Series(sinces))
    return frame.cast(SCHEMA).lazy()


def words(segments: pl.LazyFrame, rule: Rule, **options: Any) -> list[str]:
    return states(segments, Policy(default=rule), **options).collect()["state"].to_list()


def seconds(stated: pl.DataFrame) -> dict[str, float]:
    """Seconds by state, and by basis."""
    length = (pl.col("end") - pl.col("start")).dt.total_milliseconds() / 1000
    by_state = {
        state: stated.filter(pl.col("state") == state).select(length.sum()).item() or 0.0 for state in STATES
    }
    return by_state | {basis: sum(by_state[state] for state in counted) for basis, counted in BASES.items()}


WORKED_EXAMPLE = evidence(
    (0, 600, "input", 0),
    (600, 800, "no_input", 600),
    (800, 1200, "input", 800),
    (1200, 1800, "no_input", 1200),
)
"""Open at 09:00:00, input until 09:10:00, again from 09:13:20 to 09:20:00, closed at 09:30:00."""


def test_the_worked_example_with_a_timeout_of_300_seconds() -> None:
    found = seconds(states(WORKED_EXAMPLE, Policy(default=Rule(idle_timeout_ms=300_000))).collect())
    assert found == {
        "active": 1000,  # 16:40
        "pause": 200,  # 3:20
        "idle": 600,  # 10:00
        "suspended": 0,
        "held": 0,
        "unknown": 0,
        "busy": 1200,  # 20:00
        "run": 1800,  # 30:00
    }


def test_the_worked_example_with_a_timeout_of_120_seconds() -> None:
    found = seconds(states(WORKED_EXAMPLE, Policy(default=Rule(idle_timeout_ms=120_000))).collect())
    assert (found["pause"], found["idle"], found["busy"]) == (0, 800, 1000)  # 0, 13:20, 16:40


def test_a_gap_of_exactly_the_timeout_is_idle_and_a_millisecond_less_is_a_pause() -> None:
    gap = evidence((0, 300, "no_input", 0))
    assert words(gap, Rule(idle_timeout_ms=300_000)) == ["idle"]
    assert words(gap, Rule(idle_timeout_ms=300_001)) == ["pause"]


def test_a_gap_over_several_segments_is_judged_as_a_whole_and_back_dated() -> None:
    gap = evidence(
        (0, 100, "input", 0),
        (100, 200, "no_input", 100),
        (200, 300, "background", 100),
        (300, 400, "no_input", 100),
        (400, 500, "input", 400),
    )
    out = states(gap, Policy(default=Rule(idle_timeout_ms=300_000))).collect()
    assert out["state"].to_list() == ["active", "idle", "idle", "idle", "active"]
    assert out["gap_start"].to_list() == [None, at(100), at(100), at(100), None]
    assert out["gap_end"].to_list() == [None, at(400), at(400), at(400), None]


def test_a_single_key_stroke_in_a_long_silence_makes_two_gaps_of_it() -> None:
    gap = evidence((0, 200, "no_input", 0), (200, 400, "no_input", 200))
    assert words(gap, Rule(idle_timeout_ms=300_000)) == ["pause", "pause"]


def test_locked_disconnected_suspended_and_held_time_counts_into_the_length_of_the_gap() -> None:
    gap = evidence(
        (0, 60, "no_input", 0),
        (60, 120, "locked", 0),
        (120, 180, "disconnected", 0),
        (180, 240, "suspended", 0),
        (240, 280, "held", 0),
        (280, 300, "background", 0),
    )
    assert words(gap, Rule(idle_timeout_ms=300_000)) == ["idle", "idle", "idle", "suspended", "held", "idle"]
    assert words(gap, Rule(idle_timeout_ms=300_001)) == [
        "pause",
        "idle",
        "idle",
        "suspended",
        "held",
        "pause",
    ]


def test_unobserved_time_ends_a_gap_and_is_unknown() -> None:
    gap = evidence((0, 200, "no_input", 0), (200, 201, "unobserved", 0), (201, 400, "no_input", 0))
    out = states(gap, Policy(default=Rule(idle_timeout_ms=300_000))).collect()
    assert out["state"].to_list() == ["pause", "unknown", "pause"]
    assert out["gap_start"].to_list() == [at(0), None, at(201)]
    assert out["gap_end"].to_list() == [at(200), None, at(400)]


def test_a_stretch_without_any_segment_ends_a_gap_too() -> None:
    gap = evidence((0, 200, "no_input", 0), (201, 400, "no_input", 0))
    assert words(gap, Rule(idle_timeout_ms=300_000)) == ["pause", "pause"]


def test_a_gap_does_not_reach_into_the_next_session() -> None:
    first, second = (evidence((0, 200, "no_input", 0), session=session) for session in (1, 2))
    assert words(pl.concat([first, second]), Rule(idle_timeout_ms=300_000)) == ["pause", "pause"]


def test_segments_in_any_order_are_judged_in_the_order_of_time() -> None:
    out = states(WORKED_EXAMPLE.reverse(), Policy(default=Rule(idle_timeout_ms=300_000))).collect()
    assert out["state"].to_list() == ["active", "pause", "active", "idle"]
    assert out["start"].is_sorted()


def test_sessions_keep_their_order_as_long_as_the_rows_of_each_are_together() -> None:
    def later(number: int, *stretches: tuple[Any, ...]) -> pl.LazyFrame:
        return evidence(*stretches, session=number)

    high, low = later(9, (0, 100, "input", 0), (100, 200, "no_input", 100)), later(4, (50, 150, "input", 50))
    whole = states(pl.concat([high, low]), Policy()).collect()
    assert whole["session"].to_list() == [9, 9, 4]
    torn = states(pl.concat([high.head(1), low, high.tail(1)]), Policy()).collect()
    assert torn["session"].to_list() == [4, 9, 9]
    assert torn["state"].to_list() == ["active", "active", "pause"]


EVERYTHING = evidence(
    *((n * 10, n * 10 + 10, attention, n * 10, 4.0) for n, attention in enumerate(ATTENTIONS))
)
BUSY_CPU = EVERYTHING.with_columns(cpu_percent=pl.lit(5.0))
AWAKE = EVERYTHING.with_columns(inhibiting=pl.lit(True))
SHORT = {"idle_timeout_ms": 10_000}
QUIET = ["idle", "idle", "idle", "idle", "suspended", "held", "unknown"]
"""States of all attentions but `input`, when none of them is activity."""


def test_input_alone_is_activity_under_the_signal_input() -> None:
    for seen in (EVERYTHING, BUSY_CPU, AWAKE):
        assert words(seen, Rule(**SHORT)) == ["active", *QUIET]


def test_the_cpu_is_activity_in_background_and_behind_a_locked_screen_under_input_and_cpu() -> None:
    rule = Rule(signal="input+cpu", cpu_threshold=5, **SHORT)
    assert words(EVERYTHING, rule) == ["active", *QUIET]
    expected = ["active", "active", "active", "active", "active", "suspended", "active", "unknown"]
    assert words(BUSY_CPU, rule) == expected
    assert words(BUSY_CPU, Rule(signal="input+cpu", cpu_threshold=50, **SHORT)) == ["active", *QUIET]


def test_focus_without_input_is_activity_under_the_signal_focus_but_not_locked() -> None:
    assert words(EVERYTHING, Rule(signal="focus", **SHORT)) == ["active", "active", *QUIET[1:]]


def test_a_request_to_stay_awake_is_activity_under_the_signal_presenting() -> None:
    rule = Rule(signal="presenting", **SHORT)
    assert words(EVERYTHING, rule) == ["active", *QUIET]
    expected = ["active", "active", "active", "active", "active", "suspended", "active", "unknown"]
    assert words(AWAKE, rule) == expected


@pytest.mark.parametrize("signal", SIGNALS)
def test_held_counts_as_active_under_every_signal_where_the_policy_says_so(signal: Any) -> None:
    held = evidence((0, 100, "held", 0))
    assert words(held, Rule(signal=signal)) == ["held"]
    assert words(held, Rule(signal=signal, held_is_active=True)) == ["active"]


def test_an_application_follows_its_own_rule_and_others_the_default() -> None:
    mine = evidence((0, 600, "no_input", 0), application="solver", session=1)
    other = evidence((0, 600, "no_input", 0), application="cad", session=2)
    policy = Policy(
        default=Rule(idle_timeout_ms=300_000), applications={"solver": Rule(idle_timeout_ms=900_000)}
    )
    assert states(pl.concat([mine, other]), policy).collect()["state"].to_list() == ["pause", "idle"]


def test_a_pause_at_the_end_of_what_is_known_is_provisional_until_the_timeout_has_passed() -> None:
    known = evidence((0, 100, "no_input", 0), (100, 200, "input", 100), (200, 300, "no_input", 200))

    def provisional(as_of: datetime | None) -> list[bool]:
        out = states(known, Policy(default=Rule(idle_timeout_ms=300_000)), as_of).collect()
        return out["provisional"].to_list()

    assert provisional(at(301)) == [False, False, True]
    assert provisional(at(599.999)) == [False, False, True]
    assert provisional(at(600)) == [False, False, False]
    assert provisional(None) == [False, False, False]


def test_a_gap_that_is_idle_already_is_never_provisional() -> None:
    out = states(evidence((0, 300, "no_input", 0)), Policy(default=Rule(idle_timeout_ms=300_000)), at(300))
    assert out.collect()["provisional"].to_list() == [False]


def test_no_segments_give_no_states_with_the_same_columns() -> None:
    out = states(EMPTY, Policy()).collect()
    assert out.schema == pl.Schema(
        SCHEMA
        | {
            "state": StateEnum,
            "gap_start": pl.Datetime("ms", "UTC"),
            "gap_end": pl.Datetime("ms", "UTC"),
            "provisional": pl.Boolean,
        }
    )
    assert out.height == 0


# --- The policy document ------------------------------------------------------------------------------------


def test_a_policy_survives_its_document() -> None:
    policy = Policy(
        7, Rule(signal="focus", buffer_ms=60_000), {"solver": Rule(held_is_active=True, cpu_threshold=50)}
    )
    assert Policy.from_document(7, policy.document()) == policy


def test_what_an_application_leaves_out_comes_from_the_default_rule() -> None:
    document = {"default": {"idle_timeout_ms": 120_000}, "applications": {"cad": {"signal": "focus"}}}
    policy = Policy.from_document(1, document)
    assert policy.applications["cad"] == Rule(idle_timeout_ms=120_000, signal="focus")
    assert Policy.from_document(1, {}) == Policy()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"defaults": {}}, "policy: unknown key 'defaults'"),
        ({"default": {"timeout": 5}}, "policy, default: unknown key 'timeout'"),
        ({"applications": {"cad": {"timeout": 5}}}, "policy, cad: unknown key 'timeout'"),
        ({"default": {"idle_timeout_ms": -1}}, "idle_timeout_ms is -1"),
        ({"default": {"idle_timeout_ms": True}}, "idle_timeout_ms is True"),
        ({"default": {"idle_timeout_ms": 1.5}}, "idle_timeout_ms is 1.5"),
        ({"default": {"buffer_ms": -5}}, "buffer_ms is -5"),
        ({"default": {"cpu_threshold": float("nan")}}, "cpu_threshold is nan"),
        ({"default": {"cpu_threshold": "5"}}, "cpu_threshold is '5'"),
        ({"default": {"signal": "mouse"}}, "signal is 'mouse'"),
        ({"default": {"held_is_active": "yes"}}, "held_is_active is 'yes'"),
        ({"default": {"idle_timeout_ms": 59_999}}, "59999 is below the gap floor 60000"),
        ({"default": 5}, "policy, default: 5 is not a table"),
        ({"applications": [1]}, r"policy, applications: \[1\] is not a table"),
    ],
)
def test_a_document_that_no_policy_can_follow_is_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(Problem, match=message):
        Policy.from_document(1, document, gap_floor_ms=60_000)


# --- Invariants on generated sessions ----------------------------------------------------------------------

stretches = st.tuples(
    st.integers(1, 900_000),  # length, ms
    st.sampled_from(ATTENTIONS),
    st.booleans(),  # since moves to the segment's start
    st.floats(0, 100),
    st.booleans(),
)
rules = st.builds(
    Rule,
    idle_timeout_ms=st.integers(0, 2_000_000),
    signal=st.sampled_from(SIGNALS),
    cpu_threshold=st.sampled_from([5, 50]),
    held_is_active=st.booleans(),
)


def tiled(sessions: list[list[tuple[int, str, bool, float, bool]]]) -> pl.LazyFrame:
    rows = []
    for session, parts in enumerate(sessions):
        now = since = 0
        for length, attention, moves, cpu, inhibiting in parts:
            since = now if moves else since
            rows.append((session, "cad", now, now + length, attention, cpu, inhibiting, since))
            now += length
    frame = pl.DataFrame(rows, schema=list(SCHEMA), orient="row") if rows else EMPTY.collect()
    return frame.cast(SCHEMA).lazy()


def slow_states(rows: list[dict[str, Any]], rule: Rule) -> list[str]:
    """The definitions once more, session by session in plain Python."""

    def is_active(row: dict[str, Any]) -> bool:
        if row["attention"] in ("suspended", "unobserved"):
            return False
        return (
            row["attention"] == "input"
            or (row["attention"] == "held" and rule.held_is_active)
            or (rule.signal == "focus" and row["attention"] == "no_input")
            or (rule.signal == "presenting" and row["inhibiting"])
            or (rule.signal == "input+cpu" and row["cpu_percent"] >= rule.cpu_threshold)
        )

    def neighbors(row: dict[str, Any], other: dict[str, Any]) -> bool:
        return (row["session"], row["since"]) == (other["session"], other["since"])

    def in_gap(row: dict[str, Any]) -> bool:
        return not is_active(row) and row["attention"] != "unobserved"

    answers = []
    for index, row in enumerate(rows):
        first = last = index
        while in_gap(row) and first and in_gap(rows[first - 1]) and neighbors(rows[first - 1], row):
            first -= 1
        while last + 1 < len(rows) and in_gap(rows[last + 1]) and neighbors(rows[last + 1], row):
            last += 1
        length = (rows[last]["end"] - rows[first]["start"]) / timedelta(milliseconds=1)
        own = {"suspended": "suspended", "held": "held", "unobserved": "unknown"}
        own |= {"locked": "idle", "disconnected": "idle"}
        gap = "idle" if length >= rule.idle_timeout_ms else "pause"
        answers.append("active" if is_active(row) else own.get(row["attention"], gap))
    return answers


@given(st.lists(st.lists(stretches, max_size=12), max_size=4), rules)
def test_states_agree_with_a_second_implementation(sessions: list[Any], rule: Rule) -> None:
    segments = tiled(sessions)
    assert words(segments, rule) == slow_states(segments.collect().to_dicts(), rule)


@given(st.lists(stretches, max_size=12), rules)
def test_run_and_suspended_and_unknown_are_the_whole_session_to_the_millisecond(
    parts: list[Any], rule: Rule
) -> None:
    stated = states(tiled([parts]), Policy(default=rule)).collect()
    found = seconds(stated)
    whole = sum(part[0] for part in parts)
    assert round(1000 * (found["run"] + found["suspended"] + found["unknown"])) == whole
    assert stated["state"].null_count() == 0


@given(st.lists(stretches, max_size=12), rules, st.integers(0, 2_000_000))
def test_busy_time_never_falls_as_the_timeout_grows(parts: list[Any], rule: Rule, more: int) -> None:
    longer = Rule(rule.idle_timeout_ms + more, rule.signal, rule.cpu_threshold, rule.held_is_active)
    before, after = (
        seconds(states(tiled([parts]), Policy(default=each)).collect())["busy"] for each in (rule, longer)
    )
    assert before <= after
