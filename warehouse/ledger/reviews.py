"""Acts of review: disputes, acceptances, holds and write-offs, each a new row with its reason."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

_line, _review = schema.charge_line, schema.line_review


class Review(NamedTuple):
    """One act of review on one line."""

    line_id: int
    action: str
    actor: str
    reason: str
    at_ms: int


def add_reviews(connection: Connection, reviews: list[Review]) -> None:
    """Append acts of review, in order: the last one of a line counts."""
    rows = [
        {"charge_line_id": line, "action": action, "actor": actor, "reason": reason, "at_ms": at_ms}
        for line, action, actor, reason, at_ms in reviews
    ]
    if rows:
        connection.execute(sa.insert(_review), rows)


def reviews_of(connection: Connection, run_id: int) -> list[Review]:
    """Return all acts of review on a run's lines, oldest first."""
    columns = (_review.c.charge_line_id, _review.c.action, _review.c.actor, _review.c.reason, _review.c.at_ms)
    query = (
        sa.select(*columns)
        .join(_line, _line.c.id == _review.c.charge_line_id)
        .where(_line.c.billing_run_id == run_id)
        .order_by(_review.c.id)
    )
    return [Review(*row) for row in connection.execute(query)]


def line_id(connection: Connection, run_id: int, line: int) -> int | None:
    """Return the id of a run's line by its number; None where there is no such line."""
    query = sa.select(_line.c.id).where((_line.c.billing_run_id == run_id) & (_line.c.line_number == line))
    return connection.scalar(query)


def lines_in(connection: Connection, run_id: int, action: str) -> list[int]:
    """Return the numbers of a run's lines whose last act of review is this one."""
    newest = (
        sa.select(sa.func.max(_review.c.id))
        .join(_line, _line.c.id == _review.c.charge_line_id)
        .where(_line.c.billing_run_id == run_id)
        .group_by(_review.c.charge_line_id)
    )
    query = (
        sa.select(_line.c.line_number)
        .join(_review, _review.c.charge_line_id == _line.c.id)
        .where(_review.c.id.in_(newest) & (_review.c.action == action))
        .order_by(_line.c.line_number)
    )
    return [int(number) for number in connection.scalars(query)]
