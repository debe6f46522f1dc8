"""The system's process table, as far as the agent reads it: by pid, one process at a time, and cheaply."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Collection
from typing import NamedTuple

import psutil

from collector.agent.clock import Moment

PARENTS_TAKE_OVER = sys.platform == "linux"
"""Whether the CPU time of a process that ends is its parent's from then on, as psutil tells it."""


class Stat(NamedTuple):
    """One line of the process table."""

    parent: int
    start_ticks: int
    cpu_ms: float
    """Of the process and, where parents take that over, of its children that have ended."""
    name: str


def pids() -> set[int]:
    """Return the numbers of all processes."""
    return set(psutil.pids())


def newest_pid() -> bytes | None:
    """Return the number that was given last, to a process or a thread; None where the system does not say.

    As long as it stays, nothing was launched, and the table need not be listed.
    """
    newest = None
    if sys.platform == "linux":
        try:
            with open("/proc/loadavg", "rb") as file:  # noqa: PTH123  (a tenth of the price of a listing)
                newest = file.read().rpartition(b" ")[2]
        except OSError:
            return None
    return newest


def is_own(pid: int) -> bool:
    """Whether a process belongs to the account that runs the agent."""
    try:
        if sys.platform == "linux":
            own = os.stat(f"/proc/{pid}").st_uid == os.geteuid()  # noqa: PTH116  (asked for every new process)
        else:
            own = psutil.Process(pid).username() == account()
    except (OSError, psutil.Error):
        own = False
    return own


def stat(pid: int) -> Stat | None:
    """Read one line of the table; None when the process is gone, or a zombie."""
    try:
        line = _stat(pid)
    except (OSError, psutil.Error):
        line = None
    return line


def awaits_its_parent(pid: int) -> bool:
    """Whether a process has ended but its parent has not asked for its exit status yet: a zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _stat(pid: int) -> Stat | None:
    if sys.platform == "linux":
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  (half the price of Path.open)
            head, _, tail = file.read().rpartition(b")")
        fields = tail.split()
        name = head.partition(b"(")[2].decode("utf-8", "replace")
        cpu_ms = sum(map(int, fields[11:15])) * 1000 / _TICKS_PER_SECOND
        gone = fields[0] in (b"Z", b"X")
        line = None if gone else Stat(int(fields[1]), int(fields[19]), cpu_ms, name)
    else:
        process = psutil.Process(pid)
        with process.oneshot():
            cpu_ms = 1000 * sum(process.cpu_times())
            line = Stat(process.ppid(), round(process.create_time() * 100), cpu_ms, process.name())
    return line


def started_ms(line: Stat, now: Moment) -> int:
    """Return when a process started, in boot time; never later than now."""
    if sys.platform == "linux":
        start_ms = line.start_ticks * 1000 // _TICKS_PER_SECOND
    else:
        start_ms = line.start_ticks * 10 - (now.wall_ms - now.boot_ms)
    return min(start_ms, now.boot_ms)


def tick_ms(boot_ms: int) -> int:
    """Return when the tick began in which an instant lies: no process that starts after it is older."""
    return boot_ms * _TICKS_PER_SECOND // 1000 * 1000 // _TICKS_PER_SECOND


def path(pid: int) -> str:
    """Return the path of a process's executable; empty when it cannot be read."""
    try:
        if sys.platform == "linux":
            found = os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115  (asked for every new process)
        else:
            found = psutil.Process(pid).exe()
    except (OSError, psutil.Error):
        found = ""
    return found


def command_line(pid: int) -> list[str]:
    """Return a process's command line, for matching here; empty when it cannot be read."""
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def display(pid: int) -> str | None:
    """Return the X display that a process was started for; None when it was started for none."""
    try:
        return psutil.Process(pid).environ().get("DISPLAY") or None
    except (psutil.Error, OSError):
        return None


def account() -> str:
    """Return the operating-system account that runs the agent."""
    return psutil.Process().username()


class Exits:
    """Tells at once when one of a few processes ends, where the system has handles for that."""

    def __init__(self) -> None:
        self._handles: dict[int, int] = {}
        self._wake, self._waker = os.pipe()

    def watch(self, pid: int) -> None:
        """Watch a further process."""
        if sys.platform == "linux":
            try:
                self._handles[os.pidfd_open(pid)] = pid
            except OSError:
                return  # gone already, or an old kernel: the next poll sees it

    def wake(self) -> None:
        """End a wait early; may be called from a signal handler."""
        try:
            os.write(self._waker, b"!")
        except OSError:
            return

    def wait(self, seconds: float) -> set[int]:
        """Wait for an end of one of them, at most so long; return those that ended."""
        ended: set[int] = set()
        if sys.platform == "linux":
            poll = select.poll()
            poll.register(self._wake, select.POLLIN)
            for handle in self._handles:
                poll.register(handle, select.POLLIN)
            ready = [handle for handle, _ in poll.poll(max(0.0, seconds * 1000))]
            if self._wake in ready:
                os.read(self._wake, 64)
            ended = {self._forget(handle) for handle in ready if handle in self._handles}
        else:
            time.sleep(max(0.0, seconds))
        return ended

    def forget(self, living: Collection[int]) -> None:
        """Stop watching all but these."""
        for handle in [handle for handle, pid in self._handles.items() if pid not in living]:
            self._forget(handle)

    def _forget(self, handle: int) -> int:
        os.close(handle)
        return self._handles.pop(handle)


if sys.platform == "linux":
    _TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
else:
    _TICKS_PER_SECOND = 100
