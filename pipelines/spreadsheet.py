"""Tables to an Excel workbook that looks the same, and is the same byte for byte, whenever it is made.

The library makes the workbook, its styles, tables, charts and print set-up; the rows go past it as text, when
the file is written: see `spreadsheet_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, LargeZipFile, ZipFile, ZipInfo

import polars as pl
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.filters import AutoFilter
from openpyxl.worksheet.table import Table as ExcelTable
from openpyxl.worksheet.table import TableColumn, TableStyleInfo
from openpyxl.writer.excel import ExcelWriter

from pipelines.hidden_characters import visible
from pipelines.spreadsheet_limits import ILLEGAL, LONGEST_TEXT, refuse_text, writable
from pipelines.spreadsheet_rows import (
    FIRST_ROW,
    FORMULA_STARTS,
    HEADER_ROW,
    Block,
    Cell,
    Column,
    Kind,
    Look,
    Table,
    cells_beside,
    row_of_cells,
    widths,
    with_digits,
)
from pipelines.whole_file import whole_file
from warehouse.errors import Problem

__all__ = [
    "FIRST_ROW",
    "HEADER_ROW",
    "ILLEGAL",
    "LONGEST_TEXT",
    "Cell",
    "Column",
    "Kind",
    "Sheet",
    "Spreadsheet",
    "Table",
    "money_format",
    "with_digits",
    "writable",
    "write_below",
    "write_table",
]

INK, MUTED, GRID, BRAND = "1F2937", "5B6472", "D1D5DB", "0072B2"
FONT = "Calibri"
NUMBERS: Mapping[Kind, str] = {
    "text": "@",
    "prose": "@",
    "date": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "integer": "#,##0;[Red]-#,##0",
    "hours": "#,##0.000;[Red]-#,##0.000",
    "time": "#,##0.000;[Red]-#,##0.000",
    "rate": "#,##0.00##",
    "minutes": "General",
    "formula": "General",
}
LEFT: tuple[Kind, ...] = ("text", "prose", "date", "instant")
FONTS: Mapping[str, Mapping[str, Any]] = {
    "title": {"size": 16, "bold": True, "color": INK},
    "basis": {"size": 10, "color": MUTED},
    "section": {"size": 11, "bold": True, "color": BRAND},
    "header": {"size": 10, "bold": True, "color": "FFFFFF"},
}
"""Lettering of its own, by the shape of the look that names it."""


class Spreadsheet:
    """A workbook that is being made: its sheets in order, and the looks of its cells."""

    def __init__(self) -> None:
        self.excel = Workbook(write_only=True)
        self.sheets: list[Sheet] = []
        self._styles: dict[Look, int] = {}
        self._paper: Any = None  # whose cells are styled, to learn the number of a style

    def sheet(self, name: str, widths: Mapping[int, float], *, frozen: int = 0) -> Sheet:
        """Add a sheet with columns of these widths, in characters; rows down to `frozen` stay in sight."""
        excel = self.excel.create_sheet(name)
        self._paper = self._paper or excel
        _set_up_page(excel, frozen, A3 if sum(widths.values()) > WIDEST_ON_A4 else A4)
        for place, width in widths.items():
            excel.column_dimensions[get_column_letter(place + 1)].width = width
        self.sheets.append(Sheet(self, excel))
        return self.sheets[-1]

    def style(self, look: Look) -> int:
        """Return the number of a look in the workbook's list of styles."""
        found = self._styles.get(look)
        if found is None:
            cell = WriteOnlyCell(self._paper)
            _dress(cell, look)
            found = self._styles[look] = int(cell.style_id)
        return found

    def save(self, path: Path, made_at: datetime, title: str | None = None) -> None:
        """Write the workbook, whole or not at all, and the same bytes every time.

        Parameters
        ----------
        made_at
            What the file says of when it was made: fixed by its content, not by the clock.

        Raises
        ------
        Problem
            The file cannot be written, or a sheet is larger than 2 GiB.
        """
        properties = self.excel.properties
        properties.creator, properties.title = "Process Meter", title
        properties.created = properties.modified = made_at.replace(tzinfo=None)
        with TemporaryFile() as raw:
            with ZipFile(raw, "w", ZIP_STORED) as archive:
                ExcelWriter(self.excel, archive).save()
            rows = {sheet.excel.path.lstrip("/"): sheet for sheet in self.sheets}
            with whole_file(path) as draft, ZipFile(raw) as parts, ZipFile(draft, "w") as archive:
                for name in sorted(parts.namelist()):
                    _write_part(archive, name, _content(parts.read(name), name, rows.get(name)))


class Sheet:
    """One sheet: its rows from the top, of single cells or of whole frames."""

    def __init__(self, spreadsheet: Spreadsheet, excel: Any) -> None:
        self.excel = excel
        self.row = 0
        self._spreadsheet = spreadsheet
        self._rows: list[bytes | Block] = []

    def append(self, cells: Sequence[Cell | None], height: float | None = None) -> None:
        """Write the next row."""
        self.row += 1
        for place, cell in enumerate(cells):
            if cell is not None and isinstance(cell.value, str):
                name = f"{self.excel.title}, row {self.row}, column {get_column_letter(place + 1)}"
                refuse_text(cell.value, f"sheet {name}")
        self._rows.append(row_of_cells(self.row, cells, height).encode())

    def title(self, title: str, basis: str) -> None:
        """Write the title rows."""
        self.append([self.lettered("title", title)], height=24)
        self.append([self.lettered("basis", basis)])
        self.append([])

    def lettered(self, font: str, text: str) -> Cell:
        """Return a cell with text in one of `FONTS`."""
        return self.cell("text", text, shape=font)

    def header(self, columns: Sequence[Column], side: Mapping[int, Column] | None = None) -> None:
        """Write the header row of a table, and of what stands beside it."""
        cells: list[Cell | None] = [None] * (max(side or {}, default=len(columns) - 1) + 1)
        for place, column in [*enumerate(columns), *(side or {}).items()]:
            to = "left" if column.kind in LEFT else "right"
            cells[place] = self.cell("text", column.title, shape="header", side=to)
        self.append(cells, height=30)

    def cell(self, kind: Kind, value: Any, digits: int = 2, **look: Any) -> Cell:
        """Return a cell. Look: `bold`, `shape` (number format, or one of `FONTS`), `side` (left or right)."""
        value = visible(value) if isinstance(value, str) else value
        is_quoted = isinstance(value, str) and kind != "formula" and value.startswith(FORMULA_STARTS)
        return Cell(self._spreadsheet.style(Look(kind, digits, is_quoted, **look)), kind, value, digits)

    def frame(
        self, columns: Sequence[Column], frame: pl.DataFrame, *, bold: bool = False, **more: Any
    ) -> None:
        """Write the rows of a frame. More: `side`, cells beside the rows by row and place."""
        side = {
            number: cells_beside(number, self._beside(cells))
            for number, cells in more.get("side", {}).items()
        }
        block = Block(columns, frame, self.row + 1, self._spreadsheet.style, bold, side)
        block.ready()
        self._rows.append(block)
        self.row += frame.height

    def beside(self, cells: Mapping[int, Any]) -> None:
        """Write a row that has nothing but what stands beside a table."""
        filled = self._beside(cells)
        self.append([filled.get(place) for place in range(max(filled) + 1)])

    def _beside(self, cells: Mapping[int, Any]) -> dict[int, Cell]:
        return {
            place: self.cell("text" if isinstance(value, str) else "hours", value)
            for place, value in cells.items()
        }

    def pieces(self) -> Iterator[bytes]:
        """Give the rows as the file has them."""
        for rows in self._rows:
            if isinstance(rows, bytes):
                yield rows
            else:
                yield from rows.pieces()


def _dress(cell: Any, look: Look) -> None:
    """Give a cell its font, border, fill, alignment and number format."""
    lettering = FONTS.get(look.shape)
    cell.number_format = NUMBERS["text"] if lettering else look.shape or _format(look)
    cell.quotePrefix = look.is_quoted
    side = look.side or ("left" if look.kind in LEFT else "right")
    cell.font = Font(name=FONT, **(lettering or {"size": 10, "bold": look.bold, "color": INK}))
    if look.shape == "header":
        cell.fill = PatternFill("solid", fgColor=INK)
    elif lettering:
        return
    else:
        top, bottom = (Side("thin", color=INK), None) if look.bold else (None, Side("hair", color=GRID))
        cell.border = Border(top=top, bottom=bottom)
    wrapped = look.kind == "prose" or look.shape == "header"
    indent = 1 if side == "left" else 0  # LibreOffice prints an indent from the right unevenly
    cell.alignment = Alignment(horizontal=side, vertical="center", wrap_text=wrapped, indent=indent)


def _format(look: Look) -> str:
    if look.kind == "plain":
        return "0" + (f".{'0' * look.digits}" if look.digits else "")
    return money_format(look.digits) if look.kind == "money" else NUMBERS[look.kind]


def money_format(digits: int) -> str:
    """Return the number format of a currency's amounts; what is negative is red."""
    number = "#,##0" + (f".{'0' * digits}" if digits else "")
    return f"{number};[Red]-{number}"


A4, A3, WIDEST_ON_A4 = 9, 8, 240  # paper sizes by their numbers in the format; characters


def _set_up_page(sheet: Any, frozen: int, paper: int) -> None:
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = paper
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


def write_table(spreadsheet: Spreadsheet, table: Table) -> Sheet:
    """Add a sheet with title, header, rows, filter and frozen panes; an empty table says so."""
    needed = widths(table)
    needed |= {place: column.width for place, column in table.side.get(HEADER_ROW, {}).items()}
    sheet = spreadsheet.sheet(table.sheet, needed, frozen=HEADER_ROW)
    sheet.title(table.title, table.basis)
    sheet.header(table.columns, table.side.get(HEADER_ROW, {}))
    side = {row: cells for row, cells in table.side.items() if row != HEADER_ROW}
    sheet.frame(table.columns, table.frame, side=side)
    if table.frame.is_empty():
        sheet.append([sheet.cell("text", "None in this run.")])
    else:
        _add_excel_table(sheet.excel, table)
    if table.totals is not None:
        sheet.frame(table.columns, table.totals, bold=True, side=side)
    for row in range(sheet.row + 1, max(side, default=0) + 1):
        sheet.beside(side[row])
    return sheet


def write_below(sheet: Sheet, table: Table) -> None:
    """Add a further table under what a sheet has, in the same columns."""
    sheet.append([])
    sheet.append([sheet.lettered("section", table.title)], height=20)
    sheet.append([sheet.lettered("basis", table.basis)])
    sheet.header(table.columns)
    header = sheet.row
    sheet.frame(table.columns, table.frame)
    _add_excel_table(sheet.excel, table, header)
    if table.totals is not None:
        sheet.frame(table.columns, table.totals, bold=True)


def _add_excel_table(sheet: Any, table: Table, header: int = HEADER_ROW) -> None:
    last = get_column_letter(len(table.columns))
    ref = f"A{header}:{last}{header + table.frame.height}"
    name = re.sub(r"\W", "_", table.sheet)
    excel = ExcelTable(displayName=name, name=name, ref=ref)
    excel.tableColumns = [
        TableColumn(id=number, name=column.title) for number, column in enumerate(table.columns, 1)
    ]
    excel.autoFilter = AutoFilter(ref=ref)
    excel.tableStyleInfo = TableStyleInfo(name="TableStyleLight1", showRowStripes=True)
    sheet.tables.add(excel)  # `add_table` warns of columns left out, and these are there


# --- The file ----------------------------------------------------------------------------------------------

# The writing library names its own version here.
_APPLICATION = (
    b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    b"<Application>Process Meter</Application></Properties>"
)
_NO_ROWS = re.compile(rb"<sheetData\s*/>|<sheetData>\s*</sheetData>")


def _content(part: bytes, name: str, sheet: Sheet | None) -> Iterator[bytes]:
    """Give a part of the file, with its rows where the library has written an empty place for them."""
    if name == "docProps/app.xml":
        yield _APPLICATION
    elif sheet is None:
        yield part
    else:
        head, tail = _NO_ROWS.split(part)
        yield head + b"<sheetData>"
        yield from sheet.pieces()
        yield b"</sheetData>" + tail


def _write_part(archive: ZipFile, name: str, pieces: Iterator[bytes]) -> None:
    try:
        with archive.open(_part(name), "w") as target:
            for piece in pieces:
                target.write(piece)
    except (RuntimeError, LargeZipFile) as error:  # the 64-bit form makes Excel offer a repair
        raise Problem(f"{name} would be larger than 2 GiB", "export the lines as CSV") from error


def _part(name: str) -> ZipInfo:
    """Describe a part of the archive without time, system or permissions."""
    part = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    part.compress_type, part.create_system, part.external_attr = ZIP_DEFLATED, 0, 0
    return part
