"""What is known of a session that somebody wants to correct, and whether it is theirs to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.directory.charging_rights import Rights
from warehouse.errors import Problem
from warehouse.periods import day_bounds, zone_of
from warehouse.projects import Codes, entered_fields

DAY = timedelta(days=1)


class Place(NamedTuple):
    """Where a person belonged at a session's start; all null where nowhere, but for the zone: the host's."""

    zone: str
    office_id: int | None = None
    department_id: int | None = None


@dataclass(frozen=True)
class Session:
    """One session. `person_id` is None where the account is nobody's or several people's."""

    id: int
    key: str
    application_id: int
    account_id: int
    person_id: int | None
    started_ms: int
    ended_ms: int | None
    place: Place

    def days(self, from_ms: int, to_ms: int | None, now_ms: int) -> list[date]:
        """List the local days of [from, to); an open end reaches to the session's end, or to now."""
        zone = zone_of(self.place.zone)
        last_ms = max(from_ms, (to_ms or self.ended_ms or now_ms) - 1)
        first, last = (
            datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).date() for ms in (from_ms, last_ms)
        )
        return [first + DAY * place for place in range((last - first).days + 1)]


class Entry(NamedTuple):
    """One row of `project_entry`; a higher id outranks a lower one where they overlap."""

    id: int
    instance: int | None
    from_ms: int
    to_ms: int | None
    codes: Codes
    fields: Mapping[str, str]
    author: str
    reason: str
    created_ms: int

    def covers(self, from_ms: int, to_ms: int | None) -> bool:
        """Say whether all of [from, to) lies inside; None: an open end."""
        return self.from_ms <= from_ms and (self.to_ms is None or (to_ms is not None and to_ms <= self.to_ms))

    def meets(self, from_ms: int, to_ms: int | None) -> bool:
        """Say whether a part of [from, to) lies inside."""
        return (to_ms is None or self.from_ms < to_ms) and (self.to_ms is None or from_ms < self.to_ms)


def find_session(connection: Connection, number: int) -> Session:
    """Return a session by its number.

    Raises
    ------
    Problem
        There is none.
    """
    session, account = schema.session.c, schema.account.c
    row = connection.execute(
        sa.select(
            session.id, session.key, session.application_id, session.account_id, account.person_id,
            account.shared, session.started_ms, session.ended_ms, session.zone,
        ).join_from(schema.session, schema.account).where(session.id == number)
    ).first()  # fmt: skip
    if row is None:
        raise Problem(f"there is no session {number}", "see them: `process-meter project check`")
    person = None if row.shared else row.person_id
    place = _place(connection, person, row.started_ms, row.zone)
    facts = (row.id, row.key, row.application_id, row.account_id, person, row.started_ms, row.ended_ms)
    return Session(*facts, place)


def _place(connection: Connection, person: int | None, at_ms: int, host_zone: str) -> Place:
    """Return the last placement that began at the moment or before, and had not ended."""
    placement, office = schema.placement.c, schema.office.c
    chosen = (
        sa.select(
            placement.office_id, placement.department_id, placement.valid_from_on, placement.valid_to_on,
            office.zone,
        )
        .join_from(schema.placement, schema.office)
        .where(placement.person_id == person)
        .order_by(placement.valid_from_on.desc())
    )  # fmt: skip
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    for row in connection.execute(chosen):
        if day_bounds(row.zone, date.fromisoformat(row.valid_from_on))[0] <= moment:
            until = row.valid_to_on
            has_ended = until is not None and day_bounds(row.zone, date.fromisoformat(until))[0] <= moment
            return Place(host_zone) if has_ended else Place(row.zone, row.office_id, row.department_id)
    return Place(host_zone)


def entries_of(connection: Connection, session: int) -> list[Entry]:
    """Return all entries of a session, oldest first."""
    entry = schema.project_entry.c
    rows = connection.execute(
        sa.select(schema.project_entry).where(entry.session_id == session).order_by(entry.id)
    )
    return [
        Entry(
            row.id, row.instance, row.from_ms, row.to_ms,
            Codes(row.project_number, row.phase_number, row.task_number),
            entered_fields(row.fields), row.author, row.reason, row.created_ms,
        )
        for row in rows
    ]  # fmt: skip


# --- Whose it is to correct --------------------------------------------------------------------------------


def refuse_strangers(
    connection: Connection, rights: Rights, session: Session, entries: Sequence[Entry]
) -> None:
    """Refuse whoever may not say what a session was for: its person, a manager concerned, billing staff may.

    A manager is concerned by a session that was ever entered on one of the manager's projects, and by one
    to which a preset applies that the manager has set or that leads to one of these projects.

    Raises
    ------
    Problem
        Naming the session.
    """
    if rights.is_staff or _is_own(rights, session):
        return
    if _is_on_own_project(connection, rights, entries) or _is_of_own_team(connection, rights, session):
        return
    raise Problem(
        f"session {session.id} is neither {rights.actor}'s own nor of a project that {rights.actor} manages",
        "let its person, the project's manager or the billing staff do it",
    )


def _is_own(rights: Rights, session: Session) -> bool:
    if rights.account_id is not None and rights.account_id == session.account_id:
        return True
    return rights.person_id is not None and rights.person_id == session.person_id


def _is_on_own_project(connection: Connection, rights: Rights, entries: Sequence[Entry]) -> bool:
    named = {entry.codes.project for entry in entries}
    if not rights.projects or not named:
        return False
    project = schema.project.c
    return bool(
        connection.scalar(
            sa.select(project.id).where(project.id.in_(rights.projects), project.number.in_(named)).limit(1)
        )
    )


def _is_of_own_team(connection: Connection, rights: Rights, session: Session) -> bool:
    preset = schema.project_preset.c
    day = session.days(session.started_ms, session.started_ms + 1, session.started_ms)[0].isoformat()
    scope = {
        "person_id": session.person_id,
        "department_id": session.place.department_id,
        "office_id": session.place.office_id,
        "application_id": session.application_id,
    }
    # A preset for anybody makes nobody a manager of everybody.
    is_limited = sa.or_(*(preset[name].is_not(None) for name in ("person_id", "department_id", "office_id")))
    fitting = sa.select(preset.project_id, preset.author).where(
        is_limited,
        preset.valid_from_on <= day,
        preset.valid_to_on.is_(None) | (preset.valid_to_on > day),
        *(preset[name].is_(None) | (preset[name] == value) for name, value in scope.items()),
    )
    me = rights.actor.strip().casefold()
    return session.person_id is not None and any(
        project in rights.projects or author.strip().casefold() == me
        for project, author in connection.execute(fitting)
    )
