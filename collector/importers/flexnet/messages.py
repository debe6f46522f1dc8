"""What one line of a FlexNet debug log says; nothing here knows the line before it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

DAY_SECONDS = 86_400
MOST_UNITS = 2**31 - 1
LONGEST_LINE = 1 << 16
"""Characters; the server breaks what is longer than some hundreds."""

MANAGER = "lmgrd"
"""The license manager: starts the vendor daemons, gives out nothing itself."""

LINE: Final = re.compile(
    r" ?\d{1,2}:\d\d:\d\d \(([^()]+)\) ?(?:(OUT|IN|DENIED|UNSUPPORTED|QUEUED|DEQUEUED): *(.*)|(.*))",
    re.DOTALL,
)
"""Daemon; and a request's word and what it is about, or another message."""

_LEAD = re.compile(r" ?\(([^()]+)\) (OUT|IN): ")
_WHO = re.compile(r" ([^\s@()]+)@([^\s@]+)\s*")
_HOURS = {text: hour * 3600 for hour in range(24) for text in (f"{hour:2d}", f"{hour:02d}")}
_IN_HOUR = {
    f"{minute:02d}:{second:02d}": minute * 60 + second for minute in range(60) for second in range(60)
}
_REQUEST = re.compile(
    r'"(?P<feature>[^"]+)"\s+'
    r"(?:\([A-Z_]+ *\)\s*)?"  # (PORT_AT_HOST_PLUS   ), before the user
    r"(?P<user>\S.*?)@(?P<host>[^\s@]+)"
    r"(?P<rest>\s*|\s{2,}.*|\s+[(\[^].*)",
    re.DOTALL,
)
_UNITS = re.compile(r"\((-?\d+) licenses?\)")
_PROCESS = re.compile(r"\[(\d+)\]")
_REASON = re.compile(r"\(([A-Za-z][^()@\\]*?)\s*(?:\((-\d+(?:,\d+)?)[^()]*\))?\)\s*$")
_PATH = re.compile(r"(?:^|\s)/|/\S*/")
_CHECKOUT_DATA = re.compile(r"\[(?!\d+\])[^\]]*\]?")
_VERBOSE = "^^^"
"""From here on address, process, project and counts of the client, where a vendor turned them on."""

_SLASHED = re.compile(r"(?:TIMESTAMP |\()(\d{1,2})/(\d{1,2})/(\d{4})\)?\s*$")
_SPELLED = re.compile(
    r"(?:Server's System Date and Time|Start-Date|Time): "
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d{4}) (\d\d):(\d\d):(\d\d) ?(.*)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LIFE = re.compile(r"(?:RES|S)tarted (\S+) \(|(\S+) exited with status ")
_OWN_START = ("FlexNet Licensing version", "FLEXnet Licensing version")


class Request(NamedTuple):
    """A license taken, given back, or asked for."""

    feature: str
    account: str
    host: str
    units: int
    process: str
    """The client's process number where the log says it: it tells two of the same user apart."""
    reason: str | None


class DateStamp(NamedTuple):
    """A date that a line says about itself."""

    year: int
    first: int
    second: int
    """Two numbers as written, of which one is the month: FlexNet writes it first, others may not."""
    ordinal: int | None = None
    """The day, where the month is spelled out."""
    zone: str = ""


class TurningPoint(NamedTuple):
    """A vendor daemon started, or ended: from then on nothing is checked out."""

    daemon: str
    ends: bool


def second_of_day(line: str) -> int | None:
    """Return the time of day at which a line was written, in seconds; None: it says none."""
    try:
        if line[2] == ":":
            return _HOURS[line[:2]] + _IN_HOUR[line[3:8]]
        if line[1] == ":":  # not aligned
            return _HOURS[f" {line[0]}"] + _IN_HOUR[line[2:7]]
    except (IndexError, KeyError):
        pass
    return None


def plain_move(line: str) -> tuple[str, str, str, str, str] | None:
    """Return daemon, word, feature, account and host of the one kind of line of which logs are full, fast.

    A license taken or given back, one of it, and no more said. None: any other line.
    """
    parts = line.split('"')
    if len(parts) != 3 or not parts[1] or " " in parts[1]:
        return None
    lead, who = _lead(parts[0][8:]), _who(parts[2])
    return (*lead, parts[1], *who) if lead is not None and who is not None else None


@lru_cache(maxsize=1 << 10)
def _lead(text: str) -> tuple[str, str] | None:
    found = _LEAD.fullmatch(text)
    return (found[1], found[2]) if found else None


@lru_cache(maxsize=1 << 16)
def _who(text: str) -> tuple[str, str] | None:
    found = _WHO.fullmatch(text)
    return (found[1], found[2]) if found else None


@lru_cache(maxsize=1 << 16)
def request_of(about: str) -> Request | str:
    """Return what `"feature" user@host ...` says, or why it cannot be used."""
    found = _REQUEST.fullmatch(about)
    if found is None:
        return "a request without feature, user and host"
    rest = found["rest"].partition(_VERBOSE)[0]
    units = _UNITS.search(rest)
    count = int(units[1]) if units and len(units[1]) < 11 else (0 if units else 1)
    if not 0 < count <= MOST_UNITS:
        return "a number of licenses that cannot be"
    process = _PROCESS.search(rest)
    account, host, feature = found["user"].strip(), found["host"], found["feature"].strip()
    return Request(feature, account, host, count, process[1] if process else "", _reason(rest))


def _reason(rest: str) -> str | None:
    found = _REASON.search(_UNITS.sub("", rest))
    if found is None or _PATH.search(found[1]):
        return None
    return f"{found[1]} ({found[2]})" if found[2] else found[1]


def date_stamp(line: str, second: int) -> DateStamp | None:
    """Return the date that a line gives of itself: TIMESTAMP lines, headers, the statistics' own times."""
    if ") TIMESTAMP " in line or ") started on " in line:
        found = _SLASHED.search(line)
        return DateStamp(int(found[3]), int(found[1]), int(found[2])) if found else None
    if "ate" in line or " Time: " in line:
        found = _SPELLED.search(line)
        return _spelled_out(found, second) if found else None
    return None


def _spelled_out(found: re.Match[str], second: int) -> DateStamp | None:
    month, day, year, *time = found.groups()[:6]
    hour, minute, of_minute = map(int, time)
    try:
        said = date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        return None
    # The text was made just before the line was written: midnight may lie between.
    behind = hour * 3600 + minute * 60 + of_minute - second > DAY_SECONDS // 2
    said += timedelta(days=behind)
    return DateStamp(said.year, said.month, said.day, said.toordinal(), found[7].strip())


def turning_point(daemon: str, message: str) -> TurningPoint | None:
    """Return what a message says about a vendor daemon's start or end; None: nothing."""
    if daemon == MANAGER:
        found = _LIFE.match(message)
        if found is None:
            return None
        return TurningPoint((found[1] or found[2]).removesuffix(".exe"), ends=found[1] is None)
    if message.startswith(_OWN_START):
        return TurningPoint(daemon, ends=False)
    return TurningPoint(daemon, ends=True) if message.startswith("EXITING ") else None


def kept(line: str) -> str:
    """Return what is kept of a line that is set aside."""
    return _CHECKOUT_DATA.sub("[]", line.partition(_VERBOSE)[0]).strip()[:500]
