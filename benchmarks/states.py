"""States of 10 million segments under a new idle timeout, against the clip of the same segments by hour.

Both are asked of frames in memory, in the mirror's order: by month, so that the numbers of sessions fall
where they cross the end of one. The clip is `hourly_usage` of the states, what a report needs at least beside
them. Both must come to the same busy time.

Run: python benchmarks/states.py [SEGMENTS [ROUNDS]]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import polars as pl
from racing import lap, race, show, started, tell
from racing.mirror_tree import month_start, read, write

from warehouse.metrics.hourly import hourly_usage
from warehouse.metrics.states import BASES, Policy, Rule, states

MONTHS, LIMIT = 12, 2.0
WINDOW = month_start(0), month_start(MONTHS + 1)
POLICY = Policy(
    default=Rule(idle_timeout_ms=600_000),
    applications={"application 03": Rule(idle_timeout_ms=300_000, signal="input+cpu", cpu_threshold=50)},
)
STATED = ("session", "start", "end", "units", "state")


def main(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as text:
        written = write(Path(text), count, MONTHS)
        print(f"{written:,} segments of {MONTHS} months")
        laps = race(__file__, ("states", "clip"), text, rounds=rounds)
    show(laps)
    tell(laps, "states", "clip", LIMIT)


def run(name: str, text: str) -> None:
    segments, sessions, entries = (part.collect().lazy() for part in read(Path(text), *WINDOW))
    if name == "states":
        lap(lambda: states(segments, POLICY).select(STATED).collect(), _busy_of_states)
        return
    stated = states(segments, POLICY).select(STATED).collect().lazy()
    lap(
        lambda: hourly_usage(stated, sessions, entries, *WINDOW).collect(),
        lambda found: int(found["busy_ms"].sum()),
    )


def _busy_of_states(stated: pl.DataFrame) -> int:
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    return int(stated.filter(pl.col("state").is_in(BASES["busy"])).select(length_ms.sum()).item())


if __name__ == "__main__":
    if (given := started()) is not None:
        run(*given)
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["10000000", "3"][len(sys.argv) - 1 :])))
