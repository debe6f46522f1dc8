"""A person's own week, own lines under review, and the projects that the person may choose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import billed_run, own_time
from pipelines.answers.billed_run import in_words, read_out
from pipelines.answers.own_time import OwnTime
from warehouse import frames, ledger
from warehouse.directory import open_projects
from warehouse.directory.open_projects import OpenProject
from warehouse.frames.own import own_pseudonyms
from warehouse.money import format_minor
from warehouse.projects import FieldRule

RECENT_WEEKS = 8
LINES = ("run", "line", "day", "application", "where", "quantity", "amount", "review", "is_open")


@dataclass(frozen=True)
class MyTime:
    """What somebody sees and chooses on the page of own time.

    Attributes
    ----------
    week
        Own sessions, and what their time is charged to.
    zone
        Of the person's home office, else the organization's: days and times are told in it.
    projects
        Those that the person may charge to, lately used ones first, then by number.
    recent
        How many of them were used lately.
    fields
        The organization's own fields.
    lines
        One row per own charge line of a run in draft, in review or closed with a day in the week: the columns
        of `LINES`; `where` is project, phase and task, quantity and amount are text, `is_open` says that it
        can be disputed.
    is_known
        Whether the directory knows whose account it is; time of an unknown one is charged to nobody.
    """

    week: OwnTime
    zone: str
    projects: tuple[OpenProject, ...]
    recent: int
    fields: tuple[FieldRule, ...]
    lines: pl.DataFrame
    is_known: bool

    @property
    def faulty(self) -> pl.DataFrame:
        """The stretches that nobody can be charged for as they are."""
        return self.week.stretches.filter(pl.col("fault").is_not_null())

    def hours_ms(self, *, faulty: bool) -> int:
        """Sum the time with, or without, somebody who pays."""
        is_wrong = pl.col("fault").is_not_null()
        return int(self.week.stretches.filter(is_wrong if faulty else ~is_wrong)["milliseconds"].sum())


def answer(engine: Engine, account: str, monday: date, now_ms: int) -> MyTime:
    """Read a week of whoever is behind an account."""
    week = own_time.answer(engine, account, monday, now_ms)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    with engine.connect() as connection:
        is_known = open_projects.person_of(connection, account) is not None
    projects, recent = _projects(engine, account, today)
    zones = week.sessions["zone"].unique().sort()
    home = frames.home_zone(engine) or "UTC"
    return MyTime(
        week,
        str(zones[0]) if zones.len() == 1 else home,
        projects,
        recent,
        frames.project_fields(engine),
        _lines(engine, account, week),
        is_known,
    )


def _projects(engine: Engine, account: str, today: date) -> tuple[tuple[OpenProject, ...], int]:
    with engine.connect() as connection:
        person = open_projects.person_of(connection, account)
        known = open_projects.open_projects(connection, today)
    mine = [project for project in known if project.members is None or person in project.members]
    lately = _lately(engine, account, today)
    order = {number: place for place, number in enumerate(lately)}
    ordered = sorted(mine, key=lambda project: (order.get(project.number, len(order)), project.number))
    return tuple(ordered), sum(project.number in order for project in mine)


def _lately(engine: Engine, account: str, today: date) -> list[str]:
    """Return the projects of own entries of the last weeks, the newest first."""
    end = datetime(today.year, today.month, today.day, tzinfo=UTC) + timedelta(days=1)
    start = end - timedelta(weeks=RECENT_WEEKS)
    mine = own_pseudonyms(engine, account)
    sessions = frames.sessions(engine, start, end).filter(pl.col("account").is_in(mine)).select("session")
    entries = frames.project_entries(engine, start, end).join(sessions, on="session", how="semi")
    newest = (
        entries.group_by("project").agg(pl.col("created").max()).sort("created", "project", descending=True)
    )
    return [str(number) for number in newest.collect()["project"]]


def _lines(engine: Engine, account: str, week: OwnTime) -> pl.DataFrame:
    """Read own charge lines of the week's days."""
    mine = own_pseudonyms(engine, account)
    runs = frames.runs(engine).filter(pl.col("status") != "void").select("run", "status")
    found = (
        frames.charge_lines(engine)
        .filter(pl.col("person").is_in(mine), pl.col("day") >= week.first_day, pl.col("day") < week.end_day)
        .join(runs, on="run", maintain_order="left")
        .collect()
    )
    named = read_out(billed_run.with_names(engine, found))
    return named.with_columns(
        where=pl.concat_str("project", "phase", "task", separator=" / ", ignore_nulls=True),
        amount=in_words("amount_minor", format_minor),
        is_open=pl.col("status").is_in(list(ledger.OPEN)),
    ).select(LINES)
