"""What a stretch of days is derived from: segments with their states, their sessions, project entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Engine

from warehouse import frames, store
from warehouse.frames.placement import place_people
from warehouse.metrics.states import Policy, states
from warehouse.rollups.stretches import Stretch

SESSIONS = {
    "session": pl.Int64,
    "application_id": pl.Int64,
    "person": pl.Int64,
    "device": pl.Int64,
    "office_id": pl.Int64,
    "token_weight": pl.Int64,
}
"""`person` is null where the account is nobody's, or shared; `device` is below 0 where it is the host;
`office_id` is the person's at the session's start."""

ENTRIES = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "instance": pl.Int32,
    "start_ms": pl.Int64,
    "end_ms": pl.Int64,
    "project_number": pl.String,
}


@dataclass(frozen=True)
class Evidence:
    """The sessions that overlap a stretch, also beyond its edges.

    Attributes
    ----------
    stated
        What `states` gives: session, application, start, end, units, instance, state.
    sessions, entries
        As `SESSIONS` and `ENTRIES`.
    """

    stated: pl.DataFrame
    sessions: pl.DataFrame
    entries: pl.DataFrame


def read(engine: Engine, stretch: Stretch, policy: Policy) -> Evidence:
    """Read what a stretch is derived from, and judge it."""
    codes = _codes(engine, stretch)
    window: store.Parameters = {"start_ms": stretch.from_ms, "end_ms": stretch.to_ms}
    if codes is not None:
        window = {**window, "applications": stretch.applications or []}
    condition = _OVERLAPPING if codes is None else _OVERLAPPING + _OF_APPLICATIONS
    segments = frames.segments(engine, stretch.start, stretch.end, codes).select(_OF_SEGMENTS)
    return Evidence(
        states(segments, policy).drop("attention", "cpu_percent", "inhibiting", "since").collect(),
        _sessions(engine, condition, window),
        _typed(store.read(engine, _ENTRIES.format(condition=condition), window), ENTRIES),
    )


_OF_SEGMENTS = (
    "session",
    "application",
    "start",
    "end",
    "attention",
    "cpu_percent",
    "units",
    "inhibiting",
    "instance",
    "since",
)
_OVERLAPPING = "session.started_ms < :end_ms AND (session.ended_ms IS NULL OR session.ended_ms > :start_ms)"
_OF_APPLICATIONS = " AND session.application_id IN :applications"


def _codes(engine: Engine, stretch: Stretch) -> list[str] | None:
    if stretch.applications is None:
        return None
    sql = "SELECT code FROM application WHERE id IN :applications"
    return [str(row[0]) for row in store.read(engine, sql, {"applications": stretch.applications}).rows()]


def _sessions(engine: Engine, condition: str, window: store.Parameters) -> pl.DataFrame:
    rows = store.read(engine, _SESSIONS.format(condition=condition), window)
    offices = store.read(engine, "SELECT id AS office_id, code AS office FROM office")
    known = offices.cast({"office_id": pl.Int64, "office": pl.String})
    placed = place_people(engine, rows, at="started", zone="zone")
    return _typed(placed.join(known, on="office", how="left", maintain_order="left"), SESSIONS)


_SESSIONS = """
    SELECT session.id AS session, session.application_id,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person_id,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person,
           coalesce(session.client_device_id, -session.host_id) AS device,
           coalesce(product.token_weight, 1) AS token_weight, session.started_ms AS started, session.zone
    FROM session
    JOIN application ON application.id = session.application_id
    LEFT JOIN product ON product.id = application.product_id
    JOIN account ON account.id = session.account_id
    WHERE {condition}
"""
_ENTRIES = """
    SELECT project_entry.id AS entry, session_id AS session, instance, from_ms AS start_ms, to_ms AS end_ms,
           project_number
    FROM project_entry JOIN session ON session.id = project_entry.session_id WHERE {condition}
"""


def _typed(rows: pl.DataFrame, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in columns.items())
