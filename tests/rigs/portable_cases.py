"""Awkward evidence for the portable metrics, and the eye that compares them with warehouse/metrics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import polars.selectors as cs
from hypothesis import strategies as st
from use_cases import at

from warehouse.metrics.states import SIGNALS, Policy, Rule
from warehouse.mirror import SEGMENTS
from warehouse.schema import ATTENTIONS

CODES = ("cad", "bim", "fem")


def in_integers(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame as an engine gets it: instants are milliseconds, words are plain text."""
    return frame.with_columns(cs.datetime().cast(pl.Int64), (cs.enum() | cs.categorical()).cast(pl.String))


def rows(frame: pl.LazyFrame, *order: str) -> list[dict[str, Any]]:
    """Rows in an order of their own, fractions to twelve digits: engines divide in different ways."""
    found = in_integers(frame).collect()
    known = found.with_columns(cs.float().round(12)).sort(*order, nulls_last=True)
    return known.to_dicts()


rules = st.builds(
    Rule,
    idle_timeout_ms=st.sampled_from([0, 60_000, 300_000, 900_000]),
    signal=st.sampled_from(SIGNALS),
    cpu_threshold=st.sampled_from([5, 50]),
    held_is_active=st.booleans(),
)
policies = st.builds(
    Policy, default=rules, applications=st.dictionaries(st.sampled_from(CODES), rules, max_size=3)
)

stretches = st.tuples(
    st.sampled_from([1, 60, 300, 900]),  # seconds
    st.sampled_from(ATTENTIONS),
    st.sampled_from(["goes on", "new input", "hole before it"]),
    st.sampled_from([0.0, 5.0, 49.9, 50.0]),
    st.booleans(),
    st.integers(1, 3),
)


@st.composite
def evidence(draw: st.DrawFn) -> pl.LazyFrame:
    """Segments of up to four sessions, in any order; some start together, some leave holes."""
    found: list[tuple[Any, ...]] = []
    for session in range(draw(st.integers(0, 4))):
        code, now = draw(st.sampled_from(CODES)), at(draw(st.sampled_from([0, 0, 7])))
        found += _segments(session, code, now, draw(st.lists(stretches, max_size=10)))
    return pl.LazyFrame(draw(st.permutations(found)), schema=SEGMENTS, orient="row")


def _segments(session: int, code: str, now: datetime, parts: list[Any]) -> list[tuple[Any, ...]]:
    since, found = now, []
    for seconds, attention, how, cpu, inhibiting, units in parts:
        now += timedelta(seconds=60 if how == "hole before it" else 0)
        since = now if how == "new input" else since
        end = now + timedelta(seconds=seconds)
        found.append((session, code, now, end, attention, cpu, units, inhibiting, None, since, 1, now))
        now = end
    return found
