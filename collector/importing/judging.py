"""Why a record that an importer gave cannot be stored: the last look, the same for all sources."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from collector.importers.records import Denial, Event, Hold, Installation, Reading

LAST_MS = 4_102_444_800_000
"""2100-01-01: no log knows of later times, and a wrong one would fill the warehouse with segments."""
LONGEST_NAME = 500
MOST_UNITS = 2**31 - 1

BAD_TIME = "a time before 1970 or after 2099"
BAD_NAME = f"a name that is missing, or of more than {LONGEST_NAME} characters"
BAD_COUNT = "a number that is negative or too large"


def event_trouble(event: Event) -> str | None:
    """Return why an event cannot be stored; None: it can."""
    if not 0 <= event.at_ms < LAST_MS:
        return BAD_TIME
    if not 0 <= event.units <= MOST_UNITS:
        return BAD_COUNT
    if event.kind in ("restart", "mark"):
        return None
    names = (event.application, event.account, event.host)
    if (
        event.kind == "end" and event.subject
    ):  # its subject says enough: not all logs name who ended a process
        return _name_trouble(optional=(*names, event.subject, event.server))
    return _name_trouble(*names, optional=(event.subject, event.server))


def hold_trouble(hold: Hold) -> str | None:
    """Return why a session cannot be stored; None: it can."""
    end = hold.known_until_ms if hold.ended_ms is None else hold.ended_ms
    if not (0 <= hold.started_ms < LAST_MS and 0 <= end < LAST_MS):
        return BAD_TIME
    if end < hold.started_ms:
        return "it ends before it starts"
    if any(not 0 <= step.units <= MOST_UNITS for step in hold.steps) or hold.instance_count < 0:
        return BAD_COUNT
    times = [step.at_ms for step in hold.steps]
    if times and (times[0] != hold.started_ms or any(later <= before for before, later in pairwise(times))):
        return "its steps are not in order of time from its start"
    optional = (hold.subject, hold.key, hold.project or "", hold.application_version or "")
    return _name_trouble(hold.application, hold.account, hold.host, optional=optional)


def reading_trouble(reading: Reading) -> str | None:
    """Return why a reading cannot be stored; None: it can."""
    counts = (reading.issued, reading.in_use, reading.reserved, reading.queued, reading.users)
    if not 0 <= reading.at_ms < LAST_MS:
        return BAD_TIME
    if any(count is not None and not 0 <= count <= MOST_UNITS for count in counts):
        return BAD_COUNT
    names = () if reading.application is None else (reading.application,)
    return _name_trouble(*names, optional=(reading.server,))


def denial_trouble(denial: Denial) -> str | None:
    """Return why a denial cannot be stored; None: it can."""
    if not 0 <= denial.at_ms < LAST_MS:
        return BAD_TIME
    if not 0 <= denial.units <= MOST_UNITS:
        return BAD_COUNT
    optional = (denial.server, denial.account, denial.host)
    return _name_trouble(denial.application, optional=optional)


def installation_trouble(installation: Installation) -> str | None:
    """Return why an installed program cannot be stored; None: it can."""
    try:
        date.fromisoformat(installation.seen_on)
    except ValueError:
        return "a day that is none"
    optional = (installation.version, installation.application or "")
    return _name_trouble(installation.host, installation.program, optional=optional)


def _name_trouble(*needed: str, optional: tuple[str, ...] = ()) -> str | None:
    """PostgreSQL takes no NUL, and no index takes a name of any length."""
    for name in needed:
        if not name or len(name) > LONGEST_NAME or "\0" in name:
            return BAD_NAME
    for name in optional:
        if len(name) > LONGEST_NAME or "\0" in name:
            return BAD_NAME
    return None
