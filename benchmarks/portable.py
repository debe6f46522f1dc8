"""The portable metrics on Polars against the usual ones, on the same segments, answers compared.

The portable form is for engines beyond Polars and for the tests; this says what it would cost to use it
everywhere. It has no limit. The frames are as each form takes them: instants and enumerations for the usual
ones, whole numbers and text for the portable ones.

Run: python benchmarks/portable.py [SEGMENTS [ROUNDS]]
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import polars as pl
from racing import lap, race, show, started

from pipelines.engines import in_integers
from warehouse import portable
from warehouse.metrics import concurrency, states, usage_hours
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

QUARTER_MS, SEGMENTS_OF_ONE, APPLICATIONS, PEOPLE = 900_000, 24, 20, 2_000
START = datetime(2026, 10, 1, tzinfo=UTC)
WINDOW: Any = (START + timedelta(days=1), START + timedelta(days=30))
POLICY = states.Policy(
    default=states.Rule(idle_timeout_ms=600_000),
    applications={"application 03": states.Rule(signal="input+cpu")},
)
SEED = 20261005
QUESTIONS = ("states", "usage hours", "peak by user")


def main(count: int, rounds: int) -> None:
    print(f"{count:,} segments of {count // SEGMENTS_OF_ONE:,} sessions, a month")
    for question in QUESTIONS:
        ours, theirs = f"portable {question}", f"usual {question}"
        laps = race(__file__, (ours, theirs), count, rounds=rounds)
        show(laps)
        pairs = list(zip(laps[ours], laps[theirs], strict=True))
        ratio = median(one.seconds / other.seconds for one, other in pairs)
        worked = median(one.processor / other.processor for one, other in pairs)
        print(f"{ours} / {theirs}: ratio {ratio:.2f}; by processor time {worked:.2f}", flush=True)


def run(name: str, count: int) -> None:
    form, question = name.split(" ", 1)
    segments, sessions = _segments(count), _sessions(count)
    if form == "portable":
        segments, sessions = (in_integers(frame.lazy()).collect() for frame in (segments, sessions))
    ask = _portable if form == "portable" else _usual
    lap(lambda: ask(question, segments.lazy(), sessions.lazy()), _answer)


def _segments(count: int) -> pl.DataFrame:
    """Sessions of six hours in quarters, begun at any minute of a month; some idle, locked or unobserved."""
    row = pl.int_range(count, eager=True).to_frame("row")
    session = pl.col("row") // SEGMENTS_OF_ONE
    began = (session.hash(SEED) % (28 * 1440)).cast(pl.Int64) * 60_000 + int(START.timestamp() * 1000)
    start = began + pl.col("row") % SEGMENTS_OF_ONE * QUARTER_MS
    words = ("input", "input", "no_input", "no_input", "background", "locked", "held", "unobserved")
    dice = pl.col("row").hash(SEED + 1)
    return row.select(
        session=session,
        application=_named("application ", session % APPLICATIONS),
        start=start.cast(INSTANT),
        end=(start + QUARTER_MS).cast(INSTANT),
        attention=(dice % 8)
        .cast(pl.Int64)
        .replace_strict(dict(enumerate(words)), return_dtype=pl.Enum(ATTENTIONS)),
        cpu_percent=(dice % 97).cast(pl.Float64),
        units=pl.lit(1, pl.Int32),
        inhibiting=dice % 31 == 0,
        since=(start - (dice % 3).cast(pl.Int64) * QUARTER_MS).cast(INSTANT),
    )


def _named(word: str, number: pl.Expr) -> pl.Expr:
    return pl.format(word + "{}", number.cast(pl.String).str.zfill(2))


def _sessions(count: int) -> pl.DataFrame:
    number = pl.int_range(count // SEGMENTS_OF_ONE, eager=True).to_frame("session")
    session = pl.col("session")
    began = (session.hash(SEED) % (28 * 1440)).cast(pl.Int64) * 60_000 + int(START.timestamp() * 1000)
    return number.select(
        "session",
        application=_named("application ", session % APPLICATIONS),
        person=_named("P-", (session.hash(SEED + 2) % PEOPLE).cast(pl.Int64)),
        device=pl.lit("D"),
        host=pl.lit("H"),
        started=began.cast(INSTANT),
        ended=(began + SEGMENTS_OF_ONE * QUARTER_MS).cast(INSTANT),
    )


def _usual(question: str, segments: pl.LazyFrame, sessions: pl.LazyFrame) -> pl.DataFrame:
    stated = states.states(segments, POLICY)
    if question == "states":
        return stated.collect()
    if question == "usage hours":
        return usage_hours.usage_hours(stated, sessions, "application", *WINDOW).collect()
    return concurrency.peak(concurrency.intervals(stated, sessions, "user", "busy", *WINDOW)).collect()


def _portable(question: str, segments: pl.LazyFrame, sessions: pl.LazyFrame) -> pl.DataFrame:
    stated = portable.states(segments, POLICY)
    if question == "states":
        return stated.collect()
    # As pipelines.engines does: what is used twice is computed once.
    stated = stated.select("session", "start", "end", "units", "state").collect().lazy()
    if question == "usage hours":
        return portable.usage_hours(stated, sessions, "application", *WINDOW).collect()
    used = portable.intervals(stated, sessions, "user", "busy", *WINDOW).collect().lazy()
    return portable.peak(used).collect()


def _answer(found: pl.DataFrame) -> Any:
    """Few rows as they are; states, which are many, as counts and sums of their gaps."""
    plain = in_integers(found.lazy())
    if "state" in found.columns:
        gaps = [pl.col("gap_start", "gap_end").sum(), pl.len()]
        plain = plain.group_by("state").agg(gaps)
    return [list(row) for row in plain.sort(pl.nth(0)).collect().rows()]


if __name__ == "__main__":
    if (given := started()) is not None:
        run(given[0], int(given[1]))
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["1000000", "3"][len(sys.argv) - 1 :])))
