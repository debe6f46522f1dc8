"""Held lines of closed runs that the next draft is to bill after all."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.ledger.lines import NOT_BILLED
from warehouse.ledger.reviews import INHERITED, newest_act

_line, _release, _run = schema.charge_line, schema.line_release, schema.billing_run
_period, _review = schema.fiscal_period, schema.line_review


_COLUMNS = (_release.c.charge_line_id, _release.c.actor, _release.c.reason, _release.c.at_ms)


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
    row = connection.execute(sa.select(*_COLUMNS).where(_release.c.charge_line_id == line_id)).one_or_none()
    return Release(*row) if row else None


def pending_releases(connection: Connection) -> dict[str, list[Release]]:
    """Return the releases whose line no closed run has booked anew yet, by the period incurred."""
    booked = (
        sa.select(_line.c.original_line_id)
        .join(_run, _run.c.id == _line.c.billing_run_id)
        .where((_line.c.kind == "reversal") & (_run.c.status == "closed"))
        .where(_line.c.original_line_id.is_not(None))
    )
    query = (
        sa.select(_period.c.name, *_COLUMNS)
        .join_from(_release, _line, _line.c.id == _release.c.charge_line_id)
        .join(_period, _period.c.id == _line.c.fiscal_period_id)
        .where(_release.c.charge_line_id.not_in(booked))
        .order_by(_release.c.id)
    )
    found: dict[str, list[Release]] = {}
    for period, *release in connection.execute(query):
        found.setdefault(period, []).append(Release(*release))
    return found


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


def approved_by(connection: Connection, line_id: int) -> str | None:
    """Return the number of the approved run that books a line anew; None where none does."""
    query = (
        sa.select(_run.c.number)
        .join(_line, _line.c.billing_run_id == _run.c.id)
        .where((_line.c.original_line_id == line_id) & (_run.c.status == "approved"))
    )
    return connection.scalars(query).first()


def released_since(connection: Connection, run_id: int) -> list[int]:
    """Return the numbers of a run's lines that its draft has held back, and that correct a released line."""
    drafted = sa.select(_review.c.charge_line_id).where(_review.c.reason == INHERITED)
    query = (
        sa.select(_line.c.line_number)
        .join(_release, _release.c.charge_line_id == _line.c.original_line_id)
        .join(_review, _review.c.id == newest_act())
        .where((_line.c.billing_run_id == run_id) & (_line.c.kind != "reversal"))
        .where(_review.c.action.in_(NOT_BILLED) & _line.c.id.in_(drafted))
        .order_by(_line.c.line_number)
    )
    return list(connection.scalars(query))


def let_go(connection: Connection, run_id: int) -> frozenset[int]:
    """Return the numbers of a run's lines that are released, or that a closed run has reversed."""
    numbers = sa.select(_line.c.line_number).where(_line.c.billing_run_id == run_id)
    released = numbers.join(_release, _release.c.charge_line_id == _line.c.id)
    later = _line.alias()
    reversed_ = (
        numbers.join(later, later.c.original_line_id == _line.c.id)
        .join(_run, _run.c.id == later.c.billing_run_id)
        .where((later.c.kind == "reversal") & (_run.c.status == "closed"))
    )
    return frozenset(connection.scalars(released.union(reversed_)))
