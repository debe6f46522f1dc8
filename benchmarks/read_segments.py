"""Read 2 million segments from a SQLite warehouse; print the ratio to a Parquet scan of the same columns.

Run: python benchmarks/read_segments.py [SEGMENTS]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import polars as pl
from sqlalchemy import Engine

from warehouse import frames, schema, store

START_MS = 1_767_225_600_000  # 2026-01-01
SEGMENTS_A_SESSION = 20
WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = store.upgrade(f"sqlite:///{folder}/warehouse.sqlite")
        loading = _timed(lambda: _load(engine, count))
        parquet = Path(folder) / "segments.parquet"
        frames.segments(engine, *WINDOW).sink_parquet(parquet)
        scanning = min(_timed(lambda: pl.scan_parquet(parquet).collect()) for _ in range(3))
        reading = min(_timed(lambda: frames.segments(engine, *WINDOW).collect()) for _ in range(3))
        engine.dispose()
    print(f"{count:,} segments: load {loading:.2f} s, read {reading:.2f} s, Parquet scan {scanning:.3f} s")
    print(f"ratio read / scan: {reading / scanning:.1f}")


def _load(engine: Engine, count: int) -> None:
    with store.writing(engine) as connection:
        connection.execute(schema.application.insert().values(id=1, code="draw", name="Draw"))
        connection.execute(schema.account.insert().values(id=1, name="ada"))
        host = {"id": 1, "name": "desk", "kind": "workstation", "zone": "UTC", "valid_from_on": "2026-01-01"}
        connection.execute(schema.host.insert().values(host))
    segments = _segments(count)
    store.append(engine, "session", _sessions(segments))
    store.append(engine, "segment", segments)


def _segments(count: int) -> pl.DataFrame:
    place = pl.int_range(count, dtype=pl.Int64, eager=True).to_frame("place")
    session = pl.col("place") // SEGMENTS_A_SESSION
    start = START_MS + session * 300_000 + pl.col("place") % SEGMENTS_A_SESSION * 10_000
    return place.select(
        session_id=session + 1,
        start_ms=start,
        end_ms=start + 10_000,
        attention=pl.col("place") % 8,
        cpu_percent=(pl.col("place") % 1_000) / 7,
        inhibiting=pl.col("place") % 3 == 0,
        instance=pl.when(pl.col("place") % 2 == 0).then(pl.col("place") % 30_000),
        since_ms=start,
        policy_version=pl.lit(1),
        received_ms=start + 60_000,
    )


def _sessions(segments: pl.DataFrame) -> pl.DataFrame:
    found = segments.group_by("session_id", maintain_order=True).agg(
        started_ms=pl.col("start_ms").min(),
        ended_ms=pl.col("end_ms").max(),
        received_ms=pl.col("received_ms").max(),
    )
    return found.select(
        pl.col("session_id").alias("id"),
        pl.format("{}", "session_id").alias("key"),
        "started_ms",
        "ended_ms",
        "received_ms",
        source=pl.lit("sample"),
        application_id=pl.lit(1),
        account_id=pl.lit(1),
        host_id=pl.lit(1),
        logon_session=pl.lit("1"),
        zone=pl.lit("UTC"),
    )


def _timed(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
