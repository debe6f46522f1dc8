"""What projects were billed over their life, against what was agreed."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.ledger.lines import NOT_BILLED

_line, _review, _project = schema.charge_line, schema.line_review, schema.project


class Spent(NamedTuple):
    """What one project has come to, in minor units of its currency.

    Attributes
    ----------
    budget, not_to_exceed
        What was agreed; None: nothing.
    billed_before, this_run
        What earlier runs bill it, and what this one does: lines that are neither held nor written off.
    """

    project: str
    currency: str
    budget: int | None
    not_to_exceed: int | None
    billed_before: int
    this_run: int


def spent(connection: Connection, before: Collection[int], run_id: int | None) -> list[Spent]:
    """Return every project that has a budget or a limit, or is billed by one of these runs, by number.

    Parameters
    ----------
    before
        Ids of the runs that come before.
    run_id
        The run at hand; None: none.

    Lines in another currency than the project's are not counted: no budget is agreed in it.
    """
    sums = _sums(before, run_id).subquery()
    known = (_project.c.budget_minor, _project.c.not_to_exceed_minor)
    query = (
        sa.select(
            _project.c.number, _project.c.currency, *known,
            sa.func.coalesce(sums.c.before, 0), sa.func.coalesce(sums.c.now, 0),
        )
        .outerjoin(sums, sums.c.project_id == _project.c.id)
        .where(sa.or_(*(column.is_not(None) for column in known), sums.c.project_id.is_not(None)))
    )  # fmt: skip
    found = [
        Spent(number, currency, budget, limit, int(earlier), int(now))
        for number, currency, budget, limit, earlier, now in connection.execute(query)
    ]
    return sorted(found)


def _sums(before: Collection[int], run_id: int | None) -> sa.Select[tuple[int, int, int]]:
    runs = [*before, *([] if run_id is None else [run_id])]
    newest = (
        sa.select(_review.c.charge_line_id, sa.func.max(_review.c.id).label("newest"))
        .join(_line, _line.c.id == _review.c.charge_line_id)
        .where(_line.c.billing_run_id.in_(runs))
        .group_by(_review.c.charge_line_id)
        .subquery()
    )
    held = (
        sa.select(newest.c.charge_line_id)
        .join(_review, _review.c.id == newest.c.newest)
        .where(_review.c.action.in_(NOT_BILLED))
    )
    is_now = _line.c.billing_run_id == run_id
    amounts = (
        sa.func.sum(sa.case((is_now, 0), else_=_line.c.amount_minor)).label("before"),
        sa.func.sum(sa.case((is_now, _line.c.amount_minor), else_=0)).label("now"),
    )
    return (
        sa.select(_line.c.project_id, *amounts)
        .join(_project, (_project.c.id == _line.c.project_id) & (_project.c.currency == _line.c.currency))
        .where(_line.c.billing_run_id.in_(runs) & _line.c.billable & _line.c.id.not_in(held))
        .group_by(_line.c.project_id)
    )
