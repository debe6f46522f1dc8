"""The three clocks of a host behind one seam, and instants read off a count of idle milliseconds."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

IDLE_JITTER_MS = 20
"""A display server counts in coarse ticks: two readings of one input may differ by this much."""
TORN_NS = 1_000_000
"""Clocks read this far apart or farther make no instant: the system held the agent up in between."""
READINGS = 10
"""So often they are read at most; on a machine that is never free for a moment the closest reading counts."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on all three clocks, in whole milliseconds.

    `boot_ms` runs on while the machine sleeps, `mono_ms` does not; neither ever jumps. `wall_ms` is UTC since
    1970, as the host believes it at the moment.
    """

    boot_ms: int
    wall_ms: int
    mono_ms: int

    @property
    def slept_ms(self) -> int:
        """Milliseconds that the machine has slept since it was started."""
        return self.boot_ms - self.mono_ms


class Clock(Protocol):
    """Whatever tells the time: the host's clocks, or a test's."""

    def now(self) -> Moment:
        """Return the present instant."""
        ...


class SystemClock:
    """The clocks of this host."""

    def now(self) -> Moment:
        """Return the present instant; on Windows sleep is not told apart from waking yet.

        The clocks can only be read one after the other. Where that takes too long they are read again: the
        difference of two of them places sessions and tells sleep.
        """
        apart_ns, moment = _read()
        for _ in range(READINGS - 1):
            if apart_ns < TORN_NS:
                break
            apart_ns, moment = min((apart_ns, moment), _read(), key=lambda reading: reading[0])
        return moment


def _read() -> tuple[int, Moment]:
    """Read all clocks; return within how many nanoseconds, and the instant."""
    began_ns = time.perf_counter_ns()
    wall_ms = time.time_ns() // 1_000_000
    if sys.platform == "linux":
        boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        mono_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    elif sys.platform == "darwin":
        boot_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        mono_ns = time.clock_gettime_ns(time.CLOCK_UPTIME_RAW)
    else:
        boot_ns = mono_ns = time.monotonic_ns()
    apart_ns = time.perf_counter_ns() - began_ns
    return apart_ns, Moment(boot_ns // 1_000_000, wall_ms, mono_ns // 1_000_000)


class LastInput:
    """Turns "idle for n milliseconds" into the instant of the last input, which does not tremble."""

    def __init__(self) -> None:
        self._mono_ms: int | None = None
        self._boot_ms = 0
        self._read: Moment | None = None

    def instant(self, before: Moment, after: Moment, idle_ms: int) -> int:
        """Return the boot-time instant of the last input.

        Parameters
        ----------
        before, after
            The moments around the question to the display server; it answered somewhere in between.
        idle_ms
            What it answered. It counts waking time only.
        """
        earliest, latest = before.mono_ms - idle_ms, after.mono_ms - idle_ms
        known = self._mono_ms
        if known is None or not earliest - IDLE_JITTER_MS <= known <= latest + IDLE_JITTER_MS:
            # An input from before a sleep that lies between two readings is placed before the sleep.
            asleep = self._read is not None and latest <= self._read.mono_ms
            slept_ms = self._read.slept_ms if asleep and self._read else after.slept_ms
            self._mono_ms, self._boot_ms = latest, latest + slept_ms
        self._read = after
        return self._boot_ms


def boot_id() -> str:
    """Return what tells one start of this host from the next."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    else:  # noqa: RET505  (mypy calls a line after a branch of the other system unreachable)
        return f"{psutil.boot_time():.0f}"


def host_zone(localtime: Path = Path("/etc/localtime"), timezone: Path = Path("/etc/timezone")) -> str | None:
    """Return the IANA zone of this host; None when the host does not say."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if "/" in named and not named.startswith("/"):
        return named
    target = str(localtime.readlink()) if localtime.is_symlink() else ""
    if "zoneinfo/" in target:
        return target.partition("zoneinfo/")[2].removeprefix("posix/").removeprefix("right/")
    try:
        return timezone.read_text(encoding="ascii").strip() or None
    except OSError:
        return None
