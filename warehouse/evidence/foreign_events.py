"""Events of foreign logs, of which two make a session: stored once, read again when others come between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.evidence.inserting import append

_event = schema.foreign_event


class StoredEvent(NamedTuple):
    """One row of `foreign_event`, with names; empty where the table has null."""

    key: int
    at_ms: int
    sequence: int
    kind: str
    application: str
    account: str
    host: str
    subject: str
    units: int
    session_key: str | None


class Pool(NamedTuple):
    """What never pairs with anything else: one server of one source."""

    source: str
    server: str


def stored_keys(connection: Connection, pool: Pool, from_ms: int, to_ms: int) -> npt.NDArray[np.int64]:
    """Return the keys of the stored events in [from_ms, to_ms]."""
    query = _of(pool, _event.c.key).where(_event.c.at_ms.between(from_ms, to_ms))
    return np.fromiter((row[0] for row in connection.execute(query)), dtype=np.int64)


def nth_after(connection: Connection, pool: Pool, from_ms: int, number: int) -> int | None:
    """Return the time of the event that has so many before it at or after an instant; None: there is none."""
    query = _of(pool, _event.c.at_ms).where(_event.c.at_ms >= from_ms)
    found: int | None = connection.scalar(query.order_by(_event.c.at_ms).limit(1).offset(number))
    return found


def unpaired_ends(connection: Connection, pool: Pool, from_ms: int) -> int:
    """Return how many ends from an instant on belong to no session."""
    query = _of(pool, sa.func.count()).where(
        _event.c.at_ms >= from_ms, _event.c.kind == "end", _event.c.session_key.is_(None)
    )
    return int(connection.scalar(query) or 0)


def _of(pool: Pool, column: sa.ColumnElement[int]) -> sa.Select[Any]:
    return sa.select(column).where(_event.c.source == pool.source, _event.c.server == pool.server)


_COLUMNS = """
    SELECT event.key, event.at_ms, event.sequence, event.kind, application.code, account.name, host.name,
           event.subject, event.units, event.session_key
    FROM foreign_event AS event
    LEFT JOIN application ON application.id = event.application_id
    LEFT JOIN account ON account.id = event.account_id
    LEFT JOIN host ON host.id = event.host_id
    WHERE event.source = :source AND event.server = :server
"""
_WITHIN = f"{_COLUMNS} AND event.at_ms >= :from_ms AND event.at_ms < :to_ms"
_OPEN = """
    FROM session WHERE session.source = :source AND session.started_ms < :from_ms
    AND (session.ended_ms IS NULL OR session.ended_ms >= :from_ms)
"""
# The lower bound spares reading the whole log; ends may be written a little before their starts.
_OF_OPEN = f"""{_COLUMNS} AND event.at_ms < :from_ms
    AND event.at_ms >= (SELECT min(session.started_ms) - 5000 {_OPEN})
    AND event.session_key IN (SELECT session.key {_OPEN})
"""


def events_between(connection: Connection, pool: Pool, from_ms: int, to_ms: int) -> list[StoredEvent]:
    """Return the stored events in [from_ms, to_ms), and the earlier ones of sessions open at its start."""
    values = {**pool._asdict(), "from_ms": from_ms, "to_ms": to_ms}
    found = [
        row for statement in (_OF_OPEN, _WITHIN) for row in connection.execute(sa.text(statement), values)
    ]
    return [
        StoredEvent(*row[:4], *(row[4:7] and (name or "" for name in row[4:7])), *row[7:]) for row in found
    ]


EventRow = tuple[int, int, int, str, int | None, int | None, int | None, str, int, str | None]
"""`StoredEvent`, with ids in the place of names."""


def add_events(connection: Connection, pool: Pool, rows: Sequence[EventRow]) -> None:
    """Store events that are not stored yet."""
    append(connection, _event, _ROW, [(*pool, *row) for row in rows])


_ROW = (
    *("source", "server", "key", "at_ms", "sequence", "kind", "application_id", "account_id", "host_id"),
    *("subject", "units", "session_key"),
)


def link_events(connection: Connection, links: Iterable[tuple[int, str | None]]) -> None:
    """Say of stored events, by key, which session they are part of."""
    rows = [{"event": key, "session": session} for key, session in links]
    if rows:
        update = sa.update(_event).where(_event.c.key == sa.bindparam("event"))
        connection.execute(update.values(session_key=sa.bindparam("session")), rows)
