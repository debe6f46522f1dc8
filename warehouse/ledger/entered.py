"""What was entered about the sessions of a line: who moves time to another project keeps the rest of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

_entry = schema.project_entry


def entered_fields(connection: Connection, entries: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the fields of project entries, by the entry's id."""
    query = sa.select(_entry.c.id, _entry.c.fields).where(_entry.c.id.in_(list(entries)))
    return {number: dict(fields or {}) for number, fields in connection.execute(query)}


def entered_since(connection: Connection, sessions: Collection[int], after_ms: int) -> list[int]:
    """Return which of these sessions had a project entered after an instant (UTC, in milliseconds)."""
    query = (
        sa.select(_entry.c.session_id)
        .where(_entry.c.session_id.in_(list(sessions)) & (_entry.c.created_ms > after_ms))
        .distinct()
        .order_by(_entry.c.session_id)
    )
    return [int(number) for number in connection.scalars(query)]
