"""Lines that may be under one cap: those of a person in an application, at one rate, on the same codes."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.ledger.reviews import newest_act

_line, _review = schema.charge_line, schema.line_review

_SAME = ("person_id", "application_id", "rate_id", "currency", "project_id", "phase_id", "task_id")
COLUMNS = pl.Schema({
    "line_id": pl.Int64, "line": pl.Int64, "kind": pl.String, "day": pl.String, "billable": pl.Boolean,
    "original_line_id": pl.Int64, "note": pl.String, "person_id": pl.Int64, "application": pl.Int64,
    "rate_id": pl.Int64, "currency": pl.String, "project": pl.Int64, "phase": pl.Int64, "task": pl.Int64,
    "review": pl.String,
})  # fmt: skip


def lines_like(connection: Connection, run_id: int, line: int) -> pl.DataFrame:
    """Return the lines of a run that share person, application, rate and codes with one of them.

    Returns
    -------
    pl.DataFrame
        `COLUMNS`, by line number, as `caps.together` takes them: `application`, `project`, `phase` and
        `task` are ids, `day` is ISO text; `review` is the line's last act of review, null if none.
    """
    mine = (
        sa.select(_line).where((_line.c.billing_run_id == run_id) & (_line.c.line_number == line)).subquery()
    )
    query = (
        sa.select(
            _line.c.id, _line.c.line_number, _line.c.kind, _line.c.day_on, _line.c.billable,
            _line.c.original_line_id, _line.c.note, *(_line.c[name] for name in _SAME), _review.c.action,
        )
        .join(mine, sa.and_(*(_line.c[name].is_not_distinct_from(mine.c[name]) for name in _SAME)))
        .outerjoin(_review, _review.c.id == newest_act())
        .where(_line.c.billing_run_id == run_id)
        .order_by(_line.c.line_number)
    )  # fmt: skip
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, COLUMNS, orient="row")
