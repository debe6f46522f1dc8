"""The accounting target `vantagepoint-expense`: Deltek Vantagepoint's project expenses.

A row per line with its amount, so that nothing is multiplied again; the cost amount is what the hours cost
the firm itself, 0.00 where no cost rate is known. `Period` is the run's, since that is when the charge is
posted, and must not be after the active period.

- `BillStatus` is B for what is billed and N, with a billing amount of 0.00, for what is not chargeable.
- Held and written-off lines are left out, unless the mapping's `statuses` asks for H or W.
- Fixed amounts and corrections are rows like any other; the latter may be negative.
- A file per currency, since a company has one.

Columns and rules: https://help.deltek.com/Product/Vantagepoint/4.5/UT_TF_Project_Expenses.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import polars as pl

from pipelines.exports import (
    DATE_FORMATS,
    VALUES,
    Column,
    Document,
    Fault,
    Posting,
    Row,
    amount,
    by_currency,
    cell_faults,
    charged,
    cost,
    fill,
    laid_out,
    pattern,
    price_faults,
    text_of,
    write_csv,
)
from pipelines.mapping_file import choices, codes, one_line, read_settings
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "VPX"
TITLE = "project expenses of Deltek Vantagepoint (CSV)"
ENDING = ".csv"

MONTH = re.compile(r"(\d{4})-(\d{2})")
YEAR_AND_PERIOD = re.compile(r"\d{4}(0[1-9]|1[0-9]|2[0-9])")


@dataclass(frozen=True)
class Settings(Posting):
    """Settings of `--mapping`.

    Attributes
    ----------
    account, accounts
        The account of the charges, and those of applications that have one of their own.
    vendor
        Empty: none.
    periods
        From names of fiscal periods to YYYYPP; a name such as 2026-10 needs none.
    active_period
        YYYYPP of the period that is active in Vantagepoint; empty: not checked.
    statuses
        Which billing statuses are in the file.
    description
        Pattern.
    """

    account: Annotated[str, one_line(13, 1)] = "SOFTWARE"
    accounts: Annotated[Mapping[str, str], codes(one_line(13, 1))] = field(default_factory=dict)
    vendor: Annotated[str, one_line(20)] = ""
    periods: Annotated[Mapping[str, str], codes(one_line(6, 6))] = field(default_factory=dict)
    active_period: Annotated[str, one_line(6, 6)] = ""
    statuses: Annotated[Sequence[str], choices("B", "H", "W", "N")] = ("B", "N")
    description: Annotated[str, pattern] = "{application} {batch}"


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines beyond the widths or of a closed day, and a period that is none or not active yet."""
    rows, columns = _taken(run, lines, batch, mapping), _columns(mapping)
    found = [fault for row in rows for fault in (*cell_faults(row, columns), *price_faults(row))]
    return _period_faults(run, mapping) + found + mapping.faults(rows)


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out the lines of the wanted billing statuses; several currencies are several documents."""
    columns = _columns(mapping)
    parts = by_currency(_taken(run, lines, batch, mapping))
    return [laid_out(rows, columns, suffix) for suffix, rows in parts]


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as CSV."""
    write_csv(document, path, DATE_FORMATS[mapping.date_format])


def _taken(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Row]:
    rows = charged(run, lines, batch)
    return [row for row in rows if row["quantity"] and _status(row) in mapping.statuses]


def _status(row: Row) -> str:
    """Return the billing status: billable, held, written off, non-billable."""
    if not row["billable"]:
        return "N"
    return {"hold": "H", "writeoff": "W"}.get(row["review"], "B")


def _period_faults(run: Run, mapping: Settings) -> list[Fault]:
    period = _period(run.period, mapping)
    if not YEAR_AND_PERIOD.fullmatch(period):
        what = f"is of period {run.period}, which has no number YYYYPP"
        return [Fault(None, what, f'write it under [periods]: "{run.period}" = "202610"')]
    if mapping.active_period and period > mapping.active_period:
        what = f"is of period {period}, after the active one, {mapping.active_period}"
        return [Fault(None, what, "make it the active period first, then change active_period")]
    return []


def _period(name: str, mapping: Settings) -> str:
    month = MONTH.fullmatch(name)
    return mapping.periods.get(name, "".join(month.groups()) if month else "")


def _columns(mapping: Settings) -> list[Column]:
    description = "set a shorter description in the mapping file"
    return [
        Column("WBS1", VALUES["project"], "code", 30, missing="it has no project"),
        Column("WBS2", VALUES["phase"], "code", 30),
        Column("WBS3", VALUES["task"], "code", 30),
        Column("Account", lambda row: _account(mapping, row), "code", 13),
        Column("Vendor", lambda _: mapping.vendor, "code", 20),
        Column("TransDate", mapping.posted_on),
        Column("Period", lambda row: int(_period(row["run_period"], mapping) or 0)),
        Column("Description", lambda row: fill(mapping.description, row), "prose", 80, remedy=description),
        Column("Amount", cost),
        Column("BillExt", _billed),
        Column("BillStatus", _status),
    ]


def _account(mapping: Settings, row: Row) -> str:
    return mapping.accounts.get(text_of(row["application"])) or mapping.account


def _billed(row: Row) -> Decimal:
    """Return the billing amount; nothing for what is not chargeable."""
    return amount(row) if row["billable"] else amount({**row, "amount_minor": 0})
