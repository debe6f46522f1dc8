"""Lines that take back what closed runs have booked: each is billed if what it reverses was, else not."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.ledger.lines import NOT_BILLED
from warehouse.ledger.reviews import newest_act

_line, _review, _run = schema.charge_line, schema.line_review, schema.billing_run


class Reversal(NamedTuple):
    """A line of a run, what it takes back, and how each is kept from the bill (None: it is not)."""

    line: int
    kept: str | None
    original_run: str
    original_line: int
    original_kept: str | None


def reversals(connection: Connection, run_id: int) -> list[Reversal]:
    """Return the reversals of a run, by line number."""
    first, last = _line.alias("first"), _review.alias("last")
    newest = sa.select(sa.func.max(_review.c.id)).where(_review.c.charge_line_id == first.c.id)
    query = (
        sa.select(_line.c.line_number, _review.c.action, _run.c.number, first.c.line_number, last.c.action)
        .join(first, first.c.id == _line.c.original_line_id)
        .join(_run, _run.c.id == first.c.billing_run_id)
        .outerjoin(_review, _review.c.id == newest_act())
        .outerjoin(last, last.c.id == newest.correlate(first).scalar_subquery())
        .where((_line.c.billing_run_id == run_id) & (_line.c.kind == "reversal"))
        .order_by(_line.c.line_number)
    )
    return [
        Reversal(line, kept_by(act), run, original, kept_by(told))
        for line, act, run, original, told in connection.execute(query)
    ]


def kept_by(action: str | None) -> str | None:
    """Return an act of review if it keeps a line from the bill."""
    return action if action in NOT_BILLED else None
