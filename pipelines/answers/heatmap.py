"""At which hours of the week a license is wanted most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.answers.demand import one_pool
from pipelines.answers.evidence import Evidence
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.missing import missing
from pipelines.answers.question import Question
from pipelines.answers.wording import count, safe, share
from warehouse.errors import Problem
from warehouse.metrics.demand_over import by_hour_of_week

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MEASURES = ("maximum", "mean")
QUIET = 0.25
"""An hour with less than this part of the highest mean is a quiet one."""


@dataclass(frozen=True)
class Heatmap:
    """Demand of one license pool by hour of the week.

    Attributes
    ----------
    pool, name, key, unit, owned
        The pool; owned is None where no entitlement covers it.
    measure
        "maximum" or "mean": what is drawn.
    hours
        One row per weekday and hour that the window holds: weekday (ISO, 1-7), hour (0-23), maximum (Int64),
        mean (Float64).
    busiest
        The ten hours of the highest measure: day (its name), hour (as 09:00), maximum, mean.
    claims
        Markdown sentences: "busiest", "quiet".
    """

    pool: str
    name: str
    key: str
    unit: str
    owned: int | None
    measure: str
    hours: pl.DataFrame
    busiest: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, measure_by: str = "maximum", evidence: Evidence | None = None) -> Heatmap:
    """Spread the demand of one license pool over the hours of the week.

    Raises
    ------
    Problem
        The window holds no use of the application, or the measure is unknown.
    """
    if measure_by not in MEASURES:
        raise Problem(f"unknown measure {measure_by!r}", f"give one of {', '.join(MEASURES)}")
    pool = one_pool(question, evidence)
    row, bounds = pool.row, missing(pool)
    hours = by_hour_of_week(pool.demand.curve, question.zone, question.start, question.end).collect()
    busiest = _busiest(hours, measure_by)
    return Heatmap(
        **{name: row[name] for name in ("pool", "name", "key", "unit", "owned")},
        measure=measure_by,
        hours=hours,
        busiest=busiest,
        claims={
            "busiest": _claim_busiest(row, busiest) + bounds.claim,
            "quiet": _claim_quiet(row, hours),
        },
        footer=footer_of(question, pool.demand.found, bounds=bounds.words),
        results={
            "pool": row["pool"],
            "key": row["key"],
            "owned": row["owned"],
            "measure": measure_by,
            "busiest": busiest.head(1).with_columns(pl.col("mean").round(3)).to_dicts(),
        },
    )


def _busiest(hours: pl.DataFrame, measure_by: str) -> pl.DataFrame:
    name = pl.col("weekday").replace_strict(dict(enumerate(DAYS, 1)), return_dtype=pl.String)
    clock = pl.format("{}:00", pl.col("hour").cast(pl.String).str.zfill(2))
    order = [measure_by, *(name for name in MEASURES if name != measure_by), "weekday", "hour"]
    ordered = hours.sort(order, descending=[True, True, False, False]).head(10)
    return ordered.select(day=name, hour=clock, maximum="maximum", mean="mean")


def _claim_busiest(row: dict[str, Any], busiest: pl.DataFrame) -> str:
    first = busiest.row(0, named=True)
    words = (
        f"**{safe(row['name'])}** is wanted most on {first['day']} from {first['hour']}: "
        f"{first['maximum']:,} {row['unit']} at most, {first['mean']:,.1f} on average"
    )
    if row["owned"] is None:
        return f"{words}; no entitlement covers it."
    over = busiest.filter(pl.col("maximum") > row["owned"]).height
    some = {0: "none", busiest.height: "every one"}.get(over, f"{over:,}")
    return f"{words}; {row['owned']:,} are owned, and {some} of the ten busiest hours went above that."


def _claim_quiet(row: dict[str, Any], hours: pl.DataFrame) -> str:
    highest = float(str(hours["mean"].max()))
    quiet = hours.filter(pl.col("mean") < QUIET * highest)
    verb, part = "is" if quiet.height == 1 else "are", share(quiet.height / hours.height)
    return (
        f"{count(quiet.height, 'hour')} of the week {verb} quiet, {part} of all: less than a quarter of "
        f"the busiest hour's mean. Work that can wait would find {safe(row['name'])} free there."
    )
