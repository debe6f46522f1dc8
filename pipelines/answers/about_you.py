"""What is recorded about the person who asks, of the last seven days: never how long they were idle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import Engine

from warehouse import frames
from warehouse.frames.own import name_views, own_pseudonyms

DAYS = 7

FIELDS = (
    ("Session", "application and version, account, machine, remote device, start, end, number of processes"),
    ("Segment", "whether the application had the focus and input, its processor use, since when"),
    ("Project", "the project, phase and task that you or somebody for you entered, and why"),
    ("Never", "window titles, addresses, file names, arguments, key strokes, pictures of the screen"),
)
"""Kinds of record, and what one holds."""


@dataclass(frozen=True)
class AboutYou:
    """Records under an account, and under every account of the person behind it.

    Attributes
    ----------
    pseudonyms
        Under which others see them; none: nothing was ever recorded.
    applications
        One row per application, most sessions first: name, sessions (Int64), first, last (Datetime: starts).
    views
        Who had the name shown, newest first: at, actor, action.
    """

    account: str
    zone: str
    """Of the sessions, where all are of one; else the organization's."""
    since: datetime
    pseudonyms: list[str]
    applications: pl.DataFrame
    views: pl.DataFrame


def answer(engine: Engine, account: str, now: datetime) -> AboutYou:
    """Read what is recorded about `account`."""
    mine, since = own_pseudonyms(engine, account), now - timedelta(days=DAYS)
    read = frames.sessions(engine, since, now)
    sessions = read.filter(pl.col("account").is_in(mine) | pl.col("person").is_in(mine)).collect()
    names = frames.applications(engine).select(pl.col("application").cast(pl.String), "name").collect()
    applications = (
        sessions.with_columns(pl.col("application").cast(pl.String))
        .join(names, on="application")
        .group_by("name")
        .agg(sessions=pl.len().cast(pl.Int64), first=pl.col("started").min(), last=pl.col("started").max())
        .sort("sessions", "name", descending=[True, False])
    )
    views = name_views(engine, mine).collect()
    zones = sessions["zone"].unique()
    zone = str(zones[0]) if zones.len() == 1 else str(frames.organization(engine)["zone"])
    return AboutYou(account, zone, since, mine, applications, views)
