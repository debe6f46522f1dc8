"""The portable states are those of warehouse/metrics."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from portable_cases import evidence, in_integers, policies, rows
from use_cases import at

from warehouse.metrics import states as native
from warehouse.metrics.states import Policy, Rule
from warehouse.mirror import SEGMENTS
from warehouse.portable.states import BASES, states

PAUSE_AND_IDLE = Policy(default=Rule(idle_timeout_ms=300_000))


def segment(start: float, end: float, attention: str, since: float) -> tuple[object, ...]:
    return (1, "cad", at(start), at(end), attention, 0.0, 1, False, None, at(since), 1, at(end))


def test_a_gap_over_several_segments_is_judged_as_a_whole() -> None:
    day = [
        segment(0, 10, "input", 0),
        segment(10, 13, "no_input", 10),
        segment(13, 15, "input", 13),
        segment(15, 17, "no_input", 15),
        segment(17, 20, "background", 15),
    ]
    found = states(in_integers(pl.LazyFrame(day, schema=SEGMENTS, orient="row")), PAUSE_AND_IDLE).collect()
    minutes = (pl.col("gap_start", "gap_end") - int(at(0).timestamp() * 1000)) // 60_000
    assert found.with_columns(minutes).select("state", "gap_start", "gap_end").rows() == [
        ("active", None, None),
        ("pause", 10, 13),
        ("active", None, None),
        ("idle", 15, 20),
        ("idle", 15, 20),
    ]
    assert found.columns == [*SEGMENTS, "state", "gap_start", "gap_end", "provisional"]


def test_the_bases_are_written_twice_and_agree() -> None:
    assert BASES == native.BASES


@given(evidence(), policies, st.none() | st.integers(0, 120))
def test_portable_states_are_those_of_the_metrics(
    segments: pl.LazyFrame, policy: Policy, minutes: int | None
) -> None:
    as_of = None if minutes is None else at(minutes) + timedelta(milliseconds=1)
    expected = native.states(segments, policy, as_of)
    found = states(in_integers(segments), policy, as_of)
    assert rows(found, "session", "start") == rows(expected, "session", "start")
    assert found.collect_schema().names() == expected.collect_schema().names()
