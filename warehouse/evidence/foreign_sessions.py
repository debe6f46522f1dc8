"""Sessions of foreign logs with their segments: inserted, grown, replaced as a whole, or taken away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.evidence.batches import ATTENTION_PLACE, ProjectEntryRow, add_project_entries
from warehouse.evidence.foreign_lists import rows_among, run_among
from warehouse.evidence.foreign_names import Names
from warehouse.evidence.foreign_segments import (
    Piece,
    differing,
    drop_segments,
    land_pieces,
    lay_out,
    store_pieces,
    take_back,
)
from warehouse.evidence.inserting import append
from warehouse.evidence.stored import QUARTER_MS
from warehouse.landing import Landed, let_readers_wait

_session = schema.session


class ForeignSession(NamedTuple):
    """One session, as a foreign log shows it; `collector.importers.records.Hold` says more of each field."""

    key: str
    """Of the table: the source is part of it."""
    application: str
    account: str
    host: str
    started_ms: int
    ended_ms: int | None
    known_until_ms: int
    steps: Sequence[tuple[int, str, int, int | None]]
    """Instant, attention, units, last input (None: the session's start); the first one at the start."""
    subject: str
    end_uncertainty_ms: int
    instance_count: int
    project: str | None
    application_version: str | None

    @property
    def known_end_ms(self) -> int:
        """Up to where it has segments: its end, or the last whole quarter of what is known."""
        return self.known_until_ms // QUARTER_MS * QUARTER_MS if self.ended_ms is None else self.ended_ms


class Origin(NamedTuple):
    """What holds for everything that one import brings."""

    source: str
    zone: str
    at_ms: int


class Stored(NamedTuple):
    """A stored session, as far as an import may change it."""

    key: str
    id: int
    started_ms: int
    ended_ms: int | None
    end_uncertainty_ms: int
    instance_count: int
    application_version: str | None
    segments_end_ms: int | None
    """End of its last segment."""

    @property
    def known_end_ms(self) -> int:
        """Up to where it has segments."""
        return self.segments_end_ms or self.started_ms


@dataclass
class Written:
    """Ids of the sessions that are new, in order, and of those that are not what they were."""

    new: list[int] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)


def stored_sessions_by_key(connection: Connection, keys: Collection[str]) -> dict[str, Stored]:
    """Return the sessions that are stored under these keys."""
    return {row[0]: Stored(*row) for row in rows_among(connection, _STORED, "session.key", keys)}


_STORED = """
    SELECT session.key, session.id, session.started_ms, session.ended_ms, session.end_uncertainty_ms,
           session.instance_count, session.application_version,
           (SELECT segment.end_ms FROM segment WHERE segment.session_id = session.id
            ORDER BY segment.start_ms DESC LIMIT 1)
    FROM session
"""


def put_sessions(  # noqa: PLR0913, PLR0917 - what is given, what is there, and what ties them
    connection: Connection,
    origin: Origin,
    names: Names,
    sessions: Sequence[ForeignSession],
    stored: Mapping[str, Stored],
    touched_from: Mapping[str, int] | None = None,
) -> Written:
    """Make the stored sessions those given; each key at most once, all names learned before.

    Parameters
    ----------
    stored
        Those of them that are stored, by key.
    touched_from
        By key: what is new about a session lies from this instant on; of a session that is not named, only
        how far it is known. Where an open session has no segment behind that instant, those that it has are
        not compared: it only grows. None: compare all.
    """
    new = [session for session in sessions if session.key not in stored]
    fresh = list(zip(_new_ids(connection, len(new)), new, strict=True))
    known = [(stored[session.key], session) for session in sessions if session.key in stored]
    growing = [pair for pair in known if _only_grows(*pair, touched_from)]
    replaced = _replace(
        connection, [pair for pair in known if not _only_grows(*pair, touched_from)], origin.at_ms
    )
    told = _update(connection, known)
    _insert(connection, origin, names, fresh)
    _add_segments(connection, growing, fresh, origin.at_ms)
    grown = {old.id for old, session in growing if session.known_end_ms > old.known_end_ms}
    return Written([number for number, _ in fresh], told | replaced | grown)


def _only_grows(old: Stored, session: ForeignSession, touched_from: Mapping[str, int] | None) -> bool:
    """Whether what is stored of an open session stays as it is."""
    if touched_from is None or old.ended_ms is not None or session.ended_ms is not None:
        return False
    until = old.known_end_ms
    return session.known_end_ms >= until and touched_from.get(old.key, until) >= until


def _pieces(number: int, session: ForeignSession, from_ms: int) -> Iterator[Piece]:
    """Give what a session shows from an instant on.

    While its end is not known nobody can tell whether it was held: it is unobserved.
    """
    end_ms, is_open, steps = session.known_end_ms, session.ended_ms is None, session.steps
    for place, (at_ms, attention, units, since_ms) in enumerate(steps):
        start = max(at_ms, from_ms)
        end = min(steps[place + 1][0], end_ms) if place + 1 < len(steps) else end_ms
        if start < end:
            word = "unobserved" if is_open and attention == "held" else attention
            since = session.started_ms if since_ms is None else since_ms
            yield number, start, end, ATTENTION_PLACE[word], units, since


def _replace(
    connection: Connection, suspects: Sequence[tuple[Stored, ForeignSession]], at_ms: int
) -> set[int]:
    """Store the segments of those sessions anew that have other ones now; return which these are."""
    if not suspects:
        return set()
    lay_out(
        connection,
        sorted(piece for old, session in suspects for piece in _pieces(old.id, session, old.started_ms)),
    )
    numbers = {old.id for old, _ in suspects}
    others = differing(connection, numbers)
    take_back(connection, numbers - others)
    drop_segments(connection, others)
    store_pieces(connection, at_ms)
    landed = [
        Landed(old.id, old.started_ms, max(old.known_end_ms, session.known_end_ms), replaced=True)
        for old, session in suspects
        if old.id in others
    ]
    _land(connection, landed, at_ms)
    return others


def _add_segments(
    connection: Connection,
    growing: Iterable[tuple[Stored, ForeignSession]],
    fresh: Iterable[tuple[int, ForeignSession]],
    at_ms: int,
) -> None:
    """Store the segments that come to sessions of which none is wrong."""
    pieces = [piece for old, session in growing for piece in _pieces(old.id, session, old.known_end_ms)]
    pieces += [piece for number, session in fresh for piece in _pieces(number, session, session.started_ms)]
    if pieces:
        lay_out(connection, pieces)
        land_pieces(connection, at_ms)
        store_pieces(connection, at_ms)


def _land(connection: Connection, landed: Sequence[Landed], at_ms: int) -> None:
    """Note in bulk what `warehouse.landing.land` notes one by one."""
    if landed:
        let_readers_wait(connection)
        append(connection, schema.landing, [*Landed._fields, "at_ms"], [(*row, at_ms) for row in landed])


def _new_ids(connection: Connection, count: int) -> Sequence[int]:
    """Return ids that no session has, and none had of which somebody may still hear."""
    if connection.dialect.name == "postgresql":
        drawn = sa.text("SELECT nextval(pg_get_serial_sequence('session', 'id')) FROM generate_series(1, :n)")
        return list(connection.scalars(drawn, {"n": count}))
    columns = (_session.c.id, schema.landing.c.session_id)
    last = max(connection.scalar(sa.select(sa.func.max(column))) or 0 for column in columns)
    return range(last + 1, last + 1 + count)


_COLUMNS = (
    "id",
    "key",
    "source",
    "application_id",
    "account_id",
    "host_id",
    "logon_session",
    "zone",
    "started_ms",
    "ended_ms",
    "end_uncertainty_ms",
    "instance_count",
    "application_version",
    "received_ms",
)


def _insert(
    connection: Connection, origin: Origin, names: Names, fresh: Sequence[tuple[int, ForeignSession]]
) -> None:
    rows = [
        (
            number,
            session.key,
            origin.source,
            names.application(session.application),
            names.account(session.account),
            names.host(session.host),
            session.subject,
            origin.zone,
            session.started_ms,
            session.ended_ms,
            session.end_uncertainty_ms,
            session.instance_count,
            session.application_version,
            origin.at_ms,
        )
        for number, session in fresh
    ]
    append(connection, _session, _COLUMNS, rows)
    _enter_projects(connection, origin, fresh)


def _enter_projects(
    connection: Connection, origin: Origin, fresh: Iterable[tuple[int, ForeignSession]]
) -> None:
    rows = [
        ProjectEntryRow(
            session_id=number,
            instance=None,
            from_ms=session.started_ms,
            to_ms=None,
            project_number=session.project,
            phase_number=None,
            task_number=None,
            fields="{}",
            author=origin.source,
            reason="imported",
            created_ms=origin.at_ms,
        )
        for number, session in fresh
        if session.project
    ]
    add_project_entries(connection, rows)


_FACTS = ("ended_ms", "end_uncertainty_ms", "instance_count", "application_version")


def _update(connection: Connection, known: Iterable[tuple[Stored, ForeignSession]]) -> set[int]:
    """Write what else is told of stored sessions now; return those of which it is something else."""
    rows = [
        {"session": old.id, **{name: getattr(session, name) for name in _FACTS}}
        for old, session in known
        if any(getattr(old, name) != getattr(session, name) for name in _FACTS)
    ]
    if rows:
        update = sa.update(_session).where(_session.c.id == sa.bindparam("session"))
        connection.execute(update.values({name: sa.bindparam(name) for name in _FACTS}), rows)
    return {row["session"] for row in rows}


# --- Taking away -------------------------------------------------------------------------------------------


def take_away(connection: Connection, keys: Collection[str], at_ms: int) -> list[int]:
    """Delete sessions that a foreign log does not show any more, now that more of it is known.

    What a bill or its exceptions speak of is kept, at its start and without length.

    Parameters
    ----------
    keys
        Of `session.key`.

    Returns
    -------
    list
        Their ids.
    """
    stored = list(stored_sessions_by_key(connection, keys).values())
    numbers = {old.id for old in stored}
    billed = {
        int(row[0])
        for table in ("charge_share", "billing_exception")
        for row in rows_among(connection, f"SELECT session_id FROM {table}", "session_id", numbers)  # noqa: S608
    }
    for table in ("segment", "use_hour"):
        run_among(connection, f"DELETE FROM {table}", "session_id", numbers)  # noqa: S608
    run_among(connection, "DELETE FROM project_entry", "session_id", numbers - billed)
    run_among(connection, "UPDATE session SET ended_ms = started_ms", "id", billed)
    run_among(connection, "DELETE FROM session", "id", numbers - billed)
    gone = [
        Landed(old.id, old.started_ms, old.segments_end_ms, replaced=True, started_ms=old.started_ms)
        for old in stored
        if old.segments_end_ms is not None
    ]
    _land(connection, gone, at_ms)
    return sorted(numbers)
