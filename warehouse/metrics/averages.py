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
    stretches = union(hours, ["day"]).join(swept.lazy().select(pl.col(group).unique()), how="cross")
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    return (
        with_use(stretches, swept.lazy())
        .lazy()
        .group_by(group, "day")
        .agg(average=pl.col("use_ms").sum() / length_ms.sum())
        .sort(group, "day")
    )


def with_use(stretches: pl.LazyFrame, demand: pl.LazyFrame) -> pl.DataFrame:
    """Add up demand over stretches of time, any number of them, which may overlap.

    Parameters
    ----------
    stretches
        `group...`, `start`, `end`, and whatever else they carry.
    demand
        What `curve` gives.

    Returns
    -------
    pl.DataFrame
        The stretches with `use_ms` (Int64: demand x milliseconds), ordered by group and end.
    """
    swept = demand.collect()
    group = group_of(swept)
    summed = _summed(swept.lazy(), group)
    return (
        stretches.pipe(_with_sum_until, summed, group, "start")
        .pipe(_with_sum_until, summed, group, "end")
        .with_columns(use_ms=pl.col("_sum_end") - pl.col("_sum_start"))
        .drop("_sum_start", "_sum_end")
        .collect()
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
