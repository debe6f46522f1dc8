"""Hours of use by application, person, host or project: the four questions that scripts ask.

Sessions, run, busy and unit hours by any of them; idle hours by application and project alone, for idle time
exists to allocate licenses and cost, and never says anything of one person (semantics.md, section 7).
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.project_layer import in_force, lanes
from warehouse.metrics.states import BASES
from warehouse.periods import INSTANT, check_window, clip

GROUPS = ("application", "user", "host", "project")
WITH_IDLE = ("application", "project")
"""Groups that are no person and no machine."""


def usage_hours(  # noqa: PLR0913, PLR0917 - a figure names its grouping and window
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    by: str,
    start: datetime,
    end: datetime,
    entries: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Sum use by one of `GROUPS`.

    Parameters
    ----------
    stated
        What `states` gives, of whole sessions: `session`, `start`, `end`, `units`, `state`; `instance` too
        where a project entry names one.
    sessions
        `session`, `started`, `application`, `person`, `host`; also of sessions without segments.
    by
        `user` is the person after accounts are merged; `project` the one in force at each moment.
    start, end
        The window, [start, end).
    entries
        As `frames.project_entries` gives them; for `project`.

    Returns
    -------
    pl.LazyFrame
        `by` (String; null: nobody known, no project), `sessions` (Int64, seen open in the window; under each
        of its projects), `run_ms`, `busy_ms`, `unit_ms` (units x run time), and for `WITH_IDLE` alone
        `idle_ms`, Int64. One row per group, in order, null last.

    Raises
    ------
    Problem
        An unknown group, or an end that is not after the start.
    """
    check_window(start, end)
    if by not in GROUPS:
        raise Problem(f"use cannot be summed by {by!r}", f"give one of {', '.join(GROUPS)}")
    pieces = clip(stated, start, end)
    seen = sessions.filter(pl.col("started") >= start, pl.col("started") < end)
    own: list[str] = []
    if by == "project":
        own = ["project"]
        pieces, seen = _with_project(stated, seen, entries)
        pieces = clip(pieces, start, end)
    marks = pl.concat([_measured(pieces, own), seen.select("session", *own)], how="diagonal")
    if not own:
        group = {"user": "person"}.get(by, by)
        marks = marks.join(sessions.select("session", pl.col(group).cast(pl.String).alias(by)), on="session")
    measures = ["run_ms", "busy_ms", "unit_ms", *(["idle_ms"] if by in WITH_IDLE else [])]
    return (
        marks.group_by(by)
        .agg(pl.col("session").n_unique().cast(pl.Int64).alias("sessions"), pl.col(measures).sum())
        .sort(by, nulls_last=True)
    )


def _measured(pieces: pl.LazyFrame, own: list[str]) -> pl.LazyFrame:
    """Milliseconds of each piece under each measure."""
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()

    def within(*states: str) -> pl.Expr:
        return pl.when(pl.col("state").cast(pl.String).is_in(states)).then(length_ms).otherwise(0)

    return pieces.select(
        "session",
        *own,
        run_ms=within(*BASES["run"]),
        busy_ms=within(*BASES["busy"]),
        idle_ms=within("idle"),
        unit_ms=within(*BASES["run"]) * pl.col("units").cast(pl.Int64),
    )


def _with_project(
    stated: pl.LazyFrame, seen: pl.LazyFrame, entries: pl.LazyFrame | None
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Give whole sessions and launches their projects: an instance may have got the focus long before."""
    if entries is None:
        raise Problem("use by project needs the project entries", "pass `entries`")
    entered = entries.select(
        "entry", "session", "instance", "project", start_ms=_ms("start"), end_ms=_ms("end")
    ).collect()
    found = stated.collect().with_columns(start_ms=_ms("start"), end_ms=_ms("end"))
    if "instance" not in found.columns:
        found = found.with_columns(instance=pl.lit(None, pl.Int32))
    projects = entered.select("entry", "project").lazy()
    cut = (
        in_force(lanes(found, entered), entered).lazy().with_columns(start=_at("start_ms"), end=_at("end_ms"))
    )
    columns = ["session", "start", "end", "units", "state", "project"]
    placed = cut.join(projects, on="entry", how="left").select(columns)
    # A session counts at its launch by what its time counts by; one without time, by what was entered first.
    timeless = seen.join(placed.select("session").unique(), on="session", how="anti")
    return placed, _entered_at_launch(timeless, entered.lazy())


def _entered_at_launch(sessions: pl.LazyFrame, entered: pl.LazyFrame) -> pl.LazyFrame:
    launched_ms = _ms("started")
    now = (pl.col("start_ms") <= launched_ms) & (
        pl.col("end_ms").is_null() | (pl.col("end_ms") > launched_ms)
    )
    fits = (
        sessions.join(entered, on="session")
        .filter(now)
        .group_by("session")
        .agg(pl.col("project").sort_by("entry").last())
    )
    return sessions.select("session").join(fits, on="session", how="left")


def _ms(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("ms")


def _at(column: str) -> pl.Expr:
    return pl.col(column).cast(INSTANT)
