"""One whole line through the product for tests: a warehouse, a manager process, an agent process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from typer.testing import CliRunner

from apps.cli import app
from collector.agent.clock import Moment
from collector.agent.home import Home, read_document
from collector.agent.spool import Spool

METER = str(Path(sys.executable).with_name("process-meter"))
AGENT = str(Path(sys.executable).with_name("process-meter-agent"))
_ONE_AT_A_TIME = threading.Lock()
"""Held by the command that runs: its environment is the whole process's."""


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Line:
    """The processes of one line; every command is the product's own command line."""

    name: str
    url: str
    folder: Path
    environment: Mapping[str, str]
    port: int = field(default_factory=free_port)
    manager: subprocess.Popen[bytes] | None = None
    agent: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> str:
        """URL of the manager."""
        return f"http://127.0.0.1:{self.port}"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment, **self._own()}

    def _own(self) -> dict[str, str]:
        return {
            "PROCESS_METER_WAREHOUSE": self.url,
            "PROCESS_METER_KEYS": str(self.folder / f"{self.name}-keys"),
            "PROCESS_METER_AGENT_HOME": str(self.folder / f"{self.name}-agent"),
        }

    def run(self, *arguments: str) -> str:
        """Run a command of `process-meter` and return what it printed.

        In this process: a dozen of its own would take minutes to start where the machine is busy.
        """
        with _ONE_AT_A_TIME:
            done = CliRunner().invoke(app, arguments, env=self._own())
        assert done.exit_code == 0, f"{arguments}: {done.output}{done.exception}"
        return done.stdout

    def agent_run(self, *arguments: str) -> str:
        """Run `process-meter-agent` and return what it printed."""
        command = [AGENT, *arguments]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start_manager(self) -> None:
        """Start the manager and wait until it answers."""
        serve = [METER, "manager", "serve", "--port", str(self.port)]
        self.manager = self._start(f"{self.name}-manager", serve)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.manager.poll() is None, self.log(f"{self.name}-manager")
            try:
                with urllib.request.urlopen(f"{self.server}/v1/health", timeout=20):
                    return
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("the manager did not answer")

    def stop_manager(self) -> None:
        """End the manager as a service manager would."""
        assert self.manager is not None
        self.manager.terminate()
        self.manager.wait(60)

    def enroll(self) -> None:
        """Draw a one-time token and enroll the agent with it."""
        token = self.run("manager", "token", "new").split()[-1]
        self.agent_run("enroll", self.server, "--token", token)

    def start_agent(self) -> None:
        """Start the agent."""
        self.agent = self._start(f"{self.name}-agent", [AGENT, "run"])

    def kill_agent(self) -> None:
        """End the agent as a power cut would."""
        assert self.agent is not None
        self.agent.send_signal(signal.SIGKILL)
        self.agent.wait()

    def stop_agent(self) -> None:
        """End the agent as a log-off would."""
        assert self.agent is not None
        self.agent.terminate()
        assert self.agent.wait(90) == 0, self.log(f"{self.name}-agent")

    def is_watching(self) -> bool:
        """Whether the agent has looked at the desktop since it was started."""
        assert self.agent is not None
        assert self.agent.poll() is None, self.log(f"{self.name}-agent")
        told = read_document(self._home.status) or {}
        return told.get("pid") == self.agent.pid and bool(told["sees"]["focus"])

    def checkpoint(self) -> float:
        """Return the wall-clock second up to which an agent that was killed has stored what it saw."""
        spool = Spool(self._home.spool)
        state = spool.state()
        spool.close()
        assert state is not None
        return Moment(*state["moment"]).wall_ms / 1000

    @property
    def _home(self) -> Home:
        return Home(self.folder / f"{self.name}-agent")

    def stop(self) -> None:
        """End what still runs."""
        for process in (self.agent, self.manager):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def log(self, name: str) -> str:
        """Return what a process wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
