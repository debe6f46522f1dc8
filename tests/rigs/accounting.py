"""Charge lines without a database, and an accounting department that reads files by its own means."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
from hypothesis import strategies as st

from warehouse import ledger
from warehouse.ledger import Run

BATCH = "2026-10/1-XX-3f2a91c4"
NAMES = (
    *("person", "employee_number", "application_name", "client", "client_name", "payer", "cost_center"),
    *("project_name", "project_office", "original_run"),
)

Totals = dict[str, Decimal]


def a_run(quantum_per_hour: int = 1000, **facts: Any) -> Run:
    """Return the closed run of October 2026."""
    known = {
        "id": 1, "number": "2026-10/1", "period": "2026-10", "status": "closed", "target": "generic",
        "starts_on": date(2026, 10, 1), "ends_on": date(2026, 11, 1), "quantum_per_hour": quantum_per_hour,
        "digest": "d" * 64, "showback": False,
    }  # fmt: skip
    return Run(**{field.name: None for field in fields(Run)} | known | facts)


def a_line(number: int, quantum_per_hour: int = 1000, **facts: Any) -> dict[str, Any]:
    """Return a line: an hour of CAD for 90 EUR on project 007 unless said otherwise; the amount follows."""
    row = {
        "run": "2026-10/1", "line": number, "kind": "usage", "day": date(2026, 10, 5), "person_id": 1,
        "application": "cad", "office": "BER", "project": "007", "phase": "01", "task": None, "rate_id": 1,
        "billable": True, "quantity": quantum_per_hour, "rate_scaled": 900_000, "currency": "EUR",
        "session_count": 1, "period": "2026-10", "review": None, "unit": "hour", "project_kind": "project",
        "person": "Ada Example", "employee_number": "0007", "application_name": "The cad", "client": "PORT",
        "client_name": "Port Authority", "payer": "Port Authority", "cost_center": None,
        "project_name": "Pier", "is_correction": False,
    } | facts  # fmt: skip
    cents = Fraction(abs(row["quantity"]) * row["rate_scaled"], quantum_per_hour * 100)
    sign = 1 if row["quantity"] >= 0 else -1
    row.setdefault("amount_minor", sign * int(cents + Fraction(1, 2)))
    row.setdefault("is_billed", row["billable"] and row["review"] not in ("hold", "writeoff"))
    return row


def lines(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return rows as `Book.lines`."""
    schema = {
        **ledger.LINES,
        **dict.fromkeys(NAMES, pl.String),
        "original_line": pl.Int64,
        "is_billed": pl.Boolean,
        "is_correction": pl.Boolean,
    }
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


@st.composite
def months(draw: st.DrawFn, quantum_per_hour: int = 1000) -> list[dict[str, Any]]:
    """Draw a month: hours, roundings and corrections either way, fixed amounts, free, held and odd lines."""
    rows = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        is_fixed = draw(st.integers(0, 5)) == 0
        is_correction = draw(st.integers(0, 4)) == 0
        is_billable = draw(st.integers(0, 5)) > 0
        quantity = draw(st.sampled_from([1, -1]))
        # A fixed amount is whole cents; an hour costs up to 1/10,000.
        rate = draw(st.integers(0, 50_000)) * 100 if is_fixed else draw(st.integers(0, 1_500_000))
        quantity *= quantum_per_hour if is_fixed else draw(st.integers(0, 20 * quantum_per_hour))
        who_pays = draw(st.sampled_from([("PORT", "Port Authority", None), (None, None, "4711")]))
        rows.append(
            a_line(
                number,
                quantum_per_hour,
                kind="cap" if is_fixed else "reversal" if is_correction else "usage",
                unit="each" if is_fixed else "hour",
                quantity=quantity,
                rate_scaled=rate if is_billable else 0,
                billable=is_billable,
                review=draw(st.sampled_from([None, None, None, "accept", "hold", "writeoff"])),
                project=draw(st.sampled_from(["007", "0042", "B-1"])),
                phase=draw(st.sampled_from([None, "01"])),
                application=draw(st.sampled_from(["cad", "fem"])),
                day=date(2026, 9, 30) if is_correction else date(2026, 10, draw(st.integers(1, 31))),
                period="2026-09" if is_correction else "2026-10",
                is_correction=is_correction,
                client=who_pays[0],
                client_name=who_pays[1],
                cost_center=who_pays[2],
            )
        )
    return rows


def rounded(value: Decimal, digits: str = "0.01") -> Decimal:
    """Round half away from zero, as accounting systems round an amount."""
    return value.quantize(Decimal(digits), ROUND_HALF_UP)


def by_project(amounts: list[tuple[str, Decimal]]) -> Totals:
    """Sum amounts by project, and all of them; a project that comes to nothing is none."""
    totals: Totals = defaultdict(Decimal)
    for project, amount in amounts:
        totals[project] += amount
        totals["all"] += amount
    return {project: amount for project, amount in totals.items() if amount}


def billed(rows: list[dict[str, Any]]) -> Totals:
    """Return what the run bills, by project."""
    return by_project(
        [(row["project"], Decimal(row["amount_minor"]) / 100) for row in rows if row["is_billed"]]
    )


def write(
    target: ModuleType, run: Run, rows: list[dict[str, Any]], folder: Path, text: str = ""
) -> list[Path]:
    """Write a run for a target under a mapping file of this text, as an export does; return its files."""
    mapping = None
    if text:
        mapping = folder / "mapping.toml"
        mapping.write_text(text, encoding="utf-8")
    settings = target.read_mapping(mapping)
    assert target.faults(run, lines(*rows), BATCH, settings) == []
    paths = []
    for document in target.documents(run, lines(*rows), BATCH, settings):
        paths.append(folder / f"out{document.suffix}{target.ENDING}")
        target.write(document, paths[-1], settings)
    return paths


def faults(
    target: ModuleType, run: Run, rows: list[dict[str, Any]], folder: Path, text: str = ""
) -> list[str]:
    """Return what a target could not take, as sentences."""
    mapping = folder / "mapping.toml"
    mapping.write_text(text, encoding="utf-8")
    settings = target.read_mapping(mapping)
    return [str(fault) for fault in target.faults(run, lines(*rows), BATCH, settings)]


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read CSV with a header; a row of another length than it is an error."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_iif(text: str) -> list[dict[str, str]]:
    """Read IIF: a line with `!` names the columns of the lines with its keyword; `kind` is the keyword."""
    columns: dict[str, list[str]] = {}
    rows = []
    for line in text.splitlines():
        keyword, *values = line.split("\t")
        if keyword.startswith("!"):
            columns[keyword[1:]] = values
        else:
            rows.append({"kind": keyword, **dict(zip(columns[keyword], values, strict=True))})
    return rows
