"""A payer's statement as a page in the house style, and printed to PDF."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import polars as pl

from pipelines.report_paper import find_browser, print_page
from pipelines.statement_sheets import facts
from pipelines.statements import WHAT, Statement
from pipelines.whole_file import whole_file
from pipelines.workbook_words import UNIT_WORDS
from warehouse import money

PAGE = Path(__file__).with_name("statement_page.html")
FINAL = "Charges for"
"""Begins the note of what is neither a draft nor information alone."""

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column of the page: its heading, how it looks, and what it says of a row."""

    title: str
    look: str
    words: Callable[[Row], str]


def write_paper(statement: Statement, path: Path) -> None:
    """Print a statement to PDF, whole or not at all; the same browser prints the same bytes.

    Raises
    ------
    Problem
        There is no browser, it did not print, or the file cannot be written.
    """
    browser = find_browser()
    with tempfile.TemporaryDirectory(prefix="process-meter-", ignore_cleanup_errors=True) as folder:
        html, pdf = Path(folder) / "statement.html", Path(folder) / "statement.pdf"
        html.write_text(page(statement), encoding="utf-8")
        printed = print_page(browser, html, pdf).read_bytes()
    with whole_file(path) as draft:
        draft.write_bytes(_dated(printed, statement))


def _dated(pdf: bytes, statement: Statement) -> bytes:
    """Put the moment of the run's close for that of printing; both are as long, so nothing moves."""
    at = f"{statement.made_at:%Y%m%d%H%M%S}".encode()
    return re.sub(rb"(/(?:CreationDate|ModDate) \(D:)\d{14}", lambda match: match[1] + at, pdf)


# --- The page ----------------------------------------------------------------------------------------------


def page(statement: Statement) -> str:
    """Make the page: everything that is not ours is escaped, and nothing runs or is fetched."""
    is_final = statement.note.startswith(FINAL)
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(statement.title),
        organization=escape(statement.organization),
        period=escape(f"Period {statement.period}"),
        note=f'<p class="{"note" if is_final else "mark"}">{escape(statement.note)}</p>',
        facts="".join(
            f'<dt>{escape(name)}</dt><dd dir="auto">{escape(value)}</dd>' for name, value in facts(statement)
        ),
        body="".join(_body(statement)),
        footer=_css_text(statement.title),
    )


def _css_text(text: str) -> str:
    """Write a text inside quotes of a style sheet: what might end them, or the sheet, as its number."""
    return "".join(
        letter if letter.isalnum() or letter in " .-/" else f"\\{ord(letter):06x} " for letter in text
    )


def _body(statement: Statement) -> Iterator[str]:
    yield "<h2>Totals</h2>" + _table(_total_columns(statement), _total_rows(statement))
    yield "<h2>By project</h2>" + _table(
        _project_columns(statement), statement.projects.iter_rows(named=True)
    )
    if statement.charges.height:
        yield "<h2>Charges</h2>" + _table(_columns(statement), _with_sums(statement.charges))
    if statement.adjustments.height:
        first = Column("Period", "code", lambda row: row["period"])
        yield "<h2>Adjustments of earlier periods</h2>"
        yield _table([first, *_columns(statement, "words")], _with_sums(statement.adjustments))


def _columns(statement: Statement, look_of_what: str = "") -> list[Column]:
    return [
        Column("Project", "code", lambda row: row["project"]),
        Column("Phase, task", "code", lambda row: " / ".join(filter(None, (row["phase"], row["task"])))),
        Column("Application", "", lambda row: row["application_name"]),
        Column("What", look_of_what, _what),
        Column("Quantity", "number", lambda row: _quantity(statement, row)),
        Column("Rate", "number", _rate),
        Column("Amount", "number", lambda row: money.format_minor(row["amount_minor"], row["currency"])),
        Column("Tax", "code", lambda row: row["tax_code"] or ""),
    ]


def _what(row: Row) -> str:
    is_fixed = row["unit"] == "each" and row["what"] not in WHAT.values()
    what = f"{row['what']} (a fixed amount)" if is_fixed else str(row["what"])
    return f"{what}: {row['reason']}" if row.get("reason") else what


def _quantity(statement: Statement, row: Row) -> str:
    """Write hours; of fixed amounts no quantity is told, as no price is: it would count our own lines."""
    if row["unit"] != "hour":
        return ""
    return f"{money.hours(row['quantity'], statement.quantum_per_hour):,.3f} {UNIT_WORDS['hour']}"


def _rate(row: Row) -> str:
    scaled = row["rate_scaled"]
    return "" if scaled is None else money.format_rate(scaled, row["currency"])


def _with_sums(lines: pl.DataFrame) -> Iterator[Row]:
    """Give the rows project by project, each followed by its sum where it has more than one."""
    blank = dict.fromkeys(lines.columns)
    for (project,), rows in lines.group_by("project", maintain_order=True):
        yield from rows.iter_rows(named=True)
        sums = rows.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
        for currency, amount in sums.iter_rows() if rows.height > 1 else ():
            sums_ = {"currency": currency, "amount_minor": amount}
            yield {**blank, **sums_, "label": f"Sum of {project}", "is_sum": True}


def _total_columns(statement: Statement) -> list[Column]:
    return [
        Column("Currency", "code", lambda row: f"{'Total ' if row.get('is_sum') else ''}{row['currency']}"),
        Column("Tax code", "code", lambda row: row["tax_code"] or ""),
        *_sums(statement),
    ]


def _project_columns(statement: Statement) -> list[Column]:
    return [
        Column("Project", "code", lambda row: row["project"]),
        Column("Name", "", lambda row: row["project_name"] or ""),
        *_sums(statement),
    ]


def _sums(statement: Statement) -> list[Column]:
    def amount(name: str) -> Callable[[Row], str]:
        return lambda row: money.format_minor(row[name], row["currency"])

    def hours(row: Row) -> str:
        return f"{money.hours(row['hours'], statement.quantum_per_hour):,.3f} h"

    return [
        Column("Hours", "number", hours),
        Column("Charges", "number", amount("charges_minor")),
        Column("Adjustments", "number", amount("adjustments_minor")),
        Column("Total", "number", amount("amount_minor")),
    ]


def _total_rows(statement: Statement) -> Iterator[Row]:
    """Give the rows of each currency and their total, which is the row itself where there is only one."""
    sums = ("hours", "charges_minor", "adjustments_minor", "amount_minor")
    for _, rows in statement.totals.group_by("currency", maintain_order=True):
        if rows.height > 1:
            yield from rows.iter_rows(named=True)
        total = (
            rows if rows.height == 1 else rows.group_by("currency").agg(pl.col(*sums).sum(), tax_code=None)
        )
        yield {**total.row(0, named=True), "is_sum": True}


def _table(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    heads = "".join(f'<th class="{column.look}">{escape(column.title)}</th>' for column in columns)
    body = "".join(f"<tr{SUM if row.get('is_sum') else ''}>{_cells(columns, row)}</tr>" for row in rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


SUM = ' class="sum"'


def _cells(columns: Sequence[Column], row: Row) -> str:
    """Write a row's cells; a label stands for all words before the figures, which keeps columns narrow."""
    if not row.get("label"):
        return "".join(_cell(column, row) for column in columns)
    figures = next(place for place, column in enumerate(columns) if column.look == "number")
    label = f'<td class="code" colspan="{figures}" dir="auto">{escape(row["label"])}</td>'
    return label + "".join(_cell(column, row) for column in columns[figures:])


def _cell(column: Column, row: Row) -> str:
    return f'<td class="{column.look}" dir="auto">{escape(column.words(row))}</td>'
