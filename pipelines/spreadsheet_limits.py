"""What no workbook can hold: prose is made readable, a name or a code is refused by its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import polars as pl

from pipelines.hidden_characters import visible_texts
from pipelines.spreadsheet_rows import FIRST_ROW, Table
from warehouse.errors import Problem

LONGEST_TEXT = 32_767
"""In UTF-16 code units, as spreadsheets count."""
MOST_ROWS = 1_048_576 - 10
ILLEGAL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"  # what XML 1.0 cannot hold
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
FIRST_DAY = date(1900, 1, 1)
PICTURES = {chr(code): chr(0x2400 + code) for code in (*range(9), 11, 12, *range(14, 32))} | {
    "\ufffe": "\ufffd",
    "\uffff": "\ufffd",
}
"""What stands in prose for characters that XML 1.0 cannot hold."""
KEPT_CHARACTERS = 16_000
"""Of prose that is too long: at most two code units each."""
REMEDY = "correct it where it was entered"


def writable(table: Table) -> Table:
    """Return a table as a workbook can hold it, or refuse it.

    Prose is written as text that can be read whatever is in it: a reason is on record and stays as it is. A
    control character becomes its picture, U+2400 and on; a text that is too long is cut, and says so. A name
    or a code is never changed, but that hidden characters are told by their numbers: see `hidden_characters`.

    Raises
    ------
    Problem
        More rows than a sheet has, odd text, a number that is none, a day before 1900: naming sheet, row and
        column.
    """
    if table.frame.height > MOST_ROWS:
        raise Problem(
            f"sheet {table.sheet} would have {table.frame.height:,} rows, a workbook holds {MOST_ROWS:,}",
            "export it as CSV",
        )
    texts = [
        _readable(pl.col(column.key)) if column.kind == "prose" else visible_texts(pl.col(column.key))
        for column in table.columns
        if table.frame[column.key].dtype == pl.String
    ]
    made = replace(table, frame=table.frame.with_columns(texts))
    for column in made.columns:
        for wrong, what in _faults(made.frame[column.key]):
            rows = wrong.fill_null(value=False).arg_true()
            if len(rows):
                place = f"sheet {made.sheet}, row {rows[0] + FIRST_ROW}, column {column.title}"
                raise Problem(f"{place}: {what}", REMEDY)
    return made


def refuse_text(text: str, place: str) -> None:
    """Refuse one text that no workbook can hold.

    Raises
    ------
    Problem
        Naming the place.
    """
    if _ILLEGAL.search(text):
        raise Problem(f"{place}: {CONTROL}", REMEDY)
    if len(text.encode("utf-16-le")) > 2 * LONGEST_TEXT:
        raise Problem(f"{place}: {TOO_LONG}", REMEDY)


CONTROL = "the text holds a control character"
TOO_LONG = f"the text is longer than {LONGEST_TEXT:,} characters"


def _faults(values: pl.Series) -> Iterator[tuple[pl.Series, str]]:
    """Give what may be wrong with a column's values, and which of them it is wrong with."""
    if values.dtype == pl.String:
        yield values.str.contains(ILLEGAL), CONTROL
        yield values.to_frame().select(_is_too_long(pl.first())).to_series(), TOO_LONG
    elif values.dtype.is_float():
        yield ~values.is_finite(), "it is not a number"
    elif values.dtype.is_temporal():
        yield values.dt.date() < FIRST_DAY, "the day is before 1900"


def _readable(text: pl.Expr) -> pl.Expr:
    pictured = visible_texts(text).str.replace_many(PICTURES)
    told = "{} ... (cut here: it has {} characters)"
    cut = pl.format(told, pictured.str.head(KEPT_CHARACTERS), text.str.len_chars())
    return pl.when(_is_too_long(text)).then(cut).otherwise(pictured)


def _is_too_long(text: pl.Expr) -> pl.Expr:
    beyond_one_unit = text.str.count_matches(r"[\x{10000}-\x{10FFFF}]")
    return text.str.len_chars() + beyond_one_unit > LONGEST_TEXT
