"""Whole frames into tables, inside an open transaction, as each of the two databases takes them fastest."""

from __future__ import annotations

import sqlite3
from io import BytesIO
from itertools import chain
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

ROWS_AT_ONCE = 50_000
"""So many rows exist as Python's objects, or as text, at a time."""
VALUES_AT_ONCE = 2_000
"""So many values are bound to one statement of SQLite: beyond, a statement saves nothing more."""
ABSENT = -(2**63)


def insert(connection: Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    """Insert a frame whose columns are named as the table's; nothing is committed.

    Instants are integers, days ISO text. Where SQLite keeps a table in the order of its primary key, its rows
    are written in that order. Segments need room first, see `warehouse.store.months`, and a word of what
    landed, see `warehouse.landing`: `store.append` does both.
    """
    if frame.is_empty():
        return
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        _copy(driver, table, frame)
    else:
        _insert(driver, table, frame)


# --- PostgreSQL --------------------------------------------------------------------------------------------


def _copy(driver: Any, table: sa.Table, frame: pl.DataFrame) -> None:
    columns = _names(frame.columns)
    with driver.cursor() as cursor:
        with cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN (FORMAT csv)') as copy:
            for part in frame.iter_slices(ROWS_AT_ONCE):
                text = BytesIO()
                # Quotes tell an empty text, and what looks like the end of the data, from nothing.
                part.write_csv(text, include_header=False, quote_style="non_numeric")
                copy.write(text.getvalue())
        if frame.schema.get("id", pl.Null()).is_integer():
            cursor.execute(_ADVANCE_SEQUENCE.format(table=table.name))


# Ids that a frame brings along do not move PostgreSQL's own counter: the next insert would collide.
_ADVANCE_SEQUENCE = """
SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM "{table}"))
"""

# --- SQLite ------------------------------------------------------------------------------------------------


def _insert(driver: sqlite3.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    """Bind many rows to each statement: what a statement costs, and what a value costs, is most of it."""
    rows, marks = _plain(_in_order(table, frame))
    into = f'INSERT INTO "{table.name}" ({_names(frame.columns)}) VALUES '  # noqa: S608  our own tables' names
    width = frame.width
    height = min(VALUES_AT_ONCE, driver.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)) // width
    for part in rows.iter_slices(ROWS_AT_ONCE // height * height):
        values = list(chain.from_iterable(zip(*(column.to_list() for column in part), strict=True)))
        whole = part.height // height * height * width
        step = height * width
        statement = into + ", ".join([marks] * height)
        driver.executemany(statement, (values[place : place + step] for place in range(0, whole, step)))
        if rest := values[whole:]:
            driver.execute(into + ", ".join([marks] * (len(rest) // width)), rest)


def _in_order(table: sa.Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by the primary key where the table's own tree is made of it: then it only grows at its end."""
    if table.dialect_options["sqlite"]["with_rowid"]:
        return frame
    return frame.sort([column.name for column in table.primary_key if column.name in frame.columns])


def _plain(frame: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Return the frame with whole numbers for true, false and no number; and the marks of one row.

    Python's driver looks for an adapter of every True, False and None that it is to bind, each time.
    """
    columns, marks = [], []
    for column in frame:
        is_number = column.dtype.is_integer() or column.dtype == pl.Boolean
        plain = column.cast(pl.Int64) if is_number else column
        has_gaps = is_number and plain.null_count() > 0 and plain.min() != ABSENT
        columns.append(plain.fill_null(ABSENT) if has_gaps else plain)
        marks.append(f"nullif(?, {ABSENT})" if has_gaps else "?")
    return pl.DataFrame(columns), f"({', '.join(marks)})"


def _names(columns: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
