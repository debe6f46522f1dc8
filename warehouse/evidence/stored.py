"""What is stored already, as a batch has to know it before it is judged."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.evidence.inserting import pairs

QUARTER_MS = 900_000
"""No segment crosses a UTC quarter of an hour."""


@dataclass(slots=True)
class StoredSession:
    """One session as the warehouse has it; times are the manager's."""

    id: int
    agent: str | None
    application: str
    started_ms: int
    ended_ms: int | None
    clock_offset_ms: int


class Stretch(NamedTuple):
    """One stored segment's place in time, [start_ms, end_ms)."""

    start_ms: int
    end_ms: int


def last_sequence(connection: Connection, agent: str, epoch: str) -> int:
    """Return the last sequence stored of a spool; 0 when it is new."""
    row = schema.delivery.c
    query = sa.select(row.last_sequence).where(row.agent_id == agent, row.epoch == epoch)
    return int(connection.scalar(query) or 0)


def stored_sessions(connection: Connection, keys: Collection[str]) -> dict[str, StoredSession]:
    """Return the sessions that are stored under these keys."""
    row = schema.session.c
    columns = (row.key, row.id, row.agent_id, schema.application.c.code, row.started_ms, row.ended_ms)
    query = (
        sa.select(*columns, row.clock_offset_ms)
        .select_from(schema.session.join(schema.application))
        .where(row.key.in_(keys))
    )
    return {key: StoredSession(*rest) for key, *rest in connection.execute(query)} if keys else {}


def last_segment_ends(connection: Connection, sessions: Collection[int]) -> dict[int, int]:
    """Return the end of the last stored segment of each of these sessions that has one."""
    row = schema.segment.c
    if not sessions:
        return {}
    # The last start comes from the primary key alone; a session's segments never overlap.
    last = (
        sa.select(row.session_id, sa.func.max(row.start_ms).label("start_ms"))
        .where(row.session_id.in_(sessions))
        .group_by(row.session_id)
        .subquery()
    )
    query = sa.select(row.session_id, row.end_ms).join(
        last, (last.c.session_id == row.session_id) & (last.c.start_ms == row.start_ms)
    )
    return pairs(connection.execute(query))


def stretches(connection: Connection, session: int, start_ms: int, end_ms: int) -> list[Stretch]:
    """Return the stored segments of a session that overlap [start_ms, end_ms), in order."""
    row = schema.segment.c
    query = (
        sa.select(row.start_ms, row.end_ms)
        # No segment is longer than a quarter of an hour: the primary key finds them.
        .where(row.session_id == session, row.start_ms > start_ms - QUARTER_MS, row.start_ms < end_ms)
        .where(row.end_ms > start_ms)
        .order_by(row.start_ms)
    )
    return [Stretch(*found) for found in connection.execute(query)]
