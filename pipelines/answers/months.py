"""The local months of a window, the highest demand of each, and the line through those that were watched."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from warehouse.metrics.growth import trend
from warehouse.metrics.percentiles import daily_peaks
from warehouse.periods import INSTANT

MONTHS: dict[str, pl.DataType | type[pl.DataType]] = {
    "period": pl.String,
    "month": pl.Date,
    "start": INSTANT,
    "end": INSTANT,
    "is_whole": pl.Boolean,
}


def months_of(zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Cut a window into local months: `period` (2026-10), `month` (Date), `start`, `end`, `is_whole`."""
    local = ZoneInfo(zone)
    rows, day = [], start.astimezone(local).date().replace(day=1)
    while datetime(day.year, day.month, day.day, tzinfo=local) < end:
        following = (day + timedelta(days=31)).replace(day=1)
        edges = [datetime(at.year, at.month, at.day, tzinfo=local) for at in (day, following)]
        inside = max(start, edges[0]), min(end, edges[1])
        rows.append((f"{day:%Y-%m}", day, *inside, list(inside) == edges))
        day = following
    return pl.LazyFrame(rows, schema=MONTHS, orient="row")


def peaks_by_month(demand: pl.LazyFrame, zone: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Add to `months_of` the highest demand of each month.

    Parameters
    ----------
    demand
        What `concurrency.curve` gives, of one group.

    Returns
    -------
    pl.DataFrame
        The columns of `months_of` and `peak` (Int64; null: no demand of the group is known), in order.
    """
    peaks = daily_peaks(demand, zone, start, end)
    monthly = peaks.group_by(month=pl.col("day").dt.truncate("1mo")).agg(pl.col("peak").max())
    return months_of(zone, start, end).join(monthly, on="month", how="left").sort("month").collect()


def watched_trend(by_month: pl.DataFrame, ahead: int = 12) -> pl.DataFrame:
    """Draw `growth.trend` through the whole months from the first with use to the last.

    Before the first use and after the last nobody may have been watching: that is no demand of 0.

    Parameters
    ----------
    by_month
        What `peaks_by_month` gives.
    ahead
        Months to continue it by.
    """
    used = pl.col("month").filter(pl.col("peak") > 0)
    watched = by_month.filter(pl.col("month").is_between(used.min(), used.max()), "is_whole")
    whole = watched.select("month", demand=pl.col("peak").fill_null(0))
    return trend(whole.lazy(), ahead).collect()
