"""What other numbers of licenses would have meant: curves over n, pooling, and bounds while data are missing.

All figures take the demand as it was: a request that n licenses would have turned away is counted, and the
demand after it stays. So they say how often people would have met a shortage, not what they would have done
then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.bounds import hidden_as_use
from warehouse.metrics.concurrency import MINUTE_MS, curve, group_of, intervals, peak
from warehouse.metrics.percentiles import launches


def what_if(
    intervals: pl.LazyFrame, holders: pl.LazyFrame | None = None, *, most: int | None = None
) -> pl.LazyFrame:
    """Say for every number of licenses n what it would have meant.

    Parameters
    ----------
    intervals
        What `concurrency.intervals` gives, of one group; its window is the time that is looked at.
    holders
        `key`, `person`: whose use each key is, where keys are not people (sessions, for tokens); without it a
        key is a person.
    most
        The largest n; None: the peak.

    Returns
    -------
    pl.LazyFrame
        `n` (Int64, from 0 up), `minutes_short` (Float64: time in which demand was above n),
        `license_minutes_short` (Float64: the same, times by how many it was above), `turned_away` (Int64:
        launches that raised their key's demand above n within the window), `people_affected` (Int64:
        different people with such a launch; all of nobody known counts as one person) and `launches`
        (Int64: all that raised demand). One row per n.

    Raises
    ------
    Problem
        Intervals of several groups, or a negative `most`.
    """
    found = intervals.collect()
    group = group_of(found)
    if found[group].n_unique() > 1:
        raise Problem("the intervals are of several groups", "ask for one product at a time")
    if most is not None and most < 0:
        raise Problem(f"at most {most} licenses", "give a number of 0 or more")
    started = launches(found.lazy()).collect()
    times = _times(found.lazy())
    highest = int(str(pl.concat([times["demand"], started["demand"]]).max()))
    levels = pl.LazyFrame({"n": range((highest if most is None else most) + 1)}, schema={"n": pl.Int64})
    return (
        levels.join(times.lazy(), how="cross")
        .group_by("n")
        .agg(minutes_short=_above("_ms").sum() / MINUTE_MS, license_minutes_short=_over().sum() / MINUTE_MS)
        .join(_counted(levels, started["demand"], "turned_away"), on="n")
        .join(_counted(levels, _worst(started, holders), "people_affected"), on="n")
        .with_columns(launches=pl.lit(started.height, pl.Int64))
        .select("n", "minutes_short", "license_minutes_short", "turned_away", "people_affected", "launches")
        .sort("n")
    )


def _times(intervals: pl.LazyFrame) -> pl.DataFrame:
    """Milliseconds at each demand above 0, and one row for none, so that there always is one."""
    lasts_ms = (pl.col("at").shift(-1) - pl.col("at")).dt.total_milliseconds()
    found = (
        curve(intervals)
        .with_columns(_ms=lasts_ms)
        .filter(pl.col("demand") > 0)
        .group_by("demand")
        .agg(pl.col("_ms").sum())
        .collect()
    )
    return pl.concat([pl.DataFrame({"demand": [0], "_ms": [0]}, schema=found.schema), found])


def _above(column: str) -> pl.Expr:
    return pl.when(pl.col("demand") > pl.col("n")).then(column).otherwise(0)


def _over() -> pl.Expr:
    return (pl.col("demand") - pl.col("n")).clip(lower_bound=0) * pl.col("_ms")


def _counted(levels: pl.LazyFrame, demands: pl.Series, name: str) -> pl.LazyFrame:
    """Count the demands above each n."""
    asked = pl.LazyFrame({"demand": [0, *demands]}, schema={"demand": pl.Int64})
    above = pl.col("_times").filter(pl.col("demand") > pl.col("n")).sum()
    times = asked.group_by("demand").agg(_times=pl.len().cast(pl.Int64))
    return levels.join(times, how="cross").group_by("n").agg(above.alias(name))


def _worst(started: pl.DataFrame, holders: pl.LazyFrame | None) -> pl.Series:
    """Highest demand that each person met with a launch."""
    if holders is None:
        by_person = started.with_columns(person="key")
    else:
        known = holders.select("key", "person").unique("key").collect()
        by_person = started.join(known, on="key", how="left").with_columns(
            person=pl.coalesce("person", "key")
        )
    return by_person.group_by("person").agg(pl.col("demand").max())["demand"]


def pooling(by_place: Mapping[str, pl.LazyFrame], together: pl.LazyFrame) -> pl.LazyFrame:
    """Set the peak of one pool against the peaks of a pool per place: they seldom fall on the same moment.

    Parameters
    ----------
    by_place
        Place (an office, a zone) -> what `concurrency.intervals` gives of the sessions there, of one group.
        Who works in two places needs a license in each.
    together
        The same of all sessions.

    Returns
    -------
    pl.LazyFrame
        `place` (null: all together), `peak` (Int64), `first_reached` (null: never in use): one row per place,
        the highest first, and one of all together, last.

    Raises
    ------
    Problem
        No place.
    """
    if not by_place:
        raise Problem("there is no place to pool", "import the offices, and where people work")
    parts = [_peak_of(place, used) for place, used in sorted(by_place.items())]
    places = pl.concat(parts).sort("peak", "place", descending=[True, False])
    return pl.concat([places, _peak_of(None, together)])


def _peak_of(place: str | None, used: pl.LazyFrame) -> pl.LazyFrame:
    found = peak(used).select(pl.col("peak").max().fill_null(0), pl.col("first_reached").first())
    return found.select(
        pl.lit(place, pl.String).alias("place"), pl.col("peak").cast(pl.Int64), "first_reached"
    )


def at_most(  # noqa: PLR0913, PLR0917 - the arguments of `intervals`, which it passes on
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    key: str,
    basis: str,
    start: datetime,
    end: datetime,
    *,
    weights: pl.LazyFrame | None = None,
    group: str = "application",
    suites: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Find when each key was in use at most: what `bounds.hidden_as_use` says counts as use.

    While data are missing, `intervals` gives a lower bound of demand and this an upper one, as far as
    sessions are known; machines that never reported are in neither, see `bounds.peak_bounds`.

    Parameters
    ----------
    stated, sessions, key, basis, start, end, weights, group, suites
        As for `concurrency.intervals`.

    Returns
    -------
    pl.LazyFrame
        As `concurrency.intervals`.

    Raises
    ------
    Problem
        As `concurrency.intervals`.
    """
    known = stated.with_columns(hidden_as_use(basis))
    return intervals(known, sessions, key, basis, start, end, weights=weights, group=group, suites=suites)
