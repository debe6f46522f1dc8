"""What reached the warehouse after a cut-off, and what a closed run had to leave out."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse import store

LATE = pl.Schema(
    {
        "session": pl.Int64,
        "from_ms": pl.Int64,
        "to_ms": pl.Int64,
        "milliseconds": pl.Int64,
        "reason": pl.String,
    }
)

_LATE_SEGMENTS = """
    SELECT segment.session_id AS session, min(segment.start_ms) AS from_ms, max(segment.end_ms) AS to_ms,
           CAST(sum(segment.end_ms - segment.start_ms) AS BIGINT) AS milliseconds, 'late evidence' AS reason
    FROM segment
    JOIN session ON session.id = segment.session_id
    JOIN application ON application.id = session.application_id
    WHERE segment.received_ms > :after AND segment.received_ms <= :until AND segment.start_ms < :before
      AND application.billed
    GROUP BY segment.session_id ORDER BY segment.session_id
"""
_LATE_ENTRIES = """
    SELECT project_entry.session_id AS session, min(project_entry.from_ms) AS from_ms,
           max(coalesce(project_entry.to_ms, session.ended_ms, :until)) AS to_ms, 0 AS milliseconds,
           'project corrected' AS reason
    FROM project_entry JOIN session ON session.id = project_entry.session_id
    WHERE project_entry.created_ms > :after AND project_entry.created_ms <= :until
      AND project_entry.from_ms < :before
    GROUP BY project_entry.session_id ORDER BY project_entry.session_id
"""
_EXCEPTIONS = """
    SELECT billing_exception.kind, billing_exception.session_id AS session, billing_exception.milliseconds,
           billing_exception.detail, billing_exception.settled_by, billing_exception.settlement,
           account.person_id, account.shared, billing_exception.settlement_reason,
           billing_exception.settled_ms
    FROM billing_exception
    JOIN billing_run ON billing_run.id = billing_exception.billing_run_id
    LEFT JOIN session ON session.id = billing_exception.session_id
    LEFT JOIN account ON account.id = session.account_id
    WHERE billing_run.number = :run ORDER BY billing_exception.id
"""
EXCEPTIONS = pl.Schema(
    {
        "kind": pl.String,
        "session": pl.Int64,
        "milliseconds": pl.Int64,
        "detail": pl.String,
        "settled_by": pl.String,
        "settlement": pl.String,
        "person_id": pl.Int64,
        "shared": pl.Boolean,
        "settlement_reason": pl.String,
        "settled_ms": pl.Int64,
    }
)


def late(engine: Engine, *, after_ms: int, until_ms: int, before_ms: int) -> pl.DataFrame:
    """Return the sessions about which something arrived in (after, until] and speaks of earlier time.

    Parameters
    ----------
    after_ms, until_ms
        Receive times: the cut-off of the last closed run, and that of the run being drafted.
    before_ms
        Time of use: the end of the last closed period.

    Returns
    -------
    pl.DataFrame
        One row per session and reason (late evidence, project corrected): session, from_ms, to_ms (what it
        speaks of), milliseconds (of evidence), reason.
    """
    parameters = {"after": after_ms, "until": until_ms, "before": before_ms}
    rows = [store.read(engine, sql, parameters) for sql in (_LATE_SEGMENTS, _LATE_ENTRIES)]
    return pl.concat([part.cast(LATE) for part in rows]).sort("session", "reason")


def exceptions_of(engine: Engine, run: str) -> pl.DataFrame:
    """Return a run's exceptions, in the order written, and whose their session's account is by now.

    Returns
    -------
    pl.DataFrame
        kind, session (null: of no session), milliseconds, detail, settled_by, settlement (settled, waived),
        person_id, shared, settlement_reason, settled_ms.
    """
    return store.read(engine, _EXCEPTIONS, {"run": run}).cast(EXCEPTIONS)
