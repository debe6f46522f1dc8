"""Between which numbers a peak lies while data are missing.

The lower bound is what is known. For the upper one, time whose state is unknown counts as use, and a host
that was silent counts for what it used on average when it was last heard. `group...` stands for the one
column by which demand is grouped (concurrency.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from warehouse.metrics.averages import with_use
from warehouse.metrics.concurrency import APART, curve, group_of, intervals, peak
from warehouse.metrics.states import StateEnum
from warehouse.metrics.utilization import BLIND
from warehouse.periods import INSTANT, check_window, clip, union

LOOK_BACK = timedelta(days=30)
"""A silent host counts for its own mean over so many days up to the last one on which it was observed."""

MILLIONTH = 1_000_000
"""Means are added up as whole millionths of a license, so that no order of adding changes a bound."""

_PERSON, _HOST = "\x1e", "\x1f"
"""Stand between the parts of a name; no pseudonym holds them."""


@dataclass(frozen=True)
class Counting:
    """How demand is counted: the arguments of `concurrency.intervals` beside evidence and window."""

    key: str
    basis: str
    weights: pl.LazyFrame | None = None
    group: str = "application"
    suites: pl.LazyFrame | None = None

    def intervals(
        self, stated: pl.LazyFrame, sessions: pl.LazyFrame, start: datetime, end: datetime
    ) -> pl.LazyFrame:
        """Give `concurrency.intervals` of a window."""
        return intervals(
            stated,
            sessions,
            self.key,
            self.basis,
            start,
            end,
            weights=self.weights,
            group=self.group,
            suites=self.suites,
        )


def silent_hosts(  # noqa: PLR0913, PLR0917 - evidence, how it is counted, and what was watched when
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    counting: Counting,
    workdays: pl.DataFrame,
    watches: pl.LazyFrame,
    start: datetime,
    end: datetime,
) -> pl.LazyFrame:
    """Say how many licenses each host would have used on average while nobody heard of it.

    A host is silent in the business hours of a workday that was not observed (`utilization.fleet_coverage`),
    but for the stretches that were watched after all. Its mean is that of business hours on the observed
    workdays of the 30 days that end with the last observed one. A host that was not observed before, from
    `LOOK_BACK` before `start` on, has none, and no row: nothing is known of it.

    Parameters
    ----------
    stated, sessions
        As `concurrency.intervals` takes them, `sessions` with `host`, `account` too; from `LOOK_BACK` before
        `start` on.
    workdays
        What `utilization.host_workdays` gives, from `LOOK_BACK` before `start` on.
    watches
        `host`, `start`, `end`: the stretches that were watched.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `group...`, `start`, `end`, `mean` (Float64, licenses, above 0): one row per group, host and silent
        stretch, by group and start; which host it is says nothing to a bound, and is left out.

    Raises
    ------
    Problem
        As `concurrency.intervals`.
    """
    check_window(start, end)
    used = _by_host(stated, sessions, counting, start - LOOK_BACK, end)
    holders = _holders(used, counting.group)
    means = _means(holders, used, workdays.filter("is_observed"))
    silent = _without(workdays.filter(~pl.col("is_observed"), pl.col("end") > start), watches)
    return (
        clip(silent, start, end)
        .join(holders, on="host")
        .sort("day")
        .join_asof(means.sort("day"), on="day", by=counting.group, check_sortedness=False)
        .filter(pl.col("_mean") > 0)
        .select(pl.col("_name").alias(counting.group), "start", "end", mean="_mean")
        .sort(counting.group, "start", "mean")
    )


def _by_host(
    stated: pl.LazyFrame, sessions: pl.LazyFrame, counting: Counting, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Sweep demand host by host: a person counts once on each, tokens add up. The group is name and host."""
    who = pl.coalesce("person", "account", pl.col("session").cast(pl.String))
    on_host = sessions.filter(pl.col("host").is_not_null()).with_columns(
        person=pl.concat_str(who, pl.lit(_PERSON), "host")
    )
    if counting.key in APART:
        used = counting.intervals(stated, on_host, start, end)
        host = on_host.select(pl.col("session").cast(pl.String).alias("key"), _host="host").collect()
        used = used.join(host.lazy(), on="key")
    else:
        by_person = Counting("user", counting.basis, None, counting.group, counting.suites)
        used = by_person.intervals(stated, on_host, start, end)
        used = used.with_columns(_host=pl.col("key").str.split(_PERSON).list.last())
    name = pl.concat_str(counting.group, pl.lit(_HOST), "_host").alias(counting.group)
    return curve(used.with_columns(name).drop("_host"))


def _holders(used: pl.LazyFrame, group: str) -> pl.LazyFrame:
    """Give `group...` (name and host), `_name` and `host` of everything that was ever in use on a host."""
    parts = pl.col(group).str.split(_HOST).list
    return used.select(group).unique().with_columns(_name=parts.first(), host=parts.last())


def _means(holders: pl.LazyFrame, used: pl.LazyFrame, observed: pl.DataFrame) -> pl.LazyFrame:
    """Give `group...`, `day`, `_mean`: over the 30 days up to each observed workday."""
    group = group_of(used.head(0).collect())
    lasts_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    stretches = holders.join(observed.lazy(), on="host").select(group, "day", "start", "end")
    window = f"{LOOK_BACK.days}d"

    def rolled(column: pl.Expr) -> pl.Expr:
        return column.rolling_sum_by("day", window).over(group)

    return (
        with_use(stretches, used)
        .lazy()
        .sort(group, "day")
        .select(group, "day", _mean=rolled(pl.col("use_ms")) / rolled(lasts_ms))
    )


def _without(days: pl.DataFrame, watches: pl.LazyFrame) -> pl.LazyFrame:
    """Cut out of each day what was watched of it: `host`, `day`, `start`, `end`."""
    seen = union(watches.select("host", "start", "end"), ["host"])
    # Days of one host never overlap, nor do stretches watched: 1 is a day alone, 2 and 3 are watched.
    edges = pl.concat(
        [
            pl.concat(
                [frame.select("host", at="start", _step=step), frame.select("host", at="end", _step=-step)]
            )
            for frame, step in ((days.lazy(), pl.lit(1, pl.Int64)), (seen, pl.lit(2, pl.Int64)))
        ]
    )
    alone = (
        edges.group_by("host", "at")
        .agg(pl.col("_step").sum())
        .sort("host", "at")
        .with_columns(_depth=pl.col("_step").cum_sum(), end=pl.col("at").shift(-1))
        .filter(pl.col("_depth") == 1)
        .select("host", start="at", end="end")
    )
    named = days.lazy().select("host", "day", _from="start").sort("_from")
    return (
        alone.sort("start")
        .join_asof(named, left_on="start", right_on="_from", by="host", check_sortedness=False)
        .drop("_from", strict=False)
    )


def hidden_as_use(basis: str) -> pl.Expr:
    """Return `state` with all time that hides whether a basis was met taken for use.

    That is unknown time, for busy and active held time, too. Every upper bound of demand counts it so.
    """
    hidden = pl.col("state").is_in(BLIND[basis])
    return pl.when(hidden).then(pl.lit("active")).otherwise("state").cast(StateEnum).alias("state")


def peak_bounds(  # noqa: PLR0913, PLR0917 - evidence, how it is counted, and who was silent
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    counting: Counting,
    start: datetime,
    end: datetime,
    silent: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Give the least and the most that a peak can have been.

    Parameters
    ----------
    stated, sessions
        As `concurrency.intervals` takes them.
    start, end
        The window, [start, end).
    silent
        What `silent_hosts` gives; None: no host was silent.

    Returns
    -------
    pl.LazyFrame
        `group...`, `lower`, `upper` (Int64): one row per group that was, or may have been, in use. `lower` is
        the peak of what is known; for `upper` all time that hides whether the basis was met (unknown; for
        `busy` and `active` held time too) counts as use, and the means of silent hosts are added, the sum
        rounded up.

    Raises
    ------
    Problem
        As `concurrency.intervals`.
    """
    group = counting.group
    known = peak(counting.intervals(stated, sessions, start, end)).select(group, lower="peak")
    most = stated.with_columns(hidden_as_use(counting.basis))
    steps = [_steps_of(curve(counting.intervals(most, sessions, start, end)), group)]
    if silent is not None:
        thousand = (pl.col("mean") * MILLIONTH).round().cast(pl.Int64)
        steps += [
            silent.select(group, at="start", step=thousand),
            silent.select(group, at="end", step=-thousand),
        ]
    return (
        pl.concat(steps)
        .group_by(group, "at")
        .agg(pl.col("step").sum())
        .sort(group, "at")
        .group_by(group, maintain_order=True)
        .agg(_most=pl.col("step").cum_sum().max())
        .join(known, on=group, how="left", maintain_order="left")
        .select(group, pl.col("lower").fill_null(0), upper=-(-pl.col("_most") // MILLIONTH))
    )


def _steps_of(demand: pl.LazyFrame, group: str) -> pl.LazyFrame:
    before = pl.col("demand").shift(
        1, fill_value=0
    )  # a group's last row is 0, as is what was before its first
    return demand.select(group, pl.col("at").cast(INSTANT), step=(pl.col("demand") - before) * MILLIONTH)
