"""Segments as SQL has them, in the columns that the mirror's files have too."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from polars.datatypes import DataType, DataTypeClass

from warehouse import schema, store
from warehouse.periods import INSTANT

ATTENTION = pl.Enum(schema.ATTENTIONS)
_WORDS = pl.Series(schema.ATTENTIONS, dtype=ATTENTION)
SEGMENTS: Mapping[str, DataType | DataTypeClass] = {
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
"""One row per session and stretch of constant evidence."""


def read(
    now: store.Snapshot, rows: str, sessions: str, parameters: store.Parameters | None = None
) -> pl.DataFrame:
    """Read segments.

    Parameters
    ----------
    rows
        What stands after FROM: `segment`, and which of its rows.
    sessions
        The condition on `session` that holds for the sessions of those rows, and for few others.

    Returns
    -------
    pl.DataFrame
        The columns `SEGMENTS`, and `started_ms` of the session.
    """
    parameters = parameters or {}
    found = (
        _packed(now, rows, parameters) if now.is_sqlite else now.read(_PLAIN.format(rows=rows), parameters)
    )
    owners = now.read(_OWNERS.format(sessions=sessions), parameters)
    owners = owners.cast({"session": pl.Int64, "application": pl.String, "started_ms": pl.Int64})
    joined = found.join(owners, on="session", how="inner", maintain_order="left")
    return joined.select(*(_typed(joined, name) for name in SEGMENTS), "started_ms")


def of_sessions(
    now: store.Snapshot, sessions: str, parameters: store.Parameters | None = None
) -> pl.DataFrame:
    """Read all segments of the sessions that a condition holds for, in order of session and start."""
    return read(now, _OF_SESSIONS.format(sessions=sessions), sessions, parameters)


_OF_SESSIONS = """
    segment WHERE session_id IN (SELECT session.id FROM session WHERE {sessions})
    ORDER BY segment.session_id, segment.start_ms
"""


def _typed(rows: pl.DataFrame, name: str) -> pl.Expr:
    dtype, column = SEGMENTS[name], pl.col(name)
    if dtype == INSTANT:
        return column.cast(pl.Int64).cast(INSTANT)
    if dtype == ATTENTION:
        return pl.lit(_WORDS).gather(column.cast(pl.UInt32)).alias(name)
    return column if rows.schema[name] == dtype else column.cast(dtype)


_OWNERS = """
    SELECT session.id AS session, application.code AS application, session.started_ms
    FROM session JOIN application ON application.id = session.application_id WHERE {sessions}
"""

_PLAIN = """
    SELECT segment.session_id AS session, segment.start_ms AS start, segment.end_ms AS "end",
           segment.attention, segment.cpu_percent, segment.units, segment.inhibiting, segment.instance,
           segment.since_ms AS since, segment.policy_version, segment.received_ms AS received
    FROM {rows}
"""

# SQLite hands over row by row, and every number costs: the small ones share two. The length of a segment fits
# in 20 bits, because none is longer than a quarter of an hour.
_PACKED = """
    SELECT segment.session_id, segment.start_ms,
           (segment.end_ms - segment.start_ms) | (segment.attention << 20) | (segment.inhibiting << 23)
               | ((coalesce(segment.instance, -1) + 1) << 24),
           segment.cpu_percent, (segment.units << 32) | segment.policy_version, segment.since_ms,
           segment.received_ms
    FROM {rows}
"""
_PACKED_ROW = pl.Schema(
    {
        "session": pl.Int64,
        "start": pl.Int64,
        "small": pl.Int64,
        "cpu_percent": pl.Float64,
        "counts": pl.Int64,
        "since": pl.Int64,
        "received": pl.Int64,
    }
)


def _packed(now: store.Snapshot, source: str, parameters: store.Parameters) -> pl.DataFrame:
    rows = now.packed(_PACKED.format(rows=source), _PACKED_ROW, parameters)
    small, counts = pl.col("small"), pl.col("counts")
    instance = small // (1 << 24)
    return rows.with_columns(
        end=pl.col("start") + (small & 0xFFFFF),
        attention=(small // (1 << 20) & 7).cast(pl.UInt8),
        inhibiting=small // (1 << 23) & 1 == 1,
        instance=pl.when(instance > 0).then(instance - 1),
        units=(counts // (1 << 32)).cast(pl.Int32),
        policy_version=(counts & 0xFFFFFFFF).cast(pl.Int32),
    )
