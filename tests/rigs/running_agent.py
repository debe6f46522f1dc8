"""A real agent in its own process, against the small manager."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from small_manager import SmallManager

from collector.agent.home import Home, read_document

PROGRAM = str(Path(sys.executable).with_name("process-meter-agent"))


@dataclass
class RunningAgent:
    """One agent's home and process; `environment` says which desktop it is on."""

    folder: Path
    manager: SmallManager
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def log(self) -> str:
        """Return what it logged so far."""
        return (self.folder / "agent.log").read_text()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of the agent's command line."""
        return subprocess.run(
            [PROGRAM, *arguments, "--home", str(self.folder / "agent")],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def enroll(self) -> None:
        """Enroll with the small manager."""
        done = self.command("enroll", self.manager.url, "--token", "t")
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start it, and wait until it was heard and has looked: what is launched from then on is watched."""
        heard = len(self.manager.batches)
        with (self.folder / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "run", "--home", str(self.folder / "agent")], env=dict(self.environment), stderr=log
            )
        self.wait_until(lambda: len(self.manager.batches) > heard, "the agent to be heard")
        self.wait_until(self.has_looked, "the agent to look")

    def has_looked(self) -> bool:
        """Whether this very process has taken a sample."""
        told = read_document(Home(self.folder / "agent").status) or {}
        return self.process is not None and told.get("pid") == self.process.pid

    def kill(self) -> float:
        """Kill it with SIGKILL; return the wall time at which it was gone."""
        assert self.process
        self.process.kill()
        self.process.wait()
        return time.time()

    def stop(self) -> int:
        """End it with SIGTERM; return its exit status."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)

    def status(self) -> dict[str, Any]:
        """Return what `status --json` says."""
        return dict(json.loads(self.command("status", "--json").stdout))

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = 90) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.05)
        raise TimeoutError(f"waited {seconds} s for {what}\n{self.log}")


def without_desktop() -> dict[str, str]:
    """Return this environment without any display."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "PROCESS_METER_AGENT_HOME")
    return {name: value for name, value in os.environ.items() if name not in hidden}
