"""An import with its mirror and rollups killed again and again: the repeat leaves what a calm run leaves."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from warehouse import check
from warehouse.store import open_warehouse, read, upgrade

KILLS = 30
ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from collector.importers.records import Options
from collector.importing.files import import_files
from warehouse.store import open_warehouse
from warehouse.upkeep import upkeep

engine = open_warehouse(sys.argv[1])
now = 1_800_000_000_000
import_files(engine, "flexnet", [Path(sys.argv[2])], Options(zone="UTC"), actor="somebody", at_ms=now)
upkeep(engine, now_ms=now)
"""
DERIVED = {
    "sessions": "SELECT key, started_ms, ended_ms FROM session ORDER BY key",
    "segments": """SELECT key, start_ms, end_ms, attention, units FROM segment
        JOIN session ON session.id = session_id ORDER BY key, start_ms""",
    "events": "SELECT key, at_ms, kind, session_key FROM foreign_event ORDER BY key",
    "use": """SELECT session.key, hour_ms, run_ms, held_ms, unit_ms FROM use_hour
        JOIN session ON session.id = session_id ORDER BY session.key, hour_ms""",
    "demand": """SELECT code, key, basis, hour_ms, peak, peak_at_ms, levels FROM demand_hour
        JOIN application ON application.id = application_id ORDER BY code, key, basis, hour_ms""",
}


def write(log: Path, sessions: int) -> None:
    drawn, lines = random.Random(7), []
    for number in range(sessions):
        start = drawn.randrange(28 * 86_400)
        who = f'"F{number % 7}" user{number % 40}@pc{number % 40}'
        lines += [(start, f"OUT: {who}"), (start + 1 + int(drawn.expovariate(1 / 3_600)), f"IN: {who}")]
    lines += [(day * 86_400, f"TIMESTAMP 10/{day + 1}/2026") for day in range(28)]
    with log.open("w", encoding="ascii") as out:
        for second, text in sorted(lines, key=lambda line: (line[0], not line[1].startswith("TIME"))):
            if second < 28 * 86_400:
                clock = time.strftime("%H:%M:%S", time.gmtime(second))
                out.write(f"{clock} (demo) {text}\n")


def start(url: str, log: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", CHILD, url, str(log)], cwd=ROOT)


def left(url: str) -> dict[str, pl.DataFrame]:
    engine = open_warehouse(url)
    try:
        assert check.check(engine) == []
        return {name: read(engine, sql) for name, sql in DERIVED.items()}
    finally:
        engine.dispose()


@pytest.mark.timeout(1_200)
def test_after_thirty_kills_the_repeat_leaves_what_one_run_leaves(tmp_path: Path) -> None:
    log = tmp_path / "debug.log"
    write(log, 15_000)
    calm, disturbed = (f"sqlite:///{tmp_path / name / 'warehouse.sqlite'}" for name in ("calm", "disturbed"))
    for url in (calm, disturbed):
        upgrade(url).dispose()
    began = time.monotonic()
    assert start(calm, log).wait() == 0
    takes = time.monotonic() - began
    moments = random.Random(20261124)
    for _ in range(KILLS):
        child = start(disturbed, log)
        try:
            child.wait(moments.uniform(0.1, takes))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
    assert start(disturbed, log).wait() == 0
    expected, found = left(calm), left(disturbed)
    assert expected["sessions"].height > 14_000
    for name, frame in expected.items():
        assert found[name].equals(frame), name
