"""A month's report after 36 months of history against after that month alone: at most 1.2 times.

Two warehouses on SQLite with their mirrors hold the same last month. In processes of their own, in turn, each
reads the month's sessions and segments through the frames, judges them, and finds the peaks and the use of
every application. Their answers are compared.

Run: python benchmarks/month_report.py [SEGMENTS A MONTH [ROUNDS]]
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from typing import Any

import polars as pl
from racing import lap, race, show, started, tell
from read_segments import furnish, history

from warehouse import frames, mirror, store
from warehouse.metrics.concurrency import intervals, peak
from warehouse.metrics.states import Policy, states
from warehouse.metrics.utilization import usage

MONTHS, LIMIT = 36, 1.2
MONTH = datetime(2025, 12, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
SPAN_MS = 1_096 * 86_400_000  # from 2023-01-01 to 2026-01-01


def main(segments_a_month: int, rounds: int) -> None:
    sessions, segments = history(segments_a_month * MONTHS, SPAN_MS)
    in_month = sessions.filter(pl.col("ended_ms") > int(MONTH[0].timestamp() * 1000))
    with tempfile.TemporaryDirectory() as folder:
        _make(f"sqlite:///{folder}/36.sqlite", sessions, segments)
        of_month = segments.join(in_month, left_on="session_id", right_on="id", how="semi")
        _make(f"sqlite:///{folder}/1.sqlite", in_month, of_month)
        print(f"{segments.height:,} segments of {MONTHS} months, {of_month.height:,} of the last one")
        laps = race(__file__, ("36 months", "1 month"), folder, rounds=rounds)
    show(laps)
    tell(laps, "36 months", "1 month", LIMIT)


def _make(url: str, sessions: pl.DataFrame, segments: pl.DataFrame) -> None:
    engine = store.upgrade(url)
    furnish(engine)
    store.append(engine, "session", sessions)
    store.append(engine, "segment", segments)
    mirror.update(engine)
    engine.dispose()


def run(name: str, folder: str) -> None:
    engine = store.open_warehouse(f"sqlite:///{folder}/{name.split(maxsplit=1)[0]}.sqlite")
    lap(lambda: _report(engine), lambda found: found)


def _report(engine: Any) -> list[Any]:
    sessions = frames.sessions(engine, *MONTH).collect().lazy()
    stated = states(frames.segments(engine, *MONTH), Policy()).collect().lazy()
    peaks = peak(intervals(stated, sessions, "session", "busy", *MONTH)).collect()
    used = usage(stated, sessions, ["application"], *MONTH).collect()
    at = pl.col("first_reached").cast(pl.Int64)
    return [peaks.select("application", "peak", at).rows(), used.rows()]


if __name__ == "__main__":
    if (given := started()) is not None:
        run(*given)
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["280000", "5"][len(sys.argv) - 1 :])))
