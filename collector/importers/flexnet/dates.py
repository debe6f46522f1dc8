"""Which day each line of a FlexNet debug log is of: date lines say it now and then, midnight lies between.

The date lines are the truth, every few hours; between two of them the time of day falls back as often as
midnight was passed. A fall of twelve hours or more is a midnight, a smaller one a clock set back, unless the
next date line says that more days have passed. Whether 4/5/2016 is in April or in May is decided once for
all files by what agrees with the midnights between, and is never mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from collector.importers.flexnet.messages import DAY_SECONDS, MANAGER, DateStamp, date_stamp, second_of_day
from collector.importers.lines import numbered_lines
from warehouse.errors import Problem

ENCODINGS = ("utf-8", "cp1252")
Order = Literal["month-first", "day-first"]
ORDERS: tuple[Order, ...] = get_args(Order)

_HALF_DAY = DAY_SECONDS // 2


class Fall(NamedTuple):
    """A line whose time of day is before that of the line above."""

    seconds: int
    line: int


class Dated(NamedTuple):
    """A date line, and what happened since the one before it."""

    line: int
    stamp: DateStamp
    falls: tuple[Fall, ...]
    silence_line: int
    """The line that came after the longest silence."""

    def day(self, order: Order) -> int | None:
        """Return its day as an ordinal; None: there is no such day."""
        if self.stamp.ordinal is not None:
            return self.stamp.ordinal
        year, first, second, *_ = self.stamp
        month, day = (first, second) if order == "month-first" else (second, first)
        try:
            return date(year, month, day).toordinal()
        except ValueError:
            return None


@dataclass
class Survey:
    """One file, read through once for its times alone."""

    path: Path
    first_line: int = 0
    """0: the file has no line of a debug log."""
    first_second: int = 0
    last_second: int = 0
    dated: list[Dated] = field(default_factory=list)
    falls: tuple[Fall, ...] = ()
    """Those after the last date line."""
    daemons: set[str] = field(default_factory=set)
    zones: set[str] = field(default_factory=set)
    """As the log calls them."""


class DayStep(NamedTuple):
    """From this line on it is that many days later."""

    line: int
    days: int


class Calendar(NamedTuple):
    """The days of one file."""

    survey: Survey
    days: list[tuple[int, int]]
    """From this line on, this day (ordinal); in order of lines."""
    jumps: list[DayStep]
    """Days without a line, and dates that go back (negative)."""

    @property
    def starts(self) -> int:
        """Local seconds of the first line, on one scale for all files."""
        return self.days[0][1] * DAY_SECONDS + self.survey.first_second

    @property
    def ends(self) -> int:
        """Local seconds of the last line."""
        return self.days[-1][1] * DAY_SECONDS + self.survey.last_second

    def overlaps(self, earlier: Calendar) -> bool:
        """Return whether both tell of one daemon's same time: copies, or logs of two servers."""
        return self.starts < earlier.ends and not self.survey.daemons.isdisjoint(earlier.survey.daemons)


def survey(path: Path) -> Survey:
    """Read a file for its times and date lines.

    Raises
    ------
    Problem
        It cannot be read, or is no debug log.
    """
    found = Survey(path)
    falls: list[Fall] = []
    heads: set[str] = set()
    longest, silence_line, previous = -1, 0, -1
    for number, line in numbered_lines(path, ENCODINGS):
        second = second_of_day(line)
        if second is None or (at := line.find("(", 6, 11)) < 0:
            continue
        if not found.first_line:
            found.first_line, found.first_second, previous = number, second, second
        if second < previous:
            falls.append(Fall(previous - second, number))
        silence = (second - previous) % DAY_SECONDS
        if silence > longest:
            longest, silence_line = silence, number
        previous = second
        if (head := line[at:20]) not in heads:
            heads.add(head)
            found.daemons.add(line[at + 1 : line.find(")", at)])
        if ': "' in line:  # a request, as most lines are
            continue
        stamp = date_stamp(line, second)
        if stamp is not None:
            found.dated.append(Dated(number, stamp, tuple(falls), silence_line))
            found.zones |= {stamp.zone} - {""}
            falls, longest = [], -1
    found.last_second, found.falls = previous, tuple(falls)
    found.daemons.discard(MANAGER)
    if not found.first_line:
        raise Problem(
            f"{path.name} has no line of a FlexNet debug log",
            "give the debug log of lmgrd or of a vendor daemon: its lines start with a time and (daemon)",
        )
    return found


def calendars(surveys: Sequence[Survey], order: Order | None, first_day: date | None) -> list[Calendar]:
    """Return the files with their days, in the order of time.

    Parameters
    ----------
    order
        Whether 4/5/2016 is in April or May; None: as the logs themselves show, April where they do not.
    first_day
        The first day of the one file that has no date line.

    Raises
    ------
    Problem
        A file has no date; date lines contradict one another.
    """
    _give_first_day(surveys, first_day)
    chosen = order or _shown_order(surveys)
    found = [_calendar(each, chosen) for each in surveys]
    found.sort(key=lambda each: (each.starts, each.ends))
    return found


def _give_first_day(surveys: Sequence[Survey], first_day: date | None) -> None:
    undated = [each for each in surveys if not each.dated]
    if undated and first_day is None:
        raise Problem(
            f"{undated[0].path.name} has times but no date line",
            'say its first day in the mapping, such as date = "2016-03-30"',
        )
    if len(undated) > 1:
        names = " and ".join(each.path.name for each in undated[:2])
        raise Problem(f"{names} have no date line", "import them one by one, each with its own first day")
    for each in undated:
        assert first_day is not None  # noqa: S101 - refused above
        stamp = DateStamp(first_day.year, first_day.month, first_day.day, first_day.toordinal())
        each.dated.append(Dated(each.first_line, stamp, (), each.first_line))


def is_undecided(surveys: Sequence[Survey]) -> bool:
    """Return whether nothing in the logs shows which number of a date is the month."""
    prices = [_price(surveys, order) for order in ORDERS]
    return prices[0] is not None and prices[0] == prices[1] and any(_differ(each) for each in surveys)


def _differ(found: Survey) -> bool:
    return any(each.stamp.ordinal is None and each.stamp.first != each.stamp.second for each in found.dated)


def _shown_order(surveys: Sequence[Survey]) -> Order:
    """Return the order of day and month under which dates and midnights agree best."""
    prices = {order: _price(surveys, order) for order in ORDERS}
    possible: dict[Order, int] = {order: price for order, price in prices.items() if price is not None}
    if not possible:
        raise _contradiction(surveys)
    return min(possible, key=lambda order: possible[order])


def _price(surveys: Sequence[Survey], order: Order) -> int | None:
    """Return by how many days the dates disagree with the midnights; None: one of them is no date."""
    price = 0
    for each in surveys:
        days = [dated.day(order) for dated in each.dated]
        if None in days:
            return None
        known = [day for day in days if day is not None]
        for before, after, dated in zip(known, known[1:], each.dated[1:], strict=False):
            price += abs(after - before - _midnights(dated.falls))
    return price


def _contradiction(surveys: Sequence[Survey]) -> Problem:
    wrong = [
        f"{each.path.name}, line {next(dated.line for dated in each.dated if dated.day(order) is None)}"
        for order in ORDERS
        for each in surveys
        if any(dated.day(order) is None for dated in each.dated)
    ]
    places = " and ".join(dict.fromkeys(wrong))
    return Problem(
        f"The date lines contradict one another ({places}): no one order of day and month fits them all",
        "import logs that write dates differently in separate commands, or leave the wrong lines out",
    )


def _midnights(falls: Sequence[Fall]) -> int:
    return sum(fall.seconds >= _HALF_DAY for fall in falls)


def _calendar(found: Survey, order: Order) -> Calendar:
    known: int | None = None
    steps: list[DayStep] = []
    jumps: list[DayStep] = []
    first = 0
    for dated in found.dated:
        day = dated.day(order)
        if day is None:
            raise Problem(
                f"{found.path.name}, line {dated.line}: there is no such date, {order.replace('-', ' ')}",
                "change or leave out date_order in the mapping",
            )
        if known is None:
            first, known = day - _midnights(dated.falls), day - _midnights(dated.falls)
        taken, jumped = _steps(dated, day - known)
        steps += taken + jumped
        jumps += jumped
        known = day
    steps += [DayStep(fall.line, 1) for fall in found.falls if fall.seconds >= _HALF_DAY]
    return Calendar(found, _days(found.first_line, first, steps), jumps)


def _steps(dated: Dated, passed: int) -> tuple[list[DayStep], list[DayStep]]:
    """Say where the days passed: at the largest falls; what is left over at the longest silence."""
    if passed < 0:
        return [], [DayStep(dated.line, passed)]
    largest = sorted(dated.falls, key=lambda fall: (-fall.seconds, fall.line))[:passed]
    left = passed - len(largest)
    return [DayStep(fall.line, 1) for fall in largest], [DayStep(dated.silence_line, left)] if left else []


def _days(line: int, day: int, steps: Sequence[DayStep]) -> list[tuple[int, int]]:
    days = [(line, day)]
    for step in sorted(steps):
        day += step.days
        days.append((step.line, day))
    return days
