"""The vendors' own arithmetic, beside true need: what their contracts count, from the same evidence.

- **Exact sweep** is `concurrency.peak`.
- **Fixed intervals**: different devices in each interval of ten minutes of GMT, the first partial one free.
  The rule snaps each device's use to the grid, so that `curve`, `peak` and `percentiles` count by it.
- **User-days**: each person, product and day with five minutes of use or more is one, however long it lasts.
- **Consumed balance**: tokens are spent, not lent: units x weight for each hour of use, to the millisecond.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.concurrency import MINUTE_MS, group_of
from warehouse.periods import INSTANT, check_window, clip, local_days, union, zone_of

INTERVAL_MINUTES = 10
MINIMUM_MINUTES = 5


def fixed_intervals(
    used: pl.LazyFrame, minutes: int = INTERVAL_MINUTES, *, first_free: bool = True
) -> pl.LazyFrame:
    """Widen each key's use to the whole fixed intervals in which the vendor counts it.

    Parameters
    ----------
    used
        What `concurrency.intervals` gives by the key that the vendor counts, usually `device`.
    minutes
        Length of an interval; they are counted from midnight of GMT.
    first_free
        An unbroken use that begins within an interval is not counted in that one; one that began before the
        window is.

    Returns
    -------
    pl.LazyFrame
        What `intervals` gives, with starts and ends on the grid: a key in use at any moment of an interval is
        in use in all of it. Its demand is the vendor's count of the interval.

    Raises
    ------
    Problem
        Minutes that are no part of a day.
    """
    if minutes < 1 or 1_440 % minutes:
        raise Problem(f"intervals of {minutes} minutes", "give minutes of which a day has a whole number")
    length = minutes * MINUTE_MS
    start, end = pl.col("start").cast(pl.Int64), pl.col("end").cast(pl.Int64)
    begun = -(-start // length)
    first = pl.when("carried").then(start // length).otherwise(begun) if first_free else start // length
    found = used.collect()
    group = group_of(found)
    # A use of nobody known is merged with no other one.
    own = pl.when(pl.col("key").is_null()).then("_row")
    by = [group, "key", "_own"]
    snapped = (
        found.lazy()
        .with_row_index("_row")
        .with_columns(
            start=(first * length).cast(INSTANT), end=(-(-end // length) * length).cast(INSTANT), _own=own
        )
    )
    carried = snapped.filter("carried").select(*by, "start", "carried").unique()
    return (
        union(snapped, by)
        .join(carried, on=[*by, "start"], how="left", nulls_equal=True)
        .sort(*by, "start")
        .select(
            *(group, "key", "start", "end"),
            units=pl.lit(1, pl.Int64),
            carried=pl.col("carried").fill_null(value=False),
        )
    )


def user_days(
    used: pl.LazyFrame,
    zone: str,
    start: datetime,
    end: datetime,
    *,
    minimum_minutes: float = MINIMUM_MINUTES,
) -> pl.LazyFrame:
    """Count the people of each day who used a product for long enough to be charged for it.

    Parameters
    ----------
    used
        What `concurrency.intervals` gives by the key `user`.
    zone
        IANA zone of the vendor's days; many count days of UTC.
    start, end
        The window, [start, end). A day that it cuts is counted by what is inside.
    minimum_minutes
        Less use than this, added up over the day, is not charged.

    Returns
    -------
    pl.LazyFrame
        `group...`, `day` (Date), `user_days` (Int64): one row per group and local day with anybody charged,
        in order. Each unbroken use of nobody known counts by itself.

    Raises
    ------
    Problem
        Unknown zone, an end that is not after the start, a negative minimum.
    """
    if minimum_minutes < 0:
        raise Problem(f"a minimum of {minimum_minutes} minutes", "give 0 or more")
    by_day, group = _by_day(used, zone, start, end)
    own = pl.when(pl.col("key").is_null()).then("_row")
    minimum_ms = minimum_minutes * MINUTE_MS
    return (
        by_day.with_columns(_own=own)
        .group_by(group, "day", "key", "_own")
        .agg(_ms=pl.col("_ms").sum())
        .filter(pl.col("_ms") >= minimum_ms, pl.col("_ms") > 0)
        .group_by(group, "day")
        .agg(user_days=pl.len().cast(pl.Int64))
        .sort(group, "day")
    )


def consumed_balance(used: pl.LazyFrame, zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Add up the tokens that were spent, day by day.

    Parameters
    ----------
    used
        What `concurrency.intervals` gives by the key `token`.
    zone
        IANA zone of the days.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `group...`, `day` (Date), `spent_ms` and `spent_to_date_ms` (Int64, token milliseconds: 3,600,000 are
        one token for an hour; to date from the window's start): one row per group and local day with use.

    Raises
    ------
    Problem
        Unknown zone, or an end that is not after the start.
    """
    by_day, group = _by_day(used, zone, start, end)
    token_ms = (pl.col("_ms") * pl.col("units")).sum()
    return (
        by_day.group_by(group, "day")
        .agg(spent_ms=token_ms)
        .sort(group, "day")
        .with_columns(spent_to_date_ms=pl.col("spent_ms").cum_sum().over(group))
    )


def _by_day(used: pl.LazyFrame, zone: str, start: datetime, end: datetime) -> tuple[pl.LazyFrame, str]:
    """Cut use at local midnights: the columns of `used`, `day`, `_row` (of the use), `_ms`; and the group."""
    check_window(start, end)
    zone_of(zone)
    found = clip(used, start, end).collect()
    days = local_days(zone, start, end).rename({"start": "_from", "end": "_to"})
    local = pl.col("start").dt.convert_time_zone(zone).dt.date()
    last = (pl.col("end") - pl.duration(milliseconds=1)).dt.convert_time_zone(zone).dt.date()
    inside = pl.min_horizontal("end", "_to") - pl.max_horizontal("start", "_from")
    cut = (
        found.lazy()
        .with_row_index("_row")
        .with_columns(day=pl.date_ranges(local, last))
        .explode("day")
        .join(days, on="day")
        .with_columns(_ms=inside.dt.total_milliseconds())
        .drop("_from", "_to")
    )
    return cut, group_of(found)
