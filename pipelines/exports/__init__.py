"""What an accounting target is: one module each, none of which knows another.

A target lists its columns once; from them come the rows, the file, and the faults of a line that the
accounting system could not take. Rows are plain values, so that the workbook's Import sheet shows what the
file says. `pipelines.exporting` has the registry, the batch and the lock.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Protocol
from unicodedata import category

import polars as pl

from pipelines.mapping_file import choice, currency_code, day
from warehouse import money
from warehouse.ledger import NOT_BILLED, Run

Value = str | int | Decimal | date | None
Row = Mapping[str, Any]
"""A charge line: the columns of `Book.lines`, and what `charged` adds."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the start of a formula: also the full-width forms, in eastern locales."""

DATE_FORMATS = {
    "MM/DD/YYYY": "%m/%d/%Y",
    "DD/MM/YYYY": "%d/%m/%Y",
    "DD.MM.YYYY": "%d.%m.%Y",
    "YYYY-MM-DD": "%Y-%m-%d",
    "MM/DD/YY": "%m/%d/%y",
}


@dataclass(frozen=True)
class Fault:
    """Why a line cannot be imported, and what to do; `line` is None where the run as a whole is at fault."""

    line: int | None
    what: str
    remedy: str

    def __str__(self) -> str:
        place = "the run" if self.line is None else f"line {self.line}:"
        return f"{place} {self.what}; {self.remedy}"


@dataclass(frozen=True)
class Document:
    """One file of an export, as plain values: main, or beside it (`suffix` names it, as `-credits`)."""

    suffix: str
    columns: list[str]
    rows: list[tuple[Value, ...]]


class Target(Protocol):
    """What a module of this package gives.

    Attributes
    ----------
    QUANTUM_PER_HOUR
        What a draft for it counts in: 1000 (0.001 h) or 60 (minutes).
    CODE
        Stands for it in batch ids.
    TITLE
        What it makes, in a few words.
    ENDING
        Of its files.
    """

    QUANTUM_PER_HOUR: int
    CODE: str
    TITLE: str
    ENDING: str

    def read_mapping(self, path: Path | None) -> Any:
        """Read its settings; raise Problem for what is none."""

    def faults(self, run: Run, lines: pl.DataFrame, batch: str, mapping: Any) -> list[Fault]:
        """Name each of `Book.lines` that accounting could not take."""

    def documents(self, run: Run, lines: pl.DataFrame, batch: str, mapping: Any) -> list[Document]:
        """Lay out `Book.lines`; the main document comes first."""

    def write(self, document: Document, path: Path, mapping: Any) -> None:
        """Write one of the documents."""


# --- Lines -------------------------------------------------------------------------------------------------


def charged(run: Run, lines: pl.DataFrame, batch: str) -> list[Row]:
    """Return lines as rows, by number, with what their run says: batch, quantum, and its period's days."""
    of_run = {
        "batch": batch,
        "quantum_per_hour": run.quantum_per_hour,
        "run_period": run.period,
        "run_starts_on": run.starts_on,
        "run_ends_on": run.ends_on,
    }
    return [{**row, **of_run} for row in lines.sort("line").iter_rows(named=True)]


def is_held_back(row: Row) -> bool:
    """Whether review holds the line or wrote it off: no target gets it, unless it says otherwise."""
    return row["review"] in NOT_BILLED


def billed(rows: Iterable[Row]) -> list[Row]:
    """Keep what is billed and comes to something: a quantity of nothing has nothing to import."""
    return [row for row in rows if row["is_billed"] and row["quantity"]]


def by_currency(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Part the lines for a target whose company has one currency: each gets a file, to be imported there.

    Returns
    -------
    list of tuple
        What the file's name gets, `-EUR`, and its lines; nothing where all are in one currency.
    """
    currencies = sorted({row["currency"] for row in rows})
    if len(currencies) <= 1:
        return [("", list(rows))]
    return [(f"-{code}", [row for row in rows if row["currency"] == code]) for code in currencies]


def is_fixed(row: Row) -> bool:
    """Whether the line is an amount charged once, not hours."""
    return bool(row["unit"] == "each")


def amount(row: Row) -> Decimal:
    """Return the line's amount in major units, with its currency's decimals."""
    return money.major(row["amount_minor"], row["currency"])


def cost(row: Row) -> Decimal:
    """Return what the hours cost the firm itself; 0 where no cost rate is known."""
    return money.major(row["cost_minor"] or 0, row["currency"])


def hours(row: Row) -> Decimal:
    """Return the quantity: hours, or 1 of a fixed amount."""
    return money.hours(row["quantity"], row["quantum_per_hour"])


def last_day(row: Row) -> date:
    """Return the last day of the run's period."""
    return _day(row["run_ends_on"] - timedelta(days=1))


def short_rate(row: Row) -> str:
    """Write the rate with as few decimals as it needs: `85.00`, `33.3333`."""
    return money.format_rate(row["rate_scaled"], row["currency"]).split()[0].replace(",", "")


def _corrects(row: Row) -> str:
    return f"{row['original_run']} line {row['original_line']}" if row["original_run"] else ""


def note(row: Row) -> str:
    """Say what a line is beside use: what it corrects, in words of this module, or what its rate made of it.

    The ledger's own note of a correction repeats a reason that somebody gave inside the firm, of a line held
    and released, say. Accounting prints notes on invoices: reasons stay in ledger, workbook and audit.
    """
    if not row["is_correction"]:
        return text_of(row["note"])
    original = f"correction of line {row['original_line']} of run {row['original_run']}"
    what = original if row["original_run"] else "not billed before"
    return f"used in {row['period']}, billed in {row['run_period']}, {what}"


VALUES: dict[str, Callable[[Row], Value]] = {
    "run": lambda row: str(row["run"]),
    "line": lambda row: int(row["line"]),
    "date": lambda row: _day(row["day"]),
    "project": lambda row: text_of(row["project"]),
    "project_name": lambda row: text_of(row["project_name"]),
    "phase": lambda row: text_of(row["phase"]),
    "task": lambda row: text_of(row["task"]),
    "client": lambda row: text_of(row["client"]),
    "client_name": lambda row: text_of(row["client_name"]),
    "office": lambda row: text_of(row["office"]),
    "employee": lambda row: text_of(row["employee_number"]),
    "person": lambda row: text_of(row["person"]),
    "application": lambda row: text_of(row["application_name"]),
    "application_code": lambda row: text_of(row["application"]),
    "quantity": hours,
    "unit": lambda row: text_of(row["unit"]),
    "unit_price": lambda row: money.rate(row["rate_scaled"]),
    "rate": short_rate,
    "rate_currency": lambda row: text_of(row["rate_currency"]),
    "currency": lambda row: text_of(row["currency"]),
    "amount": amount,
    "cost": cost,
    "billable": lambda row: "Y" if row["billable"] else "N",
    "account": lambda row: text_of(row["cost_center"]),
    "tax_code": lambda row: text_of(row["tax_code"]),
    "period": lambda row: text_of(row["period"]),
    "kind": lambda row: text_of(row["kind"]),
    "note": note,
    "corrects": _corrects,
    "batch": lambda row: text_of(row["batch"]),
}
"""What a column, or a pattern in a mapping file, can hold of a line."""


def _day(value: date) -> date:
    return value


def text_of(value: object) -> str:
    """Return a text; an empty one for none."""
    return "" if value is None else str(value)


def written(value: Value, date_format: str = "%Y-%m-%d") -> str:
    """Write a value as files do: no exponent, no thousands separator, dates in the target's format."""
    if isinstance(value, date):
        return value.strftime(date_format)
    return format(value, "f") if isinstance(value, Decimal) else text_of(value)


# --- Patterns ----------------------------------------------------------------------------------------------


def pattern(value: Any) -> str:
    """Take a text with fields of a line in braces: `{application} {batch}` (a check of `mapping_file`)."""
    try:
        parts = list(Formatter().parse(value)) if isinstance(value, str) and value.isprintable() else []
    except ValueError:
        parts = []
    if not parts or any(name is not None and not _is_field(name, *how) for _, name, *how in parts):
        raise ValueError(f"a text with fields in braces, of {', '.join(VALUES)}")
    return str(value)


def _is_field(name: str, form: str | None, conversion: str | None) -> bool:
    return name in VALUES and not form and not conversion


def fill(text: str, row: Row) -> str:
    """Put a line's values into a pattern."""
    filled = (words + (written(VALUES[name](row)) if name else "") for words, name in _parts(text))
    return "".join(filled).strip(" ")


@cache
def _parts(text: str) -> tuple[tuple[str, str | None], ...]:
    return tuple((words, name) for words, name, _, _ in Formatter().parse(text))


# --- Columns -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    """One column of a target: its name, its value, and what it can hold.

    Attributes
    ----------
    kind
        code: looked up by the accounting system, never changed, refused where a spreadsheet would run it;
        prose: read by people, with an apostrophe where a spreadsheet would run it; value: a number or date.
    longest
        Characters that the target takes; None: any number.
    missing
        What is at fault where it is empty, as a pattern; nothing: it may be empty.
    remedy
        What to do about its faults.
    """

    name: str
    value: Callable[[Row], Value]
    kind: Literal["code", "prose", "value"] = "value"
    longest: int | None = None
    missing: str = ""
    remedy: str = "correct it in the master data, or give another with --mapping"


def cells(row: Row, columns: Sequence[Column]) -> tuple[Value, ...]:
    """Return a line's values under the columns."""
    return tuple(_cell(column, row) for column in columns)


def _cell(column: Column, row: Row) -> Value:
    value = column.value(row)
    if column.kind == "prose" and isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def laid_out(rows: Iterable[Row], columns: Sequence[Column], suffix: str = "") -> Document:
    """Lay rows out under columns."""
    return Document(suffix, [column.name for column in columns], [cells(row, columns) for row in rows])


def cell_faults(row: Row, columns: Sequence[Column]) -> list[Fault]:
    """Name what columns could not hold of a line."""
    found = []
    for column in columns:
        if column.kind != "value" or column.missing:
            found += [Fault(row["line"], what, column.remedy) for what in _cell_faults(column, row)]
    return found


def _cell_faults(column: Column, row: Row) -> list[str]:
    text = written(_cell(column, row))
    if not text:
        return [fill(column.missing, row)] if column.missing else []
    found = []
    if column.longest is not None and len(text) > column.longest:
        found.append(
            f"the {column.name} {_shown(text)} has {len(text):,} characters; {column.longest} are taken"
        )
    if column.kind == "code" and text.startswith(FORMULA_STARTS):
        found.append(f"the {column.name} {_shown(text)} begins like a formula")
    if holds_control(text):
        found.append(f"the {column.name} {_shown(text)} holds a control character")
    return found


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def holds_control(text: str) -> bool:
    """Whether a text has a character that breaks lines or columns, or that files cannot hold."""
    return not text.isprintable() and any(category(letter) in ("Cc", "Zl", "Zp") for letter in text)


# --- Faults of lines ---------------------------------------------------------------------------------------


def price_faults(row: Row) -> list[Fault]:
    """Name a line whose quantity times rate is not its amount: accounting would compute another one."""
    priced = money.amount_minor(row["quantity"], row["quantum_per_hour"], row["rate_scaled"], row["currency"])
    if priced == row["amount_minor"]:
        return []
    shown = f"{written(hours(row))} x {written(money.rate(row['rate_scaled']))}"
    what = f"quantity x unit price, {shown}, is {money.major(priced, row['currency'])}, not {amount(row)}"
    return [Fault(row["line"], what, "verify the ledger: `process-meter billing verify`")]


def two_price_faults(rows: Iterable[Row], name: str, unit: Callable[[Row], str]) -> list[Fault]:
    """Name each line at another rate than an earlier line of the same unit.

    A target that takes no amount multiplies by its own rate of the unit, and a unit has one per currency.
    """
    first: dict[tuple[str, str], Row] = {}
    found = []
    for row in rows:
        before = first.setdefault((row["currency"], unit(row)), row)
        if before["rate_scaled"] != row["rate_scaled"]:
            what = (
                f"{name} {unit(row)!r} costs {short_rate(row)} {row['currency']} here and "
                f"{short_rate(before)} in line {before['line']}"
            )
            found.append(Fault(row["line"], what, "give each rate its own: {rate} in the pattern does"))
    return found


@dataclass(frozen=True)
class Posting:
    """Settings that every target of dated lines has.

    Attributes
    ----------
    currency
        The only one that the accounting company takes; empty: any.
    open_from, open_until
        First and last day that it still takes.
    correction_date
        Of corrections of closed periods: `use`, the day of use; `billed`, the first day of the run's period.
    """

    currency: Annotated[str, currency_code] = ""
    open_from: Annotated[date | None, day] = None
    open_until: Annotated[date | None, day] = None
    correction_date: Annotated[str, choice("use", "billed")] = "use"
    date_format: Annotated[str, choice(*DATE_FORMATS)] = "MM/DD/YYYY"

    def posted_on(self, row: Row) -> date:
        """Return the day that a line is posted on."""
        is_moved = row["is_correction"] and self.correction_date == "billed"
        return _day(row["run_starts_on"] if is_moved else row["day"])

    def faults(self, rows: Sequence[Row]) -> list[Fault]:
        """Name the lines of another currency, and those of days that are closed."""
        found = []
        for row in rows:
            if self.currency and row["currency"] != self.currency:
                what = f"it is in {row['currency']}, and the mapping says {self.currency}"
                found.append(Fault(row["line"], what, "leave currency out: each one gets a file of its own"))
            posted = self.posted_on(row)
            if not (self.open_from or posted) <= posted <= (self.open_until or posted):
                what = f"{posted} is not open: the mapping says {self.open_from} to {self.open_until}"
                remedy = 'open the period, or post corrections now: correction_date = "billed"'
                found.append(Fault(row["line"], what, remedy))
        return found


# --- Files -------------------------------------------------------------------------------------------------


def write_csv(document: Document, path: Path, date_format: str, delimiter: str = ",") -> None:
    """Write a document as CSV: UTF-8, CR LF, quotes where a value needs them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(document.columns)
        writer.writerows([written(value, date_format) for value in row] for row in document.rows)
