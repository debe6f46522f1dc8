"""What other programs' logs say beside sessions: capacity, denials, installations; how far evidence goes."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.reading import EPOCH, Columns, select, select_named, window_ms
from warehouse.periods import INSTANT

CAPACITY_READINGS: Columns = {
    "source": pl.String,
    "server": pl.String,
    "application": pl.String,
    "at": INSTANT,
    "issued": pl.Int64,
    "in_use": pl.Int64,
    "reserved": pl.Int64,
    "queued": pl.Int64,
    "users": pl.Int64,
}
DENIALS: Columns = {
    "source": pl.String,
    "server": pl.String,
    "kind": pl.String,
    "application": pl.String,
    "person": pl.String,
    "person_id": pl.Int64,
    "account": pl.String,
    "host": pl.String,
    "at": INSTANT,
    "units": pl.Int64,
    "reason": pl.String,
}
INSTALLATIONS: Columns = {
    "host": pl.String,
    "host_id": pl.Int64,
    "program": pl.String,
    "version": pl.String,
    "application": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}


def capacity_readings(engine: Engine) -> pl.LazyFrame:
    """Return one row per server, application and instant at which its capacity was read, by time.

    Returns
    -------
    pl.LazyFrame
        `application` is null where the reading is of all applications of the server together; `issued`,
        `in_use`, `reserved`, `queued` and `users` (distinct ones) are null where the source does not say.
    """
    sql = """
        SELECT source, server, application.code AS application, at_ms AS at, issued, in_use, reserved, queued,
               users
        FROM capacity_reading LEFT JOIN application ON application.id = capacity_reading.application_id
        ORDER BY at_ms, capacity_reading.id
    """
    return select(engine, sql, CAPACITY_READINGS)


def denials(engine: Engine, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return one row per request in [start, end) that a license server did not meet at once, by time.

    Returns
    -------
    pl.LazyFrame
        `kind` is `denied`, `unsupported` or `queued`; `reason` is the server's own words; people, accounts
        and hosts are pseudonyms.
    """
    sql = """
        SELECT source, server, denial.kind, application.code AS application,
               CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person,
               CASE WHEN account.shared THEN NULL ELSE account.person_id END AS person_id,
               denial.account_id AS account, host_id AS host, at_ms AS at, units, reason
        FROM denial
        JOIN application ON application.id = denial.application_id
        LEFT JOIN account ON account.id = denial.account_id
        WHERE at_ms >= :start_ms AND at_ms < :end_ms ORDER BY at_ms, denial.id
    """
    return select_named(
        engine, sql, DENIALS, {"person": "P", "account": "A", "host": "H"}, window_ms(start, end)
    )


def installations(engine: Engine) -> pl.LazyFrame:
    """Return one row per host, program, version and stretch of days in which it was seen installed."""
    sql = """
        SELECT host_id AS host, host_id, program, installation.version, application.code AS application,
               valid_from_on AS valid_from, valid_to_on AS valid_to
        FROM installation LEFT JOIN application ON application.id = installation.application_id
        ORDER BY host_id, program, installation.version, valid_from_on
    """
    return select_named(engine, sql, INSTALLATIONS, {"host": "H"})


def span(engine: Engine) -> tuple[datetime, datetime] | None:
    """Return from when to when there is evidence; None: there is no session yet.

    An open session counts as far as its segments go.
    """
    row = store.read(engine, _SPAN).row(0)
    known = [int(value) for value in row[1:] if value is not None]
    if row[0] is None:
        return None
    first, last = int(row[0]), max([int(row[0]) + 1, *known])
    return EPOCH + timedelta(milliseconds=first), EPOCH + timedelta(milliseconds=last)


_SPAN = """
    SELECT (SELECT min(started_ms) FROM session) AS first, (SELECT max(ended_ms) FROM session) AS ended,
           (SELECT max(end_ms) FROM segment
            WHERE session_id IN (SELECT id FROM session WHERE ended_ms IS NULL)) AS known,
           (SELECT max(started_ms) FROM session) AS started
"""
