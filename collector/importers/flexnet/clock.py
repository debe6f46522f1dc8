"""Instants of a log that is written in order by a clock that may be set back."""

from __future__ import annotations

from datetime import datetime, timedelta

from collector.importers.local_time import Local
from warehouse.periods import zone_of

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local time has no zone until it is given one
_DAY_MS = 24 * 3_600_000
_HALF_DAY_MS = _DAY_MS // 2
_NOTHING_MS = 5_000
"""In the hour that comes twice, a clock that goes back by more than this shows it for the second time."""


class LogClock:
    """Places local times in the order in which they were written.

    A time before the one above it, by less than twelve hours, is placed at that one: the order of lines is
    sure, the clock is not. In the hour that a change of daylight saving repeats, going back means its second
    pass.
    """

    def __init__(self, zone: str) -> None:
        self._local = Local(zone)
        self._zone = zone_of(zone)
        self._shifts: dict[int, int | None] = {}
        """UTC minus local time by local day; None for a day on which it changes."""
        self._asked = -1
        self._answer: int | None = None
        self._latest = -(2**62)
        self._second_pass = False
        self.set_back = 0
        """How many times the clock went back."""
        self.most_ms = 0
        """By how much at most."""
        self.repeated = [0, 0]
        """Times in an hour that came twice: placed in its first pass, in its second."""

    def comes_twice(self, local_ms: int) -> bool:
        """Return whether a change of daylight saving repeats this local time."""
        return self._local.placed(local_ms).trouble == "ambiguous"

    def forget(self) -> None:
        """Begin anew: what follows was not written after what came before."""
        self._asked, self._latest, self._second_pass = -1, -(2**62), False

    def at(self, local_ms: int) -> int | None:
        """Return the instant of a local time; None: the clock jumped over it."""
        if local_ms != self._asked:
            self._asked = local_ms
            shift = self._shifts.get(local_ms // _DAY_MS)
            if shift is None or local_ms + shift < self._latest:
                self._answer = self._placed(local_ms)
            else:  # nearly always: a day on which the clock is not changed, and the time went on
                self._answer = self._latest = local_ms + shift
                self._second_pass = False
        return self._answer

    def _placed(self, local_ms: int) -> int | None:
        ms, trouble = self._unordered(local_ms)
        if ms is None:
            return None
        if trouble is None:
            self._second_pass = False
        else:
            ms = self._of_two(local_ms, ms)
        behind = self._latest - ms
        if 0 < behind < _HALF_DAY_MS:
            self.set_back += 1
            self.most_ms = max(self.most_ms, behind)
            return self._latest
        self._latest = ms
        return ms

    def _unordered(self, local_ms: int) -> tuple[int | None, str | None]:
        day = local_ms // _DAY_MS
        if day not in self._shifts:
            (first, trouble), (last, again) = map(
                self._local.placed, (day * _DAY_MS, (day + 1) * _DAY_MS - 1)
            )
            whole = first is not None and last is not None and last - first == _DAY_MS - 1
            self._shifts[day] = (
                first - day * _DAY_MS if whole and first is not None and not trouble and not again else None
            )
        shift = self._shifts[day]
        return self._local.placed(local_ms) if shift is None else (local_ms + shift, None)

    def _of_two(self, local_ms: int, first_ms: int) -> int:
        if not self._second_pass:
            self._second_pass = _NOTHING_MS < self._latest - first_ms < _HALF_DAY_MS
        self.repeated[self._second_pass] += 1
        if not self._second_pass:
            return first_ms
        local = (_EPOCH + timedelta(milliseconds=local_ms)).replace(tzinfo=self._zone, fold=1)
        return round(local.timestamp() * 1000)
