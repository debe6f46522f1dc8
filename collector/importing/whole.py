"""Records that say all by themselves: sessions, readings, denials, installed programs, vendors' counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from collector.importers.records import Denial, Event, Hold, Installation, Reading, VendorCount
from collector.importing.content import reading_key
from warehouse.evidence.foreign_names import Names
from warehouse.evidence.foreign_records import (
    CountRow,
    DenialRow,
    ReadingRow,
    Seen,
    add_denials,
    add_installations,
    add_readings,
    products_by_name,
    put_vendor_counts,
)
from warehouse.evidence.foreign_sessions import (
    ForeignSession,
    Origin,
    Stored,
    Written,
    put_sessions,
    stored_sessions_by_key,
)


class Target(NamedTuple):
    """Where an import writes to, and as what."""

    connection: Connection
    origin: Origin
    names: Names
    application: str | None
    """Record everything as this application."""


def foreign_session(target: Target, hold: Hold) -> ForeignSession:
    """Return a session as the warehouse takes it."""
    return ForeignSession(
        f"{target.origin.source}:{hold.key}", target.application or hold.application, *hold[2:]
    )


def learn(names: Names, sessions: Iterable[ForeignSession], events: Iterable[Event] = ()) -> None:
    """Make sure that everything which sessions and events name is known."""
    named = {session[1:4] for session in sessions} | {event[3:6] for event in events}
    applications, accounts, hosts = zip(*named, strict=True) if named else ((), (), ())
    names.learn(applications, accounts, hosts)


def put_holds(target: Target, holds: Iterable[Hold]) -> tuple[Written, int]:
    """Store sessions; of two that are one the one that knows more counts, the first of two that know alike.

    Returns
    -------
    tuple
        What was written, and how many of the sessions were stored before.
    """
    best: dict[str, ForeignSession] = {}
    for hold in holds:
        session = foreign_session(target, hold)
        if session.key not in best or _knows(session) > _knows(best[session.key]):
            best[session.key] = session
    stored = stored_sessions_by_key(target.connection, best.keys())
    better = [
        session for key, session in best.items() if key not in stored or _knows(session) > _knew(stored[key])
    ]
    learn(target.names, better)
    return put_sessions(target.connection, target.origin, target.names, better, stored), len(stored)


def _knows(session: ForeignSession) -> tuple[bool, int]:
    return session.ended_ms is not None, max(session.started_ms, session.known_end_ms)


def _knew(old: Stored) -> tuple[bool, int]:
    if old.ended_ms is not None:
        return True, old.ended_ms
    return False, old.segments_end_ms or old.started_ms


def put_readings(target: Target, readings: Sequence[Reading]) -> int:
    """Store readings; return how many were new."""
    target.names.learn({_application(target, reading) or "" for reading in readings}, (), ())
    rows = [reading_row(target, reading) for reading in readings]
    return add_readings(target.connection, rows)


def reading_row(target: Target, reading: Reading) -> ReadingRow:
    """Return a reading as it is stored; its application has been learned."""
    code = _application(target, reading)
    number = target.names.application(code) if code else None
    source, at_ms = target.origin.source, target.origin.at_ms
    key = reading_key(source, reading._replace(application=code))
    return ReadingRow(key, source, reading.server, number, reading.at_ms, *reading[3:], at_ms)


def _application(target: Target, reading: Reading) -> str | None:
    """Return the application of a reading; None: all together, which no option makes one."""
    return reading.application and (target.application or reading.application)


def put_denials(target: Target, denials: Sequence[tuple[str, Denial]]) -> int:
    """Store denials, each with its key; return how many were new."""
    names = target.names
    names.learn(
        {target.application or denial.application for _, denial in denials},
        {denial.account for _, denial in denials},
        {denial.host for _, denial in denials},
    )
    rows = [
        DenialRow(
            key,
            target.origin.source,
            denial.server,
            denial.kind,
            names.application(target.application or denial.application),
            names.account(denial.account) if denial.account else None,
            names.host(denial.host) if denial.host else None,
            denial.at_ms,
            denial.units,
            denial.reason,
            target.origin.at_ms,
        )
        for key, denial in denials
    ]
    return add_denials(target.connection, rows)


def put_installations(target: Target, installations: Sequence[Installation]) -> int:
    """Store installed programs, from the first to the last day each was seen; return how many new."""
    names = target.names
    names.learn(
        {installed.application or "" for installed in installations},
        (),
        {installed.host for installed in installations},
    )
    seen: dict[tuple[int, str, str], Seen] = {}
    for host, program, version, day, application in installations:
        key = (names.host(host), program, version)
        one = Seen(*key, names.application(application) if application else None, day, day)
        known = seen.get(key, one)
        seen[key] = known._replace(first_on=min(known.first_on, day), last_on=max(known.last_on, day))
    return add_installations(target.connection, seen.values())


def put_counts(target: Target, counts: Sequence[VendorCount]) -> tuple[int, list[VendorCount]]:
    """Store what a vendor counted; the last word on one interval counts.

    Returns
    -------
    tuple
        How many were stored so before, and those of which no product, or more than one, is called so.
    """
    products = products_by_name(target.connection) if counts else {}
    at_ms = target.origin.at_ms
    unknown = [count for count in counts if count.product.lower() not in products]
    rows = [
        CountRow(products[product.lower()], server, unit, start_ms, end_ms, number, at_ms)
        for product, start_ms, end_ms, unit, number, server in counts
        if product.lower() in products
    ]
    return put_vendor_counts(target.connection, rows), unknown
