"""For how long how many licenses are in use, and how many are enough for most of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.answers.demand import NO_BUSINESS, Pool, one_pool
from pipelines.answers.evidence import Evidence
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.missing import missing
from pipelines.answers.question import Question
from pipelines.answers.wording import count, enough, hours, safe
from warehouse.errors import Problem
from warehouse.metrics.percentiles import (
    CALENDARS,
    calendar,
    daily_peak_percentile,
    daily_peaks,
    launch_percentile,
    minutes_at_or_above,
    percentile,
    percentiles,
)
from warehouse.periods import union

MARKS = (95, 99)
WORDS = {
    "all": "all hours",
    "business": "business hours: whenever an office is open, holidays left out",
    "in_use": "hours in use: whenever anybody has the license in use",
}
OF_TIME = {"all": "time, all hours", "business": "business hours", "in_use": "hours in use"}
LAUNCHES, DAYS = "launches", "days"


@dataclass(frozen=True)
class UseDuration:
    """One license pool by how many of it are in use for how long.

    Attributes
    ----------
    pool, name, key, unit, owned, peak
        The pool; owned is None where no entitlement covers it.
    calendar
        The time that is shared out, in words.
    by_number
        One row per n from 0 to the highest demand in the calendar: n, minutes_at, minutes_at_or_above
        (Float64), share (of the calendar's time with n or more in use, 0-1).
    levels
        The rows of `by_number` at which demand ever stood, with `percent` (share x 100) instead of share.
    covering
        Percent of the calendar's time -> the licenses that are enough for it.
    needs
        One row per kind of share: share_of (in words), need_95, need_99, need_100 (Int64: licenses that are
        enough): of all hours, business hours, hours in use, launches, days.
    claims
        Markdown sentences: "duration", "needs", "last".
    """

    pool: str
    name: str
    key: str
    unit: str
    owned: int | None
    peak: int
    calendar: str
    by_number: pl.DataFrame
    levels: pl.DataFrame
    covering: dict[int, int]
    needs: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(
    question: Question, calendar_name: str = "business", evidence: Evidence | None = None
) -> UseDuration:
    """Measure for how long how many of one license pool are in use.

    Parameters
    ----------
    calendar_name
        One of `percentiles.CALENDARS`; without an office, business hours are all hours.

    Raises
    ------
    Problem
        The window holds no use of the application, or the calendar is unknown.
    """
    if calendar_name not in CALENDARS:
        raise Problem(f"unknown calendar {calendar_name!r}", f"give one of {', '.join(CALENDARS)}")
    pool = one_pool(question, evidence)
    curve, shared = pool.demand.curve, _hours(pool, calendar_name)
    by_number = minutes_at_or_above(curve, shared).drop("entitlement").collect()
    covering = {p: percentile(curve, shared, p) for p in MARKS}
    needs, bounds = _needs(pool), missing(pool)
    words = _words(pool, calendar_name)
    return UseDuration(
        **{name: pool.row[name] for name in ("pool", "name", "key", "unit", "owned", "peak")},
        calendar=words,
        by_number=by_number,
        levels=by_number.filter(pl.col("minutes_at") > 0).select(
            "n", "minutes_at", "minutes_at_or_above", percent=pl.col("share") * 100
        ),
        covering=covering,
        needs=needs,
        claims={
            "duration": _claim_duration(pool.row, words, covering) + bounds.claim,
            "last": _claim_last(pool.row, by_number),
            "needs": _claim_needs(needs),
        },
        footer=footer_of(question, pool.demand.found, calendar=words, bounds=bounds.words),
        results=_results(pool.row, calendar_name, covering, needs) | bounds.results,
    )


def _hours(pool: Pool, name: str) -> pl.LazyFrame:
    question = pool.demand.question
    if name == "business":
        return union(pool.demand.hours)
    return calendar(name, question.start, question.end, demand=pool.demand.curve)


def _words(pool: Pool, name: str) -> str:
    return NO_BUSINESS if name == "business" and pool.demand.calendar == NO_BUSINESS else WORDS[name]


def _enough(found: pl.LazyFrame) -> int | None:
    numbers = found.collect()["demand"]
    return int(numbers[0]) if numbers.len() else None


def _needs(pool: Pool) -> pl.DataFrame:
    """Say how many are enough for 95, 99 and 100 % of whatever a share may be of."""
    question, curve = pool.demand.question, pool.demand.curve
    peaks = daily_peaks(curve, question.zone, question.start, question.end)
    kinds: dict[str, Callable[[float], pl.LazyFrame]] = {
        **{OF_TIME[name]: _of_time(pool, name) for name in _known_calendars(pool)},
        LAUNCHES: lambda p: launch_percentile(pool.demand.used, p),
        DAYS: lambda p: daily_peak_percentile(peaks, p),
    }
    rows = [(kind, *(_enough(need(p)) for p in (*MARKS, 100))) for kind, need in kinds.items()]
    schema = {"share_of": pl.String, "need_95": pl.Int64, "need_99": pl.Int64, "need_100": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _of_time(pool: Pool, name: str) -> Callable[[float], pl.LazyFrame]:
    shared = _hours(pool, name)
    return lambda p: percentiles(pool.demand.curve, shared, p)


def _known_calendars(pool: Pool) -> list[str]:
    return [name for name in CALENDARS if name != "business" or pool.demand.calendar != NO_BUSINESS]


# --- The claims --------------------------------------------------------------------------------------------


def _claim_duration(row: dict[str, Any], words: str, covering: dict[int, int]) -> str:
    parts = [f"**{enough(number)}** for {percent} %" for percent, number in covering.items()]
    owned = (
        "no entitlement that counts so covers it" if row["owned"] is None else f"{row['owned']:,} are owned"
    )
    time, _, more = words.partition(":")
    return (
        f"Of {time}{f' ({more.strip()})' if more else ''}, {' and '.join(parts)} of the time; the whole peak "
        f"of {safe(row['name'])} takes {row['peak']:,} {row['unit']}, and {owned}."
    )


def _claim_last(row: dict[str, Any], by_number: pl.DataFrame) -> str:
    """Say for how long the last tenth of the peak is needed."""
    highest = int(by_number["n"][-1])
    first = highest - max(highest // 10, 1) + 1
    minutes = float(by_number.filter(pl.col("n") == first)["minutes_at_or_above"][0])
    last = count(highest - first + 1, "token" if row["unit"] == "tokens" else "license")
    verb = "was" if highest == first else "were"
    spared = (
        f"The last {last} of the {highest:,} in use at most {verb} needed for {hours(minutes / 60)} in all"
    )
    if row["owned"] is None or row["owned"] <= highest:
        return f"{spared}."
    never = row["owned"] - row["peak"]
    return f"{spared}; {never:,} of the {row['owned']:,} owned were never needed at any moment."


def _claim_needs(needs: pl.DataFrame) -> str:
    named = dict(needs.select("share_of", "need_95").iter_rows())
    of_time, of_launches = named[OF_TIME["all"]], named[LAUNCHES]
    words = f"**95 % is not one number.** Of all hours, {enough(of_time)} for 95 %"
    if of_launches is not None:
        words += f"; but of launches, for 95 % to find a license takes {of_launches:,}"
    why = "People start programs when others do, and at night nobody is at work"
    return f"{words}. {why}: say which share is meant."


def _results(
    row: dict[str, Any], calendar_name: str, covering: dict[int, int], needs: pl.DataFrame
) -> dict[str, object]:
    return {
        "pool": row["pool"],
        "key": row["key"],
        "owned": row["owned"],
        "peak": row["peak"],
        "calendar": calendar_name,
        **{f"enough_for_{percent}": number for percent, number in covering.items()},
        "needs": needs.to_dicts(),
    }
