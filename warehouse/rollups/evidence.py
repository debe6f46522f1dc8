"""What a stretch of days is derived from: segments with their states, their sessions, project entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from sqlalchemy import Engine

from warehouse import frames, store
from warehouse.frames.placement import place_people
from warehouse.metrics.states import Policy, states
from warehouse.rollups.numbers import IN_NUMBERS, as_text
from warehouse.rollups.stretches import Stretch

SESSIONS = {
    "session": pl.Int64,
    "application_id": pl.Int64,
    "person": pl.Int64,
    "device": pl.Int64,
    "office_id": pl.Int64,
    "token_weight": pl.Int64,
}
"""`person` is null where the account is shared, below 0 where it is nobody's; `device` is below 0 for a host;
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
    segments = frames.segments(engine, stretch.start, stretch.end, _codes(engine, stretch))
    stated = states(segments.select(_OF_SEGMENTS), policy).select(_OF_STATED).collect()
    numbers = stated["session"].unique()
    return Evidence(stated, _sessions(engine, numbers), _typed(_of(engine, numbers, _ENTRIES), ENTRIES))


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
_OF_STATED = ("session", "application", "start", "end", "units", "instance", "state")


def _of(engine: Engine, sessions: pl.Series, sql: str) -> pl.DataFrame:
    text = sql.format(among=IN_NUMBERS[engine.dialect.name])
    return store.read(engine, text, {"numbers": as_text(sessions)})


def _codes(engine: Engine, stretch: Stretch) -> list[str] | None:
    if stretch.applications is None:
        return None
    sql = "SELECT code FROM application WHERE id IN :applications"
    return [str(row[0]) for row in store.read(engine, sql, {"applications": stretch.applications}).rows()]


def _sessions(engine: Engine, numbers: pl.Series) -> pl.DataFrame:
    rows = _of(engine, numbers, _SESSIONS)
    offices = store.read(engine, "SELECT id AS office_id, code AS office FROM office")
    known = offices.cast({"office_id": pl.Int64, "office": pl.String})
    placed = place_people(engine, rows, at="started", zone="zone")
    return _typed(placed.join(known, on="office", how="left", maintain_order="left"), SESSIONS)


_SESSIONS = """
    SELECT session.id AS session, session.application_id,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person_id,
           CASE WHEN NOT account.shared THEN coalesce(account.person_id, -2 * account.id) END AS person,
           coalesce(session.client_device_id, -session.host_id) AS device,
           coalesce(product.token_weight, 1) AS token_weight, session.started_ms AS started, session.zone
    FROM session
    JOIN application ON application.id = session.application_id
    LEFT JOIN product ON product.id = application.product_id
    JOIN account ON account.id = session.account_id
    WHERE session.id {among}
"""
_ENTRIES = """
    SELECT id AS entry, session_id AS session, instance, from_ms AS start_ms, to_ms AS end_ms, project_number
    FROM project_entry WHERE session_id {among}
"""


def _typed(rows: pl.DataFrame, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in columns.items())
