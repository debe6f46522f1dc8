"""Why a record that an importer gave cannot be stored: the last look, the same for all sources."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from collector.importers.records import Denial, Event, Hold, Installation, Reading

LAST_MS = 4_102_444_800_000
"""2100-01-01: no log knows of later times, and a wrong one would fill the warehouse with segments."""
LONGEST_NAME = 500
MOST_UNITS = 2**31 - 1

_UNNAMED = ("restart", "mark")

BAD_TIME = "a time before 1970 or after 2099"
BAD_NAME = f"a name that is missing, or of more than {LONGEST_NAME} characters"
BAD_COUNT = "a number that is negative or too large"


def event_trouble(event: Event) -> str | None:
    """Return why an event cannot be stored; None: it can."""
    server, at_ms, kind, application, account, host, subject, units = event
    if not 0 <= at_ms < LAST_MS:
        return BAD_TIME
    if not 0 <= units <= MOST_UNITS:
        return BAD_COUNT
    if subject and _is_bad(subject):
        return BAD_NAME
    if kind in _UNNAMED or (kind == "end" and subject):
        # The subject of an end says enough: not all logs name who ended a process.
        return _name_trouble((), (application, account, host, server))
    return _name_trouble((application, account, host), (server,))


def hold_trouble(hold: Hold) -> str | None:
    """Return why a session cannot be stored; None: it can."""
    end = hold.known_until_ms if hold.ended_ms is None else hold.ended_ms
    if not 0 <= hold.started_ms < LAST_MS or not 0 <= end < LAST_MS:
        return BAD_TIME
    if end < hold.started_ms:
        return "it ends before it starts"
    return (
        _steps_trouble(hold)
        or _name_trouble((hold.application, hold.account, hold.host))
        or _name_trouble((), (hold.project or "", hold.application_version or ""))
        or (BAD_NAME if _is_bad(hold.key) or _is_bad(hold.subject) else None)
    )


def _steps_trouble(hold: Hold) -> str | None:
    before = hold.started_ms - 1
    for place, step in enumerate(hold.steps):
        if step.at_ms <= before or (place == 0 and step.at_ms != hold.started_ms):
            return "its steps are not in order of time from its start"
        if not 0 <= step.units <= MOST_UNITS:
            return BAD_COUNT
        before = step.at_ms
    return None if 0 <= hold.instance_count <= MOST_UNITS else BAD_COUNT


def reading_trouble(reading: Reading) -> str | None:
    """Return why a reading cannot be stored; None: it can."""
    counts = (reading.issued, reading.in_use, reading.reserved, reading.queued, reading.users)
    if not 0 <= reading.at_ms < LAST_MS:
        return BAD_TIME
    if any(count is not None and not 0 <= count <= MOST_UNITS for count in counts):
        return BAD_COUNT
    names = () if reading.application is None else (reading.application,)
    return _name_trouble(names, (reading.server,))


def denial_trouble(denial: Denial) -> str | None:
    """Return why a denial cannot be stored; None: it can."""
    if not 0 <= denial.at_ms < LAST_MS:
        return BAD_TIME
    if not 0 <= denial.units <= MOST_UNITS:
        return BAD_COUNT
    return _name_trouble((denial.application,), (denial.server, denial.account, denial.host))


def installation_trouble(installation: Installation) -> str | None:
    """Return why an installed program cannot be stored; None: it can."""
    try:
        date.fromisoformat(installation.seen_on)
    except ValueError:
        return "a day that is none"
    optional = (installation.version, installation.application or "")
    return _name_trouble((installation.host, installation.program), optional)


@lru_cache(maxsize=1 << 16)
def _name_trouble(needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> str | None:
    """Judge names: PostgreSQL takes no NUL, and no index takes a name of any length."""
    return None if all(needed) and not any(map(_is_bad, (*needed, *optional))) else BAD_NAME


def _is_bad(name: str) -> bool:
    return len(name) > LONGEST_NAME or "\0" in name
