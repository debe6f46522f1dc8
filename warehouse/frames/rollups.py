"""Hourly use and demand, as the rollups keep them; up to date as far as they were brought."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.reading import Columns, select, typed, window_ms
from warehouse.metrics.concurrency import KEYS
from warehouse.metrics.states import BASES
from warehouse.periods import INSTANT

USE_HOURS: Columns = {
    "session": pl.Int64,
    "hour": INSTANT,
    "project": pl.String,
    "application": pl.String,
    "office": pl.String,
    "run_ms": pl.Int64,
    "active_ms": pl.Int64,
    "pause_ms": pl.Int64,
    "held_ms": pl.Int64,
    "unknown_ms": pl.Int64,
    "unit_ms": pl.Int64,
}
LEVELS = pl.List(pl.Struct({"demand": pl.Int64, "ms": pl.Int64}))
DEMAND_HOURS: Columns = {
    "application": pl.String,
    "key": pl.String,
    "basis": pl.String,
    "hour": INSTANT,
    "peak": pl.Int64,
    "peak_at": INSTANT,
    "levels": LEVELS,
}
_OVERLAPPING = "hour_ms > :start_ms - 3600000 AND hour_ms < :end_ms"


def use_hours(engine: Engine, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the use of each session in every UTC hour that overlaps [start, end), by hour and session.

    Returns
    -------
    pl.LazyFrame
        One row per session, hour (its start) and project in force, as entered (null: none), under the newest
        license policy; `office` is the person's at the session's start. `run_ms` is active, pause, idle and
        held time, `unit_ms` units x run time. Sum it by application, office or project: by session or person
        it would tell idle time.
    """
    sql = f"""
        SELECT use_hour.session_id AS session, hour_ms AS hour, nullif(project_number, '') AS project,
               application.code AS application, office.code AS office, run_ms, active_ms, pause_ms, held_ms,
               unknown_ms, unit_ms
        FROM use_hour
        JOIN application ON application.id = use_hour.application_id
        LEFT JOIN office ON office.id = use_hour.office_id
        WHERE {_OVERLAPPING} ORDER BY hour_ms, use_hour.session_id, project_number
    """  # noqa: S608  a constant of this module
    return select(engine, sql, USE_HOURS, window_ms(start, end))


def demand_hours(engine: Engine, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return the demand for each application in every UTC hour that overlaps [start, end), by hour.

    Returns
    -------
    pl.LazyFrame
        One row per application, key, basis (as in `metrics.concurrency`) and hour with any demand, under the
        newest license policy. `peak_at` is the first instant of the hour at which its `peak` was reached, the
        hour's start where demand came over from the hour before. `levels` is how long demand was at each
        level seen, 0 always among them, lowest first; together they are the hour.
    """
    sql = f"""
        SELECT application.code AS application, key, basis, hour_ms AS hour, peak, peak_at_ms AS peak_at,
               levels
        FROM demand_hour JOIN application ON application.id = demand_hour.application_id
        WHERE {_OVERLAPPING} AND key IN :keys AND basis IN :bases
        ORDER BY hour_ms, application.id, key, basis
    """  # noqa: S608  a constant of this module
    # All keys and bases: named, so that the primary key finds the hours.
    rows = store.read(engine, sql, {**window_ms(start, end), "keys": KEYS, "bases": tuple(BASES)})
    pairs = pl.col("levels").cast(pl.String).str.json_decode(pl.List(pl.List(pl.Int64)))
    level = pl.struct(demand=pl.element().list.get(0), ms=pl.element().list.get(1))
    return typed(rows.with_columns(pairs.list.eval(level).alias("levels")), DEMAND_HOURS)
