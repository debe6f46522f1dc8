"""How many had a license open at each moment, and how many of them were at work."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers.demand import Pool, one_pool, owned_steps
from pipelines.answers.evidence import Evidence, attention
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.missing import missing
from pipelines.answers.question import Question
from pipelines.answers.wording import count, number, safe, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.demand_over import STATES, states_over_time
from warehouse.periods import day_bounds

STEPS = ((2, "1m", "minute"), (14, "15m", "quarter of an hour"), (10**6, "1h", "hour"))
"""Up to how many days, in which step, and what it is called."""
MANY = {"minute": "minutes", "quarter of an hour": "quarters of an hour", "hour": "hours"}


@dataclass(frozen=True)
class ConcurrentUse:
    """One license pool over some days, step by step.

    Attributes
    ----------
    pool, name, key, unit, owned
        The pool; owned is that of the first day shown, None where no entitlement covers it.
    step
        "minute", "quarter of an hour" or "hour".
    by_minute
        One row per step: minute (Datetime UTC, its start), active, pause, idle, held (Float64: mean over the
        step), owned (Int64, null where unknown).
    by_hour
        The same by local hour, hours without anything open left out; active, pause and idle are null where
        all was held.
    claims
        Markdown sentences: "use", "idle".
    """

    pool: str
    name: str
    key: str
    unit: str
    owned: int | None
    step: str
    by_minute: pl.DataFrame
    by_hour: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(
    question: Question, day: str = "", days: int = 1, evidence: Evidence | None = None
) -> ConcurrentUse:
    """Follow one license pool through some days.

    Parameters
    ----------
    day
        The first day, as 2026-10-05; empty: the day of the window's peak.
    days
        How many days.

    Raises
    ------
    Problem
        The window holds no use of the application, a day that is none or lies outside the window.
    """
    open_question = replace(question, basis="run")
    pool = one_pool(open_question, evidence)
    first = _first_day(question, day, pool.row["first_reached"])
    steps = owned_steps(open_question, pool.row["pool"])
    row = {**pool.row, "owned": next(owned for start, end, owned in steps if start <= first < end)}
    step, by_minute = _by_minute(pool, row, first, days)
    return ConcurrentUse(
        **{name: row[name] for name in ("pool", "name", "key", "unit", "owned")},
        step=step,
        by_minute=by_minute,
        by_hour=_by_hour(by_minute),
        claims={
            "use": _claim_use(question, row, step, by_minute),
            "idle": _claim_idle(row, step, by_minute),
        },
        footer=footer_of(
            open_question,
            pool.demand.found,
            calendar=f"{count(days, 'day')} from {first} on",
            bounds=missing(pool).words,
        ),
        results=_results(row, first, days, by_minute),
    )


def _first_day(question: Question, day: str, peak: datetime) -> date:
    if not day:
        return peak.astimezone(ZoneInfo(question.zone)).date()
    try:
        first = date.fromisoformat(day)
    except ValueError:
        raise Problem(f"day {day!r} is not a date", "write it as 2026-10-05") from None
    if not question.first_day <= first < question.end_day:
        raise Problem(
            f"{first} is not in the window from {question.first_day} to {question.end_day}",
            "choose start and end around it",
        )
    return first


def _by_minute(pool: Pool, row: dict[str, object], first: date, days: int) -> tuple[str, pl.DataFrame]:
    if days < 1:
        raise Problem(f"{days} days", "give one day or more")
    question, found = pool.demand.question, pool.demand.found
    end_day = min(first + timedelta(days=days), question.end_day)
    start, end = day_bounds(question.zone, first)[0], day_bounds(question.zone, end_day)[0]
    every, step = next((every, name) for most, every, name in STEPS if days <= most)
    rows = states_over_time(
        found.stated,
        found.sessions,
        str(row["key"]),
        start,
        end,
        every,
        weights=frames.applications(question.engine),
        group="entitlement",
        suites=pool.members,
    )
    owned = pl.lit(row["owned"], pl.Int64).alias("owned")
    return step, rows.select("minute", *STATES, owned).collect()


def _by_hour(by_minute: pl.DataFrame) -> pl.DataFrame:
    hours = by_minute.group_by(pl.col("minute").dt.truncate("1h"), maintain_order=True)
    summed = hours.agg(pl.col(STATES).mean(), pl.col("owned").first())
    shown = summed.with_columns(_open=pl.sum_horizontal(STATES)).filter(pl.col("_open") > 0)
    seen = attention(("active", "pause", "idle"), run="_open", held="held")
    return shown.with_columns(seen).drop("_open")


def _claim_use(question: Question, row: dict[str, object], step: str, by_minute: pl.DataFrame) -> str:
    if by_minute.is_empty():
        return f"Nobody had {safe(str(row['name']))} open on these days."
    total = by_minute.with_columns(total=pl.sum_horizontal(STATES))
    most = total.sort("total", descending=True, maintain_order=True).row(0, named=True)
    at = most["minute"].astimezone(ZoneInfo(question.zone))
    working = most["active"] + most["pause"]
    words = f"**{safe(str(row['name']))}** had the most {row['unit']} in the {step} of {at:%Y-%m-%d %H:%M}: "
    words += f"{number(most['total'])} open"
    if most["held"] < most["total"]:
        words += f", {number(working)} of them at work"
    return words + ("." if row["owned"] is None else f"; {row['owned']:,} are owned.")


def _claim_idle(row: dict[str, object], step: str, by_minute: pl.DataFrame) -> str:
    sums = by_minute.select(pl.col(STATES).sum()).row(0, named=True)
    seen = sums["active"] + sums["pause"] + sums["idle"]
    if not seen:
        return (
            "Whether anyone was at work is not known: the evidence is a license server's or a cluster's, "
            "which tells what was open. An agent on the machines would tell it."
        )
    idle = sums["idle"] / seen
    words = f"Of the time that licenses were open and seen, **{share(idle)} was idle**: nobody was at work."
    if row["owned"] is None:
        return words
    above = by_minute.filter(pl.sum_horizontal(STATES) > pl.col("owned")).height
    working = by_minute.filter(pl.col("active") + pl.col("pause") > pl.col("owned")).height
    if not above:
        return f"{words} Never were more open than are owned."
    return (
        f"{words} More were open than are owned in {count(above, step, MANY[step])}, and more at work in "
        f"{working:,}."
    )


def _results(row: dict[str, object], first: date, days: int, by_minute: pl.DataFrame) -> dict[str, object]:
    sums = by_minute.select(pl.col(STATES).sum().round(3)).row(0, named=True) if by_minute.height else {}
    return {
        "pool": row["pool"],
        "key": row["key"],
        "owned": row["owned"],
        "first_day": first.isoformat(),
        "days": days,
        "steps": by_minute.height,
        "open_at_most": round(float(by_minute.select(pl.sum_horizontal(STATES).max()).item() or 0), 3),
        **{f"{name}_sum": value for name, value in sums.items()},
    }
