"""The project master, its members and presets as CSV and XLSX that are imported again without a change.

Text stays text, whatever it begins with, and numbers of projects keep their zeros; a file is there whole or
not at all.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from sqlalchemy import Engine

from pipelines.whole_file import whole_file
from warehouse.directory.project_files import Cell, TableFile, member_file, preset_file, project_file
from warehouse.errors import Problem
from warehouse.tabular import quoted, unquoted

FILES: dict[str, Callable[[Engine], TableFile]] = {
    "projects": project_file,
    "members": member_file,
    "presets": preset_file,
}
"""What there is to write, by name."""
LONGEST_CELL = 32_767
"""Characters that a cell of a workbook holds."""


def write_master(engine: Engine, what: str, path: Path) -> int:
    """Write a file that `process-meter project import|members|preset` takes; return its number of rows.

    Parameters
    ----------
    what
        One of `FILES`.
    path
        A `.csv` (UTF-8 with a byte order mark; an apostrophe keeps text from being a formula, and the import
        takes it away) or an `.xlsx`.

    Raises
    ------
    Problem
        Another name or ending, nothing to write, text that no cell holds, a folder that cannot be written.
    """
    if what not in FILES:
        raise Problem(f"there is no file of {what!r}", f"name one of {', '.join(FILES)}")
    refuse_ending(path)
    table = FILES[what](engine)
    if not table.rows:
        raise Problem(f"there are no {what} yet", "import them first: `process-meter project --help`")
    write_table(table, path)
    return len(table.rows)


def refuse_ending(path: Path) -> None:
    """Refuse a file that is neither a CSV nor a workbook by its name.

    Raises
    ------
    Problem
        Naming it.
    """
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise Problem(f"{path.name} is neither .csv nor .xlsx", "end its name with one of them")


def write_table(table: TableFile, path: Path) -> None:
    """Write a table as its name ends; see `write_master`."""
    refuse_ending(path)
    with whole_file(path) as draft:
        (_write_csv if path.suffix.lower() == ".csv" else _write_xlsx)(table, draft)


def _write_csv(table: TableFile, path: Path) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows([_text(cell) for cell in row] for row in table.rows)


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        return quoted(cell)
    return "" if cell is None else str(cell)


def _write_xlsx(table: TableFile, path: Path) -> None:
    _refuse_unwritable(table)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Data")
    sheet.freeze_panes = "A2"
    for place, name in enumerate(table.columns, 1):
        sheet.column_dimensions[get_column_letter(place)].width = 28 if name.endswith("name") else 15
    sheet.append([_heading(sheet, name) for name in table.columns])
    for row in table.rows:
        sheet.append([_cell(sheet, value) for value in row])
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(table.columns))}{len(table.rows) + 1}"
    book.save(path)


def _refuse_unwritable(table: TableFile) -> None:
    for number, row in enumerate(table.rows, 2):
        for column, value in zip(table.columns, row, strict=True):
            if not isinstance(value, str):
                continue
            for is_wrong, what in (
                (len(value) > LONGEST_CELL, f"{len(value):,} characters are more than a cell holds"),
                (ILLEGAL_CHARACTERS_RE.search(value), "a character that no workbook can hold"),
            ):
                if is_wrong:
                    raise Problem(f"row {number}, column {column}: {what}", "correct it, or write a .csv")


def _heading(sheet: Any, name: str) -> Any:
    cell = WriteOnlyCell(sheet, value=name)
    cell.font = Font(bold=True)
    return cell


def _cell(sheet: Any, value: Any) -> Any:
    if isinstance(value, str):
        # Only what the import would take for an apostrophe of ours needs one.
        cell = WriteOnlyCell(sheet, value=value if unquoted(value) == value else f"'{value}")
        cell.data_type = "s"  # the library makes a formula of text that starts with "="
        cell.quotePrefix = True
        cell.number_format = "@"
        return cell
    cell = WriteOnlyCell(sheet, value=value)
    if isinstance(value, date):
        cell.number_format = "yyyy-mm-dd"
    elif isinstance(value, Decimal):
        cell.number_format = "#,##0.00##"
    return cell
