"""Queries about use: hours, sessions, people, and how much of it was seen."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.fleet_coverage import ENROLL, NO_AGENT
from pipelines.queries.asking import (
    APPLICATION,
    BASIS,
    WINDOW,
    ZONE,
    Answer,
    Evidence,
    Query,
    Values,
    evidence,
    rows,
    window,
    word,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.capacity import capacity_by_day
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.hourly import hourly_usage
from warehouse.metrics.ranking import ranking
from warehouse.metrics.states import BASES
from warehouse.metrics.usage_hours import GROUPS, usage_hours
from warehouse.metrics.utilization import (
    PRIVATE_COLUMNS,
    PRIVATE_GROUPS,
    SESSION_GROUPS,
    TIME_GROUPS,
    daily_usage,
    fleet_coverage,
    session_coverage,
    usage,
)

HOUR_MS = 3_600_000
DAILY = ("session_hours", "unit_hours", "sessions", "active_users", "sessions_ended", "utilization")


def _daily_usage(engine: Engine, values: Values) -> Answer:
    local = zone(engine, values)
    seen = evidence(engine, values, local)
    capacity = capacity_by_day(_readings(engine, seen, values), local, seen.start, seen.end)
    return rows(
        daily_usage(seen.stated, seen.sessions, local, seen.start, seen.end, capacity).select("day", *DAILY)
    )


def _readings(engine: Engine, seen: Evidence, values: Values) -> pl.LazyFrame:
    """Give the readings of the application asked for; of all of them only where all of them are read.

    The use of every application is no part of what one license server can give.
    """
    readings = frames.capacity_readings(engine).collect()
    if values["application"]:
        return readings.filter(pl.col("application") == values["application"]).lazy()
    used = seen.sessions.select(pl.col("application").cast(pl.String)).unique().collect()
    unread = used.join(readings, on="application", how="anti")
    is_whole = readings["application"].is_null().any() or unread.is_empty()
    return readings.lazy() if is_whole else readings.clear().lazy()


def _usage_hours(engine: Engine, values: Values) -> Answer:
    word("by", values["by"], GROUPS)
    seen = evidence(engine, values, zone(engine, values))
    entries = frames.project_entries(engine, seen.start, seen.end)
    found = usage_hours(seen.stated, seen.sessions, values["by"], seen.start, seen.end, entries)
    return rows(found.pipe(in_hours))


def in_hours(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Turn `*_ms` into `*_hours`."""
    times = [name for name in frame.collect_schema().names() if name.endswith("_ms")]
    hours = {f"{name.removesuffix('_ms')}_hours": pl.col(name) / HOUR_MS for name in times}
    return frame.with_columns(**hours).drop(times)


def _usage_metric(name: str) -> Query:
    """Ask for one column of `usage`, by any groups that it may be given by."""
    metric = CATALOGUE[name]

    def run(engine: Engine, values: Values) -> Answer:
        by = [group.strip() for group in values["by"].split(",") if group.strip()]
        if metric.column in PRIVATE_COLUMNS and set(by) & set(PRIVATE_GROUPS):
            raise Problem(
                f"{name} is given by no person and no machine: it would tell idle time",
                "ask for busy_hours, or by application, office or department",
            )
        local = zone(engine, values)
        seen = evidence(engine, values, local)
        summed = usage(seen.stated, seen.sessions, by, seen.start, seen.end, local)
        in_hours = metric.column.endswith("_ms")
        value = pl.col(metric.column) / HOUR_MS if in_hours else pl.col(metric.column).cast(pl.Int64)
        return rows(summed.select(*by, value.alias(name)))

    groups = ", ".join((*SESSION_GROUPS, *TIME_GROUPS))
    by = Parameter("by", "str", "application", f"any of {groups}, with commas between; empty: all together")
    return Query(name, metric.description, (by, APPLICATION, *WINDOW, ZONE), run)


def _daily_metric(name: str) -> Query:
    def run(engine: Engine, values: Values) -> Answer:
        found = _daily_usage(engine, values)
        return [{"day": row["day"], name: row[name]} for row in found if isinstance(row, dict)]

    return Query(name, CATALOGUE[name].description, (ZONE, APPLICATION, *WINDOW), run)


def _state(engine: Engine, values: Values) -> Answer:
    """Sum the states by application: those of a single session would tell its person's idle time."""
    seen = evidence(engine, values, zone(engine, values))
    inside = pl.min_horizontal("end", pl.lit(seen.end)) - pl.max_horizontal("start", pl.lit(seen.start))
    return rows(
        seen.stated.filter(pl.col("start") < seen.end, pl.col("end") > seen.start)
        .join(seen.sessions.select("session", pl.col("application").cast(pl.String)), on="session")
        .group_by("application", pl.col("state").cast(pl.String))
        .agg(hours=inside.dt.total_milliseconds().sum() / HOUR_MS, segments=pl.len().cast(pl.Int64))
        .sort("application", "state")
    )


def _hourly_busy_time(engine: Engine, values: Values) -> Answer:
    seen = evidence(engine, values, zone(engine, values))
    entries = frames.project_entries(engine, seen.start, seen.end)
    found = hourly_usage(seen.stated, seen.sessions, entries, seen.start, seen.end)
    busy = pl.col("busy_ms") / HOUR_MS
    return rows(found.select("hour", "person", "application", "project", hourly_busy_time=busy))


def _ranking(name: str) -> Query:
    def run(engine: Engine, values: Values) -> Answer:
        local = zone(engine, values)
        seen = evidence(engine, values, local)
        word("basis", values["basis"], BASES)
        found = ranking(seen.stated, seen.sessions, values["basis"], seen.start, seen.end, local)
        return rows(found.select("application", name))

    return Query(name, CATALOGUE[name].description, (BASIS, APPLICATION, *WINDOW, ZONE), run)


def _session_coverage(engine: Engine, values: Values) -> Answer:
    word("basis", values["basis"], BASES)
    seen = evidence(engine, values, zone(engine, values))
    share = session_coverage(seen.stated, values["basis"], seen.start, seen.end)
    return {"basis": values["basis"], "session_coverage": round(share, 12)}


def _fleet_coverage(engine: Engine, values: Values) -> Answer:
    start, end = window(engine, values, zone(engine, values))
    directory = (frames.hosts(engine), frames.offices(engine), frames.holidays(engine))
    watches = frames.watches(engine, start, end)
    found = fleet_coverage(watches, *directory, start, end)
    is_unwatched = frames.agents(engine).collect().is_empty() and watches.collect().is_empty()
    note = {"note": f"{NO_AGENT}; {ENROLL}"} if is_unwatched else {}
    return {"fleet_coverage": round(found.share, 12), **note, "hosts": rows(found.by_host)}


QUERIES = (
    Query(
        "daily_usage",
        "Hours, units, sessions, users and utilization by local day.",
        (ZONE, APPLICATION, *WINDOW),
        _daily_usage,
    ),
    Query(
        "usage_hours",
        "Sessions, run, busy and unit hours by application, user, host or project; idle hours by application "
        "and project alone.",
        (
            Parameter("by", "str", "application", f"one of {', '.join(GROUPS)}"),
            APPLICATION,
            *WINDOW,
            ZONE,
        ),
        _usage_hours,
    ),
    Query("state", CATALOGUE["state"].description, (APPLICATION, *WINDOW, ZONE), _state),
    *(_usage_metric(name) for name, metric in CATALOGUE.items() if metric.function is usage),
    *(_daily_metric(name) for name, metric in CATALOGUE.items() if metric.function is daily_usage),
    Query(
        "hourly_busy_time",
        CATALOGUE["hourly_busy_time"].description,
        (APPLICATION, *WINDOW, ZONE),
        _hourly_busy_time,
    ),
    *(_ranking(name) for name in ("days_used", "last_used")),
    Query(
        "session_coverage",
        CATALOGUE["session_coverage"].description,
        (BASIS, APPLICATION, *WINDOW, ZONE),
        _session_coverage,
    ),
    Query(
        "fleet_coverage",
        CATALOGUE["fleet_coverage"].description,
        (*WINDOW, ZONE),
        _fleet_coverage,
    ),
)
"""In the order of `query list`."""
