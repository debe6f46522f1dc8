"""States of 2 million segments, against a bare group-by-sum of the same frame.

The sum is the least that any figure costs, so the ratio says what deciding the states adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import polars as pl

from warehouse.metrics.states import Policy, Rule, states
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

SEGMENTS, SESSIONS, ROUNDS = 2_000_000, 60_000, 7
SEED = 20261005
APPLICATIONS = ("cad", "bim", "fem", "office")
POLICY = Policy(default=Rule(idle_timeout_ms=300_000), applications={"fem": Rule(signal="input+cpu")})


def segments() -> pl.DataFrame:
    """Sessions of some 33 segments each, tiled, a third of them with focus and input."""
    row = pl.int_range(SEGMENTS, eager=True).to_frame("row")
    dice = pl.col("row").hash(SEED)
    place = pl.col("row") * 60_000
    return row.select(
        session=pl.col("row") // (SEGMENTS // SESSIONS),
        application=(pl.col("row") // (SEGMENTS // SESSIONS) % 4).replace_strict(
            dict(enumerate(APPLICATIONS)), return_dtype=pl.String
        ),
        start=place.cast(INSTANT),
        end=(place + 60_000).cast(INSTANT),
        attention=(dice % 12)
        .cast(pl.Int64)
        .replace_strict(
            {number: ATTENTIONS[number] if number < 8 else "input" for number in range(12)},
            return_dtype=pl.Enum(ATTENTIONS),
        ),
        cpu_percent=(dice % 97).cast(pl.Float64),
        inhibiting=dice % 31 == 0,
        since=(place - place % 300_000).cast(INSTANT),
    )


def seconds(work: Callable[[], pl.DataFrame]) -> float:
    """Median of several rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = perf_counter()
        work()
        taken.append(perf_counter() - began)
    return median(taken)


def main() -> None:
    frame = segments()
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    bare = seconds(lambda: frame.lazy().group_by("session").agg(length_ms.sum()).collect())
    ours = seconds(lambda: states(frame.lazy(), POLICY).collect())
    print(f"states of {frame.height:,} segments: {ours:.3f} s; bare group-by-sum {bare:.3f} s")
    print(f"ratio {ours / bare:.1f}")


if __name__ == "__main__":
    main()
