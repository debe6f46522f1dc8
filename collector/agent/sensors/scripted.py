"""A written day in place of a desktop: what tests and the demonstration look at.

One line is one thing that happens, at a time of the day that counts from the script's own start:

    00:00:00 focus editor
    00:00:00 type until 00:10:00
    00:13:20 type
    00:20:00 lock
    00:25:00 unlock
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from collector.agent.clock import Clock
from collector.agent.errors import AgentProblem
from collector.agent.sensors import Sight

_Value = TypeVar("_Value")
WORDS = ("focus", "type", "lock", "unlock", "detach", "attach", "blind", "see")


@dataclass(frozen=True, slots=True)
class Day:
    """A script, read: everything that changes, by milliseconds from its start."""

    focus: tuple[tuple[int, str], ...] = ()
    typing: tuple[tuple[int, int], ...] = ()
    """Stretches with input all the time; a single input has no length."""
    locked: tuple[tuple[int, bool], ...] = ()
    detached: tuple[tuple[int, bool], ...] = ()
    blind: tuple[tuple[int, bool], ...] = ()


@dataclass(slots=True)
class _Lines:
    focus: list[tuple[int, str]] = field(default_factory=list)
    typing: list[tuple[int, int]] = field(default_factory=list)
    flags: dict[str, list[tuple[int, bool]]] = field(
        default_factory=lambda: {"locked": [], "detached": [], "blind": []}
    )


_FLAGS = {
    "lock": ("locked", True),
    "unlock": ("locked", False),
    "detach": ("detached", True),
    "attach": ("detached", False),
    "blind": ("blind", True),
    "see": ("blind", False),
}


def read_day(text: str) -> Day:
    """Read a script.

    Raises
    ------
    AgentProblem
        A line is none; names it.
    """
    lines = _Lines()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                _read_line(words, lines)
            except (ValueError, IndexError):
                remedy = f"write a time and one of {', '.join(WORDS)}, as in `00:13:20 type until 00:20:00`"
                raise AgentProblem(
                    f"Script line {number}: {line.strip()!r} is not understood", remedy
                ) from None
    return Day(
        focus=tuple(sorted(lines.focus)),
        typing=tuple(sorted(lines.typing)),
        **{name: tuple(sorted(flags)) for name, flags in lines.flags.items()},
    )


class ScriptedSensor:
    """Sees what a script says.

    Parameters
    ----------
    day
        The script; it starts when the sensor is made.
    clock
        What tells how far the day is.
    pids
        The process of each name that the script gives the focus to; read anew at each look.
    """

    name = "scripted"

    def __init__(self, day: Day, clock: Clock, pids: Mapping[str, int]) -> None:
        self._day, self._clock, self._pids = day, clock, pids
        self._start_ms = clock.now().boot_ms

    def look(self) -> Sight:
        """Return what the script says of now."""
        now_ms = self._clock.now().boot_ms - self._start_ms
        if _at(self._day.blind, now_ms, default=False):
            return Sight(blind_spots=("the script says that nothing is to be seen",))
        return Sight(
            sees_focus=True,
            sees_input=True,
            sees_lock=True,
            focus_pid=self._pids.get(_at(self._day.focus, now_ms, default="")),
            idle_ms=now_ms - last_input(self._day, now_ms),
            locked=_at(self._day.locked, now_ms, default=False),
            disconnected=_at(self._day.detached, now_ms, default=False),
        )

    def window_classes(self) -> Mapping[int, frozenset[str]]:
        """Return the names of the script as window classes."""
        return {pid: frozenset({name}) for name, pid in self._pids.items()}

    def abort(self) -> None:
        """Do nothing."""


def last_input(day: Day, now_ms: int) -> int:
    """Return when the last input was; the script's start, if there was none."""
    return max((min(end, now_ms) for start, end in day.typing if start <= now_ms), default=0)


def _read_line(words: list[str], lines: _Lines) -> None:
    at_ms, word, rest = _time(words[0]), words[1], words[2:]
    if word in _FLAGS and not rest:
        name, value = _FLAGS[word]
        lines.flags[name].append((at_ms, value))
    elif word == "focus" and len(rest) == 1:
        lines.focus.append((at_ms, rest[0]))
    elif word == "type" and not rest:
        lines.typing.append((at_ms, at_ms))
    elif word == "type" and rest[0] == "until" and len(rest) == 2 and _time(rest[1]) >= at_ms:
        lines.typing.append((at_ms, _time(rest[1])))
    else:
        raise ValueError(word)


def _time(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return (int(hours) * 3600 + int(minutes) * 60) * 1000 + round(float(seconds) * 1000)


def _at(changes: tuple[tuple[int, _Value], ...], now_ms: int, *, default: _Value) -> _Value:
    place = bisect_right(changes, now_ms, key=lambda change: change[0])
    return changes[place - 1][1] if place else default
