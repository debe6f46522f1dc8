"""Read 10 million segments, a thousandth of them only in SQL, against a bare scan of Parquet files.

The whole window of 36 months is collected through `frames.segments`. Two rivals read the same segments in the
same columns: the better of them counts. One scans the mirror's own files, once nothing is left in SQL; the
other scans one file that Polars wrote as it does by default. The contents are compared before the times are
printed; at most 1.2 times.

Run: python benchmarks/read_segments.py [SEGMENTS]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl
import pytest
from sqlalchemy import Engine

from warehouse import frames, mirror, schema, store

LIMIT = 1.2
MONTHS, SEGMENTS_A_SESSION, APPLICATIONS, ROUNDS, SEED = 36, 14, 30, 15, 20261005
START_MS = 1_672_531_200_000  # 2023-01-01
SPAN_MS = 1_096 * 86_400_000
SHORTEST_MS, LONGEST_MS, QUARTER_MS = 1_000, 300_000, 900_000
WINDOW = datetime(2023, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
COLUMNS = list(frames.SEGMENTS)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = store.upgrade(f"sqlite:///{folder}/warehouse.sqlite")
        loading, mirroring = _load(engine, count)
        print(f"{count:,} segments: loaded in {loading:.1f} s, mirrored in {mirroring:.1f} s")
        _race(engine, Path(folder))
        engine.dispose()


def _load(engine: Engine, count: int) -> tuple[float, float]:
    """Write the warehouse, and the mirror before the last thousandth of the sessions has segments."""
    furnish(engine)
    sessions, segments = history(count)
    store.append(engine, "session", sessions)
    last = pl.col("session_id") > sessions.height - sessions.height // 1_000
    loading = _timed(lambda: store.append(engine, "segment", segments.filter(~last)))
    mirroring = _timed(lambda: mirror.update(engine))
    store.append(engine, "segment", segments.filter(last))
    return loading, mirroring


def _race(engine: Engine, folder: Path) -> None:
    """Time the three readers in turn; the mirror's own files are those of one to which nothing is missing."""
    own, plain = folder / "own", folder / "plain.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCESS_METER_MIRROR", str(own))
        everything = mirror.update(engine)
    pl.scan_parquet(own / "*.parquet").sink_parquet(plain)
    known = mirror.manifest_of(engine)
    assert known
    tail = everything.segments - sum(file.rows for file in known.files)
    contestants: dict[str, Callable[[], pl.DataFrame]] = {
        "frames.segments": lambda: frames.segments(engine, *WINDOW).collect(),
        "scan of the mirror's files": lambda: pl.scan_parquet(own / "*.parquet").select(COLUMNS).collect(),
        "scan of one plain file": lambda: pl.scan_parquet(plain).select(COLUMNS).collect(),
    }
    _compare(contestants)
    size = sum(path.stat().st_size for path in own.glob("*.parquet")) / everything.segments
    print(f"equal content; {tail:,} of {everything.segments:,} only in SQL; {size:.1f} bytes each")
    _print(_rounds(contestants))


def _compare(contestants: dict[str, Callable[[], pl.DataFrame]]) -> None:
    frames_of = [read().sort("session", "start") for read in contestants.values()]
    assert all(frame.equals(frames_of[0]) for frame in frames_of), "they read different segments"
    assert all(frame.schema == frames_of[0].schema for frame in frames_of)


def _rounds(contestants: dict[str, Callable[[], pl.DataFrame]]) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, read in contestants.items():
            taken[name].append(_timed(read))
    return taken


def _print(taken: dict[str, list[float]]) -> None:
    """Print the median of the rounds' ratios: what else the machine does meets neighbors alike."""
    ours, *_ = taken.values()
    ratios = {
        name: median(own / rival for own, rival in zip(ours, rivals, strict=True))
        for name, rivals in list(taken.items())[1:]
    }
    for name, seconds in taken.items():
        print(f"{name}: median {median(seconds):.3f} s, best {min(seconds):.3f} s")
    for name, ratio in ratios.items():
        print(f"ratio to the {name}: {ratio:.2f}")
    print(f"share of the limit of {LIMIT}: {max(ratios.values()) / LIMIT:.2f}")


# --- The warehouse -----------------------------------------------------------------------------------------


def furnish(engine: Engine) -> None:
    """Write what sessions refer to."""
    host = {"id": 1, "name": "desk", "kind": "workstation", "zone": "UTC", "valid_from_on": "2023-01-01"}
    codes = [{"id": n, "code": f"application {n}", "name": "Draw"} for n in range(1, APPLICATIONS + 1)]
    with store.writing(engine) as connection:
        connection.execute(schema.application.insert(), codes)
        connection.execute(schema.account.insert().values(id=1, name="ada"))
        connection.execute(schema.host.insert().values(host))


def history(count: int, span_ms: int = SPAN_MS) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return sessions that start at random, in order of id, and their segments: stretches at random."""
    draw = np.random.default_rng(SEED)
    sessions = count // SEGMENTS_A_SESSION
    session = np.repeat(np.arange(1, sessions + 1), SEGMENTS_A_SESSION)
    length = draw.integers(SHORTEST_MS, LONGEST_MS, session.size)
    started = np.sort(START_MS + (draw.random(sessions) * span_ms).astype(np.int64))
    ends = length.reshape(sessions, SEGMENTS_A_SESSION).cumsum(axis=1)
    end = (started[:, None] + ends).ravel()
    start = end - length
    # Cutting at quarters would change the count: a stretch that crosses one begins there.
    start = np.maximum(start, (end - 1) // QUARTER_MS * QUARTER_MS)
    attention = draw.choice(4, session.size, p=[0.4, 0.2, 0.35, 0.05])
    segments = pl.DataFrame(
        {
            "session_id": session,
            "start_ms": start,
            "end_ms": end,
            "attention": attention,
            "cpu_percent": draw.random(session.size).round(3) * 100,
            "inhibiting": draw.random(session.size) < 0.02,
            "instance": draw.integers(1, 30_000, session.size),
            "since_ms": start - (attention > 0) * draw.integers(0, LONGEST_MS, session.size),
            "policy_version": np.ones(session.size, dtype=np.int64),
            "received_ms": end // 60_000 * 60_000 + 60_000,
        }
    ).with_columns(pl.when(pl.col("attention") < 2).then("instance"))
    return _sessions(started, ends[:, -1] + started, draw.integers(1, APPLICATIONS + 1, sessions)), segments


def _sessions(started: np.ndarray, ended: np.ndarray, application: np.ndarray) -> pl.DataFrame:
    numbers = pl.int_range(1, started.size + 1, dtype=pl.Int64, eager=True)
    return pl.DataFrame(
        {"id": numbers, "started_ms": started, "ended_ms": ended, "application_id": application}
    ).with_columns(
        key=pl.format("{}", "id"),
        received_ms=pl.col("ended_ms"),
        source=pl.lit("sample"),
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
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
