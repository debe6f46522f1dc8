"""The sample year, made and loaded into SQLite, against its limit of 60 s; at least 2 million segments."""

from __future__ import annotations

import resource
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time

from pipelines.sample.load import load
from pipelines.sample.plan import Plan
from warehouse.store import upgrade

LIMIT_SECONDS, LEAST_SEGMENTS = 60, 2_000_000


def main() -> None:
    now = datetime.now(UTC)
    plan = Plan(today=now.date(), until_ms=int(now.timestamp() * 1000))
    with tempfile.TemporaryDirectory() as folder:
        engine = upgrade(f"sqlite:///{Path(folder) / 'warehouse.sqlite'}")
        began, worked = perf_counter(), process_time()
        loaded = load(engine, plan)
        seconds, processor = perf_counter() - began, process_time() - worked
        engine.dispose()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"segments  {loaded.segments:>12,}   at least {LEAST_SEGMENTS:,}")
    print(f"sessions  {loaded.sessions:>12,}")
    print(f"seconds   {seconds:>12.1f}   {seconds / LIMIT_SECONDS:.2f} of the limit of {LIMIT_SECONDS} s")
    print(f"processor {processor:>12.1f}   s on all cores")
    print(f"memory    {memory:>12.0f}   MB at most")
    assert loaded.segments >= LEAST_SEGMENTS
    assert seconds < LIMIT_SECONDS


if __name__ == "__main__":
    main()
