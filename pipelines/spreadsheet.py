"""Tables to an Excel workbook that looks the same, and is the same byte for byte, whenever it is made.

Text stays text, whatever it begins with; what no workbook can hold is refused before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import ceil
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, Literal, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import polars as pl
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.filters import AutoFilter
from openpyxl.worksheet.table import Table as ExcelTable
from openpyxl.worksheet.table import TableColumn, TableStyleInfo
from openpyxl.writer.excel import ExcelWriter

from pipelines.whole_file import whole_file
from warehouse.errors import Problem
from warehouse.money import HOUR_MS

Kind = Literal["text", "prose", "date", "instant", "integer", "hours", "time", "money", "rate", "formula"]

LONGEST_TEXT = 32_767
MOST_ROWS = 1_048_576 - 10
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
ILLEGAL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x{FFFE}\x{FFFF}]"  # what XML 1.0 cannot hold

HEADER_ROW = 4
"""Titles stand in rows 1 and 2, row 3 is empty, the table's header is row 4, its data begin in row 5."""
FIRST_ROW = HEADER_ROW + 1

INK, MUTED, GRID = "1F2937", "5B6472", "D1D5DB"
FONT, LINE_HEIGHT = "Calibri", 13.5
NUMBERS: Mapping[Kind, str] = {
    "text": "@",
    "prose": "@",
    "date": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "integer": "#,##0;[Red]-#,##0",
    "hours": "#,##0.000;[Red]-#,##0.000",
    "time": "#,##0.000;[Red]-#,##0.000",
    "rate": "#,##0.00##",
    "formula": "General",
}
LEFT: tuple[Kind, ...] = ("text", "prose", "date", "instant")


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


# --- What no workbook can hold -----------------------------------------------------------------------------


def refuse_unwritable(table: Table) -> None:
    """Refuse text that no workbook can hold, and more rows than a sheet has.

    Raises
    ------
    Problem
        Naming sheet, row and column.
    """
    if table.frame.height > MOST_ROWS:
        raise Problem(
            f"sheet {table.sheet} would have {table.frame.height:,} rows, a workbook holds {MOST_ROWS:,}",
            "export it as CSV",
        )
    for column in table.columns:
        if table.frame.schema[column.key] == pl.String:
            _refuse_text(table, column)


def _refuse_text(table: Table, column: Column) -> None:
    text = table.frame[column.key]
    for wrong, what in (
        (text.str.contains(ILLEGAL), "holds a control character"),
        (text.str.len_chars() > LONGEST_TEXT, f"is longer than {LONGEST_TEXT:,} characters"),
    ):
        rows = wrong.fill_null(value=False).arg_true()
        if len(rows):
            raise Problem(
                f"sheet {table.sheet}, row {rows[0] + FIRST_ROW}, column {column.title}: the text {what}",
                "correct it where it was entered",
            )


# --- One sheet ---------------------------------------------------------------------------------------------


class Look(NamedTuple):
    """How a cell looks: its number format is the kind's unless it has a `shape`, its side likewise."""

    kind: Kind
    digits: int
    is_quoted: bool
    bold: bool = False
    shape: str = ""
    side: str = ""


class Sheet:
    """Writes one sheet row by row; its cells are used again and again, because styling each anew is slow."""

    def __init__(
        self, workbook: Workbook, name: str, widths: Mapping[int, float], *, frozen: int = 0
    ) -> None:
        self.excel: Any = workbook.create_sheet(name)
        self.row = 0
        self._cells: dict[tuple[int, Look], Any] = {}
        _set_up_page(self.excel, frozen)
        for place, width in widths.items():
            self.excel.column_dimensions[get_column_letter(place + 1)].width = width

    def append(self, cells: Sequence[Any], height: float | None = None) -> None:
        """Write the next row."""
        self.row += 1
        if height:
            self.excel.row_dimensions[self.row].height = height
        self.excel.append(cells)

    def title(self, title: str, basis: str) -> None:
        """Write the title rows."""
        self.append([self.lettered(title, size=16, bold=True, color=INK)], height=24)
        self.append([self.lettered(basis, size=10, color=MUTED)])
        self.append([])

    def lettered(self, text: str, **font: Any) -> Any:
        """Return a cell with text in a font of its own."""
        cell = WriteOnlyCell(self.excel)
        cell.font = Font(name=FONT, **font)
        return _put(cell, text)

    def header(self, columns: Sequence[Column], side: Mapping[int, Column] | None = None) -> None:
        """Write the header row of a table, and of what stands beside it."""
        cells: list[Any] = [None] * (max(side or {}, default=len(columns) - 1) + 1)
        for place, column in [*enumerate(columns), *(side or {}).items()]:
            cell = self.lettered(column.title, size=10, bold=True, color="FFFFFF")
            cell.fill = PatternFill("solid", fgColor=INK)
            to = "left" if column.kind in LEFT else "right"
            cell.alignment = Alignment(horizontal=to, vertical="center", wrap_text=True, indent=1)
            cells[place] = cell
        self.append(cells, height=30)

    def cell(self, place: int, kind: Kind, value: Any, digits: int = 2, **look: Any) -> Any:
        """Return the cell of a place in a row, holding a value: it is good until the next one of its look.

        Look: `bold`, `shape` (a number format of its own), `side` (left or right). A cell that was written
        once is never given another look: the library would change the rows before.
        """
        is_quoted = isinstance(value, str) and kind != "formula" and value.startswith(FORMULA_STARTS)
        key = (place, Look(kind, digits, is_quoted, **look))
        found = self._cells.get(key)
        if found is None:
            found = self._cells[key] = _styled(WriteOnlyCell(self.excel), key[1])
        return _put(found, _shown(kind, value, digits), is_formula=kind == "formula")


def _shown(kind: Kind, value: Any, digits: int) -> Any:
    """Turn whole units into what people read; money never goes through a float."""
    if not isinstance(value, int) or kind == "integer":
        return value.replace(tzinfo=None) if kind == "instant" else value
    if kind == "time":
        return value / HOUR_MS  # no money: a float may hold it, and sheets sum it exactly enough to see
    scale = {"money": digits, "hours": 3, "rate": 4}.get(kind, 0)
    return Decimal(value).scaleb(-scale) if scale else value


def _put(cell: Any, value: Any, *, is_formula: bool = False) -> Any:
    cell.value = value
    if isinstance(value, str) and not is_formula:
        cell.data_type = "s"  # also where it begins with = or reads like an error
    return cell


def _styled(cell: Any, look: Look) -> Any:
    kind = look.kind
    cell.number_format = look.shape or (money_format(look.digits) if kind == "money" else NUMBERS[kind])
    cell.font = Font(name=FONT, size=10, bold=look.bold, color=INK)
    top, bottom = (Side("thin", color=INK), None) if look.bold else (None, Side("hair", color=GRID))
    cell.border = Border(top=top, bottom=bottom)
    cell.quotePrefix = look.is_quoted
    side = look.side or ("left" if kind in LEFT else "right")
    cell.alignment = Alignment(horizontal=side, vertical="center", wrap_text=kind == "prose", indent=1)
    return cell


def money_format(digits: int) -> str:
    """Return the number format of a currency's amounts; what is negative is red."""
    number = "#,##0" + (f".{'0' * digits}" if digits else "")
    return f"{number};[Red]-{number}"


def _set_up_page(sheet: Any, frozen: int) -> None:
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.page_margins.top, sheet.page_margins.bottom, sheet.page_margins.footer = 0.5, 0.7, 0.3
    sheet.oddFooter.left.text = "&A"
    sheet.oddFooter.right.text = "Page &P of &N"
    sheet.sheet_view.showGridLines = False
    if frozen:
        sheet.freeze_panes = f"A{frozen + 1}"
        sheet.print_title_rows = f"{frozen}:{frozen}"


# --- A sheet with a table ----------------------------------------------------------------------------------


def write_table(workbook: Workbook, table: Table) -> Sheet:
    """Add a sheet with title, header, rows, filter and frozen panes; an empty table says so."""
    widths = {place: column.width for place, column in enumerate(table.columns)}
    widths |= {place: column.width for place, column in table.side.get(HEADER_ROW, {}).items()}
    sheet = Sheet(workbook, table.sheet, widths, frozen=HEADER_ROW)
    sheet.title(table.title, table.basis)
    sheet.header(table.columns, table.side.get(HEADER_ROW, {}))
    _write_rows(sheet, table, table.frame, bold=False)
    if table.frame.is_empty():
        sheet.append([sheet.cell(0, "text", "None in this run.")])
    else:
        _add_excel_table(sheet.excel, table)
    if table.totals is not None:
        _write_rows(sheet, table, table.totals, bold=True)
    for row in range(sheet.row + 1, max(table.side, default=0) + 1):
        sheet.append(_beside([], table, row, sheet))
    return sheet


def _write_rows(sheet: Sheet, table: Table, frame: pl.DataFrame, *, bold: bool) -> None:
    kinds = [column.kind for column in table.columns]
    digits = frame["digits"].to_list() if "money" in kinds else [2] * frame.height
    for decimals, row in zip(
        digits, frame.select(column.key for column in table.columns).iter_rows(), strict=True
    ):
        cells = [
            sheet.cell(place, kind, value, decimals, bold=bold)
            for place, (kind, value) in enumerate(zip(kinds, row, strict=True))
        ]
        sheet.append(_beside(cells, table, sheet.row + 1, sheet), height=_height(table.columns, row))


def _height(columns: Sequence[Column], row: Sequence[Any]) -> float | None:
    """Estimate how high a row must be for its prose; None where one line is enough."""
    lines = [
        ceil(len(value) * 1.1 / column.width)
        for column, value in zip(columns, row, strict=True)
        if column.kind == "prose" and isinstance(value, str)
    ]
    return LINE_HEIGHT * most if (most := max(lines, default=1)) > 1 else None


def _beside(cells: list[Any], table: Table, row: int, sheet: Sheet) -> list[Any]:
    """Add what stands to the right of the table in a row."""
    side = table.side.get(row)
    if not side:
        return cells
    cells = cells + [None] * (max(side) + 1 - len(cells))
    for place, value in side.items():
        kind: Kind = "text" if isinstance(value, str) else "hours"
        cells[place] = sheet.cell(place, kind, value)
    return cells


def _add_excel_table(sheet: Any, table: Table) -> None:
    last = get_column_letter(len(table.columns))
    ref = f"A{HEADER_ROW}:{last}{HEADER_ROW + table.frame.height}"
    name = re.sub(r"\W", "_", table.sheet)
    excel = ExcelTable(displayName=name, name=name, ref=ref)
    excel.tableColumns = [
        TableColumn(id=number, name=column.title) for number, column in enumerate(table.columns, 1)
    ]
    excel.autoFilter = AutoFilter(ref=ref)
    excel.tableStyleInfo = TableStyleInfo(name="TableStyleLight1", showRowStripes=True)
    sheet.tables.add(excel)  # `add_table` warns of columns left out, and these are there


# --- The file ----------------------------------------------------------------------------------------------


def save(workbook: Workbook, path: Path, made_at: datetime) -> None:
    """Write the workbook, whole or not at all, and the same bytes every time.

    Parameters
    ----------
    made_at
        What the file says of when it was made: fixed by its content, not by the clock.
    """
    properties = workbook.properties
    properties.creator, properties.title = "Process Meter", None
    properties.created = properties.modified = made_at.replace(tzinfo=None)
    with TemporaryFile() as raw:
        with ZipFile(raw, "w", ZIP_STORED) as archive:
            ExcelWriter(workbook, archive).save()
        with whole_file(path) as draft, ZipFile(raw) as parts, ZipFile(draft, "w", ZIP_DEFLATED) as archive:
            for name in sorted(parts.namelist()):
                _copy_part(parts, archive, name)


def _copy_part(parts: ZipFile, archive: ZipFile, name: str) -> None:
    if name == "docProps/app.xml":
        archive.writestr(_part(name), _APPLICATION)
        return
    with parts.open(name) as source, archive.open(_part(name), "w", force_zip64=True) as target:
        copyfileobj(source, target, 1 << 20)


# The writing library names its own version here.
_APPLICATION = (
    b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    b"<Application>Process Meter</Application></Properties>"
)


def _part(name: str) -> ZipInfo:
    """Describe a part of the archive without time, system or permissions."""
    part = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    part.compress_type, part.create_system, part.external_attr = ZIP_DEFLATED, 0, 0
    return part
