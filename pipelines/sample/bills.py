"""The sample's bills: the month before last was closed in its time; last month's has a line in dispute."""

from __future__ import annotations

from datetime import date

import polars as pl
from sqlalchemy import Engine

from pipelines import billing
from pipelines.sample.plan import DAY_MS, HOUR_MS, Plan, add_months, instant_ms
from warehouse import frames

PREPARER = "service:sample-billing"
TARGET = "generic"
DISPUTED_BY = "meridian\\estrand"
"""Account of a project manager in Boston."""
DISPUTE = "This run used last week's mesh and had to be repeated."
HOLD = "On hold until the client has agreed to the repetition."


def period_name(today: date, months: int) -> str:
    """Return the name of the fiscal period that is `months` away from the current one."""
    return f"{add_months(today.replace(day=1), months):%Y-%m}"


def close_month_before_last(engine: Engine, plan: Plan, approver: str) -> str:
    """Close the bill of the month before last as it was done then, and return its run.

    Everything happens at the instants of then: what arrived later is not on it.
    """
    prepared_ms = instant_ms(add_months(plan.month, -1)) + 3 * DAY_MS + 8 * HOUR_MS
    run = billing.draft(engine, period_name(plan.today, -2), TARGET, PREPARER, prepared_ms)
    billing.approve(engine, run, approver, prepared_ms + DAY_MS)
    billing.close(engine, run, approver, prepared_ms + DAY_MS + HOUR_MS)
    return run


def close_last_month(engine: Engine, today: date, approver: str, now_ms: int) -> tuple[str, bool]:
    """Bring the bill of the last complete month to its end, from wherever it stands.

    Returns
    -------
    tuple
        The number of the run, and whether it was closed just now.

    Raises
    ------
    Problem
        Nothing was used in that month, or the run cannot be approved.
    """
    period = period_name(today, -1)
    known = {row["period"]: row for row in billing.show(engine)["runs"] if row["status"] != "void"}
    standing = known.get(period, {"status": "none", "run": ""})
    if standing["status"] == "closed":
        return standing["run"], False
    run = standing["run"]
    if standing["status"] != "approved":
        run = billing.draft(engine, period, TARGET, PREPARER, now_ms)
        _dispute_and_hold(engine, run, approver, now_ms)
        billing.approve(engine, run, approver, now_ms)
    billing.close(engine, run, approver, now_ms)
    return run, True


def _dispute_and_hold(engine: Engine, run: str, approver: str, now_ms: int) -> None:
    """Let a project manager dispute the dearest line, and put it on hold."""
    usage = frames.charge_lines(engine, run).filter(pl.col("kind") == "usage", "billable").collect()
    line = usage.sort("amount_minor", "line", descending=[True, False])["line"][0]
    billing.review(engine, run, line, "dispute", DISPUTED_BY, DISPUTE, now_ms)
    billing.review(engine, run, line, "hold", approver, HOLD, now_ms)
