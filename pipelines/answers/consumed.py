"""What each use of a question consumed, right by right: no two rights are set against the same use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.answers.evidence import Evidence
from pipelines.answers.question import Question
from warehouse import frames
from warehouse.metrics.consumption import consumed_intervals, consumption, uses
from warehouse.metrics.licenses import POOL, SEAT_METRICS


@dataclass(frozen=True)
class Consumed:
    """The use of a window, and the right that each part of it consumed.

    Attributes
    ----------
    day
        Rights are those in force on this local day, as if they had been so in the whole window.
    rights
        One row per right in force, as `frames.entitlements` gives it, and `pool` (product:metric).
    parts
        What `consumption` gives, and `pool`; a right that is no longer in force is there for what it covered
        then.
    used
        When each key consumed a right: what `consumed_intervals` gives, by entitlement.
    pooled
        The same by pool, which is in the column `entitlement`.
    unseated
        Who needs a seat and has none: entitlement (the pool), holder (pseudonym). Somebody who holds one on
        the day is not listed.
    """

    question: Question
    day: date
    rights: pl.DataFrame
    parts: pl.LazyFrame
    used: pl.LazyFrame
    pooled: pl.LazyFrame
    unseated: pl.DataFrame

    def pooled_as(self, metric: str) -> pl.LazyFrame:
        """Give `pooled` as if all rights were of one metric: other rules count other keys."""
        return _by_pool(self.question, self.parts, self.rights.lazy().with_columns(metric=pl.lit(metric)))


def consume(question: Question, found: Evidence, day: date) -> Consumed:
    """Let each use consume the rights that are in force on a day."""
    engine = question.engine
    bought = frames.entitlements(engine).collect().with_columns(pool=POOL)
    covers = frames.entitlement_applications(engine).collect()
    assigned, weights = frames.assignments(engine), frames.applications(engine)
    asked = _asked(question, bought, covers, day)
    used = uses(found.stated, found.sessions, question.basis, question.start, question.end)
    parts = consumption(used, asked.lazy(), covers.lazy(), assigned, question.zone, weights).collect()
    pools = bought.lazy().select("entitlement", "pool", "metric")
    pooled = parts.lazy().join(pools.drop("metric"), on="entitlement", how="left")
    window = (question.start, question.end)
    return Consumed(
        question=question,
        day=day,
        rights=bought.filter(_in_force(day)),
        parts=pooled,
        used=consumed_intervals(parts.lazy(), pools, *window, weights),
        pooled=_by_pool(question, pooled, pools),
        unseated=_unseated(pooled, bought, assigned, day),
    )


def _by_pool(question: Question, parts: pl.LazyFrame, rights: pl.LazyFrame) -> pl.LazyFrame:
    return consumed_intervals(
        parts.with_columns(entitlement="pool"),
        rights.select("metric", entitlement="pool"),
        question.start,
        question.end,
        frames.applications(question.engine),
    )


def _in_force(day: date) -> pl.Expr:
    return (pl.col("valid_from") <= day) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))


def _asked(question: Question, bought: pl.DataFrame, covers: pl.DataFrame, day: date) -> pl.DataFrame:
    """Take the rights in force, without limits of time; and of the others, what nothing shared replaces.

    A right that has ended covered its time, so that whoever used it then did not use without one. Where a
    shared right in force covers the same applications it stands for its predecessor.
    """
    limits = frames.use_rights(question.engine).select("entitlement", "offices").collect()
    known = bought.join(limits, on="entitlement", how="left")
    now, before = known.filter(_in_force(day)), known.filter(~_in_force(day))
    shared = now.filter(~pl.col("metric").is_in(SEAT_METRICS)).join(covers, on="entitlement")
    replaced = covers.join(shared.select("application"), on="application", how="semi")
    kept = before.join(replaced, on="entitlement", how="anti")
    whole = now.with_columns(valid_from=pl.lit(None, pl.Date), valid_to=pl.lit(None, pl.Date))
    return pl.concat([whole, kept])


def _unseated(parts: pl.LazyFrame, bought: pl.DataFrame, assigned: pl.LazyFrame, day: date) -> pl.DataFrame:
    """List who used a right that needs a seat, by pool, and holds none of the pool's on the day."""
    rights = bought.lazy().filter(pl.col("metric").is_in(SEAT_METRICS))
    holder = pl.when(pl.col("metric") == "device").then("host").otherwise("person")
    held = (
        assigned.filter(_in_force(day))
        .join(rights.select("entitlement", "pool"), on="entitlement")
        .select(entitlement="pool", holder=pl.coalesce("person", "host"))
    )
    return (
        parts.filter(~pl.col("is_seated"))
        .with_columns(entitlement="pool")
        .join(rights.select(entitlement="pool", metric="metric").unique(), on="entitlement")
        .select("entitlement", holder=holder)
        .filter(pl.col("holder").is_not_null())
        .unique()
        .join(held, on=["entitlement", "holder"], how="anti")
        .sort("entitlement", "holder")
        .collect()
    )
