"""Evidence as frames: sessions, their segments, and who was watching."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from warehouse import mirror, store
from warehouse.frames.placement import place_people
from warehouse.frames.reading import ATTENTION, Columns, Window, named, select_named, typed, window_ms
from warehouse.mirror import stored
from warehouse.periods import INSTANT

SEGMENTS: Columns = mirror.SEGMENTS
SESSIONS: Columns = {
    "session": pl.Int64,
    "key": pl.String,
    "source": pl.String,
    "application": pl.String,
    "version": pl.String,
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
    "prompt": pl.String,
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
        One row per session and stretch of constant evidence. The segments of a session stand together, in
        order of start; sessions come in order of their id, those of one UTC month of start after those of
        the month before where the mirror is read. `cpu_percent` is of one core; `instance` is null where no
        process of the session has the focus.

        Closed months come from the mirror (`warehouse.mirror`) when it is collected, and what landed since
        is read from SQL now: collect within the hour.
    """
    question = segments_question(start, end, applications)
    found = mirror.segments(engine, question)
    if found is not None:
        return found
    with store.snapshot(engine) as now:
        return stored.of_sessions(now, question.overlapping, question.parameters).lazy().select(*SEGMENTS)


def segments_question(
    start: datetime, end: datetime, applications: Sequence[str] | None = None
) -> mirror.Question:
    """Return what `segments` asks of the mirror, for engines that read its files themselves."""
    condition, parameters = _sessions_of(start, end, applications)
    window: Window = window_ms(start, end)
    return mirror.Question(**window, applications=applications, overlapping=condition, parameters=parameters)


# --- Sessions ----------------------------------------------------------------------------------------------


def sessions(
    engine: Engine, start: datetime, end: datetime, applications: Sequence[str] | None = None
) -> pl.LazyFrame:
    """Return one row per session that overlaps [start, end), ordered by start; those of no length too.

    Returns
    -------
    pl.LazyFrame
        `version` is the one that was seen, else the one that the application stands for, null where neither
        is known. `person` (the account's own pseudonym while nobody knows whose it is; null when it is
        shared), `account`, `host` and `device` (the client device, else the host) are pseudonyms; `person_id`
        is null for both. `office`, `department` and `cost_center` are the person's at the session's start,
        null where unknown; `zone` is the home office's, else the host's. `ended` is null while it is open.
        `prompt` is what became of the question for a project at launch: asked, entered, kept or dismissed,
        null where nobody was asked.
    """
    condition, parameters = _sessions_of(start, end, applications)
    late = store.read(engine, _IS_LATE, window_ms(start, end)).item()
    return sessions_where(engine, condition.replace(OVERLAPPING, _LATE if late else _IN_WINDOW), parameters)


# A session of no length lies at its start.
_IN_WINDOW = """
    session.started_ms < :end_ms
    AND (session.ended_ms IS NULL OR session.ended_ms > :start_ms OR session.started_ms >= :start_ms)
"""
# That reads all that started before the window ends. Where few started since it began, it is less work to
# look for those that end later, though each costs twice as much: its row is somewhere else. The plus keeps
# the database from the other index.
_LATE = """
    session.id IN (
        SELECT id FROM session WHERE started_ms >= :start_ms AND started_ms < :end_ms
        UNION ALL SELECT id FROM session WHERE ended_ms > :start_ms AND +started_ms < :start_ms
        UNION ALL SELECT id FROM session WHERE ended_ms IS NULL AND +started_ms < :start_ms
    )
"""
_IS_LATE = """
    SELECT 2 * ((SELECT max(started_ms) FROM session) - :start_ms)
        < :start_ms - (SELECT min(started_ms) FROM session)
"""


def sessions_where(engine: Engine, condition: str, parameters: store.Parameters) -> pl.LazyFrame:
    """Return the sessions that a condition on `session` holds for; see `sessions`."""
    rows = store.read(engine, _SESSIONS.format(condition=condition), parameters)
    rows = place_people(engine, rows, at="started", zone="host_zone")
    names = named(engine, rows, {"person": "P", "account": "A", "host": "H", "device": "D"})
    known = pl.when(~pl.col("shared").cast(pl.Boolean)).then(pl.coalesce("person", "account"))
    return typed(names.with_columns(person=known, device=pl.coalesce("device", "host")), SESSIONS)


_SESSIONS = """
    SELECT session.id AS session, session.key, session.source, application.code AS application,
           coalesce(session.application_version, application.version) AS version,
           product.code AS product,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person,
           CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person_id,
           account.id AS account, session.host_id AS host, session.host_id,
           account.shared, session.client_device_id AS device, session.zone AS host_zone,
           session.started_ms AS started,
           session.ended_ms AS ended, session.end_uncertainty_ms, session.instance_count,
           session.clock_stepped, session.received_ms AS received, session.prompt
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
