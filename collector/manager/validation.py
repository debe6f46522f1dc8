"""What makes a record bad: one pass over the fresh records of a batch, in order of their sequence.

Pure. A bad record is set aside with a sentence that says why; the others go on as if it had not been there.
Each record is judged by what was stored before it alone, so that it does not matter how a stream is cut into
batches. All times that leave here are the manager's.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import cast
from zoneinfo import available_timezones

from collector import protocol
from collector.manager import wire
from collector.manager.clock import is_inside_a_quarter, quarters
from warehouse.evidence import StoredSession, Stretch

DAY_MS = 86_400_000
MOST_CPU_PERCENT = 1_000_000
"""Ten thousand cores."""
SESSION_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(slots=True)
class SessionView:
    """What is known of one session while a batch is judged."""

    key: str
    stored: StoredSession | None
    agent: str | None
    application: str
    started_ms: int
    ended_ms: int | None
    clock_offset_ms: int
    occupied: list[Stretch] = field(default_factory=list)
    """Segments that a new one could overlap, in order: stored ones of that time, and those of this batch."""
    last_end_ms: int = 0
    """Where its last segment ends; 0 when there is none."""
    latest: protocol.SessionRecord | None = None
    """The newest record of it in this batch."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the warehouse holds before a batch."""

    agent: str
    received_ms: int
    clock_offset_ms: int
    """To apply to sessions that are new, and to what belongs to no session."""
    applications: Mapping[str, int]
    sessions: Mapping[str, SessionView]


@dataclass(frozen=True, slots=True)
class PlacedSegment:
    """A good segment at its place in the manager's time."""

    session: SessionView
    stretch: Stretch
    record: protocol.SegmentRecord


@dataclass(frozen=True, slots=True)
class SetAside:
    """A bad record: its sequence, why, and what is kept of it."""

    sequence: int
    reason: str
    text: str


@dataclass(slots=True)
class Judged:
    """The outcome: good records by kind, bad ones with their reason."""

    sessions: dict[str, SessionView]
    segments: list[PlacedSegment] = field(default_factory=list)
    watches: list[protocol.WatchRecord] = field(default_factory=list)
    projects: list[tuple[SessionView, protocol.ProjectRecord]] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)


class BadRecord(Exception):
    """Why a record cannot be stored. Never leaves this module."""


def judge(records: Iterable[tuple[int, protocol.Record | wire.BrokenRecord]], known: Known) -> Judged:
    """Sort the records of a batch into good and bad ones.

    Parameters
    ----------
    records
        Each with its sequence, in ascending order, none of them stored before.
    known
        What the warehouse holds; the views in it are changed on the way.
    """
    judged = Judged(dict(known.sessions))
    for sequence, record in records:
        try:
            _take(record, known, judged)
        except BadRecord as bad:
            judged.set_aside.append(SetAside(sequence, str(bad), wire.text_of(record)))
    return judged


def _take(record: protocol.Record | wire.BrokenRecord, known: Known, judged: Judged) -> None:
    if isinstance(record, wire.Segment):
        _take_segment(record, known, judged)
    elif isinstance(record, wire.Session):
        _take_session(record, known, judged)
    elif isinstance(record, wire.Watch):
        _take_watch(record, known, judged)
    elif isinstance(record, wire.BrokenRecord):
        raise BadRecord(record.reason)
    else:
        _take_project(cast("protocol.ProjectRecord", record), known, judged)


# --- Sessions ----------------------------------------------------------------------------------------------


def _take_session(record: protocol.SessionRecord, known: Known, judged: Judged) -> None:
    _require_session(record, known)
    view = judged.sessions.get(record.session)
    if view is None:
        view = _new_view(record, known)
    started_ms = record.started_ms + view.clock_offset_ms
    ended_ms = None if record.ended_ms is None else record.ended_ms + view.clock_offset_ms
    _refuse_future(started_ms if ended_ms is None else ended_ms, known)
    _require_same(view, record, started_ms, known)
    _require_end(view, ended_ms)
    view.ended_ms, view.latest = ended_ms, record
    judged.sessions[record.session] = view


def _new_view(record: protocol.SessionRecord, known: Known) -> SessionView:
    return SessionView(
        key=record.session,
        stored=None,
        agent=known.agent,
        application=record.application,
        started_ms=record.started_ms + known.clock_offset_ms,
        ended_ms=None,
        clock_offset_ms=known.clock_offset_ms,
    )


def _require_session(record: protocol.SessionRecord, known: Known) -> None:
    if not SESSION_KEY.fullmatch(record.session):
        raise BadRecord(f"session {record.session!r} is not 32 hexadecimal digits")
    if record.application not in known.applications:
        raise BadRecord(f"application {record.application!r} is unknown here")
    if not record.account.strip():
        raise BadRecord("account is empty")
    if record.zone not in zones():
        raise BadRecord(f"zone {record.zone!r} is not an IANA time zone")
    if (record.state == "closed") != (record.ended_ms is not None):
        raise BadRecord(f"state {record.state} does not go with ended_ms {record.ended_ms}")
    if record.ended_ms is not None and record.ended_ms < record.started_ms:
        raise BadRecord(f"it ends at {record.ended_ms}, before it starts at {record.started_ms}")


def _require_same(view: SessionView, record: protocol.SessionRecord, started_ms: int, known: Known) -> None:
    _require_own(view, known)
    if record.application != view.application:
        raise BadRecord(f"its application was {view.application!r} before")
    if started_ms != view.started_ms:
        raise BadRecord(f"its start was {view.started_ms - view.clock_offset_ms} before")


def _require_end(view: SessionView, ended_ms: int | None) -> None:
    if view.ended_ms is not None and ended_ms is None:
        raise BadRecord("it is closed and cannot open again")
    if ended_ms is not None and ended_ms < view.last_end_ms:
        raise BadRecord(f"it ends before its last segment, at {view.last_end_ms - view.clock_offset_ms}")


@cache
def zones() -> frozenset[str]:
    """Return the IANA time zones that this machine knows."""
    # These two are files of the zone database, but no zones: Polars does not know them.
    return frozenset(available_timezones() - {"Factory", "localtime"})


# --- Segments ----------------------------------------------------------------------------------------------


def _take_segment(record: protocol.SegmentRecord, known: Known, judged: Judged) -> None:
    view = _view(record.session, known, judged)
    if not record.end_ms > record.start_ms:
        raise BadRecord(f"it ends at {record.end_ms}, not after its start at {record.start_ms}")
    if not is_inside_a_quarter(record.start_ms, record.end_ms):
        raise BadRecord("it crosses a quarter of an hour (UTC)")
    # NaN compares false.
    if not 0 <= record.cpu_percent <= MOST_CPU_PERCENT:
        raise BadRecord(f"cpu_percent {record.cpu_percent} is not between 0 and {MOST_CPU_PERCENT}")
    if record.since_ms > record.end_ms:
        raise BadRecord(f"since {record.since_ms} is after its end at {record.end_ms}")
    place = Stretch(record.start_ms + view.clock_offset_ms, record.end_ms + view.clock_offset_ms)
    _refuse_future(place.start_ms, known)
    _require_inside(view, place)
    _occupy(view, place)
    judged.segments.append(PlacedSegment(view, place, record))


def _require_inside(view: SessionView, place: Stretch) -> None:
    if place.start_ms < view.started_ms:
        raise BadRecord(f"it starts before its session, at {view.started_ms - view.clock_offset_ms}")
    if view.ended_ms is not None and place.end_ms > view.ended_ms:
        raise BadRecord(f"it ends after its session, at {view.ended_ms - view.clock_offset_ms}")


def _occupy(view: SessionView, place: Stretch) -> None:
    """Note a segment's place, or refuse it where another one is."""
    position = len(view.occupied)
    if place.start_ms < view.last_end_ms:
        position = bisect_left(view.occupied, place)
        before = view.occupied[position - 1] if position else None
        after = view.occupied[position] if position < len(view.occupied) else None
        if (before and before.end_ms > place.start_ms) or (after and after.start_ms < place.end_ms):
            raise BadRecord("it overlaps a stored segment of its session")
    view.occupied.insert(position, place)
    view.last_end_ms = max(view.last_end_ms, place.end_ms)


def pieces(segment: PlacedSegment) -> Iterable[Stretch]:
    """Return the rows that a segment makes: one, or two where the offset moved it across a quarter."""
    if segment.session.clock_offset_ms == 0:
        return (segment.stretch,)
    return quarters(*segment.stretch)


# --- Watches and projects ----------------------------------------------------------------------------------


def _take_watch(record: protocol.WatchRecord, known: Known, judged: Judged) -> None:
    if record.end_ms <= record.start_ms:
        raise BadRecord(f"it ends at {record.end_ms}, not after its start at {record.start_ms}")
    _refuse_future(record.start_ms + known.clock_offset_ms, known)
    judged.watches.append(record)


def _take_project(record: protocol.ProjectRecord, known: Known, judged: Judged) -> None:
    view = _view(record.session, known, judged)
    if record.to_ms is not None and record.to_ms <= record.from_ms:
        raise BadRecord(f"it ends at {record.to_ms}, not after its start at {record.from_ms}")
    if not record.project.strip() or not record.author.strip():
        raise BadRecord("project or author is empty")
    _refuse_future(record.from_ms + view.clock_offset_ms, known)
    judged.projects.append((view, record))


# --- All of them -------------------------------------------------------------------------------------------


def _view(session: str, known: Known, judged: Judged) -> SessionView:
    view = judged.sessions.get(session)
    if view is None:
        raise BadRecord(f"session {session!r} is unknown here")
    _require_own(view, known)
    return view


def _require_own(view: SessionView, known: Known) -> None:
    if view.agent != known.agent:
        raise BadRecord("its session belongs to another agent")


def _refuse_future(moment_ms: int, known: Known) -> None:
    if moment_ms > known.received_ms + DAY_MS:
        raise BadRecord(f"{moment_ms} is more than a day in the future")
