"""A draft of a month, 5,000 users and 2 million segments, to charge lines in the ledger: 20 seconds and 2 GB.

Sessions of some 23 minutes in 30 applications, on working days between 8 and 18 UTC, each on a project, one
in ten on a second one from its middle. The draft runs in a process of its own, from the evidence in SQLite
(its mirror brought up to date, as the manager keeps it) to lines stored and ready for review.

Run: python benchmarks/draft.py [SEGMENTS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from time import perf_counter

import numpy as np
import polars as pl
from racing.firm import APPLICATIONS, PROJECTS, furnish
from sqlalchemy import Engine

from warehouse import mirror, store

LIMIT_SECONDS, LIMIT_MB = 20, 2_000
PEOPLE, SEGMENTS_A_SESSION, SEED = 5_000, 14, 20261129
MONTH_MS, DAY_MS, HOUR_MS, QUARTER_MS = 1_788_220_800_000, 86_400_000, 3_600_000, 900_000  # 2026-09-01
WORKDAYS = [day for day in range(30) if (day + 1) % 7 not in (5, 6)]
SHORTEST_MS, LONGEST_MS = 1_000, 200_000
NOW_MS = MONTH_MS + 31 * DAY_MS + 12 * HOUR_MS

DRAFT = """
import resource, sys, time
from pipelines import billing
from warehouse import store
engine = store.open_warehouse(sys.argv[1])
now = int(sys.argv[2])
began, busy = time.perf_counter(), time.process_time()
run = billing.draft(engine, "2026-09", "generic", "pat", now)
print(time.perf_counter() - began, time.process_time() - busy,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, billing.show(engine, run)["lines"])
"""


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/warehouse.sqlite"
        engine = store.upgrade(url)
        began = perf_counter()
        _make(engine, count)
        engine.dispose()
        print(f"{count:,} segments made and mirrored in {perf_counter() - began:.1f} s")
        command = [sys.executable, "-c", DRAFT, url, str(NOW_MS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    seconds, busy, megabytes, lines = map(float, done.stdout.split())
    print(f"{int(lines):,} lines in {seconds:.1f} s, {busy:.1f} s of processor, {megabytes:.0f} MB")
    print(f"share of the limit of {LIMIT_SECONDS} s: {seconds / LIMIT_SECONDS:.2f}")
    print(f"share of the limit of {LIMIT_MB} MB: {megabytes / LIMIT_MB:.2f}")


def _make(engine: Engine, count: int) -> None:
    furnish(engine, PEOPLE)
    sessions, segments, entries = history(count)
    store.append(engine, "session", sessions)
    store.append(engine, "segment", segments)
    store.append(engine, "project_entry", entries)
    mirror.update(engine)


def history(count: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return sessions, their segments, and the projects that were entered."""
    draw = np.random.default_rng(SEED)
    number = count // SEGMENTS_A_SESSION
    day = draw.choice(WORKDAYS, number) * DAY_MS
    started = np.sort(MONTH_MS + day + 8 * HOUR_MS + (draw.random(number) * 10 * HOUR_MS).astype(np.int64))
    length = draw.integers(SHORTEST_MS, LONGEST_MS, (number, SEGMENTS_A_SESSION))
    end = (started[:, None] + length.cumsum(axis=1)).ravel()
    # Cutting at quarters would change the count: a stretch that crosses one begins there.
    start = np.maximum(end - length.ravel(), (end - 1) // QUARTER_MS * QUARTER_MS)
    attention = draw.choice(4, end.size, p=[0.55, 0.2, 0.2, 0.05])
    session = np.repeat(np.arange(1, number + 1), SEGMENTS_A_SESSION)
    segments = pl.DataFrame(
        {
            "session_id": session, "start_ms": start, "end_ms": end, "attention": attention,
            "cpu_percent": np.zeros(end.size), "instance": np.full(end.size, 1),
            "since_ms": start - (attention > 0) * draw.integers(0, LONGEST_MS, end.size),
            "policy_version": np.ones(end.size, dtype=np.int64), "received_ms": end + 60_000,
        }
    )  # fmt: skip
    sessions = _sessions(draw, started, end.reshape(number, -1)[:, -1])
    return sessions, segments, _entries(draw, sessions)


def _sessions(draw: np.random.Generator, started: np.ndarray, ended: np.ndarray) -> pl.DataFrame:
    person = draw.integers(1, PEOPLE + 1, started.size)
    return pl.DataFrame(
        {
            "id": np.arange(1, started.size + 1), "started_ms": started, "ended_ms": ended,
            "received_ms": ended + 60_000, "account_id": person, "host_id": person,
            "application_id": 1 + (person + draw.integers(0, 3, started.size)) % APPLICATIONS,
        }
    ).with_columns(
        key=pl.format("{}", "id"), source=pl.lit("agent"), logon_session=pl.lit("1"), zone=pl.lit("UTC")
    )  # fmt: skip


def _entries(draw: np.random.Generator, sessions: pl.DataFrame) -> pl.DataFrame:
    project = 1 + (sessions["account_id"].to_numpy() * 7 + draw.integers(0, 4, sessions.height)) % PROJECTS
    first = sessions.select(session_id="id", from_ms="started_ms", project=pl.Series(project))
    middle = (pl.col("started_ms") + pl.col("ended_ms")) // 2
    second = sessions.filter(pl.col("id") % 10 == 3).select(
        session_id="id", from_ms=middle, project=1 + pl.col("id") % PROJECTS
    )
    return pl.concat([first, second]).select(
        "session_id", "from_ms", project_number=pl.format("P{}", "project"), phase_number=pl.lit("01"),
        fields=pl.lit("{}"), author=pl.lit("user"), reason=pl.lit("at launch"), created_ms="from_ms",
    )  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
