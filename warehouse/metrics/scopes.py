"""Rows that hold for a scope and a stretch of days: which of them fit, and how special each is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl


def fitting(
    wanted: pl.DataFrame, rows: pl.DataFrame, scopes: Sequence[str], number: str, equal: Sequence[str] = ()
) -> pl.DataFrame:
    """Join each wanted row with every row that fits its scope and is valid on its day.

    Parameters
    ----------
    wanted
        `day` and the columns of `scopes` and `equal`; distinct.
    rows
        `number`, the columns of `scopes` (null: any) and `equal`, `valid_from`, `valid_to` (null: open).
    scopes
        What a row may be limited to; the earlier, the more it counts: one outweighs all later ones.
    number
        The column that names a row.
    equal
        What must be the same whatever the scope.

    Returns
    -------
    pl.DataFrame
        The columns of `wanted`, `number` and `weight` (Int32): one row per pair that fits.
    """
    found = [
        _of_scope(wanted, _limited_to(rows, scopes, scope), scope, number, equal).with_columns(
            weight=pl.lit(sum(2 ** (len(scopes) - 1 - scopes.index(name)) for name in scope), pl.Int32)
        )
        for scope in _combinations(rows, scopes)
    ]
    none = wanted.clear().with_columns(
        pl.lit(None, rows.schema[number]).alias(number), weight=pl.lit(None, pl.Int32)
    )
    return pl.concat([none, *found])


def _combinations(rows: pl.DataFrame, scopes: Sequence[str]) -> list[tuple[str, ...]]:
    """List the combinations of scopes that the rows use, in a fixed order."""
    used = rows.select(pl.col(name).is_not_null() for name in scopes).unique().sort(scopes).rows()
    return [tuple(name for name, is_set in zip(scopes, row, strict=True) if is_set) for row in used]


def _limited_to(rows: pl.DataFrame, scopes: Sequence[str], scope: Sequence[str]) -> pl.DataFrame:
    return rows.filter(
        pl.col(name).is_not_null() if name in scope else pl.col(name).is_null() for name in scopes
    )


def _of_scope(
    wanted: pl.DataFrame, rows: pl.DataFrame, scope: Sequence[str], number: str, equal: Sequence[str]
) -> pl.DataFrame:
    keys = [*equal, *scope]
    stretches = rows.select(number, "valid_from", "valid_to", *keys)
    pairs = wanted.join(stretches, on=keys) if keys else wanted.join(stretches, how="cross")
    is_valid = (pl.col("valid_from") <= pl.col("day")) & (
        pl.col("valid_to").is_null() | (pl.col("day") < pl.col("valid_to"))
    )
    return pairs.filter(is_valid).select(*wanted.columns, number)


def eras(days: pl.Series, *edges: pl.Series) -> dict[date, date]:
    """Say for each day which is the first of the days between the same edges: what holds on it, holds on all.

    Parameters
    ----------
    days
        Days that something is asked about.
    edges
        Days on which an answer may change; nulls count for nothing.
    """
    changes: Iterable[date] = pl.concat([each.drop_nulls() for each in edges]).unique().sort()
    known = sorted(changes)
    first: dict[int, date] = {}
    for day in days.unique().drop_nulls().sort():
        first.setdefault(bisect_right(known, day), day)
    return {day: first[bisect_right(known, day)] for day in days.unique().drop_nulls()}
