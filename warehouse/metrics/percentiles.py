"""How many licenses are enough: percentiles of demand, and for how long how many were in use.

A percentile names what it is a share of: time of a calendar, launches, or days. All are nearest-rank, in
integers. `group...` stands for the one column by which a curve is grouped (concurrency.py); a group that was
never in use has no rows, and needs none.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Literal, get_args

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.concurrency import MINUTE_MS, check, group_of
from warehouse.periods import INSTANT, business_hours, check_window, covered_before, local_days, union

Calendar = Literal["all", "business", "in_use"]

CALENDARS: tuple[Calendar, ...] = get_args(Calendar)


def calendar(  # noqa: PLR0913 - what one of the three needs the other two ignore
    name: str,
    start: datetime,
    end: datetime,
    *,
    demand: pl.LazyFrame | None = None,
    offices: pl.LazyFrame | None = None,
    holidays: pl.LazyFrame | None = None,
    office: str = "",
) -> pl.LazyFrame:
    """Name the time that a percentile is a share of.

    Parameters
    ----------
    name
        `all`: every hour of the window; `business`: business hours of `office` without its holidays (needs
        `offices` and `holidays`); `in_use`: the hours in which each group of the curve `demand` was in use.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `start`, `end` (and `group...` for `in_use`), disjoint and in order.

    Raises
    ------
    Problem
        Unknown calendar or office, a missing frame, or a calendar without any time in the window.
    """
    check("calendar", name, CALENDARS)
    check_window(start, end)
    if name == "business":
        hours = business_hours(
            _needed(offices, name, "offices"), _needed(holidays, name, "holidays"), office, start, end
        )
    elif name == "in_use":
        hours = _hours_in_use(_needed(demand, name, "demand"))
    else:
        hours = pl.LazyFrame({"start": [start], "end": [end]}, schema={"start": INSTANT, "end": INSTANT})
    return _not_empty(hours, name)


def _needed(frame: pl.LazyFrame | None, name: str, what: str) -> pl.LazyFrame:
    if frame is None:
        raise Problem(f"the calendar {name!r} needs `{what}`", f"pass `{what}`")
    return frame


def _not_empty(hours: pl.LazyFrame, name: str) -> pl.LazyFrame:
    found = hours.collect()
    if found.is_empty():
        raise Problem(
            f"the calendar {name!r} has no time in this window", "widen the window, or take another"
        )
    return found.lazy()


def _hours_in_use(demand: pl.LazyFrame) -> pl.LazyFrame:
    group = group_of(demand.collect())
    used = demand.with_columns(end=pl.col("at").shift(-1)).filter(pl.col("demand") > 0)
    return union(used.rename({"at": "start"}), [group])


def _time_at_demand(demand: pl.LazyFrame, hours: pl.LazyFrame) -> pl.DataFrame:
    """Milliseconds of the calendar at each demand: one row per group and demand seen, 0 included."""
    swept, found = demand.collect(), _not_empty(hours, "given").collect()
    group = group_of(swept)
    if group in found.columns:
        each = union(found.lazy(), [group])
    else:
        each = swept.lazy().select(pl.col(group).unique()).join(union(found.lazy()), how="cross")
    total = each.group_by(group).agg(_total=(pl.col("end") - pl.col("start")).dt.total_milliseconds().sum())
    inside = pl.col("covered_ms").shift(-1) - pl.col("covered_ms")
    used = (
        covered_before(swept.lazy(), "at", each, group)
        .with_columns(ms=inside)
        .filter(pl.col("demand") > 0)  # the last row of a group has demand 0, so no row looks past its group
        .group_by(group, "demand")
        .agg(pl.col("ms").sum())
    )
    in_use = used.group_by(group).agg(_used=pl.col("ms").sum())
    unused = total.join(in_use, on=group).select(
        group, demand=pl.lit(0, pl.Int64), ms=pl.col("_total") - pl.col("_used")
    )
    seen = used.filter(pl.col("ms") > 0)
    return pl.concat([unused, seen]).sort(group, "demand").collect()


def as_share(p: float) -> Fraction:
    """Turn a percentage into an exact fraction of 1; refuse one outside 0 to 100."""
    if not 0 <= p <= 100:
        raise Problem(f"percentile {p} is outside 0 to 100", "give a percentage, e.g. 95")
    return Fraction(str(p)).limit_denominator(10_000) / 100


def percentiles(demand: pl.LazyFrame, hours: pl.LazyFrame, p: float) -> pl.LazyFrame:
    """Find the smallest n such that demand is at most n for p % of a calendar's time.

    Parameters
    ----------
    demand
        What `curve` gives.
    hours
        What `calendar` gives; time without demand counts as demand 0.
    p
        0 to 100; nearest rank.

    Returns
    -------
    pl.LazyFrame
        `group...`, `demand` (Int64): one row per group that was in use.

    Raises
    ------
    Problem
        p out of range, or a calendar without time.
    """
    share = as_share(p)
    times = _time_at_demand(demand, hours)
    group = group_of(times)
    return _nearest_rank(times.lazy().rename({"ms": "_weight"}), group, share)


def _nearest_rank(weighted: pl.LazyFrame, group: str, share: Fraction) -> pl.LazyFrame:
    """Take the smallest demand at which the running weight reaches its share, in integers: no rounding."""
    reached = pl.col("_weight").cum_sum() * share.denominator >= pl.col("_weight").sum() * share.numerator
    found = pl.col("demand").filter(reached).first() if share else pl.lit(0, pl.Int64)
    return (
        weighted.sort(group, "demand").group_by(group, maintain_order=True).agg(demand=found.cast(pl.Int64))
    )


def percentile(demand: pl.LazyFrame, hours: pl.LazyFrame, p: float) -> int:
    """Give `percentiles` of a curve of one group as a number; 0 where it was never in use.

    Raises
    ------
    Problem
        As `percentiles`, or a curve of several groups.
    """
    swept = demand.collect()
    if swept[group_of(swept)].n_unique() > 1:
        raise Problem("the curve holds several groups", "filter it to one, or ask for percentiles")
    found = percentiles(swept.lazy(), hours, p).collect()["demand"]
    return int(found.sum())


def minutes_at_or_above(demand: pl.LazyFrame, hours: pl.LazyFrame) -> pl.LazyFrame:
    """Measure for how long at least n were in use, for every n: the use-duration curve.

    Parameters
    ----------
    demand
        What `curve` gives.
    hours
        What `calendar` gives.

    Returns
    -------
    pl.LazyFrame
        `group...`, `n` (Int64), `minutes_at`, `minutes_at_or_above` (Float64), `share` (of the calendar's
        time at or above n, 0-1): one row per group and n, from 0 to the highest demand in the calendar.

    Raises
    ------
    Problem
        A calendar without time.
    """
    times = _time_at_demand(demand, hours)
    group = group_of(times)
    total_ms, at_ms = pl.col("ms").sum().over(group), pl.col("ms").fill_null(0)
    at_or_above_ms = at_ms.cum_sum(reverse=True).over(group)
    levels = times.lazy().group_by(group).agg(n=pl.int_ranges(pl.col("demand").max() + 1)).explode("n")
    return (
        levels.join(times.lazy(), left_on=[group, "n"], right_on=[group, "demand"], how="left")
        .sort(group, "n")
        .select(
            group,
            "n",
            minutes_at=at_ms / MINUTE_MS,
            minutes_at_or_above=at_or_above_ms / MINUTE_MS,
            share=at_or_above_ms / total_ms,
        )
    )


def launch_percentile(intervals: pl.LazyFrame, p: float) -> pl.LazyFrame:
    """Find the smallest n with which p % of launches would have found a license.

    A launch counts only if it raises its key's demand within the window; simultaneous ones rank in turn.

    Parameters
    ----------
    intervals
        What `concurrency.intervals` gives, in its order.
    p
        0 to 100; nearest rank.

    Returns
    -------
    pl.LazyFrame
        `group...`, `demand` (Int64): one row per group with a launch in the window.

    Raises
    ------
    Problem
        p out of range.
    """
    share, group = as_share(p), group_of(intervals.collect())
    return _nearest_rank(launches(intervals).with_columns(_weight=pl.lit(1, pl.Int64)), group, share)


def launches(intervals: pl.LazyFrame) -> pl.LazyFrame:
    """List the launches that raise their key's demand within the window, each with the demand it made.

    Parameters
    ----------
    intervals
        What `concurrency.intervals` gives, in its order.

    Returns
    -------
    pl.LazyFrame
        `group...`, `key`, `at`, `demand` (Int64: with this launch; simultaneous ones rank in turn): one row
        per launch, in order. With n licenses it would have found one if its demand is at most n.
    """
    group = group_of(intervals.collect())
    return (
        _steps(intervals, group)
        # What ends at an instant frees its place for what starts then; what was open is there already.
        .sort(group, "at", pl.col("step") > 0, "is_launch", "step", "key")
        .with_columns(demand=pl.col("step").cum_sum())
        .filter("is_launch")
        .select(group, "key", "at", "demand")
    )


def _steps(intervals: pl.LazyFrame, group: str) -> pl.LazyFrame:
    """Up and down of demand, key by key; where units change in the midst of use, only the difference."""
    same = (pl.col(group) == pl.col(group).shift(1)) & (pl.col("key") == pl.col("key").shift(1))
    follows = (same & (pl.col("start") == pl.col("end").shift(1))).fill_null(value=False)
    rows = intervals.with_columns(
        _rise=pl.col("units") - pl.when(follows).then(pl.col("units").shift(1)).otherwise(0),
        _is_last=~follows.shift(-1, fill_value=False),
    )
    is_launch = (pl.col("_rise") > 0) & ~pl.col("carried")
    rises = rows.select(group, "key", at="start", step="_rise", is_launch=is_launch)
    falls = rows.filter("_is_last").select(
        group, "key", at="end", step=-pl.col("units"), is_launch=pl.lit(False)
    )
    return pl.concat([rises, falls])


def daily_peaks(demand: pl.LazyFrame, zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Find the highest demand of every local day.

    Parameters
    ----------
    demand
        What `curve` gives for a window that holds [start, end).
    zone
        IANA zone whose days are meant.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `group...`, `day` (Date), `peak` (Int64): one row per group in use and local day, days without use
        included, demand carried over midnight too.

    Raises
    ------
    Problem
        Unknown zone, or an end that is not after the start.
    """
    swept, days = demand.collect(), local_days(zone, start, end).rename({"start": "_from", "end": "_to"})
    group = group_of(swept)
    # A day begins with the demand that the last change before it left.
    opening = (
        swept.lazy()
        .select(pl.col(group).unique())
        .join(days, how="cross")
        .sort(group, "_from")
        .join_asof(swept.lazy(), left_on="_from", right_on="at", by=group, check_sortedness=False)
        .select(group, "day", "demand")
    )
    changes = (
        swept.lazy()
        .sort("at")
        .join_asof(days.with_columns(at="_from"), on="at")
        .filter(pl.col("at") < pl.col("_to"))
        .select(group, "day", "demand")
    )
    return (
        pl.concat([opening, changes])
        .group_by(group, "day")
        .agg(peak=pl.col("demand").max().fill_null(0))
        .sort(group, "day")
    )


def daily_peak_percentile(peaks: pl.LazyFrame, p: float) -> pl.LazyFrame:
    """Find the smallest n that is enough for the peak of p % of days.

    Parameters
    ----------
    peaks
        What `daily_peaks` gives.
    p
        0 to 100; nearest rank.

    Returns
    -------
    pl.LazyFrame
        `group...`, `demand` (Int64): one row per group.

    Raises
    ------
    Problem
        p out of range.
    """
    share, group = as_share(p), group_of(peaks.collect())
    return _nearest_rank(peaks.select(group, demand="peak", _weight=pl.lit(1, pl.Int64)), group, share)
