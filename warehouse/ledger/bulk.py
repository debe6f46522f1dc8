"""Many rows in the caller's own transaction: a draft is there whole or not at all."""

from __future__ import annotations

from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection


def insert(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    """Insert a frame whose columns are named as the table's, by the driver's fastest way.

    Instants are integers, days ISO text. Nothing is committed.
    """
    if frame.is_empty():
        return
    driver: Any = connection.connection.driver_connection
    columns = ", ".join(f'"{name}"' for name in frame.columns)
    if connection.dialect.name == "postgresql":
        copy_in = f'COPY "{table.name}" ({columns}) FROM STDIN'
        with driver.cursor() as cursor, cursor.copy(copy_in) as copy:
            for row in frame.iter_rows():
                copy.write_row(row)
        return
    marks = ", ".join("?" * frame.width)
    into = f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})'  # noqa: S608  names of our own tables
    driver.executemany(into, frame.iter_rows())


def next_id(connection: Connection, table: sa.Table) -> int:
    """Return the id after the greatest: the ledger's writers are alone with it, see `audit.serialize`."""
    return int(connection.scalar(sa.select(sa.func.max(table.c.id))) or 0) + 1
