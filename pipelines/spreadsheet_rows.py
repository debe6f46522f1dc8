"""The rows of a sheet as SpreadsheetML: of a whole frame at once, or cell by cell where a sheet has few.

The library writes each cell as an object of its own, which costs more than all the rest of a large workbook.
Text stays text, whatever it begins with; money never goes through a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from xml.sax.saxutils import escape

import polars as pl
from openpyxl.utils import get_column_letter

from warehouse.money import HOUR_MS, minor_digits

Kind = Literal[
    "text",
    "prose",
    "date",
    "instant",
    "integer",
    "hours",
    "time",
    "money",
    "rate",
    "minutes",
    "plain",
    "formula",
]
"""What a column or cell holds; `plain` is numbers as they are, `minutes` those with decimals where needed."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
CHUNK_ROWS = 5_000
"""Rows that are text at the same time: a sheet of a million takes no more memory than one of ten thousand."""

HEADER_ROW = 4
"""Titles stand in rows 1 and 2, row 3 is empty, the table's header is row 4, its data begin in row 5."""
FIRST_ROW = HEADER_ROW + 1
LINE_HEIGHT, GREATEST_HEIGHT = 13.5, 409.0  # points; no spreadsheet has a higher row

EPOCH_DAY, DAY_MS = 25_569, 86_400_000  # 1970-01-01 in days of a spreadsheet, which begin with 1899-12-30
MILLISECOND = timedelta(milliseconds=1)
DAY_THAT_NEVER_WAS = 60  # spreadsheets have a 29 February 1900


@dataclass(frozen=True)
class Column:
    """A column: its title, the frame's column, what it holds, and its width in characters.

    A `hours` column holds quantities in 0.001 h, or hours; a `time` column milliseconds; a `money` column
    minor units, of as many decimals as the frame's column `digits` says; a `rate` column 1/10,000 of the
    major unit.
    """

    title: str
    key: str
    kind: Kind
    width: float


@dataclass(frozen=True)
class Table:
    """One sheet with one table.

    `totals` are further rows below it, in bold; `side` are cells to its right by row and column, for a chart.
    """

    sheet: str
    title: str
    basis: str
    columns: Sequence[Column]
    frame: pl.DataFrame
    totals: pl.DataFrame | None = None
    side: Mapping[int, Mapping[int, Any]] = field(default_factory=dict)


def with_digits(frame: pl.DataFrame) -> pl.DataFrame:
    """Add how many decimals the amounts of each row have, by its `currency`: see `Column`."""
    known = {code: minor_digits(code) for code in frame["currency"].drop_nulls().unique()}
    digits = pl.col("currency").replace_strict(known, default=2, return_dtype=pl.Int64)
    return frame.with_columns(digits=digits)


class Look(NamedTuple):
    """How a cell looks: its number format is the kind's unless it has a `shape`, its side likewise."""

    kind: Kind
    digits: int = 2
    is_quoted: bool = False
    bold: bool = False
    shape: str = ""
    side: str = ""


Style = Callable[[Look], int]
"""Gives the number of a look in the workbook's list of styles."""


# --- How wide ----------------------------------------------------------------------------------------------

WIDEST = 36
"""Characters up to which a column of text grows beyond its own width."""


def widths(table: Table) -> dict[int, float]:
    """Return how wide each column is: its own width, or more where a value needs it."""
    frames = [table.frame] if table.totals is None else [table.frame, table.totals]
    return {
        place: max([column.width, *(_needed(column, frame[column.key]) for frame in frames)])
        for place, column in enumerate(table.columns)
    }


def _needed(column: Column, values: pl.Series) -> float:
    """Return the characters that the widest value needs: of a number all, as a cut one shows nothing."""
    if column.kind == "text":
        return float(min(_largest(values, pl.first().str.len_chars()) + 2, WIDEST))
    if not values.dtype.is_numeric() or values.dtype.is_decimal():
        return 0
    units = {"time": HOUR_MS, "hours": 1 if values.dtype.is_float() else 1000}
    unit = units.get(column.kind, 10 ** _decimals(column.kind, 2))
    decimals = {"integer": 0, "money": 2, "rate": 4}.get(column.kind, 3)
    return len(f"{_largest(values, pl.first().abs()) / unit:,.{decimals}f}") + 2


def _largest(values: pl.Series, size: pl.Expr) -> int | float:
    largest: int | float = values.to_frame().select(size.max()).item() or 0
    return largest


# --- One cell ----------------------------------------------------------------------------------------------


class Cell(NamedTuple):
    """A value with the number of its style."""

    style: int
    kind: Kind
    value: Any
    digits: int = 2


def row_of_cells(number: int, cells: Sequence[Cell | None], height: float | None) -> str:
    """Write a row of few, each of its own kind."""
    told = [_cell(place, number, cell) for place, cell in enumerate(cells) if cell is not None]
    size = f' ht="{height:g}" customHeight="1"' if height else ""
    return f'<row r="{number}"{size}>{"".join(told)}</row>'


def cells_beside(number: int, cells: Mapping[int, Cell]) -> str:
    """Write further cells of a row, by their places."""
    return "".join(_cell(place, number, cell) for place, cell in sorted(cells.items()))


def _cell(place: int, row: int, cell: Cell) -> str:
    ref = f'<c r="{get_column_letter(place + 1)}{row}" s="{cell.style}"'
    if cell.value is None or cell.value == "":
        return f"{ref}/>"
    if cell.kind == "formula":
        return f"{ref}><f>{escape(cell.value[1:])}</f></c>"
    if isinstance(cell.value, str):
        space = ' xml:space="preserve"' if _KEPT_SPACE.search(cell.value) else ""
        return f'{ref} t="inlineStr"><is><t{space}>{_text(cell.value)}</t></is></c>'
    return f"{ref}><v>{_number(cell)}</v></c>"


_KEPT_SPACE = re.compile(r"^\s|\s$|[\n\t]|  ")
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4}_)")


def _text(text: str) -> str:
    """Escape what is not text in XML, and what spreadsheets would decode: `_x0041_` is a letter to them."""
    return escape(_ESCAPE.sub(r"_x005F_x\1", text), {"\r": "&#13;"})


def _number(cell: Cell) -> str:
    value = cell.value
    if isinstance(value, datetime):
        since_1970 = value.replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)
        return str((Decimal(since_1970 // MILLISECOND) / DAY_MS + EPOCH_DAY).quantize(Decimal("1e-10")))
    scale = _decimals(cell.kind, cell.digits)
    return str(Decimal(value).scaleb(-scale)) if scale and isinstance(value, int) else str(value)


def _decimals(kind: Kind, digits: int) -> int:
    return {"money": digits, "hours": 3, "rate": 4}.get(kind, 0)


# --- A frame -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Rows of a frame from `first_row` on; `beside` are finished cells to their right, by row."""

    columns: Sequence[Column]
    frame: pl.DataFrame
    first_row: int
    style: Style
    bold: bool = False
    beside: Mapping[int, str] = field(default_factory=dict)

    def ready(self) -> None:
        """Enter all its looks in the workbook's list of styles, which is written before the rows are."""
        digits = self.frame["digits"].unique().to_list() if "digits" in self.frame.columns else [2]
        for column in self.columns:
            for number in digits if column.kind == "money" else [self._scale(column)]:
                self._look(column, number)
            if self.frame.schema[column.key] == pl.String:
                self._look(column, is_quoted=True)

    def pieces(self) -> Iterator[bytes]:
        """Give the rows as text, some thousand at a time."""
        for offset in range(0, self.frame.height, CHUNK_ROWS):
            part = self.frame.slice(offset, CHUNK_ROWS)
            first = self.first_row + offset
            numbers = pl.int_range(first, first + part.height, eager=True).cast(pl.String).alias("__row")
            rows = part.with_columns(numbers).select(self._row(first, part.height))
            yield "".join(rows.to_series().to_list()).encode()

    def _row(self, first: int, count: int) -> pl.Expr:
        cells = [self._cells(place, column) for place, column in enumerate(self.columns)]
        opened = pl.concat_str(pl.lit('<row r="'), "__row", _height(self.columns), pl.lit(">"))
        if self.beside:
            beside = [self.beside.get(number, "") for number in range(first, first + count)]
            cells.append(pl.lit(pl.Series(beside, dtype=pl.String)))
        return pl.concat_str(opened, *cells, pl.lit("</row>"))

    def _cells(self, place: int, column: Column) -> pl.Expr:
        """Write the cells of one column; an empty one keeps its look."""
        opened = pl.concat_str(
            pl.lit(f'<c r="{get_column_letter(place + 1)}'), "__row", pl.lit('" s="'), self._styles(column)
        )
        value = pl.col(column.key)
        if self.frame.schema[column.key] == pl.String:
            space = pl.when(value.str.contains(_KEPT_SPACE.pattern)).then(pl.lit(' xml:space="preserve"'))
            told = pl.concat_str(
                pl.lit('" t="inlineStr"><is><t'), space.otherwise(pl.lit("")), pl.lit(">"), _escaped(value),
                pl.lit("</t></is></c>"),
            )  # fmt: skip
            is_empty = value.is_null() | (value == "")
        else:
            told = pl.concat_str(pl.lit('"><v>'), _numbers(self.frame, column), pl.lit("</v></c>"))
            is_empty = value.is_null()
        return pl.concat_str(opened, pl.when(is_empty).then(pl.lit('"/>')).otherwise(told))

    def _styles(self, column: Column) -> pl.Expr:
        plain = pl.lit(str(self._look(column, self._scale(column))))
        if self.frame.schema[column.key] == pl.String:
            starts = pl.any_horizontal(pl.col(column.key).str.starts_with(start) for start in FORMULA_STARTS)
            return pl.when(starts).then(pl.lit(str(self._look(column, is_quoted=True)))).otherwise(plain)
        if column.kind != "money":
            return plain
        by_digits = {digits: str(self._look(column, digits)) for digits in self.frame["digits"].unique()}
        return pl.col("digits").replace_strict(by_digits, return_dtype=pl.String)

    def _scale(self, column: Column) -> int:
        """Return how many decimals plain numbers have; of other kinds the kind says it."""
        dtype = self.frame.schema[column.key]
        is_plain = column.kind == "plain"
        return dtype.scale if is_plain and isinstance(dtype, pl.Decimal) else 0 if is_plain else 2

    def _look(self, column: Column, digits: int = 2, *, is_quoted: bool = False) -> int:
        return self.style(Look(column.kind, digits, is_quoted, self.bold))


def _escaped(text: pl.Expr) -> pl.Expr:
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
    return text.str.replace_all(_ESCAPE.pattern, "_x005F_x$1").str.replace_many(
        list(marks), list(marks.values())
    )


WIDTH_OF_LETTER, MORE_FOR_A_CAPITAL = 0.9, 0.4
"""Of prose, in characters of a column's width, which are the digits of a greater size."""
PADDING, BROKEN_OFF = 1.5, 5
"""What a line loses to the cell's edges, and each of several also to the words that no longer fit."""


def _lines(column: Column) -> pl.Expr:
    """Estimate how many lines a column's prose takes."""
    text = pl.col(column.key)
    size = text.str.len_chars() * WIDTH_OF_LETTER + text.str.count_matches(r"\p{Lu}") * MORE_FOR_A_CAPITAL
    several = pl.max_horizontal((size / (column.width - BROKEN_OFF)).ceil(), pl.lit(2.0))
    return pl.when(size > column.width - PADDING).then(several).otherwise(pl.lit(1.0))


def _height(columns: Sequence[Column]) -> pl.Expr:
    """Estimate how high a row must be for its prose; nothing where one line is enough."""
    lines = [_lines(column) for column in columns if column.kind == "prose"]
    if not lines:
        return pl.lit('"')
    most = pl.max_horizontal(lines).fill_null(1)
    height = pl.min_horizontal(most * LINE_HEIGHT, GREATEST_HEIGHT).cast(pl.String)
    return pl.when(most > 1).then(pl.format('" ht="{}" customHeight="1"', height)).otherwise(pl.lit('"'))


def _numbers(frame: pl.DataFrame, column: Column) -> pl.Expr:
    """Turn whole units into what people read."""
    value, dtype = pl.col(column.key), frame.schema[column.key]
    if dtype.is_temporal():
        return _serial_days(value, dtype)
    if column.kind == "time":
        return _quotient(value, HOUR_MS, 12)  # a million of them still sum to the millisecond
    if dtype.is_float() or dtype.is_decimal():
        return value.cast(pl.String)
    if column.kind != "money":
        return _decimal(value, _decimals(column.kind, 2))
    shown = pl.lit(None, pl.String)
    for digits in frame["digits"].unique().sort():
        shown = pl.when(pl.col("digits") == digits).then(_decimal(value, digits)).otherwise(shown)
    return shown


def _serial_days(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Date:
        days = value.dt.epoch("d") + EPOCH_DAY
        return (days - (days <= DAY_THAT_NEVER_WAS).cast(pl.Int32)).cast(pl.String)
    return _quotient(value.dt.epoch("ms") + EPOCH_DAY * DAY_MS, DAY_MS, 10)


def _decimal(value: pl.Expr, decimals: int) -> pl.Expr:
    """Write whole 1/10^n as a decimal number."""
    return _quotient(value, 10**decimals, decimals) if decimals else value.cast(pl.String)


def _quotient(value: pl.Expr, unit: int, decimals: int) -> pl.Expr:
    """Write a whole number of parts of a unit in units, with so many decimals; no float is in it."""
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    rest = ((value.abs() % unit).cast(pl.Int64) * 10**decimals + unit // 2) // unit
    whole = (value.abs() // unit).cast(pl.String)
    return pl.concat_str(sign, whole, pl.lit("."), rest.cast(pl.String).str.zfill(decimals))
