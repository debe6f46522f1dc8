"""A payer's statement as a workbook: totals, charges, adjustments, and every line they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl

from pipelines.spreadsheet import Column, Spreadsheet, Table, with_digits, writable, write_below, write_table
from pipelines.statements import Statement
from pipelines.workbook_words import UNIT_WORDS

_PLACE = (
    Column("Project", "project", "text", 12),
    Column("Project name", "project_name", "text", 24),
    Column("Phase", "phase", "text", 8),
    Column("Task", "task", "text", 8),
    Column("Application", "application_name", "text", 18),
)
_AMOUNT = (
    Column("What", "what", "text", 14),
    Column("Unit", "unit", "text", 7),
    Column("Quantity", "hours", "hours", 11),
    Column("Rate", "rate_scaled", "rate", 10),
    Column("Currency", "currency", "text", 10.5),
    Column("Amount", "amount_minor", "money", 13),
    Column("Tax code", "tax_code", "text", 9),
)
CHARGES = (*_PLACE, *_AMOUNT)
ADJUSTMENTS = (
    Column("Period of use", "period", "text", 13), *_PLACE, *_AMOUNT, Column("Reason", "reason", "prose", 36)
)  # fmt: skip
LINES = (Column("Line", "line", "plain", 8), Column("Date", "day", "date", 12), *_PLACE, *_AMOUNT)
TOTALS = (
    Column("Currency", "currency", "text", 18),
    Column("Tax code", "tax_code", "text", 28),
    Column("Hours", "hours", "hours", 14),
    Column("Charges", "charges_minor", "money", 16),
    Column("Adjustments", "adjustments_minor", "money", 16),
    Column("Total", "amount_minor", "money", 16),
)
PROJECTS = (
    Column("Project", "project", "text", 18),
    Column("Name of the project", "project_name", "text", 28),
    *TOTALS[2:],
    Column("Currency", "currency", "text", 10.5),
)  # under the totals, and as wide


def write_sheets(statement: Statement, path: Path) -> None:
    """Write a statement as a workbook, whole or not at all; the same bytes every time.

    Raises
    ------
    Problem
        The file cannot be written, or a text that no workbook can hold: naming sheet, row and column.
    """
    first = [writable(table) for table in (_totals(statement), _projects(statement))]
    made = [writable(table) for table in _tables(statement)]
    workbook = Spreadsheet()
    sheet = workbook.sheet("Statement", {place: column.width for place, column in enumerate(PROJECTS)})
    sheet.title(statement.title, statement.note)
    for name, value in facts(statement):
        sheet.append([sheet.cell("text", name), sheet.cell("text", value)])
    for table in first:
        write_below(sheet, table)
    for table in made:
        write_table(workbook, table)
    workbook.save(path, statement.made_at, statement.title)


def facts(statement: Statement) -> Iterator[tuple[str, str]]:
    """Give what stands at the head of a statement, as names and words."""
    yield "For", statement.payer.name
    if statement.payer.kind == "client" and statement.payer.name != statement.payer.code:
        yield "Client code", statement.payer.code
    if statement.organization:
        yield "From", statement.organization
    last = statement.ends_on - timedelta(days=1)
    yield "Period", f"{statement.period}: {statement.starts_on} to {last}"


def _tables(statement: Statement) -> Iterator[Table]:
    yield Table(
        "Charges",
        f"Charges of {statement.period}",
        "Amounts are sums of the lines, each of which is quantity x rate, rounded to the smallest unit",
        CHARGES,
        shown(statement, statement.charges),
        _sums(statement.charges),
    )
    if statement.adjustments.height:
        yield Table(
            "Adjustments",
            "Adjustments of earlier periods",
            "What was billed before and has changed since: taken back as it was, and booked again as it is",
            ADJUSTMENTS,
            shown(statement, statement.adjustments),
            _sums(statement.adjustments),
        )
    yield Table(
        "Lines",
        "Every line",
        "By day of use; in each, quantity x rate is the amount",
        LINES,
        shown(statement, statement.lines),
        _sums(statement.lines),
    )


def _totals(statement: Statement) -> Table:
    frame = with_digits(statement.totals.with_columns(_hours(statement, "hours")))
    sums = frame.group_by("currency", maintain_order=True).agg(
        pl.col("hours", "charges_minor", "adjustments_minor", "amount_minor").sum(),
        pl.col("digits").first(),
    )
    named = sums.with_columns(currency=pl.format("Total {}", "currency"), tax_code=pl.lit(None, pl.String))
    return Table("Totals", "Totals", "By currency and tax code; net of tax", TOTALS, frame, named)


def _projects(statement: Statement) -> Table:
    frame = statement.projects.with_columns(_hours(statement, "hours"))
    return Table("Projects", "By project", "Hours and amounts of each", PROJECTS, with_digits(frame))


def _sums(lines: pl.DataFrame) -> pl.DataFrame | None:
    """Add up amounts by currency, as further rows of the lines' own columns."""
    if lines.is_empty():
        return None
    sums = lines.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
    kept = {"currency", "amount_minor", "project_name"}
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in lines.schema.items() if name not in kept]
    total = sums.with_columns(*empty, project_name=pl.lit("Total"), hours=pl.lit(None, pl.Int64))
    return with_digits(total)


def shown(statement: Statement, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to lines what their sheet shows."""
    units = pl.col("unit").replace_strict(UNIT_WORDS, default=pl.col("unit"), return_dtype=pl.String)
    return with_digits(lines.with_columns(_hours(statement, "quantity"), unit=units))


def _hours(statement: Statement, column: str) -> pl.Expr:
    """Give quanta as an hours column takes them: whole thousandths, or hours where they are minutes."""
    per_hour = statement.quantum_per_hour
    quantity = pl.col(column)
    return (quantity if per_hour == 1000 else quantity / per_hour).alias("hours")
