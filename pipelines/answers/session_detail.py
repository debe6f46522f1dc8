"""Which sessions there were: who, where, in what, on which project, for how long, and how it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question, ask
from pipelines.answers.wording import count, hours, safe
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.session_times import SEVERAL, session_times
from warehouse.metrics.states import BASES
from warehouse.periods import union
from warehouse.store import open_warehouse

DAYS = 7
DRAWN = 12
"""So many sessions are drawn, which fit on a printed page; the table has more."""

HEADINGS = {
    "session": "Session",
    "person": "Person",
    "name": "Application",
    "version": "Version",
    "device": "Device",
    "project": "Project",
    "started": "Start",
    "ended": "End",
    "run_minutes": "Run min",
    "active_minutes": "Active min",
    "pause_minutes": "Pause min",
    "suspended_minutes": "Suspended min",
    "unknown_minutes": "Unknown min",
    "source": "Source",
    "received": "Received",
}
"""Columns of the table, with their headings."""

MINUTE_MS = 60_000
KINDS = {"in use": BASES["busy"], "held": ("held",), "unknown": ("unknown",)}
"""Stretches that are drawn, and their states."""


@dataclass(frozen=True)
class SessionDetail:
    """Sessions, the latest first.

    Attributes
    ----------
    sessions
        One row per session that overlaps the window, each whole: session (text), person, device (pseudonyms;
        person null: an account that several share), name (of the application), version, project ("several"
        where it changed), started, ended (Datetime UTC, null: open), run_minutes, active_minutes,
        pause_minutes, suspended_minutes, unknown_minutes (Float64), source, received (Datetime UTC). No
        column is idle time.
    drawn
        The latest DRAWN of them.
    stretches
        One row per stretch of those: session, kind (of KINDS), start, end (Datetime UTC).
    claims
        Markdown sentences: "timeline", "table".
    """

    sessions: pl.DataFrame
    drawn: pl.DataFrame
    stretches: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def ask_days(
    engine: Engine | None = None,
    *,
    start: str = "",
    end: str = "",
    application: str = "",
    now: datetime | None = None,
) -> Question:
    """Ask for a few days; without an end for the last ones with evidence, without a start for DAYS.

    Raises
    ------
    Problem
        As `question.ask`.
    """
    opened = engine or open_warehouse()
    known = frames.span(opened)
    if not end and known:
        zone = ZoneInfo(frames.home_zone(opened) or "UTC")
        last = (known[1] - timedelta(milliseconds=1)).astimezone(zone).date()
        end = str(last + timedelta(days=1))
    return ask(opened, start=start, end=end, application=application, basis="run", days=DAYS, now=now)


def answer(question: Question, person: str = "", evidence: Evidence | None = None) -> SessionDetail:
    """List the sessions of a question.

    Parameters
    ----------
    person
        Pseudonym; empty: everybody.

    Raises
    ------
    Problem
        The window holds no session, or none of the person.
    """
    found = _of(question, evidence or gather(question), person)
    entries = frames.project_entries(question.engine, question.start, question.end)
    timed = session_times(found.stated, found.sessions, entries)
    sessions = _shown(question, timed)
    drawn = sessions.head(DRAWN)
    return SessionDetail(
        sessions=sessions,
        drawn=drawn,
        stretches=_stretches(found, drawn),
        claims={"timeline": _claim_timeline(sessions, drawn), "table": _claim_table(sessions)},
        footer=footer_of(
            question, found, key="sessions, each for itself and whole, also beyond the window's edges"
        ),
        results={
            "sessions": sessions.height,
            "people": sessions["person"].n_unique(),
            "run_hours": round(float(sessions["run_minutes"].sum()) / 60, 3),
        },
    )


def _of(question: Question, found: Evidence, person: str) -> Evidence:
    if not person:
        return found
    sessions = found.sessions.filter(pl.col("person") == person).collect()
    if sessions.is_empty():
        asked = f" of {question.application}" if question.application else ""
        raise Problem(
            f"{person!r} has no session{asked} from {question.first_day} to {question.end_day}",
            "give a pseudonym as the table shows it without `person`, or other days",
        )
    stated = found.stated.join(sessions.lazy().select("session"), on="session", how="semi").collect()
    rows = {"sessions": sessions.height, "segments": stated.height}
    return Evidence(stated.lazy(), sessions.lazy(), rows)


def _shown(question: Question, timed: pl.LazyFrame) -> pl.DataFrame:
    code = pl.col("application").cast(pl.String)
    names = frames.applications(question.engine).select(code, "name")
    times = ("run", "active", "pause", "suspended", "unknown")
    minutes = {f"{name}_minutes": (pl.col(f"{name}_ms") / MINUTE_MS).round(9) for name in times}
    return (
        timed.with_columns(code)
        .join(names, on="application", how="left")
        .sort("started", "session", descending=[True, False])
        .select(
            pl.col("session").cast(pl.String),
            "person",
            pl.coalesce("name", "application").alias("name"),
            *("version", "device", "project", "started", "ended"),
            **minutes,
            source=pl.col("source").cast(pl.String),
            received="received",
        )
        .collect()
    )


def _stretches(found: Evidence, drawn: pl.DataFrame) -> pl.DataFrame:
    session = pl.col("session").cast(pl.String)
    mine = found.stated.with_columns(session).filter(session.is_in(drawn["session"].implode()))
    parts = [
        union(mine.filter(pl.col("state").is_in(states)), ["session"]).select(
            "session", pl.lit(kind).alias("kind"), "start", "end"
        )
        for kind, states in KINDS.items()
    ]
    return pl.concat(parts).collect()


# --- The claims --------------------------------------------------------------------------------------------


def _claim_timeline(sessions: pl.DataFrame, drawn: pl.DataFrame) -> str:
    people = sessions["person"].drop_nulls().n_unique()
    run_hours = float(sessions["run_minutes"].sum()) / 60
    whole = (
        f"There were **{count(sessions.height, 'session')}** of {count(people, 'person', 'people')}, open "
        f"for {hours(run_hours)} in all."
    )
    if drawn.height < sessions.height:
        whole += f" The latest {drawn.height} are drawn."
    return whole


def _claim_table(sessions: pl.DataFrame) -> str:
    several = sessions.filter(pl.col("project") == SEVERAL).height
    without = sessions.filter(pl.col("project").is_null()).height
    opened = sessions.filter(pl.col("ended").is_null()).height
    sources = ", ".join(safe(source) for source in sessions["source"].unique().sort())
    more = f" and {several:,} on several" if several else ""
    parts = [f"**{count(without, 'session')}** of {sessions.height:,} {_were(without)} on no project{more}."]
    if opened:
        parts.append(f"{count(opened, 'session')} {_were(opened)} still open when last heard of.")
    parts.append(f"They come from: {sources}. People and devices are pseudonyms.")
    return " ".join(parts)


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
