"""Contestants in turn, each in a process of its own: none inherits another's caches, heap or threads.

A script calls `race` with what it wants run, and `started` runs one of them where the script was started anew
for it. Machines drift: each round compares what ran side by side, and the median of the rounds counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

HERE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Lap:
    """One run of one contestant: its best seconds by the clock and on all cores, the memory it ever held."""

    seconds: float
    processor: float
    megabytes: float
    answer: Any


Laps = dict[str, list[Lap]]


def race(script: str, contestants: Sequence[str], *arguments: object, rounds: int = 3) -> Laps:
    """Run each contestant in each round, one after the other; all must answer the same."""
    laps: Laps = {name: [] for name in contestants}
    for number in range(rounds):
        # Who goes first may be slowed by what the round before left to be done.
        turn = number % len(contestants)
        for name in (*contestants[turn:], *contestants[:turn]):
            laps[name].append(_run(script, name, arguments))
    answers = {name: lap.answer for name, each in laps.items() for lap in each}
    first = next(iter(answers.values()))
    assert all(answer == first for answer in answers.values()), f"the answers differ: {answers}"
    return laps


def _run(script: str, name: str, arguments: Sequence[object]) -> Lap:
    command = [sys.executable, script, "--lap", name, *(str(each) for each in arguments)]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{name}: {done.stderr}"
    return Lap(**json.loads(done.stdout.splitlines()[-1]))


def started() -> list[str] | None:
    """Return the contestant to run and its arguments; None where the script itself was started."""
    return sys.argv[2:] if sys.argv[1:2] == ["--lap"] else None


def lap(work: Callable[[], Any], answer: Callable[[Any], Any], *, times: int = 3, warm: bool = True) -> None:
    """Run the work, once beforehand so that nothing is compiled on the clock; print the best time."""
    if warm:
        work()
    taken: list[tuple[float, float]] = []
    result = None
    for _ in range(times):
        result = None  # one result at a time in memory
        began, worked = perf_counter(), process_time()
        result = work()
        taken.append((perf_counter() - began, process_time() - worked))
    seconds, processor = (min(times) for times in zip(*taken, strict=True))
    found = {"seconds": seconds, "processor": processor, "megabytes": most_memory()}
    print(json.dumps({**found, "answer": answer(result)}))


def most_memory() -> float:
    """Give the most that this process ever had in memory, MB; `ru_maxrss` counts its parent's, too."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say how much memory a process had")


def tell(laps: Laps, ours: str, rival: str, limit: float) -> float:
    """Print the median of the rounds' ratios, against its limit; by processor for machines that are busy."""
    pairs = list(zip(laps[ours], laps[rival], strict=True))
    ratio = median(own.seconds / other.seconds for own, other in pairs)
    worked = median(own.processor / other.processor for own, other in pairs)
    share = f"{ratio / limit:.2f} of {limit}"
    print(f"{ours} / {rival}: ratio {ratio:.2f}, {share}; by processor time {worked:.2f}", flush=True)
    return ratio


def show(laps: Laps) -> None:
    """Print what each contestant took, and held in memory."""
    for name, each in laps.items():
        seconds, worked = [run.seconds for run in each], median(run.processor for run in each)
        most = max(run.megabytes for run in each)
        times = f"median {median(seconds):7.3f} s, best {min(seconds):7.3f} s, on all cores {worked:7.3f} s"
        print(f"{name:<34} {times}, {most:7,.0f} MB")
