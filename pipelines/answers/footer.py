"""What every report says under its figures: what was counted, over which window, with what coverage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Footer:
    """The conditions of a figure, in words; null where it does not apply.

    Attributes
    ----------
    session_coverage, fleet_coverage
        Shares, 0-1; None where nothing can be said.
    rows
        What was read, and how many of it: {"sessions": 1234}.
    source
        Organization and kind of database; never an address or a password.
    """

    basis: str
    key: str
    window: str
    zone: str
    calendar: str
    session_coverage: float | None
    fleet_coverage: float | None
    policy: str
    rows: dict[str, int]
    made_at: datetime
    source: str

    def lines(self) -> list[tuple[str, str]]:
        """Give (label, value) pairs in reading order."""
        raise NotImplementedError
