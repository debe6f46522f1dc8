"""Whole frames in and out: COPY and ADBC (Arrow) on PostgreSQL, Python's own `sqlite3` on SQLite.

Never open the SQLite file with a second copy of the SQLite library in this process (the drivers of ADBC,
connectorx and DuckDB each bring one): POSIX locks are per process, so the second copy deletes the write-ahead
log under the first one's hands, and what the first then commits is lost without a word.
See docs/decisions/one-sqlite-library.md.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.landing import landed_in, let_readers_wait
from warehouse.store.arrow import answering_in_arrow
from warehouse.store.bulk import insert
from warehouse.store.engine import writing
from warehouse.store.months import DAY_MS, make_room
from warehouse.store.url import WarehouseProblem, is_sqlite, located

Scalar = str | int | float | bool
Parameters = Mapping[str, Scalar | Sequence[Scalar]]


def append(engine: Engine, table: str, frame: pl.DataFrame) -> int:
    """Append a frame to a table in one transaction, all or nothing.

    Parameters
    ----------
    frame
        Columns named as the table's; those left out take their default. Instants are integers, JSON is text.

    Returns
    -------
    int
        The number of rows written.

    Raises
    ------
    WarehouseProblem
        A column or its type does not fit, or the database refuses a row; nothing is written.
    """
    target = schema.metadata.tables[table]
    rows = frame.select(_conform(target, name, dtype) for name, dtype in frame.schema.items())
    if rows.is_empty():
        return 0
    with located(engine.url):
        if table == "segment":
            # In a transaction of its own: making a month keeps other writers waiting, loading may take long.
            with engine.begin() as apart:
                make_room(apart, (rows["start_ms"] // DAY_MS).drop_nulls().unique())
        with writing(engine) as connection:
            _let_in(connection)
            insert(connection, target, rows)
            if table == "segment":
                _note(connection, rows)
    return rows.height


def _let_in(connection: Connection) -> None:
    """Say that whole tables come: they may hold closed runs, which else take no line (migration 0003)."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT set_config('process_meter.copying', 'yes', true)"))


def _note(connection: Connection, segments: pl.DataFrame) -> None:
    """Note what landed, for whoever derives from segments."""
    let_readers_wait(connection)
    landed = landed_in(segments).with_columns(at_ms=pl.lit(time.time_ns() // 1_000_000))
    insert(connection, schema.landing, landed)


def _conform(table: sa.Table, name: str, dtype: pl.DataType) -> pl.Expr:
    if name not in table.columns:
        raise WarehouseProblem(f"The table {table.name} has no column {name}", "rename or drop it")
    kind = table.columns[name].type
    wanted, fits = _column_type(kind, dtype)
    if not (fits or dtype == pl.Null):
        raise WarehouseProblem(f"{table.name}.{name} takes {kind}, not {dtype}", "cast the column first")
    return pl.col(name).cast(wanted)


def _column_type(kind: sa.types.TypeEngine[object], given: pl.DataType) -> tuple[pl.DataType, bool]:
    """Return the Polars type that a column is written as, and whether the given one fits without loss."""
    if isinstance(kind, sa.Boolean):
        return pl.Boolean(), given == pl.Boolean
    if isinstance(kind, sa.SmallInteger):
        return pl.Int16(), given.is_integer()
    if isinstance(kind, sa.BigInteger):
        return pl.Int64(), given.is_integer()
    if isinstance(kind, sa.Integer):
        return pl.Int32(), given.is_integer()
    if isinstance(kind, sa.Double):
        return pl.Float64(), given.is_numeric()
    return pl.String(), given in (pl.String, pl.Enum, pl.Categorical)


def read(engine: Engine, sql: str, parameters: Parameters | None = None) -> pl.DataFrame:
    """Run one SELECT and return its rows as a frame, typed as the database's driver sees them.

    Parameters
    ----------
    sql
        The same text for both databases, with `:name` where a value belongs; write CAST, not `::`.
    parameters
        The values; a sequence stands for the list after IN, as in `code IN :codes`.
    """
    sqlite = is_sqlite(engine.url)
    text, values = positional(sql, parameters or {}, numbered=not sqlite)
    with located(engine.url):
        return _read_sqlite(engine, text, values) if sqlite else _read_postgresql(engine, text, values)


def _read_sqlite(engine: Engine, sql: str, values: Sequence[Scalar]) -> pl.DataFrame:
    with sqlite_rows(engine, sql, values) as cursor:
        names = [column[0] for column in cursor.description]
        columns = list(zip(*cursor, strict=True)) or [()] * len(names)
    return pl.DataFrame(dict(zip(names, columns, strict=True)))


def _read_postgresql(engine: Engine, sql: str, values: Sequence[Scalar]) -> pl.DataFrame:
    bound = pl.DataFrame({str(place): [value] for place, value in enumerate(values)})
    with answering_in_arrow(engine) as connection, connection.cursor() as cursor:
        cursor.execute(sql, bound if values else None)
        return cursor.fetch_polars()


@contextmanager
def sqlite_rows(engine: Engine, sql: str, values: Sequence[Scalar]) -> Iterator[sqlite3.Cursor]:
    """Run a SELECT with `?` marks on a SQLite warehouse and give the driver's own cursor over tuples."""
    with engine.connect() as connection, closing(_driver(connection).cursor()) as cursor:
        cursor.execute(sql, values)
        yield cursor


def positional(sql: str, parameters: Parameters, *, numbered: bool) -> tuple[str, list[Scalar]]:
    """Replace each `:name` by the driver's own marks; return the values in the order of the marks."""
    values: list[Scalar] = []

    def mark(value: Scalar) -> str:
        values.append(value)
        return f"${len(values)}" if numbered else "?"

    def marks(found: re.Match[str]) -> str:
        value = parameters[found[1]]
        if isinstance(value, str) or not isinstance(value, Sequence):
            return mark(value)
        return f"({', '.join(map(mark, value)) or 'NULL'})"

    return re.sub(r"(?<!:):([a-z_]+)", marks, sql), values


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101
    return driver
