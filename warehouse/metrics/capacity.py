"""What there was to be used: license servers' and clusters' own readings, as steps in time.

A reading holds until the next one of the same server and application; the first one also before itself,
because a capacity does not begin with the first look at it.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from warehouse.periods import check_window, local_days

POOL = ["source", "server", "application"]


def in_force(readings: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Turn readings into stretches of constant capacity.

    Parameters
    ----------
    readings
        `source`, `server`, `application` (null: all of the server together), `at`, `issued` (null: not said,
        which is no reading).
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `source`, `server`, `application`, `start`, `end`, `units` (Int64): one row per pool and stretch, cut
        to the window; where a server has readings of all its applications together, those alone.
    """
    check_window(start, end)
    said = readings.filter(pl.col("issued").is_not_null())
    whole = said.filter(pl.col("application").is_null()).select("source", "server").unique()
    single = said.filter(pl.col("application").is_not_null()).join(whole, on=["source", "server"], how="anti")
    counted = pl.concat([said.filter(pl.col("application").is_null()), single])
    following = pl.col("at").shift(-1).over(POOL, order_by="at")
    first = pl.col("at") == pl.col("at").min().over(POOL)
    return (
        counted.with_columns(
            start=pl.when(first).then(pl.lit(start)).otherwise(pl.col("at")), end=following.fill_null(end)
        )
        .with_columns(
            start=pl.max_horizontal("start", pl.lit(start)), end=pl.min_horizontal("end", pl.lit(end))
        )
        .filter(pl.col("start") < pl.col("end"))
        .select(*POOL, "start", "end", units=pl.col("issued").cast(pl.Int64))
    )


def capacity_by_day(readings: pl.LazyFrame, zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Sum capacity by local day.

    Parameters
    ----------
    readings
        As for `in_force`.
    zone
        IANA zone whose days are meant.

    Returns
    -------
    pl.LazyFrame
        `day` (Date), `capacity_ms` (Int64, units x time): one row per local day of the window on which any
        capacity is known and positive.
    """
    steps = in_force(readings, start, end).select("units", _from="start", _to="end")
    lasts = pl.min_horizontal("end", "_to") - pl.max_horizontal("start", "_from")
    return (
        local_days(zone, start, end)
        .join(steps, how="cross")
        .with_columns(_ms=lasts.dt.total_milliseconds().clip(lower_bound=0) * pl.col("units"))
        .group_by("day", maintain_order=True)
        .agg(capacity_ms=pl.col("_ms").sum())
        .filter(pl.col("capacity_ms") > 0)
    )
