"""Demand within stretches of time: by local day, by hour of the week, by minute.

A curve (concurrency.py) changes when it changes; these questions cut it where a day, an hour or a minute
begins. `group...` stands for the one column by which a curve is grouped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from warehouse.metrics.concurrency import MINUTE_MS, curve, group_of, intervals
from warehouse.metrics.percentiles import as_share
from warehouse.periods import INSTANT, local_days, union, zone_of


def _pieces(demand: pl.LazyFrame, stretches: pl.LazyFrame) -> pl.LazyFrame:
    """Cut a curve into what lies in each of many stretches.

    Parameters
    ----------
    demand
        What `curve` gives; before its first row and after its last it is 0.
    stretches
        `start`, `end` and whatever names a stretch; disjoint and in order.

    Returns
    -------
    pl.LazyFrame
        `group...`, the columns of `stretches`, `demand` and `ms` (Int64): one row per group, stretch and
        unbroken level of demand, in order; together they cover every stretch for every group in use.
    """
    swept, wanted = demand.collect(), stretches.collect().sort("start")
    group = group_of(swept)
    edges = pl.concat([wanted.select(at="start"), wanted.select(at="end")]).unique()
    every = swept.select(group).unique().join(edges, how="cross")
    cut = (
        pl.concat([swept.select(group, "at", "demand"), every], how="diagonal")
        .sort(group, "at", "demand", nulls_last=True)
        .with_columns(pl.col("demand").forward_fill().over(group).fill_null(0))
        .unique([group, "at"], keep="first", maintain_order=True)
        .with_columns(_until=pl.col("at").shift(-1).over(group))
        .sort("at", maintain_order=True)
    )
    inside = cut.join_asof(wanted, left_on="at", right_on="start", strategy="backward", coalesce=False)
    ms = (pl.col("_until") - pl.col("at")).dt.total_milliseconds()
    return (
        inside.lazy()
        .filter(pl.col("at") < pl.col("end"))
        .select(group, *wanted.columns, "demand", ms=ms)
        .sort(group, "start", maintain_order=True)
    )


def by_day(  # noqa: PLR0913, PLR0917 - a figure names its zone, window, calendar and share
    demand: pl.LazyFrame,
    hours: pl.LazyFrame,
    owned: int | None,
    zone: str,
    start: datetime,
    end: datetime,
    p: float = 95,
) -> pl.LazyFrame:
    """Give maximum, average and percentile of every local day, and how long demand was above what is owned.

    Parameters
    ----------
    demand
        What `curve` gives, of one group.
    hours
        `day`, `start`, `end`: the calendar that average and percentile are of; those of one day may overlap.
    owned
        Licenses; None: nothing to compare with.
    zone, start, end
        Whose days, and the window, [start, end).
    p
        Percent of the day's calendar, 0 to 100; nearest rank.

    Returns
    -------
    pl.LazyFrame
        `day` (Date), `maximum` (Int64, of the whole day), `average` (Float64) and `percentile` (Int64) of the
        calendar (null on a day without any), `minutes_above` (Float64, of the whole day; null without
        `owned`): one row per local day, in order.
    """
    days = local_days(zone, start, end).select("day", "start", "end")
    whole = _pieces(demand, days).collect().filter(pl.col("ms") > 0)
    above = pl.col("ms").filter(pl.col("demand") > owned).sum() / MINUTE_MS if owned is not None else None
    highest = whole.group_by("day").agg(
        maximum=pl.col("demand").max(), minutes_above=pl.lit(None, pl.Float64) if above is None else above
    )
    open_hours = union(hours.select("day", "start", "end"), ["day"]).collect()
    # One office's evening is another one's next morning: only every other day is disjoint.
    is_even = pl.col("day").cast(pl.Int32) % 2 == 0
    lanes = (open_hours.filter(is_even), open_hours.filter(~is_even))
    within = pl.concat(_pieces(demand, lane.lazy()).collect() for lane in lanes).filter(pl.col("ms") > 0)
    measured = within.group_by("day").agg(
        average=(pl.col("demand") * pl.col("ms")).sum() / pl.col("ms").sum(), percentile=_nearest_rank(p)
    )
    return (
        days.select("day")
        .join(highest.lazy(), on="day", how="left")
        .join(measured.lazy(), on="day", how="left")
        .with_columns(pl.col("maximum").fill_null(0))
        .select("day", "maximum", "average", "percentile", "minutes_above")
        .sort("day")
    )


def _nearest_rank(p: float) -> pl.Expr:
    """Take the smallest demand that p % of the time does not exceed, in integers."""
    share = as_share(p)
    demand, ms = pl.col("demand").sort(), pl.col("ms").sort_by("demand")
    return demand.filter(ms.cum_sum() * share.denominator >= ms.sum() * share.numerator).first()


def by_hour_of_week(demand: pl.LazyFrame, zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Give maximum and mean of demand for each hour of the week.

    Parameters
    ----------
    demand
        What `curve` gives, of one group.
    zone, start, end
        Whose local hours, and the window, [start, end). An hour that a clock change repeats counts twice.

    Returns
    -------
    pl.LazyFrame
        `weekday` (ISO, 1-7), `hour` (0-23), `maximum` (Int64), `mean` (Float64, weighted by time): one row
        per weekday and hour that the window holds, in order.
    """
    zone_of(zone)
    cut = _steps(start, end, "15m").with_columns(  # every zone's hours begin at a quarter of a UTC hour
        weekday=pl.col("start").dt.convert_time_zone(zone).dt.weekday(),
        hour=pl.col("start").dt.convert_time_zone(zone).dt.hour(),
    )
    return (
        _pieces(demand, cut)
        .filter(pl.col("ms") > 0)
        .group_by("weekday", "hour")
        .agg(
            maximum=pl.col("demand").max(),
            mean=(pl.col("demand") * pl.col("ms")).sum() / pl.col("ms").sum(),
        )
        .sort("weekday", "hour")
    )


STATES = ("active", "pause", "idle", "held")
"""What a key that has the application open is doing; of several sessions the first of these counts."""


def states_over_time(  # noqa: PLR0913, PLR0917 - a figure names its key, window, step and group
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    key: str,
    start: datetime,
    end: datetime,
    every: str = "1m",
    *,
    weights: pl.LazyFrame | None = None,
    group: str = "application",
    suites: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Give how many keys were active, in a pause, idle or held, minute by minute.

    Each is a difference of nested demands, for whoever is active is busy, and whoever is busy is open: a key
    with two sessions counts once, by the better of its states.

    Parameters
    ----------
    stated, sessions, key, start, end, weights, group, suites
        As `intervals` takes them.
    every
        The step, a whole divisor of an hour or whole hours: "1m", "15m", "1h".

    Returns
    -------
    pl.LazyFrame
        `group...`, `minute` (its start), and `STATES` (Float64: mean over the step): one row per group that
        was open and step, in order.
    """
    chain = (
        ("active", stated, "active"),
        ("pause", stated, "busy"),
        ("idle", stated.filter(pl.col("state") != "held"), "run"),
        ("held", stated, "run"),
    )
    steps = _steps(start, end, every)
    found: pl.LazyFrame | None = None
    for name, of, basis in chain:
        used = intervals(of, sessions, key, basis, start, end, weights=weights, group=group, suites=suites)
        mean = _mean(curve(used), steps).rename({"mean": name})
        found = mean if found is None else mean.join(found, on=[group, "minute"], how="left")
    assert found is not None  # noqa: S101
    nested = [pl.col(name).fill_null(0.0) for name in STATES]
    return found.with_columns(nested).select(group, "minute", *_differences(STATES)).sort(group, "minute")


def _steps(start: datetime, end: datetime, every: str) -> pl.LazyFrame:
    """Cut a window at every step of the clock."""
    first = pl.lit(start, INSTANT).dt.truncate(every)
    steps = pl.datetime_range(first, pl.lit(end, INSTANT), every, closed="left", time_unit="ms")
    until = pl.min_horizontal(pl.col("at").dt.offset_by(every), pl.lit(end, INSTANT))
    since = pl.max_horizontal("at", pl.lit(start, INSTANT))
    return pl.select(steps.alias("at")).lazy().select(start=since, end=until)


def _mean(demand: pl.LazyFrame, steps: pl.LazyFrame) -> pl.LazyFrame:
    group = group_of(demand.collect())
    weighted = (pl.col("demand") * pl.col("ms")).sum() / pl.col("ms").sum()
    cut = _pieces(demand, steps).filter(pl.col("ms") > 0)
    return cut.group_by(group, minute="start").agg(mean=weighted)


def _differences(names: Sequence[str]) -> list[pl.Expr]:
    first, *others = names
    return [pl.col(first), *(pl.col(b) - pl.col(a) for a, b in zip(names, others, strict=False))]
