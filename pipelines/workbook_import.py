"""The sheet Import: what the accounting target gets, column by column, as plain values."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

from pipelines import exporting
from pipelines.book import Book
from pipelines.exports import written
from pipelines.spreadsheet import Column, Kind, Table

NARROWEST, WIDEST = 9, 80
"""Characters that a column may be wide; targets take no longer description than the widest."""
VALUES = "quantities and amounts are those of the charges"


def importing(book: Book, mapping: Path | None = None) -> Table:
    """One row per row of the target's file, under its own column names.

    Parameters
    ----------
    mapping
        The target's mapping file; None: its defaults. The sheet says which one it shows, and never looks at
        what was exported: a workbook is the same before an export and after it.

    Raises
    ------
    Problem
        The file is no mapping of the run's target.
    """
    title, columns, rows = _rows(book, mapping)
    series = [_series(name, [row[place] for row in rows]) for place, name in enumerate(columns)]
    keys = [f"column_{place}" for place in range(len(columns))]
    frame = pl.DataFrame([values.alias(key) for key, values in zip(keys, series, strict=True)])
    return Table(
        "Import",
        title,
        _basis(mapping) if rows else VALUES.capitalize(),
        [
            Column(name, key, _kind(values), _width(name, values))
            for name, key, values in zip(_titles(columns), keys, series, strict=True)
        ],
        frame,
    )


def _basis(mapping: Path | None) -> str:
    """Say by which mapping the rows are laid out, so that nobody takes them for another file's."""
    if mapping is None:
        return (
            "As the import file is with the target's default mapping, in its first batch; for a mapping of "
            f"your own, write the workbook with --mapping FILE; {VALUES}"
        )
    digest = sha256(mapping.read_bytes()).hexdigest()[:16]
    which = f"the mapping {mapping.name} (SHA-256 {digest}...)"
    return f"As the import file is with {which}, in its first batch; {VALUES}"


def _rows(book: Book, mapping: Path | None) -> tuple[str, list[str], list[tuple[Any, ...]]]:
    """Lay the run out for its target; a run that is never exported has nothing to import."""
    columns, rows = exporting.rows(book.run, book.lines, mapping=mapping)
    if book.run.showback:
        return "Showback: nothing is imported", columns, []
    if book.run.status == "void":
        return "Void: nothing is imported", columns, []
    return f"{len(rows):,} rows for {book.run.target}", columns, rows


def _titles(columns: list[str]) -> list[str]:
    """Give each column of a table a title of its own, which a file need not have."""
    named = [name.strip() or f"Column {place}" for place, name in enumerate(columns, 1)]
    seen: Counter[str] = Counter()
    titles = []
    for name in named:
        seen[name.casefold()] += 1
        again = seen[name.casefold()]
        titles.append(name if again == 1 else f"{name} ({again})")
    return titles


def _series(name: str, values: list[Any]) -> pl.Series:
    """Keep numbers and days as what they are, where a column has nothing else."""
    filled = [None if value == "" else value for value in values]
    kinds = {type(value) for value in filled if value is not None}
    if kinds == {int}:
        return pl.Series(name, filled, dtype=pl.Int64)
    if kinds == {Decimal}:
        scale = max(-int(value.as_tuple().exponent) for value in filled if value is not None)
        return pl.Series(name, filled, dtype=pl.Decimal(38, max(scale, 0)))
    if kinds == {date}:
        return pl.Series(name, filled, dtype=pl.Date)
    return pl.Series(name, [written(value) for value in values], dtype=pl.String)


def _kind(values: pl.Series) -> Kind:
    if values.dtype == pl.String:
        return "text"
    return "date" if values.dtype == pl.Date else "plain"


def _width(name: str, values: pl.Series) -> float:
    longest = max(values.cast(pl.String).str.len_chars().drop_nulls().to_list(), default=0)
    return min(max(NARROWEST, len(name) + 2, longest + 2), WIDEST)
