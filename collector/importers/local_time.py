"""Local times of a log as instants: what an hour means twice a year is said, never guessed silently."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from warehouse.periods import zone_of

HOUR_MS = 3_600_000

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local time has no zone until `Local` gives it one
_MILLISECOND = timedelta(milliseconds=1)
_LAST_TIMES = HOUR_MS - 1


class Placed(NamedTuple):
    """Where a local time lies in UTC."""

    ms: int | None
    """None where the clock jumped over it."""
    trouble: Literal["ambiguous", "missing"] | None = None
    """`ambiguous`: it came twice, `ms` is the first."""


class Local:
    """The clock of a zone, made for millions of times in a row.

    Raises
    ------
    Problem
        The zone is unknown.
    """

    def __init__(self, zone: str) -> None:
        self._zone = zone_of(zone)
        self._shifts: dict[int, int | None] = {}
        """UTC minus local time by local hour since 1970; None for an hour in which it is not one number."""

    def utc_ms(self, local: datetime) -> Placed:
        """Place a local time; what it says below the millisecond is cut off."""
        return self.placed((local - _EPOCH) // _MILLISECOND)

    def placed(self, local_ms: int) -> Placed:
        """Place a local time that is given as if it were UTC: milliseconds since 1970 on the local clock."""
        hour = local_ms // HOUR_MS
        if hour not in self._shifts:
            self._shifts[hour] = self._shift(hour * HOUR_MS)
        shift = self._shifts[hour]
        if shift is None:
            return self._judged(local_ms)
        return Placed(local_ms + shift)

    def _shift(self, hour_ms: int) -> int | None:
        ends = (hour_ms, hour_ms + _LAST_TIMES)
        shifts = {self._offset(end, fold) for end in ends for fold in (0, 1)}
        return -shifts.pop() if len(shifts) == 1 else None

    def _judged(self, local_ms: int) -> Placed:
        before, after = self._offset(local_ms, 0), self._offset(local_ms, 1)
        if before < after:
            return Placed(None, "missing")
        return Placed(local_ms - before, "ambiguous" if before > after else None)

    def _offset(self, local_ms: int, fold: int) -> int:
        local = (_EPOCH + local_ms * _MILLISECOND).replace(tzinfo=self._zone, fold=fold)
        offset = local.utcoffset()
        assert offset is not None  # noqa: S101 - a ZoneInfo knows every time's
        return offset // _MILLISECOND
