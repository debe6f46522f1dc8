"""Sessions as they are stored: how long each was in which state, for which project, and where it comes from.

Nothing here gives idle time: a row is one person's, or could be. Idle time is summed by application alone.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from warehouse.metrics.project_layer import ALL_INSTANCES, in_force
from warehouse.metrics.states import BASES
from warehouse.metrics.utilization import usage
from warehouse.periods import check_window

SEVERAL = "several"
"""Stands for the project of a session that had more than one."""

SHOWN = ("active", "pause", "suspended", "unknown")


def session_times(stated: pl.LazyFrame, sessions: pl.LazyFrame, entries: pl.LazyFrame) -> pl.LazyFrame:
    """Sum the states of each session, whole, also beyond the window in which it was read.

    Parameters
    ----------
    stated
        What `states` gives, of whole sessions.
    sessions
        `session`, `started`, `ended` (null: open) and more, which is kept; also of sessions without segments.
    entries
        As `frames.project_entries` gives them.

    Returns
    -------
    pl.LazyFrame
        The columns of `sessions`, `project` (String: the one in force, entered at any time; `SEVERAL` where
        it changes or differs between instances; null: none), and `run_ms`, `active_ms`, `pause_ms`,
        `suspended_ms`, `unknown_ms`, Int64: run + suspended + unknown = ended - started of a closed session.
        One row per session, in order of start.
    """
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    sums = {name: [name] for name in SHOWN} | {"run": list(BASES["run"])}
    by_session = stated.group_by("session").agg(
        length_ms.filter(pl.col("state").is_in(states)).sum().alias(f"{name}_ms")
        for name, states in sums.items()
    )
    times = ["run_ms", *(f"{name}_ms" for name in SHOWN)]
    return (
        sessions.join(by_session, on="session", how="left")
        .join(_projects(sessions, entries), on="session", how="left")
        .with_columns(pl.col(times).fill_null(0))
        .select(*sessions.collect_schema().names(), "project", *times)
        .sort("started", "session")
    )


def _projects(sessions: pl.LazyFrame, entries: pl.LazyFrame) -> pl.LazyFrame:
    """Give `session` and `project` of those with any: each instance that an entry names has its own."""
    entered = entries.select(
        "entry",
        "session",
        "instance",
        "project",
        start_ms=pl.col("start").dt.epoch("ms"),
        end_ms=pl.col("end").dt.epoch("ms"),
    ).collect()
    lanes = entered.select("session", lane=pl.col("instance").fill_null(ALL_INSTANCES)).unique()
    # The lane of all instances is seen only where no entry names one: `in_force` lets every entry fit it.
    own = pl.col("lane") != ALL_INSTANCES
    lanes = lanes.filter(own | ~own.any().over("session"))
    started_ms = pl.col("started").dt.epoch("ms")
    # A session of no length is looked at for a millisecond; an open one until its last entry.
    until_ms = pl.max_horizontal(pl.col("ended").dt.epoch("ms"), started_ms + 1)
    last_ms = pl.max_horizontal(pl.col("start_ms").max(), pl.col("end_ms").max()) + 1
    last = entered.group_by("session").agg(_last_ms=last_ms)
    pieces = (
        sessions.select(
            "session", start_ms=started_ms, end_ms=pl.when(pl.col("ended").is_not_null()).then(until_ms)
        )
        .collect()
        .join(lanes, on="session")
        .join(last, on="session")
        .with_columns(end_ms=pl.coalesce("end_ms", pl.max_horizontal("_last_ms", pl.col("start_ms") + 1)))
        .select("session", "lane", "start_ms", "end_ms")
        .sort("session", "lane", "start_ms")
    )
    found = in_force(pieces, entered).join(entered.select("entry", "project"), on="entry")
    one = pl.when(pl.col("project").n_unique() > 1).then(pl.lit(SEVERAL)).otherwise(pl.col("project").first())
    return found.group_by("session").agg(project=one).lazy()


def unknown_by_source(
    stated: pl.LazyFrame, sessions: pl.LazyFrame, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Say which part of the session time of each source nobody watched.

    Parameters
    ----------
    stated
        What `states` gives.
    sessions
        `session`, `source`, `person`, `account`, `started`, `ended`; also of sessions without segments.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `source` (String), `sessions` (Int64, seen open), `session_ms` (all states), `unknown_ms`, Int64, and
        `unknown_share` (0-1, null where there is no session time). One row per source, most time first.

    Raises
    ------
    Problem
        An end that is not after the start.
    """
    used = usage(stated, sessions, ["source"], start, end)
    session_ms = pl.sum_horizontal("run_ms", "suspended_ms", "unknown_ms")
    return (
        used.filter(pl.col("sessions") > 0)
        .select(
            pl.col("source").cast(pl.String),
            pl.col("sessions").cast(pl.Int64),
            session_ms.alias("session_ms"),
            "unknown_ms",
        )
        .with_columns(
            unknown_share=pl.when(pl.col("session_ms") > 0).then(pl.col("unknown_ms") / pl.col("session_ms"))
        )
        .sort("session_ms", "source", descending=[True, False])
    )


def received(sessions: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Say where the sessions of each application come from, and when they came in.

    Parameters
    ----------
    sessions
        `application`, `source`, `received`, `started`, `ended` (null: open).
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `application`, `sources` (String, in order, with commas between), `first_received`, `last_received`
        (Datetime). One row per application with a session in the window, in order.

    Raises
    ------
    Problem
        An end that is not after the start.
    """
    check_window(start, end)
    began, goes_on = pl.col("started") < end, pl.col("ended").is_null() | (pl.col("ended") > start)
    return (
        sessions.filter(began & (goes_on | (pl.col("started") >= start)))
        .group_by(pl.col("application").cast(pl.String))
        .agg(
            sources=pl.col("source").cast(pl.String).unique().sort().str.join(", "),
            first_received=pl.col("received").min(),
            last_received=pl.col("received").max(),
        )
        .sort("application")
    )
