"""What the stored sessions add up to, where they come from, and which part of their time nobody watched."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers import groups
from pipelines.answers.evidence import Evidence, attention, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.wording import count, hours, listing, safe, share
from warehouse import frames
from warehouse.metrics.session_times import received, unknown_by_source
from warehouse.metrics.utilization import PRIVATE_COLUMNS, usage
from warehouse.money import HOUR_MS
from warehouse.periods import local_days

TIMES = ("run", "active", "pause", "idle", "held", "suspended", "unknown")
HIDDEN = [name for name in PRIVATE_COLUMNS if name.removesuffix("_ms") in TIMES]
"""What would tell the idle time of a few people, or give it by subtracting."""

USE = {
    "name": "Application",
    "sessions": "Sessions",
    "people": "People",
    **{f"{name}_hours": f"{name.capitalize()} h" for name in TIMES},
}
ORIGIN = {
    "name": "Application",
    "sessions": "Sessions",
    "sources": "Sources",
    "first_received": "First received",
    "last_received": "Last received",
}
"""Columns of the two tables of applications, with their headings."""


@dataclass(frozen=True)
class SessionSummary:
    """Sessions of the window, added up; hours are Float64.

    Attributes
    ----------
    applications
        One row per application, most sessions first: application, name, sessions, people (Int64), run_hours,
        active_hours, pause_hours, idle_hours, held_hours, suspended_hours, unknown_hours, sources (text),
        first_received, last_received (Datetime UTC). Where fewer than five people were watched, run, idle and
        suspended hours are null, and so are those of the smallest application of five or more, without which
        they could be worked out. Where all open time was held, active, pause and idle hours are null.
    by_source
        One row per source, most time first: source, sessions, hours (of all states), unknown_hours,
        unknown_share (0-1, null: no time), unknown (the same as text, exact enough for a small one).
    by_day
        One row per local day of the window and source: day (Date), source, known_hours, unknown_hours.
    claims
        Markdown sentences: "all", "days", "unknown", "received".
    """

    applications: pl.DataFrame
    by_source: pl.DataFrame
    by_day: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None) -> SessionSummary:
    """Add up the sessions of a question.

    Raises
    ------
    Problem
        The window holds no session.
    """
    found = evidence or gather(question)
    applications = _applications(question, found)
    by_source = _by_source(question, found)
    by_day = _by_day(question, found, by_source)
    return SessionSummary(
        applications=applications,
        by_source=by_source,
        by_day=by_day,
        claims={
            "all": _claim_all(applications),
            "days": _claim_days(by_day),
            "unknown": _claim_unknown(by_source),
            "received": _claim_received(question, applications),
        },
        footer=footer_of(question, found, key="sessions, each for itself; people once, accounts merged"),
        results=_results(by_source, applications),
    )


def _applications(question: Question, found: Evidence) -> pl.DataFrame:
    window = (question.start, question.end)
    used = usage(found.stated, found.sessions, ["application"], *window).filter(pl.col("sessions") > 0)
    code = pl.col("application").cast(pl.String)
    names = frames.applications(question.engine).select(code, "name")
    whole = (
        used.with_columns(code, pl.col("sessions", "people").cast(pl.Int64))
        .join(names, on="application", how="left")
        .join(received(found.sessions, *window), on="application", how="left")
        .with_columns(name=pl.coalesce("name", "application"))
        .sort("sessions", "name", descending=[True, False])
        .collect()
    )
    told = pl.col("application").is_in(_few(whole))
    seen = attention(("active_ms", "pause_ms", "idle_ms"), run="run_ms", held="held_ms")
    return (
        whole.with_columns(seen)
        .with_columns(pl.when(~told).then(pl.col(HIDDEN)))
        .select(
            *("application", "name", "sessions", "people"),
            *(_hours(f"{name}_ms").alias(f"{name}_hours") for name in TIMES),
            *("sources", "first_received", "last_received"),
        )
    )


def _few(whole: pl.DataFrame) -> list[str]:
    """List the applications whose idle time would be that of a few people; a log tells of none."""
    watched = whole.filter(pl.sum_horizontal("active_ms", "pause_ms", "idle_ms") > 0)
    named = watched.with_columns(name=pl.col("application"))
    kept = groups.at_least_five(named, ["run_ms"], other="").drop_nulls("people")
    return watched.filter(~pl.col("application").is_in(kept["name"].implode()))["application"].to_list()


def _hours(column: str) -> pl.Expr:
    # Polars multiplies by the reciprocal: 60 hours would read 59.99999999999999.
    return (pl.col(column) / HOUR_MS).round(12)


def _by_source(question: Question, found: Evidence) -> pl.DataFrame:
    sources = unknown_by_source(found.stated, found.sessions, question.start, question.end)
    return sources.select(
        "source",
        "sessions",
        hours=_hours("session_ms"),
        unknown_hours=_hours("unknown_ms"),
        unknown_share="unknown_share",
        unknown=pl.col("unknown_share").map_elements(_exactly, return_dtype=pl.String),
    ).collect()


def _by_day(question: Question, found: Evidence, by_source: pl.DataFrame) -> pl.DataFrame:
    window = (question.start, question.end)
    used = usage(found.stated, found.sessions, ["day", "source"], *window, question.zone)
    known = pl.sum_horizontal("run_ms", "suspended_ms").alias("known_ms")
    days = local_days(question.zone, *window).select("day")
    return (
        days.join(by_source.lazy().select("source"), how="cross")
        .join(
            used.select("day", pl.col("source").cast(pl.String), known, "unknown_ms"),
            on=["day", "source"],
            how="left",
        )
        .select(
            "day",
            "source",
            known_hours=_hours("known_ms").fill_null(0),
            unknown_hours=_hours("unknown_ms").fill_null(0),
        )
        .sort("day", "source")
        .collect()
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_all(applications: pl.DataFrame) -> str:
    first = applications.row(0, named=True)
    sessions = int(applications["sessions"].sum())
    whole = (
        f"There are **{count(sessions, 'session')}** of {count(applications.height, 'application')}, "
        f"{share(first['sessions'] / sessions)} of them of {safe(first['name'])}."
    )
    hidden = applications.filter(pl.col("run_hours").is_null()).height
    if not hidden:
        return whole
    return (
        f"{whole} Of {count(hidden, 'application')} run, idle and suspended hours are left out: they would "
        "tell of fewer than five people."
    )


def _claim_days(by_day: pl.DataFrame) -> str:
    hours_of = pl.sum_horizontal("known_hours", "unknown_hours")
    days = by_day.group_by("day").agg(hours=hours_of.sum()).sort("day")
    most = days.sort("hours", "day", descending=[True, False]).row(0, named=True)
    empty = days.filter(pl.col("hours") == 0).height
    none = "No day is without a session" if not empty else f"{count(empty, 'day')} had none"
    return f"The fullest day was **{most['day']}**, with {hours(most['hours'])} of sessions. {none}."


def _claim_unknown(by_source: pl.DataFrame) -> str:
    whole, unknown = (float(by_source[name].sum()) for name in ("hours", "unknown_hours"))
    if not whole:
        return "**The sessions have no time at all**: each ended in the moment in which it began."
    if not unknown:
        return f"**None of the {hours(whole)} of session time is unknown**: all of it was watched or logged."
    parts = [
        f"{safe(source)} {_exactly(part)} of {hours(all_hours)}"
        for source, all_hours, part in by_source.filter(pl.col("unknown_hours") > 0)
        .select("source", "hours", "unknown_share")
        .iter_rows()
    ]
    return (
        f"**{_exactly(unknown / whole)} of the session time is unknown**, {hours(unknown)}, by source: "
        f"{listing(parts)}. Nobody was watching then; it is never counted as use and never billed."
    )


def _claim_received(question: Question, applications: pl.DataFrame) -> str:
    last = applications.sort("last_received", "name", descending=[True, False]).row(0, named=True)
    sources = sorted({name for text in applications["sources"] for name in text.split(", ")})
    return (
        f"The sessions come from {listing(map(safe, sources))}; the newest record came in on "
        f"**{last['last_received'].astimezone(ZoneInfo(question.zone)):%Y-%m-%d}**, of {safe(last['name'])}."
    )


def _exactly(part: float) -> str:
    """Write a share that may be small with a decimal."""
    return "less than 0.1 %" if 0 < part < 0.0005 else f"{part * 100:.1f} %"


def _results(by_source: pl.DataFrame, applications: pl.DataFrame) -> dict[str, object]:
    whole = float(by_source["hours"].sum())
    return {
        "sessions": int(applications["sessions"].sum()),
        "applications": applications.height,
        "session_time_hours": round(whole, 3),
        "unknown_share": float(by_source["unknown_hours"].sum()) / whole if whole else None,
        "sources": by_source.drop("unknown").with_columns(pl.selectors.float().round(6)).to_dicts(),
    }
