"""What every desktop's sensor offers. Desktops know nothing of each other; `cli.load_sensor` picks one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a sensor saw at one moment. There is no field for what a window shows or says."""

    sees_focus: bool = False
    sees_input: bool = False
    sees_lock: bool = False
    focus_pid: int | None = None
    """Process that owns the window with the focus."""
    idle_ms: int | None = None
    """Waking time since the last key stroke or pointer movement in this logon session."""
    locked: bool = False
    disconnected: bool = False
    inhibiting: frozenset[int] = frozenset()
    """Processes that hold a keep-awake request."""
    blind_spots: tuple[str, ...] = ()
    """What this sensor cannot see here, one sentence each."""


class Sensor(Protocol):
    """The eyes of the agent on one desktop."""

    @property
    def name(self) -> str:
        """Return what this sensor is called in status and log."""
        ...

    def look(self) -> Sight:
        """Return what is to be seen now; blind rather than an error when the desktop is gone."""
        ...

    def window_classes(self) -> Mapping[int, frozenset[str]]:
        """Return the classes of the windows of each process; for signatures that ask for one."""
        ...

    def abort(self) -> None:
        """Let go of the desktop; called from another thread when `look` does not come back."""
        ...


class NoSensor:
    """A host without a desktop that can be seen: every session is metered as held.

    Parameters
    ----------
    reason
        One sentence that says why.
    """

    name = "none"

    def __init__(self, reason: str) -> None:
        self._sight = Sight(blind_spots=(reason,))

    def look(self) -> Sight:
        """Return a sight of nothing, with the reason."""
        return self._sight

    def window_classes(self) -> Mapping[int, frozenset[str]]:
        """Return nothing."""
        return {}

    def abort(self) -> None:
        """Do nothing."""
