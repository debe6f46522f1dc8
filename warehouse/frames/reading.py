"""From rows as a driver gives them to frames of a declared schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl
from polars.datatypes import DataType, DataTypeClass
from sqlalchemy import Engine

from warehouse import directory, schema, store
from warehouse.directory import Kind
from warehouse.periods import INSTANT, check_window

ATTENTION = pl.Enum(schema.ATTENTIONS)
_WORDS = pl.Series(schema.ATTENTIONS, dtype=ATTENTION)
Columns = Mapping[str, DataType | DataTypeClass]
Window = dict[str, int]
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def window_ms(start: datetime, end: datetime) -> Window:
    """Return a window as the parameters `start_ms` and `end_ms`; refuse one without a zone or length."""
    check_window(start, end)
    millisecond = timedelta(milliseconds=1)
    # The end rounds up: an instant inside the last millisecond belongs to the window.
    return {"start_ms": (start - EPOCH) // millisecond, "end_ms": -((EPOCH - end) // millisecond)}


def typed(rows: pl.DataFrame, columns: Columns) -> pl.LazyFrame:
    """Select the declared columns in their order and types; empty and all-null columns included."""
    return rows.select(_cast(name, rows.schema[name], dtype) for name, dtype in columns.items()).lazy()


def _cast(name: str, given: DataType, dtype: DataType | DataTypeClass) -> pl.Expr:
    column = pl.col(name)
    if given == dtype:
        return column
    if dtype == pl.Date:
        return column.cast(pl.String).str.to_date("%Y-%m-%d")
    if dtype == INSTANT:
        return column.cast(pl.Int64).cast(INSTANT)
    if dtype == ATTENTION:
        return pl.lit(_WORDS).gather(column.cast(pl.UInt32)).alias(name)
    return column.cast(dtype)


def select(
    engine: Engine, sql: str, columns: Columns, parameters: store.Parameters | None = None
) -> pl.LazyFrame:
    """Run a SELECT whose rows hold no person, account, host or device, and type it."""
    return typed(store.read(engine, sql, parameters), columns)


def select_named(
    engine: Engine,
    sql: str,
    columns: Columns,
    names: Mapping[str, Kind],
    parameters: store.Parameters | None = None,
) -> pl.LazyFrame:
    """Run a SELECT, put pseudonyms in the place of the ids in the columns `names`, and type it."""
    return typed(named(engine, store.read(engine, sql, parameters), names), columns)


def named(engine: Engine, rows: pl.DataFrame, names: Mapping[str, Kind]) -> pl.DataFrame:
    """Replace ids by pseudonyms, column by column; a null stays null."""
    key = directory.pseudonym_key(engine.url)
    return rows.with_columns(_named(rows[column], kind, key) for column, kind in names.items())


def _named(numbers: pl.Series, kind: Kind, key: bytes) -> pl.Series:
    numbers = numbers.cast(pl.Int64)
    known = directory.pseudonyms(kind, numbers.drop_nulls().unique(), key)
    return numbers.replace_strict(known, default=None, return_dtype=pl.String)
