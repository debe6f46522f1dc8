"""The accounting target `generic`: CSV by a column mapping, quantity x unit price = amount in every row."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.whole_file import whole_file
from warehouse import money
from warehouse.errors import Problem
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
"""What a draft for this target counts in: 0.001 h."""

Row = Mapping[str, Any]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _text(value: object) -> str:
    return "" if value is None else str(value)


FIELDS: dict[str, Callable[[Row], str]] = {
    "run": lambda row: row["run"],
    "line": lambda row: _text(row["line"]),
    "date": lambda row: _text(row["day"]),
    "project": lambda row: row["project"],
    "project_name": lambda row: _text(row["project_name"]),
    "phase": lambda row: _text(row["phase"]),
    "task": lambda row: _text(row["task"]),
    "client": lambda row: _text(row["client"]),
    "client_name": lambda row: _text(row["client_name"]),
    "office": lambda row: _text(row["office"]),
    "employee": lambda row: _text(row["employee_number"]),
    "person": lambda row: _text(row["person"]),
    "application": lambda row: row["application_name"],
    "application_code": lambda row: row["application"],
    "quantity": lambda row: str(money.hours(row["quantity"], QUANTUM_PER_HOUR)),
    "unit_price": lambda row: str(money.rate(row["rate_scaled"])),
    "currency": lambda row: row["currency"],
    "amount": lambda row: str(money.major(row["amount_minor"], row["currency"])),
    "billable": lambda row: "Y" if row["billable"] else "N",
    "account": lambda row: _text(row["cost_center"]),
    "tax_code": lambda row: _text(row["tax_code"]),
    "period": lambda row: row["period"],
    "kind": lambda row: row["kind"],
    "note": lambda row: _text(row["note"]),
}
"""What a column can hold."""

CODES = (
    "project",
    "phase",
    "task",
    "client",
    "employee",
    "application_code",
    "account",
    "tax_code",
    "office",
)
"""Fields that the accounting system looks up: never changed, refused where a spreadsheet would run them."""

DEFAULT_COLUMNS = {
    "project no": "project",
    "phase": "phase",
    "task": "task",
    "employee": "employee",
    "date": "date",
    "application": "application",
    "quantity": "quantity",
    "unit price": "unit_price",
    "currency": "currency",
    "amount": "amount",
    "billable": "billable",
    "account": "account",
    "note": "note",
}


@dataclass(frozen=True)
class Columns:
    """A column mapping: header -> field, or a fixed text; and the delimiter."""

    columns: Mapping[str, str]
    texts: Mapping[str, str]
    delimiter: str = ","


def read_mapping(path: Path | None) -> Columns:
    """Read a column mapping.

    ```toml
    delimiter = ";"
    [columns]
    "Project No" = "project"
    "Account" = { text = "4711" }
    ```

    Raises
    ------
    Problem
        The file cannot be read, or names a field that does not exist.
    """
    if path is None:
        return Columns(DEFAULT_COLUMNS, {})
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Problem(
            f"the column mapping {path} cannot be read: {error}", "see the example in --help"
        ) from None
    columns = document.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise Problem(f"{path} has no table [columns]", 'add one, such as "Project No" = "project"')
    delimiter = document.get("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in '"\r\n':
        raise Problem(f"{path}, delimiter: {delimiter!r} is no single character", 'use "," or ";" or "\\t"')
    texts = {name: _fixed(path, name, value) for name, value in columns.items() if isinstance(value, dict)}
    fields = {name: _field(path, name, value) for name, value in columns.items() if name not in texts}
    return Columns(dict.fromkeys(columns, "") | fields, texts, delimiter)


def _fixed(path: Path, name: str, value: dict[str, Any]) -> str:
    if set(value) != {"text"} or not isinstance(value["text"], str):
        raise Problem(f"{path}, column {name!r}: a fixed column has one key, text", 'write { text = "4711" }')
    return str(value["text"])


def _field(path: Path, name: str, value: object) -> str:
    if not isinstance(value, str) or value not in FIELDS:
        raise Problem(
            f"{path}, column {name!r}: there is no field {value!r}", f"use one of {', '.join(FIELDS)}"
        )
    return value


def write(run: Run, lines: pl.DataFrame, path: Path, mapping: Path | None = None) -> int:
    """Write the lines as CSV, whole or not at all; return the number of rows.

    Parameters
    ----------
    lines
        `Book.lines` without what is held or written off; those that are not billable have `billable` N.
    path
        Replaced if it exists.
    mapping
        A TOML file: see `read_mapping`; None: `DEFAULT_COLUMNS`.

    Raises
    ------
    Problem
        A line that the accounting system could not take: each is named with what is wrong.
    """
    columns = read_mapping(mapping)
    rows = [_row(row, columns) for row in _checked(run, lines, columns)]
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=columns.delimiter, lineterminator="\r\n")
        writer.writerow(columns.columns)
        writer.writerows(rows)
    return len(rows)


def _row(row: Row, mapping: Columns) -> list[str]:
    return [
        mapping.texts[name] if name in mapping.texts else _guarded(field, FIELDS[field](row))
        for name, field in mapping.columns.items()
    ]


def _guarded(field: str, text: str) -> str:
    """Keep a spreadsheet from running prose as a formula: an apostrophe makes it text."""
    is_prose = field in ("project_name", "client_name", "person", "application", "note")
    return f"'{text}" if is_prose and text.startswith(FORMULA_STARTS) else text


def _checked(run: Run, lines: pl.DataFrame, mapping: Columns) -> Sequence[Row]:
    rows = lines.sort("line").to_dicts()
    faults = [fault for row in rows for fault in _faults(row, mapping)]
    if faults:
        more = f" (and {len(faults) - 1} more like this)" if len(faults) > 1 else ""
        raise Problem(f"run {run.number}, {faults[0]}{more}", "correct it, or hold the line with a reason")
    return rows


def _faults(row: Row, mapping: Columns) -> list[str]:
    """Say what an accounting system could not take of a line."""
    used = set(mapping.columns.values())
    found = [
        f"line {row['line']}: the {field} {text!r} begins like a formula"
        for field in CODES
        if field in used and (text := FIELDS[field](row)).startswith(FORMULA_STARTS)
    ]
    if "employee" in used and not row["employee_number"]:
        found.append(f"line {row['line']}: {row['person']} has no employee number")
    product = Decimal(FIELDS["quantity"](row)) * Decimal(FIELDS["unit_price"](row))
    amount = Decimal(FIELDS["amount"](row))
    if product.quantize(amount, ROUND_HALF_UP) != amount:
        found.append(f"line {row['line']}: quantity x unit price is {product}, not {amount}")
    control = [
        field
        for field in used - {""}
        if any(ord(letter) < 32 and letter != "\t" for letter in FIELDS[field](row))
    ]
    return found + [f"line {row['line']}: the {field} holds a control character" for field in control]
