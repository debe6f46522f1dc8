"""A month's peaks and use by hour out of 100 million segments, in one process under 4 GiB.

The segments lie in the mirror's kind of files, of twelve months. The month with what reaches into it is read,
judged, swept by person and by session, and summed by hour, person, application and project. Runs once: what
counts is that it runs, and the memory it takes. Needs some 2 GB of disk and a few minutes to write them.

Run: python benchmarks/hundred_million.py [SEGMENTS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import polars as pl
from racing import lap, race, started
from racing.mirror_tree import month_start, read, write

from warehouse.metrics.concurrency import intervals, peak
from warehouse.metrics.hourly import by_chunks
from warehouse.metrics.states import Policy, states

MONTHS, LIMIT_MB = 12, 4_096
MONTH = month_start(5), month_start(6)
STATED = ("session", "start", "end", "units", "state")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as text:
        began = perf_counter()
        written = write(Path(text), count, MONTHS)
        size = sum(path.stat().st_size for path in Path(text).iterdir()) / written
        took = f"written in {perf_counter() - began:.0f} s, {size:.1f} bytes each"
        print(f"{written:,} segments of {MONTHS} months, {took}")
        (run,) = race(__file__, ("a month",), text, rounds=1)["a month"]
    segments, hours, highest = run.answer
    print(f"{segments:,} segments of the month, {hours:,} rows by hour, highest peaks {highest}")
    print(f"{run.seconds:.1f} s, {run.processor:.1f} s on all cores")
    print(f"{run.megabytes:,.0f} MB: share of 4 GiB {run.megabytes / LIMIT_MB:.2f}")


def run(_: str, text: str) -> None:
    lap(lambda: _month(Path(text)), lambda found: found, times=1, warm=False)


def _month(folder: Path) -> list[Any]:
    segments, sessions, _ = read(folder, *MONTH)
    sessions = sessions.select("session", "application", "product", "person", "device").collect().lazy()
    stated = states(segments, Policy()).select(STATED).collect().lazy()
    count = stated.select(pl.len()).collect().item()
    highest = {}
    for key in ("user", "session"):
        found = peak(intervals(stated, sessions, key, "busy", *MONTH)).collect()
        highest[key] = found["peak"].max()
    del stated

    def judged(*window: Any) -> Any:
        part, described, entries = read(folder, *window)
        return states(part, Policy()).select(STATED), described, entries

    hours = sum(part.height for part in by_chunks(judged, *MONTH, "1mo"))
    return [count, hours, highest]


if __name__ == "__main__":
    if (given := started()) is not None:
        run(*given)
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000)
