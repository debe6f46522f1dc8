"""What changed in the evidence, in the order in which it did: what the mirror and the rollups live on.

Whoever writes or replaces segments says so here, in the same transaction. A reader remembers the number of
the last landing that it took in, and finds the rest behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema

LOCK = 7_306_096  # any number, the same in every process
LANDINGS = pl.Schema(
    {
        "landing": pl.Int64,
        "session": pl.Int64,
        "started_ms": pl.Int64,
        "from_ms": pl.Int64,
        "to_ms": pl.Int64,
        "replaced": pl.Boolean,
    }
)
"""Columns of `since`."""

_landing, _session, _mark = schema.landing, schema.session, schema.mark


class Landed(NamedTuple):
    """Segments of one session that a transaction wrote; they lie in [from_ms, to_ms)."""

    session_id: int
    from_ms: int
    to_ms: int
    replaced: bool = False
    """What was there of the session before does not hold any more, be it longer, shorter or gone."""
    started_ms: int | None = None
    """Start of a session that the transaction takes away; else None."""


def land(connection: Connection, landed: Iterable[Landed], at_ms: int) -> None:
    """Note what this transaction wrote, before it commits."""
    rows = [{**row._asdict(), "at_ms": at_ms} for row in landed]
    if rows:
        let_readers_wait(connection)
        connection.execute(sa.insert(_landing), rows)


def let_readers_wait(connection: Connection) -> None:
    """Keep `newest` waiting until this transaction is over: numbers are given before they can be seen."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(LOCK)))


def landed_in(segments: pl.DataFrame) -> pl.DataFrame:
    """Return a row of `session_id`, `from_ms`, `to_ms` for each session in a frame of segment rows."""
    return segments.group_by("session_id").agg(
        pl.col("start_ms").min().alias("from_ms"), pl.col("end_ms").max().alias("to_ms")
    )


def newest(engine: Engine) -> int:
    """Return the number up to which every landing is there to be read; 0: none yet.

    On PostgreSQL a transaction gets its numbers before it commits, and two may commit in the other order:
    this waits for those under way.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        return int(connection.scalar(sa.select(sa.func.max(_landing.c.id))) or 0)


def since(connection: Connection, number: int, through: int | None = None) -> pl.DataFrame:
    """Return the landings after a number, as `LANDINGS`, in their order; `started_ms` is always known."""
    started = sa.func.coalesce(_session.c.started_ms, _landing.c.started_ms, _landing.c.from_ms)
    query = (
        sa.select(_landing.c.id, _landing.c.session_id, started, *(_landing.c[name] for name in _RANGE))
        .join_from(_landing, _session, _session.c.id == _landing.c.session_id, isouter=True)
        .where(_landing.c.id > number)
        .order_by(_landing.c.id)
    )
    if through is not None:
        query = query.where(_landing.c.id <= through)
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema=LANDINGS, orient="row")


_RANGE = ("from_ms", "to_ms", "replaced")


def forget(connection: Connection, through: int, before_ms: int) -> None:
    """Delete landings up to a number that are older than an instant: everybody has taken them in."""
    connection.execute(sa.delete(_landing).where(_landing.c.id <= through, _landing.c.at_ms < before_ms))
    oldest = connection.scalar(sa.select(sa.func.min(_landing.c.id)))
    set_mark(connection, "landings_from", str(oldest or through + 1))


def kept_from(connection: Connection) -> int:
    """Return the number of the oldest landing that is kept: a mirror that stands before it starts anew."""
    return int(mark(connection, "landings_from") or 1)


# --- Marks -------------------------------------------------------------------------------------------------


def mark(connection: Connection, name: str) -> str | None:
    """Return a fact about this warehouse; None when it was never set."""
    return connection.scalar(sa.select(_mark.c.value).where(_mark.c.name == name))


def set_mark(connection: Connection, name: str, value: str) -> None:
    """Write a fact about this warehouse."""
    changed = connection.execute(sa.update(_mark).where(_mark.c.name == name).values(value=value))
    if changed.rowcount == 0:
        connection.execute(sa.insert(_mark).values(name=name, value=value))


def identity(engine: Engine) -> str:
    """Return what tells this warehouse from every other one; its migration wrote it."""
    with engine.connect() as connection:
        known = mark(connection, "identity")
    assert known  # noqa: S101 - every warehouse that opens has been migrated
    return known
