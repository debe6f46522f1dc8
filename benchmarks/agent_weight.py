"""What the agent costs the workstation: mean CPU and peak memory, as shares of what is promised.

Runs the real agent on a virtual desktop, with a text editor that is typed into, and a small local manager. It
keeps a list of 10,000 open projects, and would ask at the launch of every other application.
A share over 1 breaks the promise; the exit status is 1 then.

    python benchmarks/agent_weight.py [--seconds 600]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psutil
from Xlib import XK, X, display
from Xlib.ext import xtest

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "rigs"))

from desktop import Desktop
from listed_projects import project_list
from running_agent import RunningAgent
from small_manager import SmallManager

CPU_LIMIT_PERCENT = 0.3
MEMORY_LIMIT_MB = 30.0
WARM_UP_SECONDS = 10
POLICY = {
    "version": 1,
    "applications": [
        {
            "code": code,
            "name": code,
            "billed": True,
            "prompt": code != "mousepad",
            "signatures": [{"executable": code}],
        }
        for code in ("mousepad", "xterm", "soffice*", "firefox*", "freecad*")
    ],
}
PROJECTS = [
    {
        "number": f"{number:05}",
        "name": f"Refurbishment of building {number}",
        "payer": f"Client {number % 300}",
        "phases": [
            {"number": f"{phase}0", "name": f"Phase {phase}", "tasks": [["A", "Drawings"], ["B", "Models"]]}
            for phase in range(1, 6)
        ],
    }
    for number in range(10_000)
]


def main() -> int:
    """Run, print two shares, and return 1 if one is over 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, SmallManager() as manager:
        manager.policy = POLICY
        manager.project_list = (200, project_list(*PROJECTS))
        with Desktop(Path(folder)) as desktop:
            agent = RunningAgent(Path(folder), manager, desktop.environment())
            agent.enroll()
            agent.start()
            try:
                cpu_percent, peak_mb = measure(agent, desktop, seconds)
            finally:
                agent.end()
    print(f"processes of this host: {len(psutil.pids())}")
    return report(
        {
            "mean CPU": (cpu_percent, CPU_LIMIT_PERCENT, "% of a core"),
            "peak RSS": (peak_mb, MEMORY_LIMIT_MB, "MB"),
        }
    )


def measure(agent: RunningAgent, desktop: Desktop, seconds: float) -> tuple[float, float]:
    """Return mean CPU in percent of one core, and peak memory in MB, of the agent and its children."""
    assert agent.process
    desktop.launch("mousepad")
    time.sleep(WARM_UP_SECONDS)
    process = psutil.Process(agent.process.pid)
    used, started, peak = cpu_seconds(process), time.monotonic(), 0.0
    with closing(display.Display(desktop.display)) as keyboard:
        while time.monotonic() - started < seconds:
            type_for(keyboard, 5)
            time.sleep(3)
            peak = max(peak, memory_mb(process))
    return 100 * (cpu_seconds(process) - used) / (time.monotonic() - started), peak


def type_for(keyboard: display.Display, seconds: float) -> None:
    """Press a key again and again; a real keyboard starts no process for that, as xdotool would."""
    key = keyboard.keysym_to_keycode(XK.XK_a)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for kind in (X.KeyPress, X.KeyRelease):
            xtest.fake_input(keyboard, kind, key)
        keyboard.sync()
        time.sleep(0.2)


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU time of a process, and of all its children, also of those that ended."""
    times = process.cpu_times()
    living = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return sum(times[:4]) + living


def memory_mb(process: psutil.Process) -> float:
    """Return the highest resident memory of a process so far, and that of its living children."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return peak_kb / 1024 + sum(child.memory_info().rss for child in process.children(recursive=True)) / 2**20


def report(figures: dict[str, tuple[float, float, str]]) -> int:
    """Print each figure as a share of its limit."""
    for name, (value, limit, unit) in figures.items():
        print(f"{name}: {value / limit:.2f} of the limit ({value:.3f} of {limit} {unit})")
    print(f"load of this machine meanwhile: {os.getloadavg()[1]:.1f}")
    return int(any(value > limit for value, limit, _ in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
