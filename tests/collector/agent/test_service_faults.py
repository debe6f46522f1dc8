"""The loop goes on when a step fails, and when the disk is full for a while."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from collector.agent import service as service_module
from collector.agent.clock import SystemClock
from collector.agent.home import Enrolled, Home
from collector.agent.policy import store_policy
from collector.agent.process_table import account
from collector.agent.processes import LogonSession
from collector.agent.sensors import NoSensor
from collector.agent.service import Service
from collector.agent.spool import Spool
from collector.protocol import CollectionPolicy, MonitoredApplication, Signature

NOBODY = "http://127.0.0.1:9"
"""No manager listens there: everything stays in the spool, where a test can look at it."""


class Running:
    """A service in a thread, and one program that it meters."""

    def __init__(self, folder: Path) -> None:
        name = f"pm{uuid4().hex[:9]}"
        shutil.copy("/bin/sleep", folder / name)
        home = Home(folder / "agent")
        home.make()
        application = MonitoredApplication(code="pad", name="Pad", signatures=(Signature(executable=name),))
        store_policy(home.policy, CollectionPolicy(version=1, applications=(application,), poll_ms=100))
        self.spool = Spool(home.spool)
        enrolled = Enrolled(NOBODY, "agent-1", "ab", "host", "Etc/UTC")
        own = LogonSession(account(), "1")
        self.service = Service(home, SystemClock(), NoSensor("none"), own, self.spool, enrolled)
        self.thread = threading.Thread(target=self.service.run)
        self.program = subprocess.Popen([str(folder / name), "300"])

    def end(self) -> list[dict[str, Any]]:
        """End the program, wait for the close, stop; return all records."""
        self.program.kill()
        self.program.wait()
        self.until(lambda: '"closed"' in str(self.spool.peek(99, 10**6)))
        self.service.stop()
        self.thread.join()
        return [json.loads(row.body) for row in self.spool.peek(99, 10**6)]

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(service_module, "FAILED_STEP_SECONDS", 0.3)
    made = Running(tmp_path)
    yield made
    made.program.kill()
    made.program.wait()
    made.service.stop()
    if made.thread.is_alive():
        made.thread.join()
    made.spool.close()


def tiles(records: list[dict[str, Any]]) -> bool:
    closed = next(row for row in records if row["kind"] == "session" and row["state"] == "closed")
    rows = [row for row in records if row["kind"] == "segment"]
    edges = [row["start_ms"] for row in rows] + [closed["ended_ms"]]
    return edges[0] == closed["started_ms"] and all(
        row["end_ms"] == after for row, (_, after) in zip(rows, pairwise(edges), strict=True)
    )


def test_a_step_that_fails_leaves_a_hole_and_the_next_one_goes_on(
    running: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.thread.start()
    running.until(running.spool.backlog)
    scan, failures = running.service._processes.scan, [OSError("odd")] * 3

    def failing(*arguments: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        return scan(*arguments, **options)

    monkeypatch.setattr(running.service._processes, "scan", failing)
    running.until(lambda: not failures and not running.service._failures)
    records = running.end()
    assert tiles(records)
    assert {row["attention"] for row in records if row["kind"] == "segment"} == {"held", "unobserved"}
    logged = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert logged == [
        "step failed, 1 in a row; going on from the last checkpoint",
        "step failed, 2 in a row; going on from the last checkpoint",
    ]


def test_a_full_disk_is_complained_about_once_and_nothing_is_lost(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    connection = running.spool._connection
    for name in range(4):  # fills the page that the state would go to
        connection.execute("INSERT INTO kept VALUES (?, hex(zeroblob(470)))", (f"filler {name}",))
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    running.thread.start()
    running.until(lambda: "disk takes no more" in caplog.text)
    time.sleep(2.5)
    connection.execute("PRAGMA max_page_count = 100000")
    running.until(lambda: "spool: all is well again" in caplog.text)
    assert caplog.text.count("disk takes no more") == 1
    assert tiles(running.end())
