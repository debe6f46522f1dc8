"""How many were in use on average, over any stretches of time."""

from __future__ import annotations

import polars as pl

from warehouse.metrics.concurrency import group_of
from warehouse.periods import union


def average_demand(demand: pl.LazyFrame, hours: pl.LazyFrame) -> pl.LazyFrame:
    """Average demand over the time of each local day that a calendar holds.

    Parameters
    ----------
    demand
        What `curve` gives.
    hours
        `day` (Date), `start`, `end`: the stretches that count, such as business hours; those of one day may
        overlap and count once.

    Returns
    -------
    pl.LazyFrame
        `group...`, `day`, `average` (Float64: demand weighted by time): one row per group in use and day with
        any time in the calendar, in order.
    """
    swept = demand.collect()
    group = group_of(swept)
    summed = _summed(swept.lazy(), group)
    stretches = union(hours, ["day"]).join(swept.lazy().select(pl.col(group).unique()), how="cross")
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    return (
        stretches.pipe(_with_sum_until, summed, group, "start")
        .pipe(_with_sum_until, summed, group, "end")
        .group_by(group, "day")
        .agg(average=(pl.col("_sum_end") - pl.col("_sum_start")).sum() / length_ms.sum())
        .sort(group, "day")
    )


def _summed(demand: pl.LazyFrame, group: str) -> pl.LazyFrame:
    """Add `_sum`: demand x milliseconds from the group's first change to this one."""
    lasts_ms = (pl.col("at").shift(-1) - pl.col("at")).dt.total_milliseconds()
    area = (pl.col("demand") * lasts_ms).fill_null(0)
    return demand.sort(group, "at").with_columns(_sum=(area.cum_sum() - area).over(group))


def _with_sum_until(stretches: pl.LazyFrame, summed: pl.LazyFrame, group: str, edge: str) -> pl.LazyFrame:
    found = stretches.sort(group, edge).join_asof(
        summed.select(group, _at="at", _demand="demand", _sum="_sum"),
        left_on=edge,
        right_on="_at",
        by=group,
        check_sortedness=False,
    )
    since_ms = (pl.col(edge) - pl.col("_at")).dt.total_milliseconds()
    until = (pl.col("_sum") + pl.col("_demand") * since_ms).fill_null(0)
    return found.with_columns(until.alias(f"_sum_{edge}")).drop("_at", "_demand", "_sum")
