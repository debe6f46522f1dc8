"""Import of a foreign log of 190,000 sessions, to mirror and rollups: at most 15 seconds.

The log is a FlexNet debug log of twelve months: 400 users, 30 features, check-outs of one hour in the mean,
busier at work than at night. It is written once, then imported into a new SQLite warehouse; the hours of its
sessions are checked against those that the log was made of.

    python benchmarks/import_log.py [sessions]
"""

from __future__ import annotations

import heapq
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector.importers.records import Options
from collector.importing.files import import_files
from warehouse import mirror, rollups
from warehouse.store import read, upgrade

SESSIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 190_000
LIMIT_SECONDS = 15 * SESSIONS / 190_000
USERS, FEATURES, DAYS = 400, 30, 365
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def check_outs(random_: random.Random) -> list[tuple[int, int, str, str]]:
    """Start and end in seconds, feature, user; one user holds a feature once at a time."""
    found: list[tuple[int, int, str, str]] = []
    free_from: dict[tuple[str, str], int] = {}
    for _ in range(SESSIONS):
        day, hour = random_.randrange(DAYS), min(23.99, max(0.0, random_.gauss(13, 3)))
        start = int(day * 86_400 + hour * 3_600)
        end = start + max(1, int(random_.expovariate(1 / 3_600)))
        found.append(
            (start, end, f"FEATURE_{random_.randrange(FEATURES)}", f"user{random_.randrange(USERS)}")
        )
    kept = []
    for start, end, feature, user in sorted(found):
        free = free_from.get((feature, user), 0)
        at, until = max(start, free), max(end, free + 1)
        free_from[feature, user] = until
        kept.append((at, until, feature, user))
    return kept


def write(path: Path, sessions: list[tuple[int, int, str, str]]) -> None:
    events = sorted(
        event
        for start, end, feature, user in sessions
        for event in (
            (start, 1, f'OUT: "{feature}" {user}@pc{user[4:]}'),
            (end, 0, f'IN: "{feature}" {user}@pc{user[4:]}'),
        )
    )
    stamps = ((day * 86_400, -1, "") for day in range(DAYS + 2))
    with path.open("w", encoding="ascii") as log:
        for second, _, text in heapq.merge(events, stamps):
            at = FIRST + second * SECOND
            if text:
                log.write(f"{at.hour:>2}:{at:%M:%S} (vendord) {text}  \n")
            else:
                log.write(f"{at.hour:>2}:{at:%M:%S} (vendord) TIMESTAMP {at.month}/{at.day}/{at.year}\n")


def main() -> None:
    sessions = check_outs(random.Random(5))
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "debug.log"
        write(log, sessions)
        engine = upgrade(f"sqlite:///{name}/warehouse.sqlite")
        began = time.perf_counter()
        report = import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="benchmark", at_ms=1)
        imported = time.perf_counter()
        mirror.update(engine)
        mirrored = time.perf_counter()
        rollups.update(engine)
        ended = time.perf_counter()
        check(engine, sessions, report.new)
        again = time.perf_counter()
        assert (
            import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="benchmark", at_ms=2).new == 0
        )
        print(
            f"import {imported - began:.1f} s, mirror {mirrored - imported:.1f} s, "
            f"rollups {ended - mirrored:.1f} s; the same log again {time.perf_counter() - again:.1f} s"
        )
        print(
            f"{SESSIONS:,} sessions: {ended - began:.1f} s, {(ended - began) / LIMIT_SECONDS:.2f} of "
            f"{LIMIT_SECONDS:.1f} s"
        )
        engine.dispose()


def check(engine, sessions, new: int) -> None:
    held = sum(end - start for start, end, *_ in sessions) * 1000
    stored, rolled = (
        read(engine, sql).row(0)[0]
        for sql in (
            "SELECT sum(end_ms - start_ms) AS ms FROM segment",
            "SELECT sum(held_ms) AS ms FROM use_hour",
        )
    )
    assert (new, stored, rolled) == (len(sessions), held, held), (new, len(sessions), stored, rolled, held)


if __name__ == "__main__":
    main()
