"""The warehouse's door: from a URL to a checked engine, and whole frames in and out.

SQLite in the user's data folder by default, PostgreSQL where a URL says so; the same tables on both.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema
from warehouse.store.engine import (
    MIGRATIONS,
    READ_ONLY,
    lending,
    may_write,
    open_warehouse,
    revision_of,
    revisions,
    upgrade,
    writing,
)
from warehouse.store.snapshot import Snapshot, snapshot
from warehouse.store.transport import Parameters, append, positional, read
from warehouse.store.url import WarehouseProblem, default_url, located, place

__all__ = [
    "MIGRATIONS",
    "READ_ONLY",
    "Parameters",
    "Snapshot",
    "WarehouseProblem",
    "append",
    "default_url",
    "lending",
    "may_write",
    "open_warehouse",
    "place",
    "positional",
    "read",
    "revisions",
    "snapshot",
    "status",
    "upgrade",
    "writing",
]


def status(engine: Engine) -> dict[str, object]:
    """Return what `process-meter warehouse status` shows: place, version and counts; instants in UTC ms."""
    counted = ("session", "segment", "host", "agent", "person", "project", "quarantine")
    tables = schema.metadata.tables
    started = tables["session"].columns["started_ms"]
    with located(engine.url), engine.connect() as connection:
        first, last = connection.execute(sa.select(sa.func.min(started), sa.func.max(started))).one()
        return {
            "warehouse": place(engine.url),
            "database": engine.dialect.name,
            "revision": revision_of(connection),
            "newest_revision": revisions()[-1],
            "first_session_started_ms": first,
            "last_session_started_ms": last,
            "rows": {name: connection.scalar(_count(tables[name])) for name in counted},
        }


def _count(table: sa.Table) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table)
