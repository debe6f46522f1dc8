"""The accounting target `generic`: CSV by a column mapping, quantity x unit price = amount in every row.

It takes every line but those that are held or written off: what is not chargeable has N in `billable` and the
amount 0, a fixed amount has the quantity 1, and a correction may be negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.exports import (
    VALUES,
    Column,
    Document,
    Fault,
    Row,
    cell_faults,
    charged,
    is_held_back,
    laid_out,
    price_faults,
    write_csv,
)
from pipelines.mapping_file import read_toml
from warehouse.errors import Problem
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "GEN"
TITLE = "CSV by a column mapping"
ENDING = ".csv"

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
"""Fields that the accounting system looks up."""

PROSE = ("project_name", "client_name", "person", "application", "note")
"""Fields that people read."""

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
        The file cannot be read, has a key that is none, or names a field that does not exist.
    """
    if path is None:
        return Columns(DEFAULT_COLUMNS, {})
    document = read_toml(path)
    if unknown := set(document) - {"columns", "delimiter"}:
        raise Problem(f"{path}: there is no setting {min(unknown)!r}", "use columns, delimiter")
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
    if not isinstance(value, str) or value not in VALUES:
        raise Problem(
            f"{path}, column {name!r}: there is no field {value!r}", f"use one of {', '.join(VALUES)}"
        )
    return value


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Columns) -> list[Fault]:
    """Name what cannot be imported: a missing employee number, text like a formula, control characters."""
    columns = _columns(mapping)
    return [
        fault
        for row in _taken(run, lines, batch)
        for fault in (*cell_faults(row, columns), *price_faults(row))
    ]


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Columns) -> list[Document]:
    """Lay out every line that is not held back: one document, columns as mapped."""
    return [laid_out(_taken(run, lines, batch), _columns(mapping))]


def write(document: Document, path: Path, mapping: Columns) -> None:
    """Write it as CSV with the mapped delimiter; dates as YYYY-MM-DD."""
    write_csv(document, path, "%Y-%m-%d", mapping.delimiter)


def _taken(run: Run, lines: pl.DataFrame, batch: str) -> list[Row]:
    return [row for row in charged(run, lines, batch) if not is_held_back(row)]


def _columns(mapping: Columns) -> list[Column]:
    return [_column(mapping, name) for name in mapping.columns]


def _column(mapping: Columns, name: str) -> Column:
    if name in mapping.texts:
        text = mapping.texts[name]
        return Column(name, lambda _: text)
    field = mapping.columns[name]
    missing = "{person} has no employee number" if field == "employee" else ""
    if field in CODES:
        return Column(name, VALUES[field], "code", missing=missing)
    return Column(name, VALUES[field], "prose" if field in PROSE else "value")
