"""Several reads of one instant: what another transaction writes between them is not seen."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from typing import Any

import polars as pl
from sqlalchemy import Engine
from sqlalchemy.engine import URL

from warehouse.store.arrow import answering_in_arrow, as_of_one_instant
from warehouse.store.transport import Parameters, Scalar, _driver, positional
from warehouse.store.url import is_sqlite, located

ODD_NUMBER = -(2**63)
"""Stands for what is no whole number where one belongs: SQLite keeps anything in any column."""
MANY = 50_000
"""Rows from which on NumPy is worth its 50 ms."""


class Snapshot:
    """The warehouse as it was at the first read; from `snapshot`, and good until its end."""

    def __init__(self, url: URL, cursor: Any) -> None:
        self.url = url
        self.is_sqlite = is_sqlite(url)
        self._cursor = cursor

    def read(self, sql: str, parameters: Parameters | None = None) -> pl.DataFrame:
        """Run one SELECT as `warehouse.store.read` does."""
        text, values = positional(sql, parameters or {}, numbered=not self.is_sqlite)
        with located(self.url):
            if self.is_sqlite:
                self._cursor.execute(text, values)
                names = [column[0] for column in self._cursor.description]
                columns = list(zip(*self._cursor, strict=True)) or [()] * len(names)
                return pl.DataFrame(dict(zip(names, columns, strict=True)))
            bound = pl.DataFrame({str(place): [value] for place, value in enumerate(values)})
            self._cursor.execute(text, bound if values else None)
            frame: pl.DataFrame = self._cursor.fetch_polars()
            return frame

    def read_as(self, sql: str, columns: pl.Schema, parameters: Parameters | None = None) -> pl.DataFrame:
        """Run one SELECT of Int64 and String columns, whatever somebody has put into the cells.

        What is no whole number, or no text, becomes `ODD_NUMBER`, or the text of what it is: it is never
        taken for the value that belongs there, and never keeps the other rows from being read.
        """
        if not self.is_sqlite:
            frame = self.read(sql, parameters)
            return frame.rename(dict(zip(frame.columns, columns, strict=True))).cast(columns)
        text, values = positional(sql, parameters or {}, numbered=False)
        with located(self.url):
            found = self._in_bulk(text, columns, values)
            return self._cell_by_cell(text, columns, values) if found is None else found

    def _in_bulk(self, sql: str, columns: pl.Schema, values: list[Scalar]) -> pl.DataFrame | None:
        """Let SQLite write each row as one text and Polars read all: half the time of Python's own cells.

        None where a row cannot be read in this way, or might be read as another one: quotes and marks in a
        text, a text that looks like no value, what does not fit its column.
        """
        names = ", ".join(f"cell_{place}" for place in range(len(columns)))
        whole = f"SELECT group_concat(json_array({names}), char(10)) FROM cells"  # noqa: S608
        driver = self._cursor.connection
        driver.text_factory = bytes
        try:
            ((written,),) = self._cursor.execute(f"WITH cells({names}) AS ({sql}) {whole}", values)
        except sqlite3.Error:  # there is no JSON of raw bytes
            return None
        finally:
            driver.text_factory = str
        if written is None or b"\\" in written or b'"null"' in written:
            return None
        written = written.replace(b"]\n[", b"\n")[1:-1]
        try:
            return pl.read_csv(written, has_header=False, schema=columns, null_values="null")
        except pl.exceptions.ComputeError:
            return None

    def _cell_by_cell(self, sql: str, columns: pl.Schema, values: list[Scalar]) -> pl.DataFrame:
        cells = self._cells(sql, values) or [()] * len(columns)
        return pl.DataFrame(
            [_fitting(name, dtype, held) for (name, dtype), held in zip(columns.items(), cells, strict=True)]
        )

    def _cells(self, sql: str, values: list[Scalar]) -> list[tuple[Any, ...]]:
        """Return the columns of a SELECT; text that is no UTF-8 with marks in the place of what is not."""
        try:
            return list(zip(*self._cursor.execute(sql, values), strict=True))
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
        driver = self._cursor.connection
        driver.text_factory = _decoded
        try:
            return list(zip(*self._cursor.execute(sql, values), strict=True))
        finally:
            driver.text_factory = str

    def packed(self, sql: str, columns: pl.Schema, parameters: Parameters) -> pl.DataFrame:
        """Run one SELECT of Int64 and Float64 columns, no cell null, on SQLite: half the time of `read`."""
        text, values = positional(sql, parameters, numbered=False)
        with located(self.url):
            self._cursor.execute(text, values)
            first = self._cursor.fetchmany(MANY)
            if len(first) < MANY:
                return pl.DataFrame(first, columns, orient="row")
            return _numbers(chain(first, self._cursor), columns)


def _numbers(rows: Iterable[tuple[float, ...]], columns: pl.Schema) -> pl.DataFrame:
    import numpy as np  # noqa: PLC0415 - a third less time for many rows; to load it takes longer than few do

    row = np.dtype([(name, "f8" if dtype == pl.Float64 else "i8") for name, dtype in columns.items()])
    cells = np.fromiter(rows, dtype=row)
    return pl.DataFrame({name: pl.Series(np.ascontiguousarray(cells[name])) for name in columns})


def _decoded(text: bytes) -> str:
    return text.decode(errors="replace")


def _fitting(name: str, dtype: pl.DataType, cells: tuple[Any, ...]) -> pl.Series:
    try:
        return pl.Series(name, cells, dtype=dtype, strict=True)
    except (TypeError, OverflowError):
        wanted = str if dtype == pl.String else int
    odd: Any = repr if wanted is str else (lambda _: ODD_NUMBER)
    fitting = [cell if cell is None or type(cell) is wanted else odd(cell) for cell in cells]
    return pl.Series(name, fitting, dtype=dtype)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Snapshot]:
    """Open a read transaction, and end it without a trace."""
    if is_sqlite(engine.url):
        with located(engine.url):
            connection = engine.connect()
        with connection, closing(_driver(connection).cursor()) as cursor:
            connection.exec_driver_sql("BEGIN")
            yield Snapshot(engine.url, cursor)
        return
    with ExitStack() as opened:
        with located(engine.url):
            arrow = opened.enter_context(answering_in_arrow(engine))
            opened.enter_context(as_of_one_instant(arrow))
            arrow_cursor = opened.enter_context(arrow.cursor())
        yield Snapshot(engine.url, arrow_cursor)
