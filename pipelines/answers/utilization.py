"""How much of the time that applications are open somebody is at work in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipelines.answers import groups
from pipelines.answers.evidence import Evidence, attention, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.wording import count, hours, safe, share
from warehouse import frames
from warehouse.metrics.utilization import usage
from warehouse.periods import local_days

TIMES = ("run", "busy", "active", "pause", "idle", "held", "unknown")
HOURS = tuple(f"{name}_hours" for name in TIMES)
SEEN = tuple(f"{name}_hours" for name in ("busy", "active", "pause", "idle"))
"""What nobody can tell of time that was held."""
HOUR_MS = 3_600_000
GRAINS = (("1d", "%Y-%m-%d", 45), ("1w", "week of %Y-%m-%d", 190), ("1mo", "%b %Y", 10**6))
"""How long a stretch is drawn, how it is labeled, and up to how many days."""


@dataclass(frozen=True)
class Utilization:
    """Use over the window; all hours are Float64.

    Where a license server or a cluster told of all open time, busy, active, pause and idle hours are null,
    and so is the share.

    Attributes
    ----------
    by_application
        One row per application, most run hours first: application, name, sessions, people, run_hours,
        busy_hours, active_hours, pause_hours, idle_hours, held_hours, unknown_hours, busy_share (busy / run,
        null where it never ran).
    by_office
        One row per office, most run hours first: office, name, and the rest as above.
    by_day
        One row per local day of the window: day, sessions, people, and the hours.
    applications, offices
        The first two as executives see them: name, people, the hours, busy_share, with everything of fewer
        than five people folded into one row.
    over_time
        One row per day, week or month, by the window's length: label, and the hours.
    claims
        Markdown sentences: "all", "applications", "offices", "over_time".
    """

    by_application: pl.DataFrame
    by_office: pl.DataFrame
    by_day: pl.DataFrame
    applications: pl.DataFrame
    offices: pl.DataFrame
    over_time: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None) -> Utilization:
    """Measure use by application, office and day.

    Parameters
    ----------
    evidence
        What `gather(question)` gave, where several answers share it.

    Raises
    ------
    Problem
        The window holds no session.
    """
    found = evidence or gather(question)
    by_application = _named(
        _use(question, found, ["application"]), frames.applications(question.engine), "application"
    )
    by_office = _named(_use(question, found, ["office"]), frames.offices(question.engine), "office")
    by_day = _every_day(question, _use(question, found, ["day"]))
    applications = _folded(by_application, "Other applications")
    offices = _folded(by_office, "Other offices")
    over_time = _over_time(by_day)
    totals = by_application.select(pl.col(HOURS).sum()).pipe(_told).row(0, named=True)
    claims = {
        "all": _claim_all(totals, by_day),
        "applications": _claim_applications(applications),
        "offices": _claim_offices(offices),
        "over_time": _claim_over_time(over_time),
    }
    results = {name: None if value is None else round(value, 3) for name, value in totals.items()} | {
        "applications": by_application.height,
        "busy_share": totals["busy_share"],
    }
    return Utilization(
        by_application=by_application,
        by_office=by_office,
        by_day=by_day,
        applications=applications,
        offices=offices,
        over_time=over_time,
        claims=claims,
        footer=footer_of(
            question, found, key="time of every session; people once, after their accounts are merged"
        ),
        results=results,
    )


def _use(question: Question, found: Evidence, by: Sequence[str]) -> pl.LazyFrame:
    used = usage(found.stated, found.sessions, by, question.start, question.end, question.zone)
    in_hours = [(pl.col(f"{name}_ms") / HOUR_MS).alias(f"{name}_hours") for name in TIMES]
    counts = pl.col("sessions", "people").cast(pl.Int64)
    return used.select(*by, counts, *in_hours)


def _named(used: pl.LazyFrame, names: pl.LazyFrame, code: str) -> pl.DataFrame:
    """Add the name, and order by run hours; without an office there is no name to know."""
    known = names.select(pl.col(code).cast(pl.String), "name")
    return (
        used.with_columns(pl.col(code).cast(pl.String))
        .join(known, on=code, how="left")
        .select(
            code, pl.coalesce("name", code, pl.lit(f"Unknown {code}")).alias("name"), pl.exclude(code, "name")
        )
        .sort("run_hours", "name", descending=[True, False])
        .collect()
        .pipe(_told)
    )


def _told(used: pl.DataFrame) -> pl.DataFrame:
    """Add `busy_share`, and leave out what is not known of time that was held."""
    told = used.with_columns(attention(SEEN, run="run_hours", held="held_hours"))
    return told.with_columns(busy_share=_busy_share())


def _busy_share() -> pl.Expr:
    return pl.when(pl.col("run_hours") > 0).then(pl.col("busy_hours") / pl.col("run_hours"))


def _every_day(question: Question, used: pl.LazyFrame) -> pl.DataFrame:
    days = local_days(question.zone, question.start, question.end).select("day")
    return (
        days.join(used, on="day", how="left")
        .with_columns(pl.exclude("day").fill_null(0))
        .with_columns(attention(SEEN, run="run_hours", held="held_hours"))
        .sort("day")
        .collect()
    )


def _folded(frame: pl.DataFrame, other: str) -> pl.DataFrame:
    return _told(groups.at_least_five(frame, HOURS, other=other))


def _over_time(by_day: pl.DataFrame) -> pl.DataFrame:
    every, label = next((every, label) for every, label, days in GRAINS if by_day.height <= days)
    stretches = by_day.group_by_dynamic("day", every=every).agg(pl.col(HOURS).sum())
    return _told(stretches.select(pl.col("day").dt.strftime(label).alias("label"), *HOURS))


# --- The claims --------------------------------------------------------------------------------------------


UNSEEN = "a license server or a cluster tells what was open, not who was at work"


def _claim_all(totals: dict[str, float | None], by_day: pl.DataFrame) -> str:
    busiest = by_day.sort("people", "day", descending=[True, False]).row(0, named=True)
    most = f"The busiest day was {busiest['day']}, with {count(busiest['people'], 'person', 'people')}."
    run, busy, held = (totals[name] or 0.0 for name in ("run_hours", "busy_hours", "held_hours"))
    if totals["busy_hours"] is None:
        return (
            f"Applications were open for {hours(run)}. **Whether they were in use is not known**: {UNSEEN}. "
            f"Agents on the machines would tell it. {most}"
        )
    words = (
        f"Applications were open for {hours(run)} and **in use for {share(totals['busy_share'])}** of that"
    )
    unseen = f" Whether {hours(held)} of it were used is not known: {UNSEEN}." if held else ""
    return f"{words}: {hours(busy)}.{unseen} {most}"


def _claim_applications(applications: pl.DataFrame) -> str:
    ran = applications.filter(pl.col("run_hours") > 0, pl.col("people").is_not_null())
    if ran.is_empty():
        return "No application was used by five people or more, so none is shown by itself."
    first = ran.row(0, named=True)
    most = f"**{safe(first['name'])}** was open longest: {hours(first['run_hours'])}"
    if first["busy_share"] is not None:
        most += f", {share(first['busy_share'])} of it in use"
    seen = ran.drop_nulls("busy_share").sort("busy_share")
    if seen.height < 2:
        return f"{most}."
    least = seen.row(0, named=True)
    return f"{most}. Least used while open was {safe(least['name'])}: {share(least['busy_share'])}."


def _claim_offices(offices: pl.DataFrame) -> str:
    if offices.height and offices["busy_share"].is_null().all():
        return f"Which office uses its open time best is not known: {UNSEEN}."
    ran = offices.drop_nulls(["busy_share", "people"]).sort("busy_share", descending=True)
    if ran.height < 2:
        return "All use is from one office, or from offices too small to be shown by themselves."
    best, least = ran.row(0, named=True), ran.row(-1, named=True)
    return (
        f"Open time is used best in **{safe(best['name'])}** ({share(best['busy_share'])}) and least in "
        f"{safe(least['name'])} ({share(least['busy_share'])})."
    )


def _claim_over_time(over_time: pl.DataFrame) -> str:
    ran = over_time.drop_nulls("busy_share").sort("busy_share", descending=True)
    if ran.is_empty():
        is_open = bool((over_time["run_hours"] > 0).any())
        return "What was open each time is known, its used part is not." if is_open else "Nothing was open."
    best, least = ran.row(0, named=True), ran.row(-1, named=True)
    if best["busy_share"] - least["busy_share"] < 0.005:
        return f"The used part was **{share(best['busy_share'])}** throughout."
    return (
        f"The used part was largest in **{best['label']}** ({share(best['busy_share'])}) and smallest in "
        f"{least['label']} ({share(least['busy_share'])})."
    )
