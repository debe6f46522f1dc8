"""The agent killed again and again: whatever the moment, nothing is lost and nothing is double."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from running_agent import RunningAgent, without_desktop
from small_manager import SmallManager

KILLS = 30


@pytest.mark.timeout(600)
def test_after_thirty_kills_the_segments_still_tile_the_session(tmp_path: Path) -> None:
    pad = tmp_path / "pmsoakpad"
    shutil.copy("/bin/sleep", pad)
    moments = random.Random(20261124)
    with SmallManager() as manager:
        manager.policy = {
            "version": 1,
            "applications": [
                {"code": "pad", "name": "Pad", "billed": True, "signatures": [{"executable": pad.name}]}
            ],
            "gap_floor_ms": 1_000,
            "poll_ms": 200,
            "checkpoint_ms": 60_000,
            "delivery_ms": 1_000,
            "presence_ms": 500,
            "policy_refresh_ms": 3_000,
        }
        agent = RunningAgent(tmp_path, manager, without_desktop())
        agent.enroll()
        agent.start()
        child = subprocess.Popen([str(pad), "600"])
        try:
            agent.wait_until(lambda: manager.batches[-1]["presence"], "the session", 10)
            for _ in range(KILLS):
                time.sleep(moments.uniform(0, 2.5))
                agent.kill()
                agent.start()
            child.kill()
            child.wait()
            agent.wait_until(lambda: manager.records("session")[-1]["state"] == "closed", "the close", 30)
        finally:
            child.kill()
            agent.end()
        session, rows = manager.records("session")[-1], manager.records("segment")
    assert {row["session"] for row in rows} == {session["session"]}
    edges = [row["start_ms"] for row in rows] + [session["ended_ms"]]
    assert edges[0] == session["started_ms"]
    assert [row["end_ms"] for row in rows] == edges[1:]
