"""Evidence as frames: sessions, their segments, and who was watching."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.placement import place_people
from warehouse.frames.reading import ATTENTION, Columns, Window, named, select_named, typed, window_ms
from warehouse.periods import INSTANT

SEGMENTS: Columns = {
    "session": pl.Int64,
    "application": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "attention": ATTENTION,
    "cpu_percent": pl.Float64,
    "units": pl.Int32,
    "inhibiting": pl.Boolean,
    "instance": pl.Int32,
    "since": INSTANT,
    "policy_version": pl.Int32,
    "received": INSTANT,
}
SESSIONS: Columns = {
    "session": pl.Int64,
    "key": pl.String,
    "source": pl.String,
    "application": pl.String,
    "product": pl.String,
    "person": pl.String,
    "person_id": pl.Int64,
    "account": pl.String,
    "host": pl.String,
    "host_id": pl.Int64,
    "device": pl.String,
    "office": pl.String,
    "department": pl.String,
    "cost_center": pl.String,
    "zone": pl.String,
    "started": INSTANT,
    "ended": INSTANT,
    "end_uncertainty_ms": pl.Int64,
    "instance_count": pl.Int64,
    "clock_stepped": pl.Boolean,
    "received": INSTANT,
}
WATCHES: Columns = {
    "host": pl.String,
    "host_id": pl.Int64,
    "start": INSTANT,
    "end": INSTANT,
    "sees_focus": pl.Boolean,
    "sees_input": pl.Boolean,
    "sees_lock": pl.Boolean,
}
PRESENCE: Columns = {
    "application": pl.String,
    "name": pl.String,
    "person": pl.String,
    "host": pl.String,
    "office": pl.String,
    "attention": ATTENTION,
    "attention_since": INSTANT,
    "since": INSTANT,
    "started": INSTANT,
    "heard": INSTANT,
}
AGENTS: Columns = {
    "agent": pl.String,
    "host": pl.String,
    "version": pl.String,
    "enrolled": INSTANT,
    "revoked": INSTANT,
    "last_heard": INSTANT,
    "clock_offset_ms": pl.Int64,
    "backlog": pl.Int64,
}

# A session without end is open, and overlaps every window after its start.
OVERLAPPING = "session.started_ms < :end_ms AND (session.ended_ms IS NULL OR session.ended_ms > :start_ms)"
OF_APPLICATIONS = " AND session.application_id IN (SELECT id FROM application WHERE code IN :applications)"


def _sessions_of(
    start: datetime, end: datetime, applications: Sequence[str] | None
) -> tuple[str, dict[str, int | Sequence[str]]]:
    """Return the condition on `session` and its parameters."""
    window: Window = window_ms(start, end)
    if applications is None:
        return OVERLAPPING, {**window}
    return OVERLAPPING + OF_APPLICATIONS, {**window, "applications": list(applications)}


# --- Segments ----------------------------------------------------------------------------------------------


def segments(
    engine: Engine, start: datetime, end: datetime, applications: Sequence[str] | None = None
) -> pl.LazyFrame:
    """Return every closed segment of every session that overlaps [start, end), also beyond its edges.

    Parameters
    ----------
    start, end
        Instants with a zone.
    applications
        Codes; None: all.

    Returns
    -------
    pl.LazyFrame
        One row per session and stretch of constant evidence, ordered by session and start. `cpu_percent` is
        of one core; `instance` is null where no process of the session has the focus.
    """
    condition, parameters = _sessions_of(start, end, applications)
    read = _packed_segments if engine.dialect.name == "sqlite" else _plain_segments
    rows = read(engine, condition, parameters)
    codes = store.read(engine, "SELECT id AS application_id, code AS application FROM application")
    owners = store.read(engine, _OWNERS.format(condition=condition), parameters)
    owners = owners.cast(pl.Int64).join(codes.cast({"application_id": pl.Int64}), on="application_id")
    # A session that arrived between the two reads waits for the next one.
    return typed(rows.join(owners, on="session", how="inner", maintain_order="left"), SEGMENTS)


_OWNERS = "SELECT session.id AS session, session.application_id FROM session WHERE {condition}"

_PLAIN = """
    SELECT session_id AS session, start_ms AS start, end_ms AS "end", attention, cpu_percent, units,
           inhibiting, instance, since_ms AS since, policy_version, received_ms AS received
    FROM segment WHERE session_id IN (SELECT session.id FROM session WHERE {condition})
    ORDER BY session_id, start_ms
"""


def _plain_segments(engine: Engine, condition: str, parameters: store.Parameters) -> pl.DataFrame:
    return store.read(engine, _PLAIN.format(condition=condition), parameters)


# SQLite hands over row by row, and every number costs: the small ones share two. The length of a segment fits
# in 20 bits, because none is longer than a quarter of an hour.
_PACKED = """
    SELECT session_id, start_ms,
           (end_ms - start_ms) | (attention << 20) | (inhibiting << 23)
               | ((coalesce(instance, -1) + 1) << 24),
           cpu_percent, (units << 32) | policy_version, since_ms, received_ms
    FROM segment WHERE session_id IN (SELECT session.id FROM session WHERE {condition})
    ORDER BY session_id, start_ms
"""
_PACKED_ROW = np.dtype(
    [
        ("session", "i8"),
        ("start", "i8"),
        ("small", "i8"),
        ("cpu_percent", "f8"),
        ("counts", "i8"),
        ("since", "i8"),
        ("received", "i8"),
    ]
)


def _packed_segments(engine: Engine, condition: str, parameters: store.Parameters) -> pl.DataFrame:
    sql, values = store.positional(_PACKED.format(condition=condition), parameters, numbered=False)
    with store.sqlite_rows(engine, sql, values) as cursor:
        rows = np.fromiter(cursor, dtype=_PACKED_ROW)
    small, counts = rows["small"], rows["counts"]
    instance = pl.Series((small >> 24).astype(np.int64))
    columns = {name: pl.Series(np.ascontiguousarray(rows[name])) for name in _PACKED_ROW.names or ()}
    return pl.DataFrame(columns).with_columns(
        end=pl.Series(rows["start"] + (small & 0xFFFFF)),
        attention=pl.Series(((small >> 20) & 7).astype(np.uint8)),
        inhibiting=pl.Series((small >> 23) & 1 == 1),
        instance=(instance - 1).set(instance == 0, None),
        units=pl.Series((counts >> 32).astype(np.int32)),
        policy_version=pl.Series((counts & 0xFFFFFFFF).astype(np.int32)),
    )


# --- Sessions ----------------------------------------------------------------------------------------------


def sessions(
    engine: Engine, start: datetime, end: datetime, applications: Sequence[str] | None = None
) -> pl.LazyFrame:
    """Return one row per session that overlaps [start, end), ordered by start; those of no length too.

    Returns
    -------
    pl.LazyFrame
        `person` (null when the account has no person or is shared), `account`, `host` and `device` (the
        client device, else the host) are pseudonyms. `office`, `department` and `cost_center` are the
        person's at the session's start, null where unknown; `zone` is the home office's, else the host's.
        `ended` is null while it is open.
    """
    condition, parameters = _sessions_of(start, end, applications)
    # A session of no length lies at its start.
    condition = condition.replace(
        "session.ended_ms > :start_ms", "session.ended_ms > :start_ms OR session.started_ms >= :start_ms"
    )
    rows = store.read(engine, _SESSIONS.format(condition=condition), parameters)
    rows = place_people(engine, rows, at="started", zone="host_zone")
    names = named(engine, rows, {"person": "P", "account": "A", "host": "H", "device": "D"})
    return typed(names.with_columns(device=pl.coalesce("device", "host")), SESSIONS)


_SESSIONS = """
    SELECT session.id AS session, session.key, session.source, application.code AS application,
           product.code AS product,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person_id,
           account.id AS account, session.host_id AS host, session.host_id,
           session.client_device_id AS device, session.zone AS host_zone, session.started_ms AS started,
           session.ended_ms AS ended, session.end_uncertainty_ms, session.instance_count,
           session.clock_stepped, session.received_ms AS received
    FROM session
    JOIN application ON application.id = session.application_id
    LEFT JOIN product ON product.id = application.product_id
    JOIN account ON account.id = session.account_id
    WHERE {condition}
    ORDER BY session.started_ms, session.id
"""


# --- Who was watching, and what is open now ----------------------------------------------------------------


def watches(engine: Engine, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return one row per agent and stretch that overlaps [start, end) in which it watched its host; uncut."""
    sql = """
        SELECT host_id AS host, host_id, start_ms AS start, end_ms AS "end", sees_focus, sees_input, sees_lock
        FROM watch_interval WHERE start_ms < :end_ms AND end_ms > :start_ms ORDER BY host_id, start_ms, id
    """
    return select_named(engine, sql, WATCHES, {"host": "H"}, window_ms(start, end))


def presence(engine: Engine) -> pl.LazyFrame:
    """Return one row per open session, as last heard.

    `person` is the person's pseudonym, the account's where there is none; `office` is the person's when it
    was heard, else the host's.
    """
    sql = """
        SELECT application.code AS application, application.name,
               CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person,
               CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person_id,
               account.id AS account, host.id AS host, office.code AS host_office, host.zone AS host_zone,
               presence.attention, presence.attention_since_ms AS attention_since, presence.since_ms AS since,
               presence.started_ms AS started, presence.heard_ms AS heard
        FROM presence
        JOIN application ON application.id = presence.application_id
        JOIN account ON account.id = presence.account_id
        JOIN host ON host.id = presence.host_id
        LEFT JOIN office ON office.id = host.office_id
        ORDER BY presence.started_ms, presence.session_key
    """
    rows = place_people(engine, store.read(engine, sql), at="heard", zone="host_zone")
    names = named(engine, rows, {"person": "P", "account": "A", "host": "H"})
    host_office = pl.col("host_office").cast(pl.String)
    known = names.with_columns(
        person=pl.coalesce("person", "account"), office=pl.coalesce("office", host_office)
    )
    return typed(known, PRESENCE)


def agents(engine: Engine) -> pl.LazyFrame:
    """Return one row per enrollment; `backlog` is records that still wait in its spool."""
    sql = """
        SELECT id AS agent, host_id AS host, version, enrolled_ms AS enrolled, revoked_ms AS revoked,
               last_heard_ms AS last_heard, clock_offset_ms, backlog
        FROM agent ORDER BY enrolled_ms, id
    """
    return select_named(engine, sql, AGENTS, {"host": "H"})
