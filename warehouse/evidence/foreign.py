"""The one transaction in which foreign logs are taken in; the modules `foreign_*` beside do the writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse.directory.storing import IMPORT_LOCK
from warehouse.evidence.foreign_segments import drop_scratch, make_scratch
from warehouse.store import writing
from warehouse.store.url import located

_CACHE_KIB = 65_536
_USUAL_CACHE_KIB = 2_000


@contextmanager
def taking_in(engine: Engine) -> Iterator[Connection]:
    """Open the transaction: all of an import, or nothing of it; imports wait for each other.

    Raises
    ------
    WarehouseProblem
        The database refuses, or its disk is full.
    """
    with located(engine.url), writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # on SQLite the transaction is the lock
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK})
        with _room_for_indexes(connection):
            make_scratch(connection)
            yield connection
            drop_scratch(connection)


@contextmanager
def _room_for_indexes(connection: Connection) -> Iterator[None]:
    """Let SQLite keep more pages: keys of content come in no order, and 2 MB hold little of their index."""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql(f"PRAGMA cache_size=-{_CACHE_KIB}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA cache_size=-{_USUAL_CACHE_KIB}")
