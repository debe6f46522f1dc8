"""A foreign source made for tests: one line for each time that somebody took or gave back a license.

    100 start cad ann ws1 2      at second 100 Ann on ws1 takes 2 licenses of cad
    160 end cad ann ws1 1        and gives one back: the session goes on with one
    170 restart                  everything that is out comes back
    180 mark                     the log was being written then
    190 denied cad bob ws2 1     Bob got none
    195 have cad 5               there are 5
    200 whole cad ann ws1 90     a session that the log knows whole: from second 90 to 200
    200 open cad ann ws1 90      the same while it is not over

Anything else is set aside. Starts and ends are paired first in, first out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from collector.importers.lines import numbered_lines
from collector.importers.records import (
    Denial,
    Event,
    Hold,
    Options,
    Paired,
    Reading,
    Record,
    SetAside,
    Step,
    StoredEvent,
    Tally,
)
from collector.importing.sources import Source

SERVER = "card"


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    for path in sorted(files, key=_first_second):
        for number, line in numbered_lines(path):
            tally.read += 1
            try:
                yield _record(line)
            except (ValueError, IndexError):
                yield SetAside(f"{path.name}, line {number}", "no line of a card", line)


def _first_second(path: Path) -> int:
    words = (line.split(maxsplit=1) for _, line in numbered_lines(path))
    return next((int(first) for first, *_ in words if first.isdecimal()), 0)


def _record(line: str) -> Record:
    at, kind, *rest = line.split()
    at_ms = int(at) * 1000
    if kind in ("start", "end"):
        return Event(SERVER, at_ms, "start" if kind == "start" else "end", *rest[:3], "", int(rest[3]))
    if kind in ("restart", "mark"):
        return Event(SERVER, at_ms, "restart" if kind == "restart" else "mark")
    if kind == "denied":
        return Denial(SERVER, at_ms, "denied", *rest[:3], int(rest[3]))
    if kind == "have":
        return Reading(SERVER, at_ms, rest[0], issued=int(rest[1]))
    if kind in ("whole", "open"):
        start_ms, ended = int(rest[3]) * 1000, at_ms if kind == "whole" else None
        steps = (Step(start_ms),) if start_ms < at_ms else ()
        return Hold(f"{'/'.join(rest[:4])}", *rest[:3], start_ms, ended, at_ms, steps)
    raise ValueError(kind)


@dataclass
class _Out:
    start: StoredEvent
    keys: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def hold(self, ended_ms: int | None, known_ms: int) -> Paired:
        event = self.start.event
        end = known_ms if ended_ms is None else ended_ms
        steps = tuple(step for step in self.steps if step.at_ms < end)
        hold = Hold(
            str(self.start.key),
            event.application,
            event.account,
            event.host,
            event.at_ms,
            ended_ms,
            end,
            steps,
        )
        return Paired(hold, tuple(self.keys))


def pair(events: Sequence[StoredEvent]) -> Iterator[Paired]:
    out: dict[tuple[str, str, str], list[_Out]] = defaultdict(list)
    for stored in events:
        event = stored.event
        who = (event.application, event.account, event.host)
        if event.kind == "start":
            out[who].append(_Out(stored, [stored.key], [Step(event.at_ms, units=event.units)]))
        elif event.kind == "end" and out[who]:
            first = out[who][0]
            first.keys.append(stored.key)
            left = first.steps[-1].units - event.units
            if left <= 0:
                yield out[who].pop(0).hold(event.at_ms, event.at_ms)
            else:
                first.steps = [step for step in first.steps if step.at_ms < event.at_ms]
                first.steps.append(Step(event.at_ms, units=left))
        elif event.kind == "restart":
            for waiting in out.values():
                for one in waiting:
                    yield one.hold(event.at_ms, event.at_ms)
            out.clear()
    for waiting in out.values():
        for one in waiting:
            yield one.hold(None, events[-1].event.at_ms)


CARD = Source("card", frozenset({"color"}), read, pair)
