"""A person's own sessions of a week: what each is charged to, what is wrong, until when it can be changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
from sqlalchemy import Engine

from pipelines import drafting, rating
from pipelines.answers.correction_queue import QUANTUM_PER_HOUR, with_deadline
from warehouse import evidence, frames
from warehouse.corrections import deadlines
from warehouse.frames.own import own_segments, own_sessions
from warehouse.metrics.assigned_time import assigned_time
from warehouse.metrics.charges import Evidence
from warehouse.metrics.local_days import PLACED
from warehouse.metrics.states import states
from warehouse.periods import day_bounds

DAY = timedelta(days=1)


@dataclass(frozen=True)
class OwnTime:
    """What a person worked with on some local days, as far as it is billed.

    Attributes
    ----------
    account
        Whose days they are; every other account of the same person counts, too.
    first_day, end_day
        Local days [first_day, end_day) of the person's home office.
    sessions
        One row per session, oldest first: session, application, name (the application's), zone, started,
        ended (null: it is open).
    stretches
        One row per session, local day and project entry in force, oldest first: the columns of
        `metrics.assigned_time.ASSIGNED`, and of `correction_queue.QUEUE` remedy, period, deadline, is_late.
        Time of which another session of the same application has the better right is in that one's row.
    """

    account: str
    first_day: date
    end_day: date
    sessions: pl.DataFrame
    stretches: pl.DataFrame


def answer(engine: Engine, account: str, first_day: date, now_ms: int, days: int = 7) -> OwnTime:
    """Read what somebody worked with from a day on.

    Parameters
    ----------
    account
        As the operating system or the sign-in knows it; upper and lower case are the same. Sessions of an
        account that several people use are nobody's own.
    now_ms
        What was received by then counts; UTC, in milliseconds.
    """
    now, end_day = datetime.fromtimestamp(now_ms / 1000, UTC), first_day + DAY * days
    week = rating.Period("", 0, first_day, end_day)
    start, end = week.window()
    applications = frames.applications(engine).filter("billed").collect()
    codes = applications["application"].to_list()
    sessions = own_sessions(engine, account, start, end, codes).collect()
    segments = own_segments(engine, account, start, end, codes).filter(pl.col("received") <= now)
    entries = frames.project_entries(engine, start, end).join(
        sessions.lazy().select("session"), on="session", how="semi"
    )
    policy = frames.policy(engine, "billing")
    with engine.connect() as connection:
        newest = evidence.newest_policy(connection, "billing")
        known = deadlines(connection)
    terms = drafting.terms_of(week, QUANTUM_PER_HOUR, newest.document if newest else {})
    seen = Evidence(
        states(segments, policy, as_of=now).collect(),
        sessions.sort("session"),
        frames.people(engine).select("person_id", *PLACED, "valid_from").collect(),
        entries.sort("entry").collect(),
    )
    time = assigned_time(seen, rating.tariff_of(engine), policy, terms)
    return OwnTime(
        account,
        first_day,
        end_day,
        _of_days(sessions, first_day, end_day).join(
            applications.select("application", "name"), on="application", how="left", maintain_order="left"
        ).select("session", "application", "name", "zone", "started", "ended"),
        with_deadline(time, known, now_ms),
    )  # fmt: skip


def _of_days(sessions: pl.DataFrame, first_day: date, end_day: date) -> pl.DataFrame:
    """Keep the sessions that are open at some moment of the days, each in its own zone."""
    parts = [
        sessions.filter(
            pl.col("zone") == zone,
            pl.col("started") < day_bounds(zone, end_day)[0],
            pl.col("ended").is_null() | (pl.col("ended") > day_bounds(zone, first_day)[0]),
        )
        for zone in sessions["zone"].unique().sort()
    ]
    return pl.concat([sessions.clear(), *parts]).sort("started", "session")
