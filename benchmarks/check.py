"""Check 10 million segments in 700,000 sessions, with mirror and rollups, on SQLite: 30 seconds and 2 GB.

Three years of working days: 30 applications, 400 people, sessions of about 36 minutes between 8 and 18 UTC.
The check runs in a process of its own, so that its memory is measured and not that of the making. It has to
find nothing; then a thing is spoilt, and it has to find that.

Run: python benchmarks/check.py [SEGMENTS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from time import perf_counter

import numpy as np
import polars as pl
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import mirror, rollups, schema, store

LIMIT_SECONDS, LIMIT_MB = 30, 2_000
APPLICATIONS, PEOPLE, PIECES, ROUNDS, SEED = 30, 400, 12, 3, 20261124
SEGMENTS_A_SESSION = 14.4
START_MS, DAYS, DAY_MS, HOUR_MS = 1_704_067_200_000, 1_096, 86_400_000, 3_600_000  # from 2024-01-01, a Monday
QUARTER_MS, SHORTEST_MS, LONGEST_MS = 900_000, 1_000, 360_000
CHUNK = 50_000

CHECK = """
import resource, sys, time
from warehouse import check, store
engine = store.open_warehouse(sys.argv[1])
began = last = time.perf_counter()
def tell(what, share):
    global last
    now = time.perf_counter()
    print(f"{now - last:6.1f} s until {what}", file=sys.stderr)
    last = now
found = check.check(engine, tell)
tell("the end", 1.0)
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(found))
print(*found, sep="\\n", file=sys.stderr)
"""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/warehouse.sqlite"
        engine = make(url, count)
        rounds = [_check(url) for _ in range(ROUNDS)]
        assert [found for _, _, found in rounds] == [0] * ROUNDS, "something was found where all is well"
        _spoil(engine)
        assert _check(url)[2] == 3, "a hole has to be found: in the tiling, the rollups and the mirror"
        engine.dispose()
    seconds, megabytes = min(each[0] for each in rounds), max(each[1] for each in rounds)
    print(f"checked in {seconds:.1f} s (of {ROUNDS} rounds the best) with {megabytes:,.0f} MB")
    print(f"share of the limit of {LIMIT_SECONDS} s: {seconds / LIMIT_SECONDS:.2f}")
    print(f"share of the limit of {LIMIT_MB:,} MB: {megabytes / LIMIT_MB:.2f}")


def _check(url: str) -> tuple[float, float, int]:
    done = subprocess.run([sys.executable, "-c", CHECK, url], check=True, stdout=subprocess.PIPE, text=True)
    seconds, megabytes, found = done.stdout.split()
    return float(seconds), float(megabytes), int(found)


def _spoil(engine: Engine) -> None:
    with store.writing(engine) as connection:
        connection.execute(
            sa.text("DELETE FROM segment WHERE (session_id, start_ms) = (SELECT session_id, min(start_ms) "
                    "FROM segment WHERE session_id = 5 AND start_ms > (SELECT min(start_ms) FROM segment "
                    "WHERE session_id = 5) GROUP BY session_id)")
        )  # fmt: skip


def make(url: str, count: int) -> Engine:
    """Write the warehouse, its mirror and its rollups."""
    engine = store.upgrade(url)
    _furnish(engine)
    began = perf_counter()
    written = sum(_load(engine, sessions, segments) for sessions, segments in history(count))
    loaded = perf_counter()
    mirror.update(engine)
    mirrored = perf_counter()
    rolled = rollups.update(engine)
    print(
        f"{written:,} segments loaded in {loaded - began:.0f} s, mirrored in {mirrored - loaded:.0f} s, "
        f"rolled up in {perf_counter() - mirrored:.0f} s to {rolled.use_hours:,} hours of use and "
        f"{rolled.demand_hours:,} of demand"
    )
    return engine


def _furnish(engine: Engine) -> None:
    host = {"id": 1, "name": "desk", "kind": "workstation", "zone": "UTC", "valid_from_on": "2024-01-01"}
    people = range(1, PEOPLE + 1)
    with store.writing(engine) as connection:
        codes = [{"id": n, "code": f"a{n}", "name": f"Application {n}"} for n in range(1, APPLICATIONS + 1)]
        connection.execute(schema.application.insert(), codes)
        connection.execute(
            schema.person.insert(),
            [{"id": n, "code": f"p{n}", "name": f"Person {n}", "employment": "employee",
              "valid_from_on": "2024-01-01"} for n in people],
        )  # fmt: skip
        connection.execute(
            schema.account.insert(), [{"id": n, "name": f"user{n}", "person_id": n} for n in people]
        )
        connection.execute(schema.host.insert().values(host))


def _load(engine: Engine, sessions: pl.DataFrame, segments: pl.DataFrame) -> int:
    store.append(engine, "session", sessions)
    return store.append(engine, "segment", segments)


def history(count: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Give sessions in order of their start, and their segments, which tile them, some thousand at a time."""
    draw = np.random.default_rng(SEED)
    total = int(count / SEGMENTS_A_SESSION)
    days = np.array([day for day in range(DAYS) if day % 7 < 5])
    at = draw.choice(days, total) * DAY_MS + 8 * HOUR_MS + draw.integers(0, 10 * HOUR_MS, total)
    started = np.sort(START_MS + at)
    for first in range(0, total, CHUNK):
        part = started[first : first + CHUNK]
        numbers = np.arange(first + 1, first + 1 + part.size)
        segments = _segments(draw, numbers, part)
        yield _sessions(draw, numbers, segments), segments


def _segments(draw: np.random.Generator, numbers: np.ndarray, started: np.ndarray) -> pl.DataFrame:
    ends = started[:, None] + draw.integers(SHORTEST_MS, LONGEST_MS, (started.size, PIECES)).cumsum(axis=1)
    starts = np.concatenate([started[:, None], ends[:, :-1]], axis=1)
    attention = draw.choice(8, starts.size, p=[0.4, 0.2, 0.28, 0.04, 0.02, 0.02, 0.02, 0.02])
    pieces = pl.DataFrame(
        {
            "session_id": np.repeat(numbers, PIECES),
            "start_ms": starts.ravel(),
            "end_ms": ends.ravel(),
            "attention": attention,
            "cpu_percent": draw.random(starts.size).round(3) * 100,
            "inhibiting": draw.random(starts.size) < 0.02,
            "instance": draw.integers(1, 30_000, starts.size),
            "since_ms": starts.ravel() - (attention == 1) * draw.integers(0, LONGEST_MS, starts.size),
        }
    ).with_columns(
        pl.when(pl.col("attention") < 2).then("instance"),
        edge=(pl.col("end_ms") - 1) // QUARTER_MS * QUARTER_MS,
    )
    whole = pieces.filter(pl.col("edge") <= pl.col("start_ms"))
    cut = pieces.filter(pl.col("edge") > pl.col("start_ms"))
    return (
        pl.concat([whole, cut.with_columns(end_ms="edge"), cut.with_columns(start_ms="edge")])
        .sort("session_id", "start_ms")
        .drop("edge")
        .with_columns(policy_version=pl.lit(1), received_ms=pl.col("end_ms") // 60_000 * 60_000 + 60_000)
    )


def _sessions(draw: np.random.Generator, numbers: np.ndarray, segments: pl.DataFrame) -> pl.DataFrame:
    return segments.group_by("session_id", maintain_order=True).agg(
        started_ms=pl.col("start_ms").min(), ended_ms=pl.col("end_ms").max(),
        received_ms=pl.col("received_ms").max(),
    ).rename({"session_id": "id"}).with_columns(
        key=pl.format("{}", "id"),
        application_id=pl.Series(draw.integers(1, APPLICATIONS + 1, numbers.size)),
        account_id=pl.Series(draw.integers(1, PEOPLE + 1, numbers.size)),
        source=pl.lit("sample"), host_id=pl.lit(1), logon_session=pl.lit("1"), zone=pl.lit("UTC"),
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
