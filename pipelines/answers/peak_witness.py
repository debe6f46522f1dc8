"""Who made up a peak: people, devices and projects at one instant, under pseudonyms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.demand import Pool, one_pool
from pipelines.answers.evidence import Evidence
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.missing import missing
from pipelines.answers.question import Question
from pipelines.answers.wording import count, listing, safe, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import witnesses

NO_OFFICE, NO_PROJECT = "no office", "no project"
USE = {"run": "open", "busy": "in use", "active": "in use without a pause"}


@dataclass(frozen=True)
class PeakWitness:
    """Everybody who was part of the demand of one license pool at one instant.

    Attributes
    ----------
    pool, name, key, unit, owned
        The pool; owned is None where no entitlement covers it.
    instant
        The instant (UTC), and whether it is that of the peak.
    demand
        How many were in use then.
    witnesses
        One row per session in use, longest first: instant (Datetime UTC), person, host, device (pseudonyms),
        office, application (its name), project (null: none entered), state, since (Datetime UTC: when the
        unbroken use began). Whoever has it open without being at work is "open": idle time of a person is
        told to nobody.
    by_office, by_project
        One row per office or project, most people first: name, people, share (of the people, 0-1; one with
        two projects is in both).
    claims
        Markdown sentences: "instant", "makeup", "parts".
    """

    pool: str
    name: str
    key: str
    unit: str
    owned: int | None
    instant: datetime
    is_peak: bool
    demand: int
    witnesses: pl.DataFrame
    by_office: pl.DataFrame
    by_project: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, at: str = "", evidence: Evidence | None = None) -> PeakWitness:
    """List who was in use at the peak of one license pool, or at an instant.

    Parameters
    ----------
    at
        ISO date and time, in the question's zone where it names none; empty: the first instant of the peak.

    Raises
    ------
    Problem
        The window holds no use of the application; an instant that is none, or lies outside the window.
    """
    pool = one_pool(question, evidence)
    row, bounds = pool.row, missing(pool)
    instant = _instant(question, at) if at else row["first_reached"]
    seen = witnesses_at(pool, instant)
    demand = _demand_at(pool, instant)
    by_office, by_project = _parts(seen, "office", NO_OFFICE), _parts(seen, "project", NO_PROJECT)
    return PeakWitness(
        **{name: row[name] for name in ("pool", "name", "key", "unit", "owned")},
        instant=instant,
        is_peak=demand == row["peak"],
        demand=demand,
        witnesses=seen,
        by_office=by_office,
        by_project=by_project,
        claims={
            "instant": _claim_instant(pool, instant, demand)
            + (bounds.claim if demand == row["peak"] else ""),
            "makeup": _claim_makeup(seen),
            "parts": _claim_parts(seen, by_office, by_project),
        },
        footer=footer_of(question, pool.demand.found, bounds=bounds.words),
        results=_results(pool, instant, demand, seen) | bounds.results,
    )


def witnesses_at(pool: Pool, at: datetime) -> pl.DataFrame:
    """List who was in use at an instant, as `PeakWitness.witnesses` describes it."""
    question, found = pool.demand.question, pool.demand.found
    sessions = found.sessions.with_columns(pl.col("application").cast(pl.String)).join(
        pool.members.select("application"), on="application", how="semi"
    )
    names = frames.applications(question.engine).select(pl.col("application").cast(pl.String), "name")
    state = pl.col("state").cast(pl.String).replace({"idle": "open", "held": "open"})
    return (
        witnesses(found.stated, sessions, question.basis, at)
        .join(names, on="application", how="left", maintain_order="left")
        .join(projects_at(question.engine, at), on="session", how="left", maintain_order="left")
        .select(
            *(
                pl.lit(at).dt.cast_time_unit("ms").alias("instant"),
                pl.coalesce("person", "account").alias("person"),
            ),
            *("host", "device", "office", pl.col("name").alias("application"), "project", state, "since"),
        )
        .collect()
    )


def projects_at(engine: Engine, at: datetime) -> pl.LazyFrame:
    """Find the project in force for each session at an instant: `session`, `project`.

    A later entry outranks an earlier one. Of a session whose instances carry several projects it is the one
    that was entered last.
    """
    in_force = (pl.col("start") <= at) & (pl.col("end").is_null() | (pl.col("end") > at))
    entries = frames.project_entries(engine, at, at + timedelta(milliseconds=1)).filter(in_force)
    return entries.sort("entry").group_by("session").agg(pl.col("project").last())


def _instant(question: Question, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(f"at {text!r} is not an instant", "write it as 2026-10-05 10:30") from None
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(question.zone))
    if not question.start <= local < question.end:
        raise Problem(
            f"{text} is not in the window from {question.first_day} to {question.end_day}",
            "choose start and end around it",
        )
    return local.astimezone(UTC)


def _demand_at(pool: Pool, at: datetime) -> int:
    before = pool.demand.curve.filter(pl.col("at") <= at).select("demand").collect()["demand"]
    return int(before[-1]) if before.len() else 0


def _parts(seen: pl.DataFrame, column: str, none: str) -> pl.DataFrame:
    people = pl.col("person").n_unique().cast(pl.Int64)
    return (
        seen.group_by(pl.col(column).fill_null(none).alias("name"))
        .agg(people=people)
        .with_columns(share=pl.col("people") / max(seen["person"].n_unique(), 1))
        .sort("people", "name", descending=[True, False])
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_instant(pool: Pool, at: datetime, demand: int) -> str:
    row, zone = pool.row, pool.demand.question.zone
    local = at.astimezone(ZoneInfo(zone))
    name, use = safe(row["name"]), USE[pool.demand.question.basis]
    words = f"On {local:%A, %Y-%m-%d at %H:%M:%S} ({zone}) **{demand:,} {row['unit']}** "
    # Tokens are what is used; people and devices are who uses it.
    words += f"of {name} were {use}" if row["unit"] == "tokens" else f"had {name} {use}"
    if demand == row["peak"]:
        words += f", the most of the window, which lasted {row['minutes_at_peak']:,.1f} minutes in all"
    else:
        words += f"; the peak of the window was {row['peak']:,}"
    return f"{words}. " + _against_owned(row["owned"], demand)


def _against_owned(owned: int | None, demand: int) -> str:
    if owned is None:
        return "No entitlement that counts so covers it."
    if demand > owned:
        return f"{owned:,} are owned, {demand - owned:,} fewer."
    return f"{owned:,} are owned."


def _claim_makeup(seen: pl.DataFrame) -> str:
    if seen.is_empty():
        return "Nobody had it in use at that instant."
    people = count(seen["person"].n_unique(), "person", "people")
    return f"{count(seen.height, 'session')} of {people} made it up. Names are pseudonyms."


def _claim_parts(seen: pl.DataFrame, by_office: pl.DataFrame, by_project: pl.DataFrame) -> str:
    """Say where they were and what they worked on, as far as either is known."""
    if seen.is_empty():
        return "There was nobody to tell of."
    offices = by_office.filter(pl.col("name") != NO_OFFICE)
    projects = by_project.filter(pl.col("name") != NO_PROJECT).height
    words = "Their offices are not known: no directory was imported"
    if offices.height:
        most = offices.select("name", "people").head(3).iter_rows()
        words = f"They were in {count(offices.height, 'office')}, most of them in "
        words += listing(safe(f"{name} ({people:,})") for name, people in most)
    if not projects:
        return f"{words}. No project was entered for their sessions."
    entered = seen.filter(pl.col("project").is_not_null())["person"].n_unique()
    without = 1 - entered / seen["person"].n_unique()
    none = f", and {share(without)} of them had entered none" if without else ""
    return f"{words}. They worked on {count(projects, 'project')}{none}."


def _results(pool: Pool, at: datetime, demand: int, seen: pl.DataFrame) -> dict[str, object]:
    return {
        "pool": pool.row["pool"],
        "key": pool.row["key"],
        "basis": pool.demand.question.basis,
        "owned": pool.row["owned"],
        "instant": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "demand": demand,
        "peak": pool.row["peak"],
        "sessions": seen.height,
        "people": seen["person"].n_unique(),
    }
