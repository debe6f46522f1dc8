"""Launches and exits: which processes of this logon session bear a signature, and what their trees use.

Only new pids are opened. A process that is recognized is an instance; a process below one belongs to its
tree. A process may become another program after it was first seen, so the young ones are looked at again
with each scan, and all others from time to time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from collector.agent import process_table as table
from collector.agent.clock import Moment
from collector.agent.sample import Identity, Instance, SessionKey
from collector.agent.signatures import Features, Names, recognize
from collector.protocol import MonitoredApplication

CANDIDATE_MS = 3_000
"""So often a process is looked at that lacks nothing but its window."""
GROWN_MS = 30_000
"""So often any is looked at, in case it becomes another program; more often while it is young."""
COMM_LENGTH = 15
"""Linux cuts longer process names off here."""

WindowClasses = Callable[[], Mapping[int, frozenset[str]]]


class LogonSession(NamedTuple):
    """Whose processes are metered: one account, in one logon session."""

    account: str
    name: str
    """Tells this logon session from others of the host; travels with each session."""
    display: str | None = None
    """X display; processes of another one belong to another logon session."""


class Seen(NamedTuple):
    """What a scan found, for the meter's sample."""

    instances: tuple[Instance, ...]
    exits: Mapping[Identity, int]
    cpu_ms: Mapping[SessionKey, float]
    searched_ms: int | None = None
    """`Sample.searched_ms`."""

    def then(self, later: Seen) -> Seen:
        """Return what this scan and a later one found together."""
        keys = {**self.cpu_ms, **later.cpu_ms}
        cpu_ms = {key: self.cpu_ms.get(key, 0.0) + later.cpu_ms.get(key, 0.0) for key in keys}
        return Seen(later.instances, {**self.exits, **later.exits}, cpu_ms, later.searched_ms)


@dataclass(slots=True)
class _Process:
    """One process of the own account."""

    identity: Identity
    parent: int
    born_ms: int
    dull_ms: int
    """Until then it was no program that is looked for."""
    cpu_ms: float
    name: str
    """As it was met; empty once that has been looked at."""
    check_ms: int = 0
    instance: Instance | None = None
    root: Identity | None = None
    """The instance to whose tree it belongs; itself, if it is one."""


class Processes:
    """Keeps track of the processes of one logon session.

    Parameters
    ----------
    own
        The logon session.
    """

    def __init__(self, own: LogonSession) -> None:
        self._own = own
        self._applications: tuple[MonitoredApplication, ...] = ()
        self._names = Names(())
        self._known: set[int] = set()
        self._processes: dict[int, _Process] = {}
        self._trees: dict[Identity, float] = {}
        """CPU time of the tree of each instance that has been accounted for."""
        self._ended: dict[int, int] = {}
        self._searched_ms: int | None = None
        self._newest: bytes | None = None
        self.exits = table.Exits()

    def meter(self, applications: Iterable[MonitoredApplication]) -> None:
        """Look for these applications from now on; what runs of others is seen no more."""
        self._applications = tuple(applications)
        self._names = Names(self._applications)
        self._known, self._processes, self._trees = set(), {}, {}
        self._searched_ms = self._newest = None
        self.exits.forget(())

    def note_exits(self, pids: Iterable[int], boot_ms: int) -> None:
        """Note that instances ended just now."""
        self._ended.update(dict.fromkeys(pids, boot_ms))

    def knows(self, pid: int) -> bool:
        """Whether a process was found by a search already, be it metered or not."""
        return pid in self._known

    def scan(self, now: Moment, window_classes: WindowClasses, *, search: bool = True) -> Seen:
        """Find launches and exits since the previous scan.

        Parameters
        ----------
        now
            The present instant.
        window_classes
            Called only if a signature asks for a window class.
        search
            Whether to look for launches too; that is the larger part of the cost.
        """
        present = self._list() if search else set(self._known)
        exits = self._drop(present, now)
        for pid in present - self._known:
            self._meet(pid, now)
        changed = present != self._known
        self._known = present
        if (search and self._recognize(now, window_classes)) or changed:
            self._plant()
        cpu_ms = self._measure()
        before_ms = self._searched_ms
        if search:
            self._searched_ms = table.tick_ms(now.boot_ms)
        instances = tuple(each.instance for each in self._instances() if each.instance)
        return Seen(instances, exits, cpu_ms, before_ms)

    def _list(self) -> set[int]:
        """Return all pids; those of the previous scan, if nothing was launched since."""
        newest = table.newest_pid()
        if newest is not None and newest == self._newest:
            return set(self._known)
        self._newest = newest
        return table.pids()

    def _instances(self) -> list[_Process]:
        return [process for process in self._processes.values() if process.instance]

    # --- Coming and going ----------------------------------------------------------------------------------

    def _drop(self, present: set[int], now: Moment) -> dict[Identity, int]:
        """Forget the processes that are gone; return the exits of instances."""
        exits: dict[Identity, int] = {}
        for process in self._gone(present):
            if process.instance:
                exits[process.identity] = self._ended.get(process.identity.pid, now.boot_ms)
            self._forget(process)
        self._ended.clear()
        self.exits.forget({process.identity.pid for process in self._instances()})
        return exits

    def _gone(self, present: set[int]) -> list[_Process]:
        """Read what each process of a tree has used; return those that are gone, children before parents.

        Parents are read before their children: of a child that is gone when its turn comes, the parent may
        have taken over the time or not yet, but never while the child still counts here.
        """
        gone = {
            pid: process
            for pid, process in self._processes.items()
            if (process.root and not self._reads(process)) or pid not in present
        }
        ended = list(reversed(gone.values()))
        for process in ended if table.PARENTS_TAKE_OVER else ():
            parent = gone.get(process.parent)
            if parent:
                parent.cpu_ms += process.cpu_ms
        return ended

    def _reads(self, process: _Process) -> bool:
        """Read what a process has used; return whether it is still there."""
        pid = process.identity.pid
        line = table.stat(pid) if pid not in self._ended else None
        if line and line.start_ticks == process.identity.start_ticks:
            process.cpu_ms = line.cpu_ms
            return True
        # The time of a child that ended stays its own until its parent has asked for it.
        return not process.instance and table.awaits_its_parent(pid)

    def _forget(self, gone: _Process) -> None:
        """Forget one, and see who inherits the CPU time that was counted here."""
        pid = gone.identity.pid
        del self._processes[pid]
        self._known.discard(pid)  # its number may be in use again: let the scan meet it as new
        parent = self._processes.get(gone.parent)
        heir = parent.root if parent and table.PARENTS_TAKE_OVER else None
        if gone.instance:
            del self._trees[gone.identity]
            if heir in self._trees:
                self._trees[heir] += gone.cpu_ms
        elif gone.root in self._trees and heir != gone.root:
            self._trees[gone.root] -= gone.cpu_ms

    def _meet(self, pid: int, now: Moment) -> None:
        line = table.stat(pid) if table.is_own(pid) else None
        if line:
            born_ms = table.started_ms(line, now)
            identity = Identity(pid, line.start_ticks)
            self._processes[pid] = _Process(identity, line.parent, born_ms, born_ms, line.cpu_ms, line.name)

    # --- What they are -------------------------------------------------------------------------------------

    def _recognize(self, now: Moment, window_classes: WindowClasses) -> bool:
        """Look at those whose time has come; return whether one is found to be an instance."""
        classes: Mapping[int, frozenset[str]] | None = None
        found = False
        for process in self._processes.values():
            if process.instance or process.check_ms > now.boot_ms:
                continue
            process.check_ms = now.boot_ms + min(now.boot_ms - process.born_ms, GROWN_MS)
            features = self._candidate(process, now)
            if features is None:
                continue
            if classes is None:
                classes = window_classes() if self._asks("window_class") else {}
            windows = classes.get(process.identity.pid, frozenset())
            found |= self._name(process, replace(features, window_classes=windows), now)
        return found

    def _candidate(self, process: _Process, now: Moment) -> Features | None:
        """Return what is known of a process whose executable could be one that is looked for."""
        pid = process.identity.pid
        known, process.name = process.name, ""
        features = Features(table.path(pid), self._full_name(pid, known))
        if not self._names.bears(features):
            process.dull_ms = now.boot_ms
            return None
        display = table.display(pid) if self._own.display else None
        if display is not None and _screenless(display) != _screenless(self._own.display or ""):
            return None
        return self._described(process, features)

    def _described(self, process: _Process, features: Features) -> Features:
        """Add what the signatures ask for."""
        if self._asks("arguments"):
            features = replace(features, arguments=" ".join(table.command_line(process.identity.pid)[1:]))
        if self._asks("parent"):
            path, name = table.path(process.parent), self._full_name(process.parent)
            features = replace(features, parent_path=path, parent_name=name)
        return features

    def _name(self, process: _Process, features: Features, now: Moment) -> bool:
        code = recognize(features, self._applications)
        if code is None:
            process.check_ms = min(process.check_ms, now.boot_ms + CANDIDATE_MS)
            return False
        key = SessionKey(code, self._own.account, self._own.name)
        process.instance = Instance(key, process.identity, process.dull_ms)
        self.exits.watch(process.identity.pid)
        return True

    def _asks(self, feature: str) -> bool:
        return any(
            getattr(signature, feature) is not None
            for application in self._applications
            for signature in application.signatures
        )

    @staticmethod
    def _full_name(pid: int, known: str = "") -> str:
        line = None if known else table.stat(pid)
        name = line.name if line else known
        if len(name) < COMM_LENGTH:
            return name
        first = (table.command_line(pid) or [""])[0].rpartition("/")[2]
        return first if first.startswith(name) else name

    # --- Trees and their CPU time --------------------------------------------------------------------------

    def _plant(self) -> None:
        """Give every process its tree: that of the nearest instance above it, or the one it had."""
        ordered = sorted(
            self._processes.values(), key=lambda each: (each.identity.start_ticks, each.identity)
        )
        self._processes = {process.identity.pid: process for process in ordered}
        for process in ordered:
            planted = process.root is not None
            parent = self._processes.get(process.parent)
            if process.instance:
                process.root = process.identity
            elif parent and parent.identity.start_ticks <= process.identity.start_ticks:
                process.root = parent.root
            elif process.root not in self._trees:
                process.root = None
            if process.root and not planted and not self._reads(process):
                process.cpu_ms = 0.0  # gone since it was met: its parent has its time

    def _measure(self) -> dict[SessionKey, float]:
        """Return the CPU time that each session's trees used since the previous scan."""
        totals: dict[Identity, float] = {}
        for process in self._processes.values():
            if process.root:
                totals[process.root] = totals.get(process.root, 0.0) + process.cpu_ms
        used: dict[SessionKey, float] = {}
        for process in self._instances():
            if process.instance:
                key, total = process.instance.key, totals[process.identity]
                used[key] = used.get(key, 0.0) + self._account(process, total)
        return used

    def _account(self, process: _Process, total_ms: float) -> float:
        """Return what a tree used since the previous scan; all of it, if no search came since its launch."""
        before_ms = self._trees.get(process.identity)
        if before_ms is None:
            launched = self._searched_ms is not None and process.born_ms >= self._searched_ms
            before_ms = 0.0 if launched else total_ms
        # Below it while an ended child waits for its parent to take over its time.
        self._trees[process.identity] = max(before_ms, total_ms)
        return max(0.0, total_ms - before_ms)


def _screenless(display: str) -> str:
    """Return a display's name without its screen: `:0.0` and `:0` are one."""
    host, colon, number = display.rpartition(":")
    return f"{host}{colon}{number.partition('.')[0]}"
