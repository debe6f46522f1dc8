"""How many licenses were truly needed at once, when, and by whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers.demand import Demand, Pool, is_shared, one_pool
from pipelines.answers.evidence import Evidence
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.missing import Missing, missing
from pipelines.answers.peak_witness import USE, witnesses_at
from pipelines.answers.question import Question
from pipelines.answers.wording import count, safe
from warehouse.metrics.averages import average_demand
from warehouse.metrics.percentiles import daily_peaks, minutes_at_or_above, percentiles
from warehouse.periods import day_bounds, union

PERCENTILES = (95, 99)
DAYS_BY_DAY = 92
"""Up to so many days, the trend has a row per day; beyond, per week."""


@dataclass(frozen=True)
class PeakDemand:
    """Exact concurrent use of every license pool, and of one in detail: the tightest, unless one is asked.

    Attributes
    ----------
    ranking
        What `rank` gives: one row per pool in use, tightest first.
    shared
        Those of `ranking` whose peak is the need: licenses that can be shared, and what nothing covers.
    pool, name, key, owned
        The pool in detail; owned is None where no entitlement covers it.
    peak, first_reached, minutes_at_peak
        Its peak family.
    peak_day
        The local day of the peak, every change of demand: at (Datetime UTC), demand.
    by_day
        One row per local day: day, peak, average (in business hours; null on a day without any).
    trend, step
        The same by "day" or "week": day, peak (highest), average (mean of its days).
    use_duration
        One row per n from 0 to the peak: n, minutes_at_or_above, share (of business time, 0-1).
    covering
        Percent of business time -> the licenses that cover it.
    witnesses
        Who was in use at the peak: what `peak_witness.witnesses_at` gives.
    claims
        Markdown sentences: "ranking", "peak", "days", "duration", "witnesses".
    """

    ranking: pl.DataFrame
    shared: pl.DataFrame
    pool: str
    name: str
    key: str
    unit: str
    owned: int | None
    peak: int
    first_reached: datetime
    minutes_at_peak: float
    peak_day: pl.DataFrame
    by_day: pl.DataFrame
    trend: pl.DataFrame
    step: str
    use_duration: pl.DataFrame
    covering: dict[int, int]
    witnesses: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None, *, with_bounds: bool = True) -> PeakDemand:
    """Measure the demand of every license pool, and one in detail.

    Parameters
    ----------
    evidence
        What `gather` gave for the same question without an application, where several answers share it.
    with_bounds
        False spares looking for what silent machines would change about the peak.

    Raises
    ------
    Problem
        The window holds no use, or none of the application.
    """
    pool = one_pool(question, evidence)
    return _detail(pool, missing(pool) if with_bounds else None)


def _detail(pool: Pool, bounds: Missing | None) -> PeakDemand:
    question, demand, row, ranking = pool.demand.question, pool.demand, pool.row, pool.ranking
    by_day = _by_day(demand)
    step, trend = _trend(by_day)
    hours = union(demand.hours)
    covering = {p: int(percentiles(demand.curve, hours, p).collect()["demand"][0]) for p in PERCENTILES}
    seen = witnesses_at(pool, row["first_reached"])
    return PeakDemand(
        ranking=ranking,
        shared=ranking.filter(is_shared()),
        **{
            name: row[name]
            for name in ("pool", "name", "key", "unit", "owned", "peak", "first_reached", "minutes_at_peak")
        },
        peak_day=_peak_day(demand, row["first_reached"]),
        by_day=by_day,
        trend=trend,
        step=step,
        use_duration=minutes_at_or_above(demand.curve, hours).drop("entitlement").collect(),
        covering=covering,
        witnesses=seen,
        claims={
            "ranking": _claim_ranking(ranking.filter(is_shared())),
            "peak": _claim_peak(question, row) + (bounds.claim if bounds else ""),
            "days": _claim_days(demand, row, by_day),
            "duration": _claim_duration(demand, row, covering),
            "witnesses": _claim_witnesses(row, seen),
        },
        footer=footer_of(
            question, demand.found, calendar=demand.calendar, bounds=bounds.words if bounds else ""
        ),
        results=_results(question, row) | (bounds.results if bounds else {}),
    )


def _by_day(demand: Demand) -> pl.DataFrame:
    question = demand.question
    peaks = daily_peaks(demand.curve, question.zone, question.start, question.end)
    averages = average_demand(demand.curve, demand.hours)
    return (
        peaks.join(averages, on=["entitlement", "day"], how="left")
        .select("day", "peak", "average")
        .sort("day")
        .collect()
    )


def _trend(by_day: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    if by_day.height <= DAYS_BY_DAY:
        return "day", by_day
    weeks = by_day.group_by_dynamic("day", every="1w", start_by="datapoint")
    whole = weeks.agg(pl.col("peak").max(), pl.col("average").mean(), _days=pl.len()).filter(_days=7)
    return "week", whole.drop("_days")


def _peak_day(demand: Demand, at: datetime) -> pl.DataFrame:
    """Take the changes of one local day, with what it began and ended with."""
    zone = demand.question.zone
    start, end = day_bounds(zone, at.astimezone(ZoneInfo(zone)).date())
    changes = demand.curve.select("at", "demand").collect()
    before = changes.filter(pl.col("at") <= start)["demand"]
    inside = changes.filter(pl.col("at") > start, pl.col("at") < end)
    opening = before[-1] if before.len() else 0
    closing = inside["demand"][-1] if inside.height else opening
    edges = pl.DataFrame({"at": [start, end], "demand": [opening, closing]}, schema=changes.schema)
    return pl.concat([edges[:1], inside, edges[1:]])


# --- The claims --------------------------------------------------------------------------------------------


def _claim_ranking(shared: pl.DataFrame) -> str:
    owned = shared.filter(pl.col("owned").is_not_null())
    if owned.is_empty():
        return "No license that can be shared covers what was used, so the peaks compare with nothing."
    short, half = (
        owned.filter(pl.col("peak") > pl.col("owned")),
        owned.filter(2 * pl.col("peak") <= pl.col("owned")),
    )
    first = owned.row(0, named=True)
    return (
        f"**{safe(first['name'])} is the tightest**: {first['peak']:,} {first['unit']} at once, "
        f"{first['owned']:,} owned. Of {count(owned.height, 'shared license')} with use, {short.height:,} "
        f"{'was' if short.height == 1 else 'were'} short at some moment, and {half.height:,} never needed "
        "more than half of what is owned."
    )


def _claim_peak(question: Question, row: dict[str, Any]) -> str:
    at = row["first_reached"].astimezone(ZoneInfo(question.zone))
    against = "no entitlement covers it" if row["owned"] is None else _against(row["peak"] - row["owned"])
    return (
        f"{safe(row['name'])} peaked at **{row['peak']:,} {row['unit']} at once**, first on "
        f"{at:%Y-%m-%d at %H:%M} ({question.zone}), for {row['minutes_at_peak']:,.1f} minutes in all: "
        f"{against}."
    )


def _against(over: int) -> str:
    if over > 0:
        return f"{over:,} more than are owned"
    return "exactly what is owned" if over == 0 else f"{-over:,} fewer than are owned"


def _claim_days(demand: Demand, row: dict[str, Any], by_day: pl.DataFrame) -> str:
    average = by_day["average"].mean()
    used = USE[demand.question.basis]
    words = f"In {demand.hours_words} **{float(str(average or 0)):,.1f}** were {used} on average"
    if row["owned"] is None:
        return f"{words}."
    above = by_day.filter(pl.col("peak") > row["owned"]).height
    days = count(by_day.height, "day")
    some = f"{above:,}" if above else "none"
    return f"{words}; on {some} of {days} the peak was above the {row['owned']:,} owned."


def _claim_duration(demand: Demand, row: dict[str, Any], covering: dict[int, int]) -> str:
    parts = [f"**{enough:,}** {row['unit']} cover {percent} %" for percent, enough in covering.items()]
    return f"Of {demand.hours_words}, {' and '.join(parts)}; the whole peak needs {row['peak']:,}."


def _claim_witnesses(row: dict[str, Any], seen: pl.DataFrame) -> str:
    people, offices = (seen[column].drop_nulls().n_unique() for column in ("person", "office"))
    places = f" in {count(offices, 'office')}" if offices else ""
    return (
        f"At that moment {count(seen.height, 'session')} of {count(people, 'person', 'people')}{places} made "
        f"up the {row['peak']:,}. Names are pseudonyms."
    )


def _results(question: Question, row: dict[str, Any]) -> dict[str, object]:
    return {
        "pool": row["pool"],
        "key": row["key"],
        "basis": question.basis,
        "owned": row["owned"],
        "peak": row["peak"],
        "first_reached": row["first_reached"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "minutes_at_peak": row["minutes_at_peak"],
    }
