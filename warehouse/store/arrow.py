"""Connections to PostgreSQL that answer in Arrow, kept for the next read: making one takes 50 ms.

The drivers are loaded with the first of them: who reads SQLite need not wait for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import Engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from warehouse.store.engine import CONNECT_DEFAULTS, POOL_OVERFLOW, POOL_RECYCLE_SECONDS, POOL_SIZE

if TYPE_CHECKING:
    import adbc_driver_manager.dbapi as adbc

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
    address = _address(engine.url)
    pool = QueuePool(
        lambda: _connect(address),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        recycle=POOL_RECYCLE_SECONDS,
        reset_on_return=None,  # nothing is open: each statement is its own transaction
    )
    sa.event.listen(pool, "checkout", _require_alive)
    sa.event.listen(engine, "engine_disposed", lambda _engine: pool.dispose())
    return pool


def _address(url: URL) -> str:
    """Return the URL's parts, which is not its text: SQLAlchemy writes spaces in a way that libpq refuses."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    query = {name: value if isinstance(value, str) else ",".join(value) for name, value in url.query.items()}
    place = url.translate_connect_args(username="user", database="dbname")
    return make_conninfo(**{**CONNECT_DEFAULTS, **place, **query})


def _require_alive(connection: adbc.Connection, *_: object) -> None:
    import adbc_driver_manager.dbapi as adbc  # noqa: PLC0415

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1").fetch_polars()
    except adbc.Error as error:
        raise DisconnectionError from error  # the pool makes a new one


def _connect(address: str) -> Any:
    import adbc_driver_postgresql.dbapi  # noqa: PLC0415

    return adbc_driver_postgresql.dbapi.connect(address, autocommit=True)
