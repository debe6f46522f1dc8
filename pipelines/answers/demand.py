"""The demand of every license pool: when each key was in use, and how it stands against what is owned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from pipelines.answers.evidence import Evidence, gather, no_use
from pipelines.answers.owned import SHARED_METRICS, TOKENS, UNITS, Owned, owned_on
from pipelines.answers.question import AS_LICENSED, Question
from warehouse import frames
from warehouse.metrics.concurrency import MINUTE_MS, curve, intervals, peak
from warehouse.metrics.percentiles import percentiles
from warehouse.periods import business_days, local_days, union

CALENDAR = "business hours: whenever an office is open, holidays left out"
NO_BUSINESS = "all hours, because no office is open in this window"


@dataclass(frozen=True)
class Demand:
    """What every figure about demand is made from.

    Attributes
    ----------
    used
        What `concurrency.intervals` gives by pool, each counted by what its license counts, or by the key
        that is asked for.
    curve
        The same, swept.
    hours
        The calendar: day, start, end. Business hours of several offices may overlap.
    calendar
        The calendar in words.
    """

    question: Question
    found: Evidence
    owned: Owned
    used: pl.LazyFrame
    curve: pl.LazyFrame
    hours: pl.LazyFrame
    calendar: str

    @property
    def hours_words(self) -> str:
        """Say in a sentence which hours they are."""
        return "business hours" if self.calendar == CALENDAR else "all hours"

    def of(self, pool: str) -> Demand:
        """Keep one pool."""
        mine = pl.col("entitlement") == pool
        return replace(self, used=self.used.filter(mine), curve=self.curve.filter(mine))


def measure(question: Question, found: Evidence) -> Demand:
    """Sweep the use of every license pool of a question."""
    owned = _comparable(question, owned_on(question.engine, question.end_day - timedelta(days=1)))
    used = pl.concat(
        _intervals(question, found, owned, key) for key in owned.pools["key"].unique(maintain_order=True)
    )
    return Demand(question, found, owned, used, curve(used), *calendar_of(question))


def calendar_of(question: Question) -> tuple[pl.LazyFrame, str]:
    """Find the hours that need is a share of, day by day (offices may overlap), and put them in words."""
    window = (question.start, question.end)
    hours = business_days(frames.offices(question.engine), frames.holidays(question.engine), *window)
    found = hours.select("day", "start", "end").collect()
    if found.is_empty():
        return local_days(question.zone, *window).select("day", "start", "end"), NO_BUSINESS
    return found.lazy(), CALENDAR


def _comparable(question: Question, owned: Owned) -> Owned:
    """Count by the key that is asked for; then only what is licensed by it, or concurrently, compares."""
    if question.key == AS_LICENSED:
        return owned
    compares = (pl.col("metric") == "concurrent") | (pl.col("key") == question.key)
    pools = owned.pools.with_columns(owned=pl.when(compares).then("owned"), key=pl.lit(question.key))
    return replace(owned, pools=pools)


def _intervals(question: Question, found: Evidence, owned: Owned, key: str) -> pl.LazyFrame:
    """Say when each key was in use, pool by pool, for the pools that are counted by it."""
    pools = owned.pools.filter(pl.col("key") == key)["pool"].to_list()
    return intervals(
        found.stated,
        found.sessions,
        key,
        question.basis,
        question.start,
        question.end,
        weights=frames.applications(question.engine),
        group="entitlement",
        suites=owned.members.lazy().filter(pl.col("entitlement").is_in(pools)),
    )


def rank(demand: Demand) -> pl.DataFrame:
    """Put the tightest first: what can be shared, by peak against what is owned, then by peak.

    Returns
    -------
    pl.DataFrame
        One row per pool in use: pool, name, metric, licensed_by (the metric in words), key, unit (people,
        tokens, ...), owned (null: no entitlement), peak, first_reached, minutes_at_peak, need_95 (enough for
        95 % of the calendar), minutes_above_owned (Float64, all hours).
    """
    hours = union(demand.hours)
    need = percentiles(demand.curve, hours, 95).select("entitlement", need_95="demand")
    pools = demand.owned.pools.lazy().rename({"pool": "entitlement"})
    above = _minutes_above(demand.curve, pools)
    unit = pl.col("key").replace_strict(UNITS).alias("unit")
    words = pl.col("metric").str.replace("_", " ").alias("licensed_by")
    return (
        peak(demand.used)
        .join(pools, on="entitlement")
        .join(need, on="entitlement", how="left")
        .join(above, on="entitlement", how="left")
        .sort(
            *(~is_shared(), pl.col("peak") / pl.col("owned"), "peak", "name"),
            descending=[False, True, True, False],
            nulls_last=True,
        )
        .select(
            *(pl.col("entitlement").alias("pool"), "name", "metric", words, "key", unit, "owned", "peak"),
            *("first_reached", "minutes_at_peak", pl.col("need_95").fill_null(0), "minutes_above_owned"),
        )
        .collect()
    )


@dataclass(frozen=True)
class Pool:
    """One license pool, looked at closely.

    Attributes
    ----------
    demand
        Its demand alone.
    row
        Its row of `ranking`.
    ranking
        What `rank` gives of all pools.
    """

    demand: Demand
    row: dict[str, Any]
    ranking: pl.DataFrame

    @property
    def members(self) -> pl.LazyFrame:
        """Which applications it covers: entitlement (the pool), application."""
        return self.demand.owned.members.lazy().filter(pl.col("entitlement") == self.row["pool"])


def owned_steps(question: Question, pool: str) -> list[tuple[date, date, int | None]]:
    """Say how much of a pool was owned when: (first day, first day no longer, quantity; None: nothing)."""
    of_pool = pl.col("product") == pool.removesuffix(TOKENS)
    rights = frames.entitlements(question.engine).filter(of_pool).select("valid_from", "valid_to").collect()
    changes = {day for name in rights.columns for day in rights[name].drop_nulls()}
    inside = sorted(day for day in changes if question.first_day < day < question.end_day)
    edges = [question.first_day, *inside, question.end_day]
    return [(first, end, _owned_then(question, pool, first)) for first, end in pairwise(edges)]


def _owned_then(question: Question, pool: str, day: date) -> int | None:
    pools = _comparable(question, owned_on(question.engine, day)).pools.filter(pl.col("pool") == pool)
    return None if pools.is_empty() else pools["owned"][0]


def one_pool(question: Question, evidence: Evidence | None = None) -> Pool:
    """Measure the demand of every pool, and choose the one to look at closely.

    Parameters
    ----------
    evidence
        What `gather` gave for the same question without an application, where several answers share it: a
        pool may hold more applications than the one that is asked for.

    Raises
    ------
    Problem
        The window holds no use, or none of the application.
    """
    found = evidence or gather(replace(question, application=""))
    demand = measure(question, found)
    ranking = rank(demand)
    if ranking.is_empty():
        raise no_use(question, found)
    pool = chosen(demand, ranking)
    return Pool(demand.of(pool), ranking.filter(pl.col("pool") == pool).row(0, named=True), ranking)


def chosen(demand: Demand, ranking: pl.DataFrame) -> str:
    """Find the pool to show in detail: that of the application asked for, or the tightest.

    Raises
    ------
    Problem
        The application was not in use.
    """
    code = demand.question.application
    if not code:
        return str(ranking["pool"][0])
    pools, members = demand.owned.pools, demand.owned.members
    covering = [
        *pools.filter(pl.col("product") == code)["pool"],
        *members.filter(pl.col("application") == code)["entitlement"],
    ]
    used = [pool for pool in covering if pool in ranking["pool"]]
    if not used:
        raise no_use(demand.question, demand.found)
    return str(used[0])


def is_shared() -> pl.Expr:
    """Tell whether a pool's peak is its need: it can be shared, or nothing covers it."""
    return pl.col("metric").is_null() | pl.col("metric").is_in(SHARED_METRICS)


def _minutes_above(demand: pl.LazyFrame, pools: pl.LazyFrame) -> pl.LazyFrame:
    lasts_ms = (pl.col("at").shift(-1) - pl.col("at")).dt.total_milliseconds()
    return (
        demand.with_columns(_ms=lasts_ms)
        .join(pools.filter(pl.col("owned").is_not_null()), on="entitlement")
        .group_by("entitlement")
        .agg(minutes_above_owned=pl.col("_ms").filter(pl.col("demand") > pl.col("owned")).sum() / MINUTE_MS)
    )
