"""Audited events: who did what to what and why, each chained to the one before it.

A database that is trusted to keep its rows cannot be trusted to keep them unchanged: the chain finds a change
of any of them, whoever made it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

_event = schema.audit_event
_LOCK = 7_306_094  # any number, the same in every process that writes to the ledger


class Event(NamedTuple):
    """One act: its kind, what it was done to, and what else an auditor would ask."""

    action: str
    subject: str
    detail: Mapping[str, Any]


def serialize(connection: Connection) -> None:
    """Let only one writer at a time into the ledger, until the transaction ends: a chain has one end."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:  # Any write takes SQLite's one lock, also one that finds nothing to write.
        connection.execute(sa.delete(_event).where(sa.false()))


def record_event(  # noqa: PLR0913, PLR0917 - an event is who, what, to what, why and when
    connection: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any], at_ms: int
) -> str:
    """Append an event to the chain, in the caller's transaction, and return its digest.

    Parameters
    ----------
    connection
        Open transaction; best of `store.writing`.
    actor
        The signed-in or operating-system identity.
    detail
        Plain JSON without floats.
    at_ms
        Now, UTC, in milliseconds.
    """
    return record_events(connection, actor, [Event(action, subject, detail)], at_ms)


def record_events(connection: Connection, actor: str, events: Sequence[Event], at_ms: int) -> str:
    """Append several events of one actor and moment; return the digest of the last one."""
    serialize(connection)
    digest = head(connection)
    rows = []
    for event in events:
        row = {"at_ms": at_ms, "actor": actor, **event._asdict(), "previous_digest": digest}
        row["detail"] = dict(event.detail)
        digest = event_digest(row)
        rows.append({**row, "digest": digest})
    if rows:
        connection.execute(sa.insert(_event), rows)
    return digest or ""


def head(connection: Connection) -> str | None:
    """Return the digest of the newest event; None before the first."""
    return connection.scalar(sa.select(_event.c.digest).order_by(_event.c.id.desc()).limit(1))


def event_digest(row: Mapping[str, Any]) -> str:
    """Digest an event, its row's columns by name, upon the digest before it."""
    values = [row[name] for name in ("previous_digest", "at_ms", "actor", "action", "subject", "detail")]
    return sha256(canonical(values)).hexdigest()


def canonical(value: object) -> bytes:
    """Write a value as JSON in the one way that digests are taken of."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode()
