"""What licenses cost in a window, what of that paid for idle time, and what projects paid back."""

from __future__ import annotations

from datetime import date

import polars as pl

from warehouse.errors import Problem
from warehouse.money import rounded_expr

YEAR_DAYS = 365
"""A unit cost is per year; a day costs one part of this many, in leap years too."""


def license_cost(entitlements: pl.LazyFrame, first_day: date, end_day: date) -> pl.LazyFrame:
    """Find what each right costs for the days of a window on which it is in force.

    Parameters
    ----------
    entitlements
        `entitlement`, `quantity`, `valid_from`, `valid_to` (Date, null: open), `unit_cost_minor` (per unit
        and year; null: not known), `currency`.
    first_day, end_day
        The window, [first_day, end_day).

    Returns
    -------
    pl.LazyFrame
        `entitlement`, `currency`, `days` (in force in the window), `cost_minor` (quantity x unit cost x days
        / 365, half away from zero; null without a unit cost), Int64. One row per right that is in force on a
        day of the window, in the order given.

    Raises
    ------
    Problem
        An end that is not after the start.
    """
    if end_day <= first_day:
        raise Problem(f"the window ends on {end_day}, which is not after its start {first_day}", "swap them")
    starts = pl.max_horizontal("valid_from", pl.lit(first_day))
    ends = pl.min_horizontal("valid_to", pl.lit(end_day))
    cost = pl.col("quantity").cast(pl.Int128) * pl.col("unit_cost_minor") * pl.col("days")
    return (
        entitlements.with_columns(days=(ends - starts).dt.total_days())
        .filter(pl.col("days") > 0)
        .select("entitlement", "currency", "days", cost_minor=rounded_expr(cost, YEAR_DAYS))
    )


def idle_cost(costs: pl.LazyFrame, used: pl.LazyFrame) -> pl.LazyFrame:
    """Find what of the cost of licenses paid for time in which applications were open and nobody was at work.

    Parameters
    ----------
    costs
        `license`, `currency`, `cost_minor`: one row per license and currency.
    used
        `license`, `run_ms`, `idle_ms`, `held_ms`, of the applications that each covers: one row per license.

    Returns
    -------
    pl.LazyFrame
        `license`, `currency`, `cost_minor`, `idle_share` (idle / run time, 0-1) and `idle_cost_minor` (cost x
        idle share, half away from zero, Int64). Both are null where nothing was open, or where attention was
        never seen, as in a license server's log: nothing known is not nothing idle. One row per row of
        `costs`, in order.
    """
    is_seen = pl.col("run_ms") > pl.col("held_ms")
    idle_ms, run_ms = (pl.when(is_seen).then(pl.col(name)) for name in ("idle_ms", "run_ms"))
    part = pl.col("cost_minor").cast(pl.Int128) * idle_ms
    return costs.join(used, on="license", how="left", maintain_order="left").select(
        "license",
        "currency",
        "cost_minor",
        idle_share=idle_ms / run_ms,
        idle_cost_minor=rounded_expr(part, run_ms),
    )


def recovered(lines: pl.LazyFrame, licenses: pl.LazyFrame) -> pl.LazyFrame:
    """Add up what projects were charged for the use of each license.

    Parameters
    ----------
    lines
        `application`, `currency`, `amount_minor`: billed charge lines.
    licenses
        `application`, `license`: one row per application.

    Returns
    -------
    pl.LazyFrame
        `license`, `currency`, `recovered_minor` (Int64): one row per license and currency with a line, in
        order. Lines of other applications are left out; currencies are never added.
    """
    return (
        lines.with_columns(pl.col("application").cast(pl.String))
        .join(licenses, on="application")
        .group_by("license", "currency")
        .agg(recovered_minor=pl.col("amount_minor").sum())
        .sort("license", "currency")
    )
