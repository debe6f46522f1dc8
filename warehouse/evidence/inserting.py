"""Inserting rows as each of the two databases does it best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from warehouse import schema
from warehouse.store.months import DAY_MS, make_room


def dialect_insert(connection: Connection, table: sa.Table) -> Any:
    """Return an INSERT that knows ON CONFLICT: both spell it alike, SQLAlchemy has one class for each."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def pairs(rows: Iterable[Any]) -> dict[Any, int]:
    """Return rows of a key and a number as a mapping."""
    return {row[0]: row[1] for row in rows}


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that are not there yet, judged by the table's own unique constraints."""
    if rows:
        connection.execute(dialect_insert(connection, table).on_conflict_do_nothing(), list(rows))


def append(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows in bulk, as the database does it fastest inside an open transaction."""
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        if table is schema.segment:
            start = columns.index("start_ms")
            make_room(connection, {row[start] // DAY_MS for row in rows})
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608
