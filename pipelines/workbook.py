"""Charge lines to the workbook that is signed off: for project accounting, and for the auditor.

The same run gives the same bytes, whenever and on whichever database it is written. Names of people are real
in it, and writing it is an audited event.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openpyxl.chart import BarChart, Reference
from openpyxl.utils import get_column_letter
from sqlalchemy import Engine

from pipelines.book import Book, open_book
from pipelines.exporting import find_target
from pipelines.spreadsheet import (
    FIRST_ROW,
    HEADER_ROW,
    Sheet,
    Spreadsheet,
    Table,
    writable,
    write_below,
    write_table,
)
from pipelines.workbook_import import importing
from pipelines.workbook_proof import instant, write_reconciliation, write_run
from pipelines.workbook_sheets import CHART_COLUMN, budgets, definitions, tables
from warehouse import ledger


def write_workbook(  # noqa: PLR0913, PLR0917 - of what, to where, by whom, when, and laid out how
    engine: Engine, run: str, path: Path, actor: str, now_ms: int, mapping: Path | None = None
) -> None:
    """Write the workbook of a billing run, whole or not at all.

    Parameters
    ----------
    run
        Its number, as `2026-10/1`.
    path
        Replaced if it exists.
    actor, now_ms
        Who sees the names in it, and when; audited, and not in the file.
    mapping
        Mapping file of the run's target, for the sheet Import; None: the target's defaults.

    Raises
    ------
    Problem
        There is no such run, the mapping is none of its target's, the file cannot be written, or a text that
        no workbook can hold: naming sheet, row and column.
    """
    if mapping is not None:  # refused before anybody's name is shown
        with engine.connect() as connection:
            find_target(ledger.find_run(connection, run).target).read_mapping(mapping)
    write_book(open_book(engine, run, actor, "workbook", now_ms), path, mapping)


def write_book(book: Book, path: Path, mapping: Path | None = None) -> None:
    """Write the workbook of a run that was read."""
    every = (*tables(book), importing(book, mapping), definitions())
    made = {table.sheet: writable(table) for table in every}
    agreed = budgets(book)
    agreed = writable(agreed) if agreed else None
    workbook = Spreadsheet()
    write_run(workbook, book)
    for name in ORDER:
        if name == "Reconciliation":
            write_reconciliation(workbook, book, made)
        elif name in made:
            sheet = write_table(workbook, made[name])
            if name == "Summary":
                _finish_summary(sheet, made[name], agreed)
    workbook.save(path, instant(book.run.closed_ms or book.run.prepared_ms))


def _finish_summary(sheet: Sheet, table: Table, agreed: Table | None) -> None:
    if agreed:
        write_below(sheet, agreed)
    if table.side:
        _draw_largest_projects(sheet, table)


ORDER = (
    "Summary", "Charges", "Sessions", "Non-chargeable", "Held", "Exceptions", "Adjustments", "Rates used",
    "Reconciliation", "Import", "Definitions", "Audit log",
)  # fmt: skip
"""The sheets after Run; Held is there only where review kept lines back."""


def _draw_largest_projects(sheet: Sheet, table: Table) -> None:
    """Draw the ten largest projects beside the summary, on a printed page of their own."""
    first, last = FIRST_ROW, max(table.side)
    names, hours = CHART_COLUMN + 1, CHART_COLUMN + 2
    chart: Any = BarChart()
    chart.type, chart.style, chart.legend, chart.gapWidth = "bar", 10, None, 60
    chart.title = "Billed hours of the largest projects"
    chart.width, chart.height = 20, 0.8 * (last - first + 1) + 3
    chart.add_data(Reference(sheet.excel, hours, first, hours, last))
    chart.set_categories(Reference(sheet.excel, names, first, names, last))
    chart.x_axis.scaling.orientation, chart.y_axis.crosses = "maxMin", "max"  # the largest on top
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.y_axis.majorGridlines, chart.y_axis.number_format = None, "#,##0"
    chart.series[0].graphicalProperties.solidFill = "0072B2"
    sheet.excel.add_chart(chart, f"{get_column_letter(hours + 2)}{HEADER_ROW}")
    pages = (
        f"A1:{get_column_letter(len(table.columns))}{sheet.row}",
        f"{get_column_letter(names)}{HEADER_ROW}:Z{sheet.row + 20}",
    )
    sheet.excel.print_area = ",".join(pages)
