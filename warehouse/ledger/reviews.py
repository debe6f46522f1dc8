"""Acts of review: disputes, acceptances, holds, write-offs and transfers, each a new row with its reason."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

_line, _review, _project = schema.charge_line, schema.line_review, schema.project

INHERITED = "as the line it corrects"
"""Why a draft holds back what corrects a line that was held back, until somebody says otherwise."""


class Review(NamedTuple):
    """One act of review on one line; `detail` of a transfer: project, phase, task."""

    line_id: int
    action: str
    actor: str
    reason: str
    at_ms: int
    detail: dict[str, Any] | None = None


def add_reviews(connection: Connection, reviews: list[Review]) -> None:
    """Append acts of review, in order: the last one of a line counts."""
    rows = [
        {
            "charge_line_id": line, "action": action, "actor": actor, "reason": reason, "at_ms": at_ms,
            "detail": detail or {},
        }
        for line, action, actor, reason, at_ms, detail in reviews
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(_review), rows)


def reviews_of(connection: Connection, run_id: int) -> list[Review]:
    """Return all acts of review on a run's lines, oldest first."""
    columns = (_review.c[name] for name in ("charge_line_id", *Review._fields[1:]))
    query = (
        sa.select(*columns)
        .join(_line, _line.c.id == _review.c.charge_line_id)
        .where(_line.c.billing_run_id == run_id)
        .order_by(_review.c.id)
    )
    return [Review(*row) for row in connection.execute(query)]


def newest_act() -> sa.ScalarSelect[Any]:
    """Select the id of a line's last act of review, for a query over lines."""
    newest = sa.select(sa.func.max(_review.c.id)).where(_review.c.charge_line_id == _line.c.id)
    return newest.correlate(_line).scalar_subquery()


def line_id(connection: Connection, run_id: int, line: int) -> int | None:
    """Return the id of a run's line by its number; None where there is no such line."""
    query = sa.select(_line.c.id).where((_line.c.billing_run_id == run_id) & (_line.c.line_number == line))
    return connection.scalar(query)


def lines_in(connection: Connection, run_id: int, action: str, project: str | None = None) -> list[int]:
    """Return the numbers of a run's lines whose last act of review is this one; of one project, if named."""
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
    if project is not None:
        query = query.join(_project, _project.c.id == _line.c.project_id).where(_project.c.number == project)
    return [int(number) for number in connection.scalars(query)]
