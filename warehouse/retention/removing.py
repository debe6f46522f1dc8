"""Taking sessions away with all that hangs on them, so that whatever derives from evidence follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.landing import Landed, land

CHUNK = 1_000
"""Sessions that one statement takes away."""

_session, _segment, _share = schema.session, schema.segment, schema.charge_share
_line, _run, _exception = schema.charge_line, schema.billing_run, schema.billing_exception


def is_billed() -> sa.ColumnElement[bool]:
    """Return the condition that a line of a run that is not void stands on a session."""
    lines = (
        sa.select(_share.c.session_id)
        .join(_line, _line.c.id == _share.c.charge_line_id)
        .join(_run, _run.c.id == _line.c.billing_run_id)
        .where(_share.c.session_id == _session.c.id, _run.c.status != "void")
    )
    return sa.exists(lines.correlate(_session))


def last_known_ms() -> sa.ColumnElement[int]:
    """Return the end of a session, of an open one the end of its evidence."""
    newest = sa.select(sa.func.max(_segment.c.end_ms)).where(_segment.c.session_id == _session.c.id)
    return sa.func.coalesce(_session.c.ended_ms, newest.scalar_subquery(), _session.c.started_ms)


def remove_sessions(connection: Connection, numbers: Sequence[int], at_ms: int) -> dict[str, int]:
    """Take sessions away, none of which a run that stands is made of; return how many rows of what.

    Void runs lose their shares, exceptions stay without the session.
    """
    counts = {"sessions": 0, "segments": 0, "project_entries": 0}
    for chunk in _chunks(numbers):
        _land(connection, chunk, at_ms)
        _detach(connection, chunk)
        keys = sa.select(_session.c.key).where(_session.c.id.in_(chunk))
        event = schema.foreign_event
        connection.execute(sa.delete(event).where(event.c.session_key.in_(keys)))
        counts["segments"] += _delete(connection, _segment, chunk)
        counts["project_entries"] += _delete(connection, schema.project_entry, chunk)
        _delete(connection, schema.use_hour, chunk)
        gone = connection.execute(sa.delete(_session).where(_session.c.id.in_(chunk)))
        counts["sessions"] += gone.rowcount
    return counts


def _chunks(numbers: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), CHUNK):
        yield list(numbers[start : start + CHUNK])


def _land(connection: Connection, chunk: Sequence[int], at_ms: int) -> None:
    """Note that the sessions are gone, with the stretch that mirror and rollups have to look at again."""
    columns = (_session.c.id, _session.c.started_ms, last_known_ms().label("end_ms"))
    rows = connection.execute(sa.select(*columns).where(_session.c.id.in_(chunk)))
    gone = [
        Landed(row.id, row.started_ms, row.end_ms, replaced=True, started_ms=row.started_ms) for row in rows
    ]
    land(connection, gone, at_ms)


def _detach(connection: Connection, chunk: Sequence[int]) -> None:
    void = (
        sa.select(_line.c.id).join(_run, _run.c.id == _line.c.billing_run_id).where(_run.c.status == "void")
    )
    mine = _share.c.session_id.in_(chunk)
    connection.execute(sa.delete(_share).where(mine, _share.c.charge_line_id.in_(void)))
    nameless = sa.update(_exception).where(_exception.c.session_id.in_(chunk)).values(session_id=None)
    connection.execute(nameless)


def _delete(connection: Connection, table: sa.Table, chunk: Sequence[int]) -> int:
    return connection.execute(sa.delete(table).where(table.c.session_id.in_(chunk))).rowcount
