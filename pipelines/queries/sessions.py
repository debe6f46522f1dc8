"""Sessions for scripts: each one's active time, what is unknown of them, and when they came in."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from pipelines.queries.asking import APPLICATION, WINDOW, ZONE, Answer, Query, Values, evidence, rows, zone
from warehouse import frames
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.session_times import received, session_times, unknown_by_source
from warehouse.money import HOUR_MS


def _session_active_hours(engine: Engine, values: Values) -> Answer:
    seen = evidence(engine, values, zone(engine, values))
    entries = frames.project_entries(engine, seen.start, seen.end)
    hours = pl.col("active_ms") / HOUR_MS
    found = session_times(seen.stated, seen.sessions, entries)
    return rows(found.select("session", "application", session_active_hours=hours))


def _unknown_share(engine: Engine, values: Values) -> Answer:
    seen = evidence(engine, values, zone(engine, values))
    found = unknown_by_source(seen.stated, seen.sessions, seen.start, seen.end)
    return rows(found.select("source", "unknown_share"))


def _last_received(engine: Engine, values: Values) -> Answer:
    seen = evidence(engine, values, zone(engine, values))
    return rows(received(seen.sessions, seen.start, seen.end).select("application", "last_received"))


QUERIES = tuple(
    Query(name, CATALOGUE[name].description, (APPLICATION, *WINDOW, ZONE), run)
    for name, run in (
        ("session_active_hours", _session_active_hours),
        ("unknown_share", _unknown_share),
        ("last_received", _last_received),
    )
)
"""In the order of `query list`."""
