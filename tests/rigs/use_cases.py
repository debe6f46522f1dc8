"""Sessions with their states for the tests of metrics: literal ones, and generated awkward ones.

Time is told in minutes after 09:00 UTC on Monday, 5 October 2026. The generated weekends hold a clock change
of Berlin or New York; their instants lie on a grid of ten minutes, so that ends and starts often meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from warehouse.metrics.concurrency import intervals
from warehouse.metrics.states import BASES, STATES, StateEnum
from warehouse.periods import INSTANT

MORNING = datetime(2026, 10, 5, 9, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
CELL = timedelta(minutes=10)

STATED = {"session": pl.Int64, "start": INSTANT, "end": INSTANT, "units": pl.Int32, "state": StateEnum}
SESSION = {
    "session": pl.Int64,
    "application": pl.String,
    "version": pl.String,
    "product": pl.String,
    "person": pl.String,
    "account": pl.String,
    "host": pl.String,
    "device": pl.String,
    "office": pl.String,
    "department": pl.String,
    "cost_center": pl.String,
    "source": pl.String,
    "started": INSTANT,
    "ended": INSTANT,
}


def at(minutes: float) -> datetime:
    return MORNING + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Session:
    """A session whose states follow one another: (start, end, state, units) in instants."""

    session: int
    parts: tuple[tuple[datetime, datetime, str, int], ...] = ()
    started: datetime = MORNING
    ended: datetime | None = MORNING
    facts: dict[str, Any] = field(default_factory=dict)

    def fact(self, name: str) -> Any:
        known = {"application": "cad", "person": "P-1", "account": "A-1", "host": "H-1", "device": "D-1"}
        known |= {
            "version": None,
            "product": None,
            "office": "BER",
            "department": None,
            "cost_center": None,
            "source": "agent",
        }
        return (known | self.facts)[name]

    def pieces(self) -> Iterator[tuple[datetime, datetime, str, int]]:
        """Cut at every UTC quarter of an hour, as segments are."""
        for start, end, state, units in self.parts:
            while start < end:
                cut = min(end, datetime.min.replace(tzinfo=UTC) + (_quarter(start) + 1) * QUARTER)
                yield start, cut, state, units
                start = cut  # noqa: PLW2901


def _quarter(instant: datetime) -> int:
    return (instant - datetime.min.replace(tzinfo=UTC)) // QUARTER


def session(number: int, *parts: tuple[Any, ...], **facts: Any) -> Session:
    """A session from (start, end, state[, units]) in minutes; it opens and closes with its parts."""
    spans = tuple((at(row[0]), at(row[1]), row[2], row[3] if len(row) > 3 else 1) for row in parts)
    return Session(number, spans, spans[0][0], spans[-1][1], facts)


def stated(*sessions: Session) -> pl.LazyFrame:
    rows = [
        (each.session, start, end, units, state)
        for each in sorted(sessions, key=lambda it: it.session)
        for start, end, state, units in each.pieces()
    ]
    return pl.LazyFrame(rows, schema=STATED, orient="row")


def described(*sessions: Session) -> pl.LazyFrame:
    facts = [name for name in SESSION if name not in ("session", "started", "ended")]
    rows = [(s.session, *(s.fact(name) for name in facts), s.started, s.ended) for s in sessions]
    return pl.LazyFrame(rows, schema=SESSION, orient="row")


SUITES = pl.LazyFrame({"entitlement": ["suite", "suite"], "application": ["cad", "bim"]})
WEIGHTS = pl.LazyFrame({"application": ["cad", "bim", "fem"], "token_weight": [2, 3, 1]})


def found(sessions: list[Session], key: str = "user", basis: str = "run", **options: Any) -> pl.LazyFrame:
    window = options.pop("start", at(0)), options.pop("end", at(24 * 60))
    return intervals(stated(*sessions), described(*sessions), key, basis, *window, **options)


# --- Generated sessions

BERLIN_WEEKEND = datetime(2026, 10, 24, 12, tzinfo=UTC)  # the clocks go back on Sunday, 01:00 UTC
NEW_YORK_WEEKEND = datetime(2026, 3, 7, 12, tzinfo=UTC)  # the clocks go forward on Sunday, 07:00 UTC
WEEKENDS = (BERLIN_WEEKEND, NEW_YORK_WEEKEND)
LENGTH = 48 * 6  # of a weekend, in cells


@st.composite
def _one(draw: st.DrawFn, number: int, weekend: datetime) -> Session:
    start = weekend + CELL * draw(st.integers(0, LENGTH))
    parts, now = [], start
    for cells, state, units in draw(
        st.lists(st.tuples(st.integers(1, 30), st.sampled_from(STATES), st.integers(1, 3)), max_size=6)
    ):
        parts.append((now, now + CELL * cells, state, units))
        now += CELL * cells
    facts = {
        "application": draw(st.sampled_from(["cad", "bim", "fem"])),
        "person": draw(st.sampled_from(["P-1", "P-2", None])),
        "device": draw(st.sampled_from(["D-1", "D-2"])),
        "office": draw(st.sampled_from(["BER", "NYC", None])),
        "account": draw(st.sampled_from(["A-1", "A-2"])),
    }
    ended = None if draw(st.booleans()) and parts else now
    return Session(number, tuple(parts), start, ended, facts)


@st.composite
def weekends(draw: st.DrawFn) -> tuple[list[Session], datetime, datetime]:
    """Sessions of a weekend, and a window in it that may cut through them."""
    weekend = draw(st.sampled_from(WEEKENDS))
    sessions = [draw(_one(number, weekend)) for number in range(draw(st.integers(0, 8)))]
    first = draw(st.integers(0, LENGTH - 1))
    last = draw(st.integers(first + 1, LENGTH))
    return sessions, weekend + CELL * first, weekend + CELL * last


def cells(start: datetime, end: datetime) -> list[datetime]:
    """Start of each cell of the grid in [start, end)."""
    return [start + CELL * number for number in range((end - start) // CELL)]


# --- A second implementation, in plain Python


def key_of(each: Session, key: str) -> Any:
    own = ("session", each.session)
    if key in ("session", "token"):
        return own
    parts = {"user": ("person",), "device": ("device",), "user_device": ("person", "device")}[key]
    values = tuple(each.fact(name) for name in parts)
    return own if None in values else values


def demand_at(
    sessions: list[Session], key: str, basis: str, moment: datetime, group: str = "application"
) -> dict[str, dict[Any, int]]:
    """Demand of each key, by group, in the cell that starts at `moment`."""
    weights = {"cad": 2, "bim": 3, "fem": 1}
    groups = {
        "application": lambda name: name,
        "entitlement": lambda name: None if name == "fem" else "suite",
    }
    by_group: dict[str, dict[Any, int]] = {}
    for each in sessions:
        name = groups[group](each.fact("application"))
        for start, end, state, units in each.parts:
            if name and state in BASES[basis] and start <= moment < end:
                weight = units * weights[each.fact("application")] if key == "token" else 1
                by_group.setdefault(name, {})[key_of(each, key)] = weight
    return by_group
