"""What stands behind a run's lines: their sessions, as known at the cut-off, and their reviews."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse import directory, store
from warehouse.frames.reading import Columns
from warehouse.ledger.runs import Run
from warehouse.periods import INSTANT

_SESSION_COLUMNS: Columns = {
    "line": pl.Int64,
    "session": pl.Int64,
    "kind": pl.String,
    "device": pl.String,
    "zone": pl.String,
    "source": pl.String,
    "started": INSTANT,
    "ended": INSTANT,
    "received": INSTANT,
    "active_ms": pl.Int64,
    "pause_ms": pl.Int64,
    "buffer_ms": pl.Int64,
}
_REVIEW_COLUMNS: Columns = {
    "line": pl.Int64,
    "action": pl.String,
    "actor": pl.String,
    "reason": pl.String,
    "at": INSTANT,
}
SESSIONS, REVIEWS = pl.Schema(_SESSION_COLUMNS), pl.Schema(_REVIEW_COLUMNS)

_SESSIONS = """
    SELECT charge_line.line_number AS line, session.id AS session, charge_line.kind, session.host_id,
           session.client_device_id, session.zone, session.source, session.started_ms AS started,
           (SELECT max(segment.end_ms) FROM segment
            WHERE segment.session_id = session.id AND segment.received_ms <= :cut_off) AS ended,
           session.received_ms AS received, charge_share.active_ms, charge_share.pause_ms,
           charge_share.buffer_ms
    FROM charge_share
    JOIN charge_line ON charge_line.id = charge_share.charge_line_id
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    JOIN session ON session.id = charge_share.session_id
    WHERE billing_run.number = :run
    ORDER BY charge_line.line_number, session.id
"""
_ORIGINALS = """
    SELECT charge_line.line_number AS line, other.number AS original_run,
           original.line_number AS original_line
    FROM charge_line
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    JOIN charge_line AS original ON original.id = charge_line.original_line_id
    JOIN billing_run AS other ON other.id = original.billing_run_id
    WHERE billing_run.number = :run ORDER BY charge_line.line_number
"""
ORIGINALS = pl.Schema({"line": pl.Int64, "original_run": pl.String, "original_line": pl.Int64})

_ENTRY_COLUMNS: Columns = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "author": pl.String,
    "reason": pl.String,
    "from": INSTANT,
    "created": INSTANT,
}
ENTRIES = pl.Schema(_ENTRY_COLUMNS)
_ENTRIES = """
    SELECT id AS entry, session_id AS session, project_number AS project, phase_number AS phase,
           task_number AS task, author, reason, from_ms AS "from", created_ms AS created
    FROM project_entry WHERE id IN :entries ORDER BY id
"""
_REVIEWS = """
    SELECT charge_line.line_number AS line, line_review.action, line_review.actor, line_review.reason,
           line_review.at_ms AS at
    FROM line_review
    JOIN charge_line ON charge_line.id = line_review.charge_line_id
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    WHERE billing_run.number = :run ORDER BY charge_line.line_number, line_review.id
"""


def entries_behind(engine: Engine, entries: list[int]) -> pl.DataFrame:
    """Return project entries by their ids: `ENTRIES`.

    `from` and `created` are instants: from when on it says so, and when it was said.
    """
    rows = store.read(engine, _ENTRIES, {"entries": entries})
    instants = [pl.col(name).cast(pl.Int64).cast(INSTANT) for name in ("from", "created")]
    return rows.with_columns(instants).cast(ENTRIES)


def sessions_of(engine: Engine, run: Run) -> pl.DataFrame:
    """Return the sessions behind each line, as they were known at the run's cut-off.

    Returns
    -------
    pl.DataFrame
        One row per line and session: `ended` is the end of what had been received by then, so that a session
        that went on does not change a closed run; `device` is a pseudonym (the client device, else the
        host); milliseconds are the session's share of the line.
    """
    rows = store.read(engine, _SESSIONS, {"run": run.number, "cut_off": run.cut_off_ms})
    key = directory.pseudonym_key(engine.url)
    devices = [
        directory.pseudonym("H", host, key) if device is None else directory.pseudonym("D", device, key)
        for host, device in rows.select("host_id", "client_device_id").iter_rows()
    ]
    instants = [pl.col(name).cast(pl.Int64).cast(INSTANT) for name in ("started", "ended", "received")]
    return (
        rows.with_columns(*instants, pl.Series("device", devices, dtype=pl.String))
        .select(SESSIONS.names())
        .cast(SESSIONS)
    )


def review_rows(engine: Engine, run: str) -> pl.DataFrame:
    """Return the acts of review of a run by line, oldest first: line, action, actor, reason, at."""
    rows = store.read(engine, _REVIEWS, {"run": run})
    return rows.with_columns(pl.col("at").cast(pl.Int64).cast(INSTANT)).cast(REVIEWS)


def originals_of(engine: Engine, run: str) -> pl.DataFrame:
    """Return which line of which run each correction corrects: line, original_run, original_line."""
    return store.read(engine, _ORIGINALS, {"run": run}).cast(ORIGINALS)
