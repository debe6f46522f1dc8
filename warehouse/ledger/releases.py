"""Held lines of closed runs that the next draft is to bill after all."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

_line, _release, _run = schema.charge_line, schema.line_release, schema.billing_run


class Release(NamedTuple):
    """One held line that is to be billed after all: by whose word, why and when."""

    line_id: int
    actor: str
    reason: str
    at_ms: int


def add_release(connection: Connection, release: Release) -> None:
    """Write that a line is released."""
    line, actor, reason, at_ms = release
    values = {"charge_line_id": line, "actor": actor, "reason": reason, "at_ms": at_ms}
    connection.execute(sa.insert(_release).values(values))


def release_of(connection: Connection, line_id: int) -> Release | None:
    """Return the release of a line; None where it is not released."""
    return next((release for release in _releases(connection, _release.c.charge_line_id == line_id)), None)


def pending_releases(connection: Connection) -> list[Release]:
    """Return the releases whose line no closed run has booked anew yet, oldest first."""
    booked = (
        sa.select(_line.c.original_line_id)
        .join(_run, _run.c.id == _line.c.billing_run_id)
        .where(
            (_line.c.kind == "reversal") & (_run.c.status == "closed") & _line.c.original_line_id.is_not(None)
        )
    )
    return _releases(connection, _release.c.charge_line_id.not_in(booked))


def reversed_by(connection: Connection, line_id: int) -> str | None:
    """Return the number of the closed run that reverses a line; None where none does."""
    query = (
        sa.select(_run.c.number)
        .join(_line, _line.c.billing_run_id == _run.c.id)
        .where(
            (_line.c.original_line_id == line_id) & (_line.c.kind == "reversal") & (_run.c.status == "closed")
        )
    )
    return connection.scalar(query)


def _releases(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Release]:
    columns = (_release.c.charge_line_id, _release.c.actor, _release.c.reason, _release.c.at_ms)
    query = sa.select(*columns).where(condition).order_by(_release.c.id)
    return [Release(*row) for row in connection.execute(query)]
