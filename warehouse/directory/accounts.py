"""Accounts and hosts that evidence speaks of, known to the directory or not."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite

from warehouse import schema

ALWAYS_ON = "1970-01-01"
"""First day of a host that nobody has entered in the directory."""


def ensure_account(connection: Connection, name: str) -> int:
    """Return the id of an account, stored in lower case; a new one belongs to nobody yet."""
    return _ensure(connection, schema.account, {"name": name.lower()})


def ensure_host(connection: Connection, name: str, zone: str, *, kind: str = "workstation") -> int:
    """Return the id of a host, stored in lower case; a new one is outside the directory.

    Parameters
    ----------
    zone
        IANA zone; written for a new host alone.
    kind
        `workstation`, `virtual`, `terminal` or `laptop`; written for a new host alone.
    """
    row = {"name": name.lower(), "zone": zone, "kind": kind, "valid_from_on": ALWAYS_ON}
    return _ensure(connection, schema.host, row)


def _ensure(connection: Connection, table: sa.Table, row: dict[str, Any]) -> int:
    found = sa.select(table.c.id).where(table.c.name == row["name"])
    present = connection.scalar(found)
    if present is None:
        # Another transaction may be doing the same: the one that comes second finds the first one's row.
        insert = _insert(connection.dialect.name)
        connection.execute(insert(table).values(row).on_conflict_do_nothing(index_elements=["name"]))
        present = connection.execute(found).scalar_one()
    return int(present)


def _insert(dialect: str) -> Any:
    if dialect == "sqlite":
        return sqlite.insert
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 25 ms that a report on SQLite need not wait for

    return postgresql.insert
