"""Connections to PostgreSQL that answer in Arrow, kept for the next read: making one takes 50 ms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import adbc_driver_manager.dbapi as adbc
import adbc_driver_postgresql.dbapi
import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from warehouse.store.engine import APPLICATION_NAME, POOL_OVERFLOW, POOL_RECYCLE_SECONDS, POOL_SIZE

_pools: WeakKeyDictionary[Engine, QueuePool] = WeakKeyDictionary()
_making = Lock()


@contextmanager
def answering_in_arrow(engine: Engine) -> Iterator[adbc.Connection]:
    """Lend a connection on which each statement is a transaction of its own.

    One on which anything failed is not lent again.
    """
    entry = _pool(engine).connect()
    driver: Any = entry.driver_connection
    try:
        yield driver
    except BaseException:
        entry.invalidate()
        raise
    entry.close()


@contextmanager
def as_of_one_instant(connection: adbc.Connection) -> Iterator[None]:
    """Make all statements inside see what was committed when the first of them ran, and write nothing."""
    connection.adbc_connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    yield
    connection.rollback()
    connection.adbc_connection.set_autocommit(True)


def _pool(engine: Engine) -> QueuePool:
    with _making:
        if engine not in _pools:
            _pools[engine] = _new_pool(engine)
        return _pools[engine]


def _new_pool(engine: Engine) -> QueuePool:
    url = engine.url
    pool = QueuePool(
        lambda: _connect(url),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        recycle=POOL_RECYCLE_SECONDS,
        reset_on_return=None,  # nothing is open: each statement is its own transaction
    )
    sa.event.listen(pool, "checkout", _require_alive)
    sa.event.listen(engine, "engine_disposed", lambda _engine: pool.dispose())
    return pool


def _require_alive(connection: adbc.Connection, *_: object) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1").fetch_polars()
    except adbc.Error as error:
        raise DisconnectionError from error  # the pool makes a new one


def _connect(url: URL) -> Any:
    named = url.update_query_dict({"fallback_application_name": APPLICATION_NAME})
    text = named.set(drivername="postgresql").render_as_string(hide_password=False)
    place, _, query = text.partition("?")
    # SQLAlchemy writes a space as a plus sign, which PostgreSQL's own library takes for one.
    uri = f"{place}?{query.replace('+', '%20')}"
    return adbc_driver_postgresql.dbapi.connect(uri, autocommit=True)
