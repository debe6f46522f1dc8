"""Use by hour, person, application and project: what everything that is asked by time of day is made of.

Segments are cut at every UTC quarter of an hour, so each lies in one hour and nothing is clipped but the
edges of the window; only where the project of a session changes in the midst of it is a segment cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.project_layer import in_force, lanes
from warehouse.metrics.states import BASES
from warehouse.money import HOUR_MS
from warehouse.periods import INSTANT, check_window, clip

HOUR_S = 3_600
LIMIT = 2**63
"""A packed number must stay below this."""

MEASURES = {
    "active_ms": ("active",),
    "pause_ms": ("pause",),
    "held_ms": ("held",),
    "unknown_ms": ("unknown",),
}
"""The states that each one adds up. Idle time is not among them, nor what gives it: rows are by person."""

HOURLY = {
    "hour": INSTANT,
    "person": pl.String,
    "application": pl.String,
    "project": pl.String,
    **dict.fromkeys((*MEASURES, "busy_ms"), pl.Int64),
}
"""Columns of what `hourly_usage` gives."""

Evidence = tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]
"""States, sessions and project entries of a window, as `hourly_usage` takes them."""


def hourly_usage(
    stated: pl.LazyFrame, sessions: pl.LazyFrame, entries: pl.LazyFrame, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Sum use by UTC hour, person, application and the project in force.

    Parameters
    ----------
    stated
        What `states` gives: whole sessions, the rows of each together and in order of start: `session`,
        `start`, `end`, `instance`, `state`. `instance` is read only where an entry names one.
    sessions
        `session`, `application`, `person`, `started`, `ended` (null: open).
    entries
        As `frames.project_entries` gives them: `entry`, `session`, `instance`, `start`, `end`, `project`. Of
        those that cover a moment the highest counts; see `project_layer`.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `hour` (its start), `person` (null: unknown), `application`, `project` (null: none in force),
        `active_ms`, `pause_ms`, `held_ms`, `unknown_ms` and `busy_ms` (Int64). One row per hour, person,
        application and project with any of it, in this order. A person with two sessions at a time has both
        in the sum.

    Raises
    ------
    Problem
        An end that is not after the start, or more sessions and hours than one number can hold.
    """
    check_window(start, end)
    known = sessions.select("session", pl.col("application").cast(pl.String), "person", "started", "ended")
    described = known.collect()
    entered = entries.select(
        "entry", "session", "instance", "project", start_ms=_ms("start"), end_ms=_ms("end")
    ).collect()
    steady = _steady(described, entered)
    changing = entered.join(steady, on="session", how="anti")
    parts = _parts(stated, described, steady, changing, (start, end))
    return _by_name(pl.concat(parts), described).lazy()


def by_chunks(
    read: Callable[[datetime, datetime], Evidence], start: datetime, end: datetime, every: str = "1mo"
) -> Iterator[pl.DataFrame]:
    """Give `hourly_usage` part by part, in memory that does not grow with the window.

    Parameters
    ----------
    read
        Gives the evidence of a window, [from, to): whole sessions that overlap it, also beyond its edges, as
        the frames give them. A session that reaches over an edge is read with both of its parts.
    start, end
        The window, [start, end).
    every
        How much time is taken at once, in whole hours: "1mo", "1w" or "1d".

    Yields
    ------
    pl.DataFrame
        What `hourly_usage` gives, in order of time; put together they are the whole, because no hour lies in
        two parts.

    Raises
    ------
    Problem
        As `hourly_usage`.
    """
    check_window(start, end)
    first = pl.select(pl.lit(start, INSTANT).dt.truncate(every)).item()
    edges = pl.datetime_range(first, end, every, time_unit="ms", eager=True).to_list()
    for at, until in zip(edges, [*edges[1:], end], strict=True):
        window = max(at, start), min(until, end)
        if window[0] < window[1]:
            yield hourly_usage(*read(*window), *window).collect()


def _ms(column: str) -> pl.Expr:
    return pl.col(column).cast(INSTANT).cast(pl.Int64)


def _steady(sessions: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Find the sessions with one project from their start to their end, which most have: no segment is cut.

    It is so where the highest entry speaks of all instances and covers the whole session.
    """
    bounds = sessions.select("session", _from=_ms("started"), _to=_ms("ended"))
    highest = entries.sort("entry").group_by("session").last()
    covers = (pl.col("start_ms") <= pl.col("_from")) & (
        pl.col("end_ms").is_null() | (pl.col("end_ms") >= pl.col("_to"))
    )
    return (
        highest.join(bounds, on="session")
        .filter(pl.col("instance").is_null(), covers.fill_null(value=False))
        .select("session", "project")
    )


def _sums() -> list[pl.Expr]:
    length = pl.col("end").cast(pl.Int64) - pl.col("start").cast(pl.Int64)
    return [
        pl.when(pl.col("state").is_in(states)).then(length).otherwise(0).sum().alias(name)
        for name, states in MEASURES.items()
    ]


def _parts(
    stated: pl.LazyFrame,
    sessions: pl.DataFrame,
    steady: pl.DataFrame,
    changing: pl.DataFrame,
    window: tuple[datetime, datetime],
) -> list[pl.DataFrame]:
    """Sum by session, hour and project: `session`, `hour` (hours since 1970), `project`, and the measures."""
    if changing.is_empty():
        return [_of_steady(stated, sessions, steady, window)]
    of_instance = ["instance"] if changing["instance"].count() else []
    rows = stated.select("session", "start", "end", "state", *of_instance).collect()
    changes = pl.col("session").is_in(changing["session"].unique().implode())
    return [
        _of_steady(rows.lazy().filter(~changes), sessions, steady, window),
        _of_changing(rows.filter(changes), changing, window),
    ]


def _of_steady(
    stated: pl.LazyFrame, sessions: pl.DataFrame, steady: pl.DataFrame, window: tuple[datetime, datetime]
) -> pl.DataFrame:
    """One packed number, (session, hour), makes the groups: that is twice as fast as two columns."""
    first = int(window[0].timestamp()) // HOUR_S
    hours = int(window[1].timestamp()) // HOUR_S - first + 1
    highest = sessions["session"].max()
    if isinstance(highest, int) and (highest + 1) * hours >= LIMIT:
        raise Problem("too many sessions and hours for one sum", "ask for a shorter window")
    slot = pl.col("session") * hours + (pl.col("start").cast(pl.Int64) // HOUR_MS - first)
    return (
        clip(stated, *window)
        .group_by(slot=slot)
        .agg(_sums())
        .with_columns(session=pl.col("slot") // hours, hour=pl.col("slot") % hours + first)
        .join(steady.lazy(), on="session", how="left")
        .select(*_BY_SESSION)
        .collect()
    )


def _of_changing(
    stated: pl.DataFrame, entries: pl.DataFrame, window: tuple[datetime, datetime]
) -> pl.DataFrame:
    """Cut segments where the project in force changes."""
    inside = clip(lanes(stated, entries).lazy(), *window).select(
        "session", "lane", "state", start_ms=_ms("start"), end_ms=_ms("end")
    )
    named = in_force(inside.collect(), entries).join(
        entries.select("entry", "project"), on="entry", how="left"
    )
    spans = named.with_columns(start="start_ms", end="end_ms")
    return (
        spans.group_by("session", "project", hour=pl.col("start_ms") // HOUR_MS)
        .agg(_sums())
        .select(*_BY_SESSION)
    )


_BY_SESSION = ("session", "hour", "project", *MEASURES)


def _by_name(parts: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Add up the sessions of one hour, person, application and project, packed into one number in order."""
    people, applications = sessions["person"].unique().sort(), sessions["application"].unique().sort()
    projects = parts["project"].unique().sort()
    first = parts["hour"].min()
    origin = first if isinstance(first, int) else 0
    who = sessions.select(
        "session", _who=_place("person", people) * len(applications) + _place("application", applications)
    )
    course = pl.col("hour") - origin
    groups = len(people) * len(applications)
    summed = (
        parts.lazy()
        .join(who.lazy(), on="session")
        .group_by(slot=(course * groups + pl.col("_who")) * len(projects) + _place("project", projects))
        .agg(pl.col(*MEASURES).sum())
        .filter(pl.any_horizontal(pl.col(*MEASURES) > 0))
        .sort("slot")
    )
    slot = pl.col("slot") // len(projects)
    return summed.select(
        hour=((slot // groups + origin) * HOUR_MS).cast(INSTANT),
        person=pl.lit(people).gather(slot % groups // len(applications)),
        application=pl.lit(applications).gather(slot % len(applications)),
        project=pl.lit(projects).gather(pl.col("slot") % len(projects)),
        **{name: pl.col(name) for name in MEASURES},
        busy_ms=pl.sum_horizontal(f"{state}_ms" for state in BASES["busy"]),
    ).collect()


def _place(column: str, names: pl.Series) -> pl.Expr:
    """Place of each text among names in order; null is the first where it is among them."""
    own = pl.col(column).cast(pl.Enum(names.drop_nulls())).to_physical().cast(pl.Int64)
    return (own + names.null_count()).fill_null(0)
