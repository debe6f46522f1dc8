"""Use by hour, person, application and project: what everything that is asked by time of day is made of.

Segments are cut at every UTC quarter of an hour, so each lies in one hour and nothing is clipped but the
edges of the window; only where the project of a session changes in the midst of it is a segment cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

MEASURES = {"active_ms": "active", "pause_ms": "pause", "held_ms": "held", "unknown_ms": "unknown"}
"""The state that each one adds up. Idle time is not among them, nor what gives it: rows are by person."""

PAIRS = (("active_ms", "pause_ms"), ("held_ms", "unknown_ms"))
PACK = 2**31
"""Two sums of less than this share one number."""

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
    entered = entries.select(
        "entry", "session", "instance", "project", start_ms=_ms("start"), end_ms=_ms("end")
    ).collect()
    described = sessions.select(
        "session", pl.col("application").cast(pl.String), "person", _from=_ms("started"), _to=_ms("ended")
    ).collect()
    names = _Names(
        described["person"].unique().sort(),
        described["application"].unique().sort(),
        pl.concat([pl.Series([None], dtype=pl.String), entered["project"].drop_nulls().unique().sort()]),
    )
    placed = entered.with_columns(project=_place("project", names.projects))
    parts = _parts(stated, _known(described, placed, names), placed, (start, end))
    return _named(pl.concat(parts), names, _hour(start)).lazy()


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


def _hour(instant: datetime) -> int:
    """Hours since 1970."""
    return int(instant.timestamp()) // HOUR_S


@dataclass(frozen=True)
class _Names:
    """What places in packed numbers stand for, in order; null first."""

    people: pl.Series
    applications: pl.Series
    projects: pl.Series

    def count(self) -> int:
        """How many groups an hour may have."""
        return len(self.people) * len(self.applications) * len(self.projects)


def _place(column: str, names: pl.Series) -> pl.Expr:
    own = pl.col(column).cast(pl.Enum(names.drop_nulls())).to_physical().cast(pl.Int64)
    return (own + names.null_count()).fill_null(0)


def _known(described: pl.DataFrame, entries: pl.DataFrame, names: _Names) -> pl.DataFrame:
    """Give `session`, `_group` (its place among the groups) and `_steady`.

    A session is steady where one project is in force from its start to its end, as in most: it has no entry
    at all, or the highest one speaks of all instances and covers it. Then no segment has to be cut. The
    `_group` of any other is that without a project.
    """
    one_each = entries["session"].n_unique() == entries.height  # as of most: then none outranks another
    highest = entries if one_each else entries.sort("entry").unique("session", keep="last")
    covers = (pl.col("start_ms") <= pl.col("_from")) & (
        pl.col("end_ms").is_null() | (pl.col("end_ms") >= pl.col("_to")).fill_null(value=False)
    )
    steady = pl.col("entry").is_null() | (pl.col("instance").is_null() & covers)
    places = (pl.col("_person") * len(names.applications) + pl.col("_application")) * len(names.projects)
    return (
        described.lazy()
        .select(
            *("session", "_from", "_to"),
            _person=_place("person", names.people),
            _application=_place("application", names.applications),
        )
        .sort("session")  # to put whole numbers in order on both sides is less work than to hash them
        .join(highest.sort("session").lazy(), on="session", how="left")
        .with_columns(_steady=steady)
        .select(
            "session",
            "_steady",
            _group=places + pl.when("_steady").then(pl.col("project").fill_null(0)).otherwise(0),
        )
        .collect()
    )


def _sums() -> list[pl.Expr]:
    """Add up two measures in one number each: a session has no more than an hour in an hour.

    A segment has one state, so that one pass serves both; `_unpacked` takes them apart.
    """
    length = pl.col("end").cast(pl.Int64) - pl.col("start").cast(pl.Int64)
    state = pl.col("state")
    return [
        pl.when(state == MEASURES[low])
        .then(length)
        .when(state == MEASURES[high])
        .then(length * PACK)
        .otherwise(0)
        .sum()
        .alias(low)
        for low, high in PAIRS
    ]


def _unpacked() -> list[pl.Expr]:
    return [
        expression
        for low, high in PAIRS
        for expression in ((pl.col(low) % PACK).alias(low), (pl.col(low) // PACK).alias(high))
    ]


def _parts(
    stated: pl.LazyFrame,
    known: pl.DataFrame,
    entries: pl.DataFrame,
    window: tuple[datetime, datetime],
) -> list[pl.LazyFrame]:
    """Sum by hour and group: `hour` (since the window's first), `group` (its place) and the measures."""
    changing = entries.join(known.filter(~pl.col("_steady")), on="session", how="semi")
    of_instance = ["instance"] if changing["instance"].count() else []
    # Narrow, and at once: what states are made of need not stay in memory while they are summed.
    rows = stated.select("session", "start", "end", "state", *of_instance).collect()
    if changing.is_empty():
        return [_of_steady(rows.lazy(), known, window)]
    changes = pl.col("session").is_in(changing["session"].unique().implode())
    return [
        _of_steady(rows.lazy().filter(~changes), known, window),
        _of_changing(rows.filter(changes), known, changing, window),
    ]


def _of_steady(stated: pl.LazyFrame, known: pl.DataFrame, window: tuple[datetime, datetime]) -> pl.LazyFrame:
    """One packed number, (session, hour), makes the groups: that is twice as fast as two columns."""
    first = _hour(window[0])
    hours, highest = _hour(window[1]) - first + 1, known["session"].max()
    if isinstance(highest, int) and (highest + 1) * hours >= LIMIT:
        raise Problem("too many sessions and hours for one sum", "ask for a shorter window")
    slot = pl.col("session") * hours + (pl.col("start").cast(pl.Int64) // HOUR_MS - first)
    return (
        clip(stated, *window)
        .group_by(slot=slot)
        .agg(_sums())
        .with_columns(session=pl.col("slot") // hours, hour=pl.col("slot") % hours)
        .join(known.lazy(), on="session")
        .select("hour", "_group", *_unpacked())
    )


def _of_changing(
    stated: pl.DataFrame, known: pl.DataFrame, entries: pl.DataFrame, window: tuple[datetime, datetime]
) -> pl.LazyFrame:
    """Cut segments where the project in force changes."""
    inside = clip(lanes(stated, entries).lazy(), *window).select(
        "session", "lane", "state", start_ms=_ms("start"), end_ms=_ms("end")
    )
    spans = in_force(inside.collect(), entries).join(
        entries.select("entry", "project"), on="entry", how="left"
    )
    return (
        spans.lazy()
        .with_columns(start="start_ms", end="end_ms")
        .group_by("session", "project", hour=pl.col("start_ms") // HOUR_MS - _hour(window[0]))
        .agg(_sums())
        .join(known.lazy(), on="session")
        .select("hour", pl.col("_group") + pl.col("project").fill_null(0), *_unpacked())
    )


def _named(parts: pl.LazyFrame, names: _Names, first: int) -> pl.DataFrame:
    """Add up the sessions of one group in an hour, packed into one number in order, and name them."""
    groups, applications, projects = names.count(), len(names.applications), len(names.projects)
    group = pl.col("slot") % groups
    return (
        parts.group_by(slot=pl.col("hour") * groups + pl.col("_group"))
        .agg(pl.col(*MEASURES).sum())
        .filter(pl.any_horizontal(pl.col(*MEASURES) > 0))
        .sort("slot")
        .select(
            hour=((pl.col("slot") // groups + first) * HOUR_MS).cast(INSTANT),
            person=pl.lit(names.people).gather(group // projects // applications),
            application=pl.lit(names.applications).gather(group // projects % applications),
            project=pl.lit(names.projects).gather(group % projects),
            **{name: pl.col(name) for name in MEASURES},
            busy_ms=pl.sum_horizontal(f"{state}_ms" for state in BASES["busy"]),
        )
        .collect()
    )
