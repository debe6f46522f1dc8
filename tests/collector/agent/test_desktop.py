"""The whole agent on a real desktop: a text editor, real key strokes, and a display that hangs or dies."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desktop import Desktop
from running_agent import RunningAgent
from small_manager import SmallManager

pytestmark = pytest.mark.desktop

POLICY = {
    "version": 1,
    "applications": [
        {"code": code, "name": code, "billed": False, "signatures": [{"executable": code}]}
        for code in ("mousepad", "xterm")
    ],
    "gap_floor_ms": 1_000,
    "poll_ms": 250,
    "checkpoint_ms": 60_000,
    "delivery_ms": 1_000,
    "presence_ms": 500,
    "policy_refresh_ms": 60_000,
}
CLOSE_ENOUGH = 1.5
"""Seconds."""


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    with Desktop(tmp_path) as made:
        yield made


@pytest.fixture
def manager() -> Iterator[SmallManager]:
    with SmallManager() as made:
        made.policy = POLICY
        yield made


@pytest.fixture
def agent(tmp_path: Path, desktop: Desktop, manager: SmallManager) -> Iterator[RunningAgent]:
    made = RunningAgent(tmp_path, manager, desktop.environment())
    made.enroll()
    made.start()
    yield made
    made.end()


def attention(agent: RunningAgent, code: str) -> str | None:
    present = agent.manager.batches[-1]["presence"]
    return next((row["attention"] for row in present if row["application"] == code), None)


def wait_for(agent: RunningAgent, code: str, wanted: str | None) -> None:
    agent.wait_until(lambda: attention(agent, code) == wanted, f"{code} to be {wanted}")


def wait_for_close(agent: RunningAgent) -> dict[str, Any]:
    """Return the record of the one session that is closed."""

    def closed() -> list[dict[str, Any]]:
        return [row for row in agent.manager.records("session") if row["state"] == "closed"]

    agent.wait_until(closed, "the close")
    (session,) = closed()
    return session


def stretch(rows: list[dict[str, Any]], at: float) -> list[dict[str, Any]]:
    """Segments of the stretch around an instant: a minute of other CPU use, or a quarter, cuts it."""
    held = next(row for row in rows if row["start_ms"] <= 1000 * at < row["end_ms"])
    return [row for row in rows if all(row[name] == held[name] for name in ("attention", "since_ms"))]


def test_launch_typing_silence_background_and_close_are_placed_within_a_second_and_a_half(
    agent: RunningAgent, desktop: Desktop
) -> None:
    launched = time.time()
    pad = desktop.launch("mousepad")
    typed, paused = desktop.type_for(4)
    time.sleep(4)
    resumed, left = desktop.type_for(4)
    switching = time.time()
    desktop.launch("xterm")
    switched = time.time()
    time.sleep(2)
    closed = desktop.end(pad)
    session = wait_for_close(agent)
    rows = [row for row in agent.manager.records("segment") if row["session"] == session["session"]]
    silence, behind = stretch(rows, (paused + resumed) / 2), stretch(rows, (switched + closed) / 2)
    assert {silence[0]["attention"], behind[0]["attention"]} == {"no_input", "background"}
    told = [
        session["started_ms"],
        silence[0]["start_ms"],
        silence[-1]["end_ms"],
        behind[0]["start_ms"],
        session["ended_ms"],
    ]
    # Between these two moments each; only the window manager knows when the other program got the focus.
    script = [(launched,) * 2, (paused,) * 2, (resumed,) * 2, (switching, switched), (closed,) * 2]
    misses = [
        max(first - ms / 1000, ms / 1000 - last) for ms, (first, last) in zip(told, script, strict=True)
    ]
    assert [miss for miss in misses if miss >= CLOSE_ENOUGH] == []
    assert silence[0]["since_ms"] == silence[0]["start_ms"]
    assert {row["instance"] for row in silence} == {pad.pid}
    assert [row["end_ms"] for row in rows[:-1]] == [row["start_ms"] for row in rows[1:]]
    seconds = {
        kind: sum(row["end_ms"] - row["start_ms"] for row in rows if row["attention"] == kind) / 1000
        for kind in ("input", "no_input")
    }
    silent = resumed - paused
    assert seconds["input"] == pytest.approx((paused - typed) + (left - resumed), abs=2)
    # Where the machine is busy, windows take their time before the first stroke and after the last one.
    assert silent - 2 < seconds["no_input"] < silent + (typed - launched) + (switched - left) + 2


def test_an_exit_is_known_within_a_second_and_a_half_of_it(agent: RunningAgent, desktop: Desktop) -> None:
    pad = desktop.launch("mousepad")
    wait_for(agent, "mousepad", "no_input")
    closed = desktop.end(pad)
    wait_for(agent, "mousepad", None)
    session = wait_for_close(agent)
    assert abs(session["ended_ms"] / 1000 - closed) < CLOSE_ENOUGH


def test_a_program_of_another_desktop_is_not_metered(agent: RunningAgent, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Desktop(tmp_path / "other") as other:
        other.launch("mousepad")
        time.sleep(2)
        assert agent.manager.records("session") == []


def test_a_display_that_hangs_makes_sessions_held_and_they_come_back(
    agent: RunningAgent, desktop: Desktop
) -> None:
    desktop.launch("mousepad")
    desktop.type_for(1)
    wait_for(agent, "mousepad", "no_input")
    server = desktop.children[0].pid
    os.kill(server, signal.SIGSTOP)
    try:
        wait_for(agent, "mousepad", "held")
    finally:
        os.kill(server, signal.SIGCONT)
    wait_for(agent, "mousepad", "no_input")


def test_the_end_of_the_display_ends_its_programs_and_not_the_agent(
    agent: RunningAgent, desktop: Desktop
) -> None:
    desktop.launch("mousepad")
    wait_for(agent, "mousepad", "no_input")
    desktop.end(desktop.children[0])
    wait_for_close(agent)
    agent.wait_until(lambda: not agent.status()["sees"]["focus"], "blindness to be told")
    assert any("does not answer" in spot for spot in agent.status()["blind_spots"])
    assert agent.process is not None
    assert agent.process.poll() is None


def test_without_a_window_manager_the_focus_is_a_blind_spot(agent: RunningAgent, desktop: Desktop) -> None:
    desktop.launch("mousepad")
    wait_for(agent, "mousepad", "no_input")
    desktop.end(desktop.children[1])
    wait_for(agent, "mousepad", "held")
    agent.wait_until(
        lambda: "no window manager says which window has the focus" in agent.status()["blind_spots"],
        "the blind spot to be told",
    )


def test_a_saver_that_locks_the_screen_is_seen(agent: RunningAgent, desktop: Desktop) -> None:
    desktop.launch("mousepad")
    wait_for(agent, "mousepad", "no_input")
    for word, wanted in (("LOCK", "locked"), ("BLANK", "no_input")):
        command = ["xprop", "-root", "-f", "_SCREENSAVER_STATUS", "32a", "-set", "_SCREENSAVER_STATUS", word]
        subprocess.run(command, env=desktop.environment(), check=True)
        wait_for(agent, "mousepad", wanted)
    agent.wait_until(lambda: agent.status()["sees"]["lock"], "the lock to be seen")
    assert "nobody says whether the screen is locked" not in agent.status()["blind_spots"]
