"""Files of `lmstat` output: snapshots, any number to a file, and listings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from collector.importers.lines import numbered_lines
from collector.importers.lmstat.listings import Listing, columns_of
from collector.importers.lmstat.snapshots import ABOUT_FEATURE, Snapshot
from collector.importers.local_time import Local
from collector.importers.options import check_keys, value_of
from collector.importers.records import Options, Record, SetAside, Tally
from warehouse.errors import Problem

KEYS = frozenset({"server", "date"})

_LONGEST_LINE = 1 << 16
_ENCODINGS = ("utf-8", "cp1252")
_HEADER = re.compile(
    r"\s*Flexible License Manager status on (\w{3}) (\d{1,2})/(\d{1,2})/(\d{4}) +(\d{1,2}):(\d\d)"
)
_JUMPED = "a local time that the clock jumped over"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    """Read what `lmstat -a` or `lmstat -i` printed.

    A server or a vendor daemon that did not answer gives no reading: that it gave out nothing is not known.

    Parameters
    ----------
    options
        The mapping's keys: `server` (a name that goes before each daemon's), `date` (of a file that says
        none, as a listing does: a day, or a day and a time).

    A file that cannot be used beside others that can, because it is neither or because nobody says its date,
    is set aside.

    Raises
    ------
    Problem
        A file cannot be read, or none can be used: it is neither; its date is not known.
    """
    check_keys(options.mapping, KEYS)
    reader = _Reader(options, tally)
    useless: list[Useless] = []
    for path in files:
        try:
            yield from reader.records(path)
        except Useless as problem:
            useless.append(problem)
    if useless and len(useless) == len(files):
        raise useless[0]
    for file in useless:
        yield SetAside(file.place, file.what, file.what)


class Useless(Problem):
    """A file that says nothing which could be stored; `place` names it."""

    def __init__(self, place: str, message: str, remedy: str) -> None:
        super().__init__(f"{place}: {message}", remedy)
        self.place, self.what = place, message


class _Reader:
    def __init__(self, options: Options, tally: Tally) -> None:
        self._options, self._tally = options, tally
        self._local = Local(options.zone or "UTC")
        self._given = _given_time(options.mapping)
        server = value_of(options.mapping, "server", str, "").strip()
        self._prefix = f"{server}/" if server else ""

    def records(self, path: Path) -> Iterator[Record]:
        """Read one file."""
        part: Snapshot | Listing | None = None
        has_any = False
        for number, line in numbered_lines(path, _ENCODINGS):
            self._tally.read += 1
            place = f"{path.name}, line {number}"
            if len(line) > _LONGEST_LINE:
                yield SetAside(place, "a line that is too long", f"{len(line)} characters")
                continue
            beginning = self._beginning(place, line, is_dated=has_any)
            if beginning is not None:
                has_any = True
                yield from _finished(part, self._tally)
                part = None if isinstance(beginning, str) else beginning
            if isinstance(beginning, str):
                yield SetAside(place, beginning, line.strip()[:500])
            elif part is not None:
                yield from part.line(place, line, self._tally)
        yield from _finished(part, self._tally)
        if not has_any:
            remedy = "give what `lmutil lmstat -a` printed, whole"
            raise Useless(path.name, "no output of lmstat", remedy)

    def _beginning(self, place: str, line: str, *, is_dated: bool) -> Snapshot | Listing | str | None:
        """Return what begins with a line, or why it cannot be used; None: the line belongs to what began."""
        header = _HEADER.match(line)
        columns = columns_of(line)
        if header is not None:
            at = _header_time(header)
            if at is None:
                return "a snapshot whose day of the week does not fit its date"
            return self._snapshot(at)
        if columns is not None:
            at_ms = self._local.utc_ms(at := self._given_at(place)).ms
            given = at.date(), columns, self._options.application, self._prefix
            return _JUMPED if at_ms is None else Listing(at_ms, *given)
        if not is_dated and line.lstrip().startswith(ABOUT_FEATURE):
            return self._snapshot(self._given_at(place))
        return None

    def _snapshot(self, at: datetime) -> Snapshot | str:
        placed = self._local.utc_ms(at)
        if placed.ms is None:
            return _JUMPED
        if placed.trouble is not None:
            self._tally.notes.append(f"{at:%Y-%m-%d %H:%M} came twice: the first of both was taken")
        return Snapshot(placed.ms, self._options.application, self._prefix)

    def _given_at(self, place: str) -> datetime:
        if self._given is None:
            raise Useless(
                place,
                "what lmstat printed here has no date",
                'say it in the mapping, such as date = "2016-03-30 17:02"; `lmstat -a` says its own',
            )
        return self._given


def _finished(part: Snapshot | Listing | None, tally: Tally) -> Iterator[Record]:
    if part is not None:
        yield from part.readings(tally)


def _header_time(header: re.Match[str]) -> datetime | None:
    """Return the time of a snapshot, its month first unless the day of the week says else; None: neither."""
    weekday, *numbers = header.groups()
    first, second, year, hour, minute = map(int, numbers)
    for month, day in ((first, second), (second, first)):
        try:
            at = datetime(year, month, day, hour, minute)  # noqa: DTZ001 - the zone comes later
        except ValueError:
            continue
        if _WEEKDAYS[at.weekday()] == weekday:
            return at
    return None


def _given_time(mapping: Mapping[str, Any]) -> datetime | None:
    said = mapping.get("date")
    if isinstance(said, datetime):  # TOML has dates of its own
        return said.replace(tzinfo=None)
    if isinstance(said, date):
        return datetime.combine(said, time())
    text = value_of(mapping, "date", str, "")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        raise Problem(f"The mapping's date is {text!r}", "write it as 2016-03-30 17:02") from None
