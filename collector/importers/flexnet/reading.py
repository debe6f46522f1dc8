"""FlexNet debug logs, file by file in the order of time, as events and denials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from collector.importers.flexnet.clock import LogClock
from collector.importers.flexnet.dates import (
    ENCODINGS,
    ORDERS,
    Calendar,
    Order,
    calendars,
    is_undecided,
    survey,
)
from collector.importers.flexnet.messages import (
    DAY_SECONDS,
    LINE,
    LONGEST_LINE,
    MANAGER,
    Request,
    TurningPoint,
    kept,
    plain_move,
    request_of,
    second_of_day,
    turning_point,
)
from collector.importers.lines import numbered_lines
from collector.importers.options import check_keys, value_of
from collector.importers.records import Denial, Event, Options, Record, SetAside, Tally
from warehouse.errors import Problem

KEYS = frozenset({"server", "date", "date_order"})

_UNIX_DAY = date(1970, 1, 1).toordinal()
_MOVES: Mapping[str, Literal["start", "end"]] = {"OUT": "start", "IN": "end"}
_DENIALS: Mapping[str, Literal["denied", "unsupported", "queued"]] = {
    "DENIED": "denied",
    "UNSUPPORTED": "unsupported",
    "QUEUED": "queued",
}
_UTC_NAMES = frozenset({"UTC", "GMT", "Coordinated Universal Time"})
_UTC_ZONES = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT"})


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    """Read debug logs of one license server: given in any order, read in the order of time.

    Parameters
    ----------
    options
        The mapping's keys: `server` (a name that goes before each daemon's), `date` (the first day of a file
        without date lines), `date_order` (`month-first` or `day-first`).

    Raises
    ------
    Problem
        A file cannot be read, is no debug log or has no date; files contradict one another.
    """
    check_keys(options.mapping, KEYS)
    server = value_of(options.mapping, "server", str, "").strip()
    found = [survey(path) for path in files]
    order, first_day = _order(options.mapping), _first_day(options.mapping)
    if order is None and is_undecided(found):
        tally.notes.append(
            "Dates such as 4/5/2016 were read month first; date_order in the mapping says else"
        )
    days = calendars(found, order, first_day)
    clock = LogClock(options.zone or "UTC")
    reader = _Reader(options, tally, clock, f"{server}/" if server else "")
    for before, calendar in zip([None, *days], days, strict=False):
        if before is not None and not _follows(before, calendar, clock):
            clock.forget()
        yield from reader.records(calendar)
    tally.notes += _notes(days, clock, options.zone or "UTC")


def _follows(before: Calendar, calendar: Calendar, clock: LogClock) -> bool:
    """Return whether one file was written after the other: so its times cannot be earlier."""
    if calendar.starts >= before.ends:
        return True
    return calendar.starts > before.starts and clock.comes_twice(_local_ms(calendar.starts))


def _order(mapping: Mapping[str, Any]) -> Order | None:
    said = value_of(mapping, "date_order", str, "")
    for order in ORDERS:
        if said == order:
            return order
    if said:
        raise Problem(f"The mapping's date_order is {said!r}", f"write {' or '.join(ORDERS)}")
    return None


def _first_day(mapping: Mapping[str, Any]) -> date | None:
    said = mapping.get("date")
    if isinstance(said, date) and not isinstance(said, datetime):  # TOML has dates of its own
        return said
    text = value_of(mapping, "date", str, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Problem(f"The mapping's date is {text!r}", "write it as 2016-03-30") from None


def _notes(days: Sequence[Calendar], clock: LogClock, zone: str) -> Iterator[str]:
    for calendar in days:
        for line, jump in calendar.jumps:
            days_of = f"{abs(jump)} day{'s'[: abs(jump) != 1]}"
            told = f"{days_of} without a line before it" if jump > 0 else f"the date goes back by {days_of}"
            yield f"{calendar.survey.path.name}, line {line}: {told}"
    for before, calendar in pairwise(days):
        if calendar.overlaps(before):
            both = f"{before.survey.path.name} and {calendar.survey.path.name}"
            yield f"{both} tell of the same time; logs of two servers need a mapping with server for each"
    if clock.set_back:
        most = f"{clock.most_ms / 1000:g} s at most"
        times = "once" if clock.set_back == 1 else f"{clock.set_back} times"
        yield f"The clock was set back {times}, by {most}: the order of the lines was kept"
    if sum(clock.repeated):
        first, second = clock.repeated
        yield f"Times in an hour that came twice: {first} taken as its first pass, {second} as its second"
    names = sorted({name for calendar in days for name in calendar.survey.zones})
    if names:
        yield f"The log calls its zone {', '.join(names)}; its times were read as {zone}"
        if _UTC_NAMES.issuperset(names) and zone not in _UTC_ZONES:
            yield "If they are in UTC as the log says, import it with --zone UTC"


@dataclass
class _Reader:
    options: Options
    tally: Tally
    clock: LogClock
    prefix: str
    """Of the daemons' names."""
    latest: dict[str, int] = field(default_factory=dict)
    """Of each vendor daemon of this file, its last line."""
    marked: dict[str, int] = field(default_factory=dict)

    def records(self, calendar: Calendar) -> Iterator[Record]:
        """Read one file."""
        path, tally, at, application = (
            calendar.survey.path,
            self.tally,
            self.clock.at,
            self.options.application,
        )
        self.latest, self.marked = {}, {}
        ahead = iter([*calendar.days[1:], (2**62, 0)])
        midnight_ms, (change, day) = _local_ms(calendar.days[0][1] * DAY_SECONDS), next(ahead)
        for number, line in numbered_lines(path, ENCODINGS):
            tally.read += 1
            while number >= change:
                midnight_ms, (change, day) = _local_ms(day * DAY_SECONDS), next(ahead)
            second = second_of_day(line)
            at_ms = None if second is None else at(midnight_ms + second * 1000)
            plain = None if at_ms is None or application else plain_move(line)
            if plain is not None and at_ms is not None:
                daemon, word, feature, account, host = plain
                if daemon in self.latest:
                    self.latest[daemon] = at_ms
                else:
                    yield from self._seen(daemon, at_ms)
                yield Event(self.prefix + daemon, at_ms, _MOVES[word], feature, account, host)
            else:
                place = f"{path.name}, line {number}"
                yield from self._line(place, line, at_ms, is_timed=second is not None)
        for daemon in self.latest:
            yield from self._mark(daemon)

    def _line(self, place: str, line: str, at_ms: int | None, *, is_timed: bool) -> Iterator[Record]:
        """Read any line; what `plain_move` knows, it reads alike."""
        found = LINE.match(line) if is_timed else None
        if len(line) > LONGEST_LINE:
            yield SetAside(place, "a line that is too long", f"{len(line)} characters")
        elif found is None:
            self.tally.skipped["lines without a time and a daemon"] += 1
        elif found[2] is None:
            yield from self._message(found[1], found[4], at_ms)
        elif isinstance(request := request_of(found[3]), str):
            yield SetAside(place, request, kept(line))
        elif at_ms is None:
            yield SetAside(place, "a local time that the clock jumped over", kept(line))
        else:
            yield from self._seen(found[1], at_ms)
            yield from self._request(self.prefix + found[1], found[2], request, at_ms)

    def _request(self, server: str, word: str, found: Request, at_ms: int) -> Iterator[Record]:
        application = self.options.application or found.feature
        # Under one application for all, the feature still tells what came back.
        process = f"{found.feature} {found.process}".strip() if self.options.application else found.process
        who = application, found.account, found.host
        if word in _MOVES:
            yield Event(server, at_ms, _MOVES[word], *who, process, found.units)
        elif word in _DENIALS:
            yield Denial(server, at_ms, _DENIALS[word], *who, found.units, found.reason)
        else:
            self.tally.skipped["requests that left the queue"] += 1

    def _message(self, daemon: str, message: str, at_ms: int | None) -> Iterator[Record]:
        self.tally.skipped["other messages of the license server"] += 1
        if at_ms is None:
            return
        turn = turning_point(daemon, message)
        if turn is not None:
            yield from self._turn(turn, daemon, at_ms)
        elif daemon != MANAGER:
            yield from self._seen(daemon, at_ms)
            if message.startswith("TIMESTAMP "):
                yield from self._mark(daemon)

    def _turn(self, turn: TurningPoint, speaker: str, at_ms: int) -> Iterator[Record]:
        """Mark the daemon's last line, then say that it started or ended."""
        daemon = turn.daemon
        if daemon == speaker and turn.ends:
            self.latest[daemon] = at_ms
        yield from self._mark(daemon)
        yield Event(self.prefix + daemon, at_ms, "restart")
        if daemon == speaker:
            self.latest[daemon] = at_ms

    def _seen(self, daemon: str, at_ms: int) -> Iterator[Record]:
        first = daemon not in self.latest
        self.latest[daemon] = at_ms
        if first:
            yield from self._mark(daemon)

    def _mark(self, daemon: str) -> Iterator[Record]:
        """Say that the daemon was writing at its latest line, once."""
        at_ms = self.latest.get(daemon)
        if at_ms is not None and self.marked.get(daemon) != at_ms:
            self.marked[daemon] = at_ms
            yield Event(self.prefix + daemon, at_ms, "mark")


def _local_ms(seconds: int) -> int:
    return (seconds - _UNIX_DAY * DAY_SECONDS) * 1000
