"""The numbers of a table to take away: links that carry CSV and XLSX within the page, so they work offline.

A file holds what the table shows, rounded as it is shown: shares as fractions, money as a plain number beside
its currency. Text stays text: no cell of it can become a formula in a spreadsheet.
"""

from __future__ import annotations

import csv
import io
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import polars as pl
from markupsafe import Markup
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from apps.page import Column
from warehouse.money import minor_digits

CSV_TYPE = "text/csv;charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def links(name: str, frame: pl.DataFrame, columns: Sequence[Column]) -> Markup:
    """Return links to the table's numbers as `name`.csv and `name`.xlsx."""
    rows = _rows(frame, columns)
    csv_file, xlsx_file = as_csv(rows), as_xlsx(rows)
    return link(f"{name}.csv", CSV_TYPE, csv_file, "CSV") + link(f"{name}.xlsx", XLSX_TYPE, xlsx_file, "XLSX")


def link(name: str, media_type: str, content: bytes, text: str) -> Markup:
    """Return a link that carries a file within the page."""
    address = f"data:{media_type};base64,{b64encode(content).decode()}"
    return Markup('<a download="{0}" href="{1}" aria-label="Download {0}">{2}</a> ').format(
        name, address, text
    )


def _rows(frame: pl.DataFrame, columns: Sequence[Column]) -> list[list[Any]]:
    """Return the headings, then the values as they are shown, but typed; money brings its currency along."""
    has_money = any(column.kind == "money" for column in columns)
    heading = [column.heading for column in columns] + (["currency"] if has_money else [])
    body = [
        [_value(row, column) for column in columns] + ([row["currency"]] if has_money else [])
        for row in frame.iter_rows(named=True)
    ]
    return [heading, *body]


def _value(row: dict[str, Any], column: Column) -> Any:
    value = row[column.name]
    if value is None:
        return None
    if column.kind == "money":
        return Decimal(value).scaleb(-minor_digits(row["currency"]))
    return round(value, {"share": 3, "hours": 1}[column.kind]) if column.kind in ("share", "hours") else value


def as_csv(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows as CSV in UTF-8 with a byte order mark, without which Excel misreads names."""
    text = io.StringIO()
    csv.writer(text).writerows([_plain(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _plain(value: Any) -> Any:
    is_formula = isinstance(value, str) and value.startswith(FORMULA_STARTS)
    return f"'{value}" if is_formula else value


def as_xlsx(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows as a workbook of one sheet."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Data")
    sheet.freeze_panes = "A2"
    for row in rows:
        sheet.append([_cell(sheet, value) for value in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _cell(sheet: Any, value: Any) -> Any:
    cell = WriteOnlyCell(sheet, value=value)
    if isinstance(value, str):
        cell.data_type = "s"  # openpyxl makes a formula of text that starts with "="
        cell.quotePrefix = True
    return cell
