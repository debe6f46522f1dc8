"""One moment of a warehouse, read by one or two connections at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.store import WarehouseProblem

WORKERS = 2
"""Connections that read at once: SQLite lets go of Python while it works."""
TRIES = 20
MANY = 10_000
"""Sessions named in one statement: SQLite takes 32,766 parameters at most."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Snapshot:
    """What a warehouse held at one moment, whatever is written meanwhile."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self.connection = connections[0]
        self.newest = int(self.connection.scalar(sa.select(sa.func.max(schema.landing.c.id))) or 0)
        self._connections = connections

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a SELECT with `:name` parameters and return its rows."""
        return rows(self.connection, sql, parameters)

    def rows_of(self, sql: str, sessions: Sequence[int]) -> list[tuple[Any, ...]]:
        """Run a SELECT with `IN :sessions` for sessions however many, and return its rows."""
        query = sa.text(sql).bindparams(sa.bindparam("sessions", expanding=True))
        parts = (sessions[first : first + MANY] for first in range(0, len(sessions), MANY))
        return [tuple(row) for part in parts for row in self.connection.execute(query, {"sessions": part})]

    def spread(self, work: Callable[[Connection, Item], Result], items: Sequence[Item]) -> list[Result]:
        """Work on all items, on all connections at once; return the results in the order of the items."""
        count = len(self._connections)

        def each(place: int) -> list[Result]:
            return [work(self._connections[place], item) for item in items[place::count]]

        with ThreadPoolExecutor(count) as workers:
            done = [iter(results) for results in workers.map(each, range(count))]
        return [next(done[place % count]) for place in range(len(items))]

    def numbers(
        self, sql: str, columns: Sequence[str], parameters: Mapping[str, Any] | None = None
    ) -> pl.DataFrame:
        """Run a SELECT of whole numbers, none of them null, and return them as columns of Int64."""
        return _numbers(self.connection, sql, columns, parameters or {})

    def numbers_by_session(
        self, sql: str, columns: Sequence[str], parameters: Mapping[str, Any]
    ) -> pl.DataFrame:
        """Run a SELECT over `:first <= session < :until` for all sessions, on all connections at once.

        Worth it where a row is long in the making: else the threads wait for Python most of the time.
        """
        parts = _parts(self.connection, len(self._connections))

        def read(connection: Connection, part: tuple[int, int]) -> pl.DataFrame:
            return _numbers(connection, sql, columns, {**parameters, "first": part[0], "until": part[1]})

        return pl.concat(self.spread(read, parts))


def rows(
    connection: Connection, sql: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run a SELECT with `:name` parameters on one connection and return its rows."""
    return [tuple(row) for row in connection.execute(sa.text(sql), parameters or {})]


def _numbers(
    connection: Connection, sql: str, columns: Sequence[str], parameters: Mapping[str, Any]
) -> pl.DataFrame:
    cursor: Any = connection.execute(sa.text(sql), parameters).cursor
    read = np.fromiter(cursor, dtype=np.dtype([(name, "i8") for name in columns]))
    return pl.DataFrame({name: np.ascontiguousarray(read[name]) for name in columns})


def _parts(connection: Connection, count: int) -> list[tuple[int, int]]:
    """Divide all session ids into ranges of about equally many sessions."""
    number = schema.session.c.id
    total = int(connection.scalar(sa.select(sa.func.count()).select_from(schema.session)) or 0)
    places = (total * place // count for place in range(1, count))
    cuts = [connection.scalar(sa.select(number).order_by(number).offset(place).limit(1)) for place in places]
    edges = [-(2**63), *(int(cut) for cut in cuts if cut is not None), 2**63 - 1]
    return list(pairwise(edges))


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Open one moment of a warehouse for reading.

    Raises
    ------
    WarehouseProblem
        Segments arrive so fast that two connections never see the same ones.
    """
    opened: Callable[[Engine, ExitStack], Sequence[Connection]]
    opened = _of_sqlite if engine.dialect.name == "sqlite" else _of_postgresql
    with ExitStack() as stack:
        yield Snapshot(opened(engine, stack))


def _of_postgresql(engine: Engine, stack: ExitStack) -> Sequence[Connection]:
    connection = stack.enter_context(engine.connect())
    connection = connection.execution_options(isolation_level="REPEATABLE READ")
    connection.execute(sa.text("SELECT 1"))
    return [connection]


def _of_sqlite(engine: Engine, stack: ExitStack) -> Sequence[Connection]:
    """Open transactions until all see the same landings: whoever writes segments notes one."""
    connections = [stack.enter_context(engine.connect()) for _ in range(WORKERS)]
    for _ in range(TRIES):
        seen = [_begun(connection) for connection in connections]
        if len(set(seen)) == 1:
            return connections
        for connection in connections:
            connection.rollback()
    raise WarehouseProblem(
        "Segments are being written so fast that no moment could be held", "run it again when less arrives"
    )


def _begun(connection: Connection) -> int | None:
    connection.exec_driver_sql("BEGIN")
    newest: int | None = connection.scalar(sa.select(sa.func.max(schema.landing.c.id)))
    return newest
