"""How the peak of each day stands against its average, against what is owned, and against who was refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.answers.demand import Pool, one_pool, owned_steps
from pipelines.answers.evidence import Evidence
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.missing import missing
from pipelines.answers.question import Question
from pipelines.answers.refused import refused
from pipelines.answers.wording import count, enough, safe
from warehouse.metrics.demand_over import by_day
from warehouse.metrics.percentiles import daily_peak_percentile, daily_peaks, percentile
from warehouse.periods import day_bounds, union

IN = {"run": "open", "busy": "in use", "active": "active"}
DAYS_BY_DAY = 92
"""Up to so many days, the chart has a point per day; beyond, per week."""


@dataclass(frozen=True)
class PeakAndAverage:
    """One license pool, day by day.

    Attributes
    ----------
    pool, name, key, unit, owned
        The pool; owned is that of the window's last day, None where no entitlement covers it.
    percent
        Of which part of a day's calendar `percentile` speaks.
    by_day
        One row per local day: day, maximum (Int64, of the whole day), average (Float64) and percentile
        (Int64), both of the day's business hours (null on a day without any), owned (Int64, on that day;
        null: nothing that compares), denials (Int64; null where no license server's log is known),
        minutes_above (Float64, for which demand was above what was owned, of the whole day).
    trend, step
        The same by "day" or "week": day, peak (highest maximum), average (mean of its days).
    busiest
        The ten days of `by_day` with the highest maximum, then the most minutes above owned.
    need_of_days
        Enough for the peak of 95 % of days, days without use included.
    claims
        Markdown sentences: "days", "above", "denials".
    """

    pool: str
    name: str
    key: str
    unit: str
    owned: int | None
    percent: float
    by_day: pl.DataFrame
    trend: pl.DataFrame
    step: str
    busiest: pl.DataFrame
    need_of_days: int
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, percent: float = 95, evidence: Evidence | None = None) -> PeakAndAverage:
    """Measure one license pool day by day.

    Parameters
    ----------
    percent
        0 to 100; nearest rank.

    Raises
    ------
    Problem
        The window holds no use of the application; a percentage that is none.
    """
    pool = one_pool(question, evidence)
    days = _with_denials(pool, _by_day(pool, percent))
    step, trend = _trend(days)
    peaks = daily_peaks(pool.demand.curve, question.zone, question.start, question.end)
    of_days = int(daily_peak_percentile(peaks, percent).collect()["demand"][0])
    bounds = missing(pool)
    of_time = percentile(pool.demand.curve, union(pool.demand.hours), percent)
    return PeakAndAverage(
        **{name: pool.row[name] for name in ("pool", "name", "key", "unit", "owned")},
        percent=percent,
        by_day=days,
        trend=trend,
        step=step,
        busiest=days.sort("maximum", "minutes_above", "day", descending=[True, True, False], nulls_last=True)
        .filter(pl.col("maximum") > 0)
        .head(10),
        need_of_days=of_days,
        claims={
            "days": _claim_days(pool, days, percent, of_time, of_days) + bounds.claim,
            "above": _claim_above(days),
            "denials": _claim_denials(pool.row, days, question.basis),
        },
        footer=footer_of(question, pool.demand.found, calendar=pool.demand.calendar, bounds=bounds.words),
        results=_results(pool.row, days, percent, of_time, of_days) | bounds.results,
    )


def _by_day(pool: Pool, percent: float) -> pl.DataFrame:
    """Measure each stretch of days in which as much was owned, and put them together."""
    question, hours = pool.demand.question, pool.demand.hours
    parts = []
    for first, end, owned in owned_steps(question, pool.row["pool"]):
        window = day_bounds(question.zone, first)[0], day_bounds(question.zone, end)[0]
        # An office's day may begin before the window's or end after it; it stays with its name.
        mine = hours.filter(pl.col("day") >= first, pl.col("day") < end)
        measured = by_day(pool.demand.curve, mine, owned, question.zone, *window, percent).collect()
        parts.append(measured.with_columns(owned=pl.lit(owned, pl.Int64)))
    return pl.concat(parts)


def _with_denials(pool: Pool, days: pl.DataFrame) -> pl.DataFrame:
    codes = pool.members.select("application").collect()["application"].to_list()
    found = refused(pool.demand.question, pool.demand.found, codes)
    if found is None:
        return days.with_columns(denials=pl.lit(None, pl.Int64))
    local = pl.col("at").dt.convert_time_zone(pool.demand.question.zone).dt.date()
    by_day_ = found.group_by(local.alias("day")).agg(denials=pl.len().cast(pl.Int64))
    return days.join(by_day_, on="day", how="left", maintain_order="left").with_columns(
        pl.col("denials").fill_null(0)
    )


def _trend(days: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    shown = days.select("day", "average", peak="maximum")
    if days.height <= DAYS_BY_DAY:
        return "day", shown
    weeks = shown.group_by_dynamic("day", every="1w", start_by="datapoint")
    whole = weeks.agg(pl.col("peak").max(), pl.col("average").mean(), _days=pl.len()).filter(_days=7)
    return "week", whole.drop("_days")


# --- The claims --------------------------------------------------------------------------------------------


def _claim_days(pool: Pool, days: pl.DataFrame, percent: float, of_time: int, of_days: int) -> str:
    row, average = pool.row, float(str(days["average"].mean() or 0))
    words = (
        f"{safe(row['name'])} peaked at **{row['peak']:,} {row['unit']}**, and had {average:,.1f} on average "
        f"in {pool.demand.hours_words}. {enough(of_time)} for {percent:g} % of that time"
    )
    if of_days == of_time:
        return f"{words}, and for the peak of {percent:g} % of days."
    return (
        f"{words}, but {enough(of_days)} for the peak of {percent:g} % of days: a single moment makes a "
        "day's peak."
    )


def _claim_above(days: pl.DataFrame) -> str:
    known = days.filter(pl.col("minutes_above").is_not_null())
    if known.is_empty():
        return "No entitlement that counts so covers it, so nothing can be above what is owned."
    above = known.filter(pl.col("minutes_above") > 0)
    if above.is_empty():
        return f"On none of {count(known.height, 'day')} was demand above what was owned."
    hours = above["minutes_above"].sum() / 60
    worst = above.sort("minutes_above", "day", descending=[True, False]).row(0, named=True)
    return (
        f"**On {above.height:,} of {count(known.height, 'day')} demand was above what was owned**, for "
        f"{hours:,.1f} hours in all; longest on {worst['day']}, for {worst['minutes_above']:,.0f} minutes."
    )


def _claim_denials(row: dict[str, Any], days: pl.DataFrame, basis: str) -> str:
    if days["denials"].is_null().all():
        return (
            "Whether anybody was refused is not known: no log of a license server tells of it. "
            "`process-meter import flexnet FILE` reads one."
        )
    on = days.filter(pl.col("denials") > 0)
    if on.is_empty():
        return "The license server refused nobody in this window."
    short = on.filter(pl.col("minutes_above") > 0).height
    requests = count(int(on["denials"].sum()), "request")
    words = f"The license server refused {requests} on {count(on.height, 'day')}"
    if row["owned"] is None:
        return f"{words}."
    return f"{words}; on {short:,} of them more were {IN[basis]} at some moment than were owned."


def _results(
    row: dict[str, Any], days: pl.DataFrame, percent: float, of_time: int, of_days: int
) -> dict[str, object]:
    above = days["minutes_above"]
    return {
        "pool": row["pool"],
        "key": row["key"],
        "owned": row["owned"],
        "peak": row["peak"],
        "average": round(float(str(days["average"].mean() or 0)), 3),
        "percent": percent,
        "need_of_time": of_time,
        "need_of_days": of_days,
        "days": days.height,
        "minutes_above_owned": None if above.is_null().all() else round(float(above.sum()), 3),
        "denials": None if days["denials"].is_null().all() else int(days["denials"].sum()),
    }
