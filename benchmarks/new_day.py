"""Mirror and rollups for one new day, after 36 months of history against after one.

Both warehouses have the same last month, and the same days arrive in both, one at a time, in turn. What the
two then say of those days is compared before the times are printed; at most 1.2 times.

Run: python benchmarks/new_day.py [SEGMENTS A DAY]
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

import polars as pl
from read_segments import START_MS, furnish, history
from sqlalchemy import Engine

from warehouse import frames, mirror, rollups, store

LIMIT = 1.2
DAYS_IN_ALL, DAYS_OF_ONE, NEW_DAYS = 1_111, 31, 7
DAY_MS = 86_400_000
FIRST_NEW_MS = START_MS + DAYS_IN_ALL * DAY_MS  # 2026-01-16: in the middle of a month
LENGTHS = {"36 months": DAYS_IN_ALL, "1 month": DAYS_OF_ONE}


def main(segments_a_day: int) -> None:
    sessions, segments = history(segments_a_day * (DAYS_IN_ALL + NEW_DAYS), (DAYS_IN_ALL + NEW_DAYS) * DAY_MS)
    segments = segments.join(sessions.select(session_id="id", started_ms="started_ms"), on="session_id")
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in LENGTHS}
    with tempfile.TemporaryDirectory() as folder:
        engines = {name: store.upgrade(f"sqlite:///{folder}/{days}.sqlite") for name, days in LENGTHS.items()}
        for name, engine in engines.items():
            furnish(engine)
            _land(engine, sessions, segments, FIRST_NEW_MS - LENGTHS[name] * DAY_MS, FIRST_NEW_MS)
            _upkeep(engine)
        for day in range(NEW_DAYS):
            for name, engine in engines.items():
                _land(
                    engine, sessions, segments, *(FIRST_NEW_MS + place * DAY_MS for place in (day, day + 1))
                )
                taken[name].append(_upkeep(engine))
        _compare(*engines.values())
        for engine in engines.values():
            engine.dispose()
    _print(segments_a_day, taken)


def _land(engine: Engine, sessions: pl.DataFrame, segments: pl.DataFrame, from_ms: int, to_ms: int) -> None:
    starts_here = pl.col("started_ms").is_between(from_ms, to_ms, closed="left")
    store.append(engine, "session", sessions.filter(starts_here))
    store.append(engine, "segment", segments.filter(starts_here).drop("started_ms"))


def _upkeep(engine: Engine) -> tuple[float, float]:
    began = perf_counter()
    mirror.update(engine)
    mirrored = perf_counter()
    rollups.update(engine)
    return mirrored - began, perf_counter() - mirrored


def _compare(long: Engine, short: Engine) -> None:
    first = datetime.fromtimestamp(FIRST_NEW_MS / 1000, UTC)
    window = first + timedelta(days=1), first + timedelta(days=NEW_DAYS)
    for read in (frames.segments, frames.use_hours, frames.demand_hours):
        both = [read(engine, *window).collect() for engine in (long, short)]
        assert both[0].equals(both[1]), f"{read.__name__} differs"
        assert both[0].height > 0
    for engine in (long, short):
        assert mirror.contents(engine).equals(mirror.stored_contents(engine))


def _print(segments_a_day: int, taken: dict[str, list[tuple[float, float]]]) -> None:
    whole = {}
    for name, days in taken.items():
        whole[name] = median(sum(day) for day in days)
        parts = (median(day[place] for day in days) for place in (0, 1))
        print(f"{name}: {whole[name]:.3f} s a day (mirror {next(parts):.3f}, rollups {next(parts):.3f})")
    ratio = whole["36 months"] / whole["1 month"]
    print(f"equal content; {segments_a_day:,} segments a day, {NEW_DAYS} days; ratio {ratio:.2f}")
    print(f"share of the limit of {LIMIT}: {ratio / LIMIT:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3_000)
