"""Child processes that end when their parent does: the services that a demo needs beside itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from warehouse.errors import Problem

PATIENCE_SECONDS = 15.0
"""How long a child may take to end by itself."""
START_SECONDS = 120.0
"""How long one may take to begin answering; a busy machine is slow, and one that ends is noticed at once."""
LOOPBACK = "127.0.0.1"
AGENT = "import sys; from collector.agent.cli import main; sys.exit(main())"
"""What the installed command `process-meter-agent` does."""


@dataclass(frozen=True, slots=True)
class Child:
    """One started process and the file that holds what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """Return the last line that it wrote."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def require_alive(self) -> None:
        """Raise Problem with the child's own words when it has ended."""
        if self.process.poll() is not None:
            raise Problem(f"{self.name} ended: {self.last_words()}", f"see {self.log}")


class Children:
    """The children of one run, ended in reverse order when the run ends, however it ends.

    Parameters
    ----------
    register
        File that names this run and its children, so that the next run can end what a killed one left.
    logs
        Folder for what they say.

    Raises
    ------
    Problem
        On entering: another run of the same register is alive.
    """

    def __init__(self, register: Path, logs: Path) -> None:
        self.register, self.logs = register, logs
        self.started: list[Child] = []

    def __enter__(self) -> Self:
        """End what a killed run left behind, and claim the register."""
        self._end_left_behind()
        self.logs.mkdir(parents=True, exist_ok=True)
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every child, the last started first."""
        self.end()
        self.register.unlink(missing_ok=True)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Child:
        """Start a child whose output goes into a file of its own."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=own_environment(environment),
                cwd=cwd,
                # A Ctrl-C in the terminal is for the parent alone, which then ends its children in order.
                start_new_session=True,
            )
        self.started.append(Child(name, process, log))
        self._write()
        return self.started[-1]

    def end(self) -> None:
        """Ask each child to end, wait for it, and end it by force when it does not."""
        while self.started:
            child = self.started.pop()
            if child.process.poll() is None:
                child.process.terminate()
            try:
                child.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _write(self) -> None:
        rows = [_named(os.getpid())] + [_named(child.process.pid) for child in self.started]
        draft = self.register.with_suffix(".partial")
        draft.write_text(json.dumps([row for row in rows if row]), encoding="utf-8")
        draft.replace(self.register)

    def _end_left_behind(self) -> None:
        parent, *children = _alive(self.register)
        if parent is not None:
            raise Problem(
                f"{self.register.parent} is in use by process {parent.pid}",
                "end it with Ctrl-C, or name another folder with --home",
            )
        left = [child for child in children if child is not None]
        for child in left:
            child.terminate()
        psutil.wait_procs(left, timeout=PATIENCE_SECONDS)


def _named(pid: int) -> tuple[int, float] | None:
    """Return what tells a process from a later one with the same number."""
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return None


def _alive(register: Path) -> list[psutil.Process | None]:
    """Return the run and the children of a register that still live; the run's place comes first."""
    try:
        rows = json.loads(register.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return [None]
    found: list[psutil.Process | None] = []
    for pid, created in rows:
        same = _named(pid) == (pid, created)
        found.append(psutil.Process(pid) if same else None)
    return found or [None]


def own_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child that runs our own code: modules of the working folder stay out."""
    return {**os.environ, "PYTHONSAFEPATH": "1", **(more or {})}


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, given: str = "") -> str:
    """Run a command to its end and return what it printed.

    Raises
    ------
    Problem
        It failed; its last line says why.
    """
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env=own_environment(environment), check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise Problem(f"{' '.join(command[1:6])} failed: {said}")
    return done.stdout


def command_line(*arguments: str) -> list[str]:
    """Return the command that runs `process-meter` with these arguments in this very environment."""
    return [sys.executable, "-m", "apps.cli", *arguments]


def agent_command_line(*arguments: str) -> list[str]:
    """Return the command that runs `process-meter-agent`; isolated, as on every other machine."""
    return [sys.executable, "-I", "-c", AGENT, *arguments]


def free_port(wanted: int | None = None) -> int:
    """Return a port that is free on the loopback address now: the wanted one if it is."""
    if wanted is not None and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nothing listens at a port of the loopback address."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def wait_until(child: Child, ready: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until a child is ready.

    Raises
    ------
    Problem
        It ended before, or takes longer than this.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        child.require_alive()
        if time.monotonic() > deadline:
            raise Problem(f"{child.name}: {what} did not happen within {seconds:.0f} s", f"see {child.log}")
        time.sleep(0.05)


def answers(port: int) -> bool:
    """Whether something accepts connections at a port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0
