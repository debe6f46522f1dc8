"""The whole agent as a process of its own, on a host without a display: everything is held."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from running_agent import RunningAgent, without_desktop
from small_manager import SmallManager, acknowledge

TIMINGS = {
    "gap_floor_ms": 1_000,
    "poll_ms": 200,
    "checkpoint_ms": 60_000,
    "delivery_ms": 1_000,
    "presence_ms": 500,
    "policy_refresh_ms": 3_000,
}


class Program:
    """A program of a name of its own, which sleeps."""

    def __init__(self, folder: Path) -> None:
        self.name = f"pm{uuid4().hex[:9]}"
        self.path = folder / self.name
        shutil.copy("/bin/sleep", self.path)
        self.children: list[subprocess.Popen[bytes]] = []

    def launch(self) -> subprocess.Popen[bytes]:
        self.children.append(subprocess.Popen([str(self.path), "300"]))
        return self.children[-1]

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()

    def policy(self, version: int = 1) -> dict[str, object]:
        application = {
            "code": "pad",
            "name": "Pad",
            "billed": True,
            "signatures": [{"executable": self.name}],
        }
        return {"version": version, "applications": [application], **TIMINGS}


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    made = Program(tmp_path)
    yield made
    made.end()


@pytest.fixture
def manager(program: Program) -> Iterator[SmallManager]:
    with SmallManager() as made:
        made.policy = program.policy()
        yield made


@pytest.fixture
def agent(tmp_path: Path, manager: SmallManager) -> Iterator[RunningAgent]:
    made = RunningAgent(tmp_path, manager, without_desktop())
    made.enroll()
    yield made
    made.end()


def test_a_session_is_held_and_closed_and_carries_its_project(agent: RunningAgent, program: Program) -> None:
    assert agent.command("project", "set", "2026-001", "--phase", "10").returncode == 0
    agent.start()
    launched = time.time()
    child = program.launch()
    agent.wait_until(lambda: agent.manager.records("session"), "the launch to be told")
    agent.wait_until(lambda: agent.manager.batches[-1]["presence"], "the session to be present")
    time.sleep(1)
    child.kill()
    child.wait()
    closed = time.time()
    agent.wait_until(lambda: agent.manager.records("session")[-1]["state"] == "closed", "the close")
    session = agent.manager.records("session")[-1]
    assert abs(session["started_ms"] / 1000 - launched) < 1.5
    assert abs(session["ended_ms"] / 1000 - closed) < 1.5
    (project,) = agent.manager.records("project")
    assert (project["project"], project["phase"], project["from_ms"]) == (
        "2026-001",
        "10",
        session["started_ms"],
    )
    rows = agent.manager.records("segment")
    assert {row["attention"] for row in rows} == {"held"}
    assert (rows[0]["start_ms"], rows[-1]["end_ms"]) == (session["started_ms"], session["ended_ms"])
    assert agent.manager.unsigned == 0


def test_status_says_what_is_not_seen_and_the_log_too(agent: RunningAgent, program: Program) -> None:
    program.launch()
    agent.start()
    agent.wait_until(lambda: agent.status()["last_delivery"], "a delivery to be told")
    told = agent.status()
    assert [row["attention"] for row in told["open"]] == ["held"]
    assert told["running"] is True
    assert told["blind_spots"] == ["there is no display: every session is metered as held"]
    assert told["sees"] == {"focus": False, "input": False, "lock": False}
    assert told["applications"] == ["Pad"]
    assert told["last_error"] is None
    assert "there is no display" in agent.log


def test_a_kill_leaves_an_unobserved_hole_and_nothing_lost_or_doubled(
    agent: RunningAgent, program: Program
) -> None:
    agent.start()
    child = program.launch()
    agent.wait_until(lambda: agent.manager.records("session"), "the session to be stored, and told")
    killed = agent.kill()
    time.sleep(2)
    restarted = time.time()
    agent.start()
    time.sleep(1)
    child.kill()
    child.wait()
    agent.wait_until(lambda: agent.manager.records("session")[-1]["state"] == "closed", "the close")
    session = agent.manager.records("session")[-1]
    rows = agent.manager.records("segment")
    assert len({row["session"] for row in agent.manager.records("session")}) == 1
    edges = [row["start_ms"] for row in rows] + [session["ended_ms"]]
    assert edges[0] == session["started_ms"]
    assert [row["end_ms"] for row in rows] == edges[1:]
    watched_from = next(row["start_ms"] for row in rows if row["attention"] != "unobserved")
    hole = [row for row in rows if row["attention"] == "unobserved" and row["start_ms"] > watched_from]
    assert hole[0]["start_ms"] / 1000 <= killed
    assert hole[-1]["end_ms"] / 1000 >= restarted
    assert [row["start_ms"] for row in hole[1:]] == [row["end_ms"] for row in hole[:-1]], "cut by a quarter"


def test_a_manager_that_is_away_for_a_while_loses_nothing(agent: RunningAgent, program: Program) -> None:
    agent.start()
    agent.manager.answer = lambda _: (503, {"error": "away"})
    child = program.launch()
    agent.wait_until(lambda: agent.status()["backlog"], "the session to wait")
    child.kill()
    child.wait()
    agent.wait_until(lambda: agent.status()["backlog"] >= 3, "the rest to wait")
    agent.wait_until(lambda: agent.status()["last_error"] == "away", "the reason to be told")
    agent.manager.batches.clear()
    agent.manager.answer = acknowledge
    agent.wait_until(lambda: agent.status()["backlog"] == 0, "the backlog to go", 150)
    kinds = [row["kind"] for row in agent.manager.records("session") + agent.manager.records("segment")]
    assert kinds[:2] == ["session", "session"]
    assert "segment" in kinds


def test_a_signal_ends_it_cleanly_with_a_last_delivery(agent: RunningAgent, program: Program) -> None:
    agent.start()
    program.launch()
    agent.wait_until(lambda: agent.manager.batches[-1]["presence"], "the session to be present")
    before = time.time()
    assert agent.stop() == 0
    ended = time.time()
    last = agent.manager.batches[-1]
    assert last["presence"] == []
    watches = agent.manager.records("watch")
    assert before - 0.5 < watches[-1]["end_ms"] / 1000 < ended
    assert all(first["end_ms"] <= second["start_ms"] for first, second in pairwise(watches))
    assert agent.status()["running"] is False


def test_a_second_agent_in_one_home_is_refused(agent: RunningAgent) -> None:
    agent.start()
    second = agent.command("run")
    assert second.returncode == 1
    assert "an agent is running here already" in second.stderr
    assert agent.command("enroll", agent.manager.url, "--token", "t").returncode == 1


def test_a_newer_policy_is_put_in_force_and_kept(agent: RunningAgent, program: Program) -> None:
    agent.manager.policy = {**program.policy(), "applications": []}
    agent.start()
    program.launch()
    time.sleep(1)
    assert agent.manager.records("session") == []
    agent.manager.policy = program.policy(version=2)
    agent.manager.answer = lambda batch: acknowledge(batch, version=2)
    agent.wait_until(lambda: agent.manager.records("session"), "the application to be metered")
    assert agent.status()["policy_version"] == 2
