"""Children of a run end with it, and what a killed run left is ended by the next."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipelines.children import Child, Children, answers, free_port, is_free, run, wait_until
from warehouse.errors import Problem

NOBODY = 2**22 - 3
"""A process number that no process here has."""
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: None)
print("on", flush=True)
time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEPER) as process:
        yield process
        process.kill()


def _created(process: subprocess.Popen[bytes]) -> float:
    return psutil.Process(process.pid).create_time()


def test_children_end_with_the_run_and_the_register_goes(tmp_path: Path) -> None:
    register = tmp_path / "running.json"
    with Children(register, tmp_path / "logs") as children:
        child = children.start("sleeper", SLEEPER)
        assert child.process.poll() is None
        assert [pid for pid, _ in json.loads(register.read_text())] == [os.getpid(), child.process.pid]
    assert child.process.poll() is not None
    assert not register.exists()


def test_children_end_when_the_run_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with Children(tmp_path / "running.json", tmp_path) as children:
            started.append(children.start("sleeper", SLEEPER))
            raise ZeroDivisionError

    started: list[Child] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert started[0].process.poll() is not None


def test_a_child_that_will_not_end_is_ended_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.children.PATIENCE_SECONDS", 0.3)
    with Children(tmp_path / "running.json", tmp_path) as children:
        child = children.start("stubborn", [sys.executable, "-c", STUBBORN])
        wait_until(child, lambda: "on" in child.log.read_text(), "starting", 120)
    assert child.process.poll() is not None


def test_what_a_killed_run_left_is_ended_by_the_next(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    register = tmp_path / "running.json"
    register.write_text(json.dumps([[NOBODY, 1.0], [sleeper.pid, _created(sleeper)]]))
    with Children(register, tmp_path):
        assert not psutil.pid_exists(sleeper.pid)


def test_a_number_that_is_another_process_by_now_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    register = tmp_path / "running.json"
    register.write_text(json.dumps([[NOBODY, 1.0], [sleeper.pid, _created(sleeper) - 1000]]))
    with Children(register, tmp_path):
        assert sleeper.poll() is None


def test_a_second_run_of_the_same_home_is_refused(tmp_path: Path) -> None:
    second = Children(tmp_path / "running.json", tmp_path)
    expected = f"in use by process {os.getpid()}; end it with Ctrl-C"
    with Children(tmp_path / "running.json", tmp_path), pytest.raises(Problem, match=expected):
        second.__enter__()


def test_a_child_that_ends_early_says_why(tmp_path: Path) -> None:
    with Children(tmp_path / "running.json", tmp_path) as children:
        child = children.start("faulty", [sys.executable, "-c", "raise SystemExit('no such port')"])
        with pytest.raises(Problem, match=r"faulty ended: no such port; see .*faulty\.log"):
            wait_until(child, lambda: False, "answering", 120)


def test_a_child_that_does_not_get_ready_is_given_up(tmp_path: Path) -> None:
    with Children(tmp_path / "running.json", tmp_path) as children:
        child = children.start("sleeper", SLEEPER)
        began = time.monotonic()
        with pytest.raises(Problem, match="sleeper: answering did not happen within 0 s"):
            wait_until(child, lambda: False, "answering", 0.2)
        assert time.monotonic() - began < 60


def test_a_command_that_fails_is_one_line() -> None:
    with pytest.raises(Problem, match="failed: the last line"):
        run([sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('the last line')"])
    assert run([sys.executable, "-c", "print(input())"], given="a token") == "a token\n"


def test_a_wanted_port_is_kept_while_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        assert answers(taken)
        assert not is_free(taken)
        assert free_port(taken) != taken
    other = free_port()
    assert free_port(other) == other
    assert not answers(other)
