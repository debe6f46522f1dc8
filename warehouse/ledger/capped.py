"""Lines that may be under one cap: those of a person in an application, at one rate, on the same codes.

They are those that stand for a period: of its own run, and what later runs have booked for it, but nothing
that one of them has taken back.
"""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.ledger.reviews import newest_act
from warehouse.metrics.caps import MONTHLY

_line, _review, _run, _rate = (
    schema.charge_line, schema.line_review, schema.billing_run, schema.rate,
)  # fmt: skip

_SAME = ("person_id", "application_id", "rate_id", "currency", "project_id", "phase_id", "task_id")
COLUMNS = pl.Schema({
    "line": pl.Int64, "run": pl.String, "number": pl.Int64, "kind": pl.String, "day": pl.String,
    "billable": pl.Boolean, "is_mine": pl.Boolean, "original_line_id": pl.Int64, "note": pl.String,
    "period": pl.Int64, "person_id": pl.Int64, "application": pl.Int64, "rate_id": pl.Int64,
    "currency": pl.String, "project": pl.Int64, "phase": pl.Int64, "task": pl.Int64, "review": pl.String,
})  # fmt: skip


def lines_like(connection: Connection, run_id: int, line: int) -> pl.DataFrame:
    """Return what stands for a line's period and shares person, application, rate and codes with it.

    Parameters
    ----------
    run_id
        The run at hand: its lines count, and those of closed runs.
    line
        Number of one of its lines; of one that takes another one back nothing is returned that it goes with.

    Returns
    -------
    pl.DataFrame
        `COLUMNS`, as `caps.together` takes them: `line` is an id, and `number` the line's number in its
        `run`; `kind` is what a line is, whether it was booked at once or replaces another one; `application`,
        `project`, `phase`, `task` and `period` are ids, `day` is ISO text; `review` is the line's last act of
        review, null if none; `is_mine` says that it is of the run at hand; `original_line_id` is null. By id.
    """
    same = (*_SAME, "fiscal_period_id")
    mine = (
        sa.select(_line).where((_line.c.billing_run_id == run_id) & (_line.c.line_number == line)).subquery()
    )
    query = _standing(run_id).join(
        mine, sa.and_(*(_line.c[name].is_not_distinct_from(mine.c[name]) for name in same))
    )
    return _frame(connection, query)


def corrected_like(connection: Connection, run_id: int) -> pl.DataFrame:
    """Return what stands for the closed periods that a run corrects, at capped rates: as `lines_like`."""
    own = sa.select(_run.c.fiscal_period_id).where(_run.c.id == run_id).scalar_subquery()
    corrected = sa.select(_line.c.fiscal_period_id).where(
        (_line.c.billing_run_id == run_id) & (_line.c.fiscal_period_id != own)
    )
    is_capped = _rate.c.daily_cap_minor.is_not(None) | _rate.c.monthly_cap_minor.is_not(None)
    return _frame(connection, _standing(run_id).where(_line.c.fiscal_period_id.in_(corrected) & is_capped))


def _standing(run_id: int) -> sa.Select[Any]:
    back, other = _line.alias("back"), _run.alias("other")
    taken = (
        sa.select(back.c.id)
        .join(other, other.c.id == back.c.billing_run_id)
        .where((back.c.original_line_id == _line.c.id) & (back.c.kind == "reversal"))
        .where((other.c.status == "closed") | (other.c.id == run_id))
    )
    is_correction = _line.c.fiscal_period_id != _run.c.fiscal_period_id
    # The note of a correction tells what it corrects, and not which cap it is: the rate does.
    monthly = sa.case((_rate.c.monthly_cap_minor.is_not(None), MONTHLY), else_="")
    return (
        sa.select(
            _line.c.id, _run.c.number, _line.c.line_number, _nature(), _line.c.day_on, _line.c.billable,
            _run.c.id == run_id, sa.null(), sa.case((is_correction, monthly), else_=_line.c.note),
            _line.c.fiscal_period_id, *(_line.c[name] for name in _SAME), _review.c.action,
        )
        .join(_run, _run.c.id == _line.c.billing_run_id)
        .join(_rate, _rate.c.id == _line.c.rate_id)
        .outerjoin(_review, _review.c.id == newest_act())
        .where((_run.c.status == "closed") | (_run.c.id == run_id))
        .where((_line.c.kind != "reversal") & ~sa.exists(taken.correlate(_line)))
        .order_by(_line.c.id)
    )  # fmt: skip


def _nature() -> sa.ColumnElement[str]:
    """Say what a line is, as `corrections` does."""
    is_fixed, time_ms = _line.c.unit == "each", _line.c.active_ms + _line.c.pause_ms + _line.c.buffer_ms
    return sa.case(
        (_line.c.kind != "replacement", _line.c.kind),
        (is_fixed & (_line.c.quantity < 0), "cap"),
        (is_fixed, "package"),
        (time_ms == 0, "month_rounding"),
        else_="usage",
    )


def _frame(connection: Connection, query: sa.Select[Any]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], COLUMNS, orient="row")
