"""The accounting target `journal`: a journal entry that moves software cost to who used it (CSV).

A debit per payer's cost center, project and currency, dated the last day of the run's period, and a credit of
the same sum to the recovery account, per currency. `Amount` is positive for a debit, negative for a credit;
all sum to zero. A sum below zero changes sides, so that no debit or credit is ever negative.

- Corrections, roundings and fixed amounts are in the sums.
- What is not chargeable, held or written off is left out; so is a project whose lines sum to nothing.
- A project without cost center, which a client pays, is debited to `client_account`.
- Every currency is an entry of its own, with a reference of its own.

Two-sided rows of date, account, debit, credit and reference are what general ledgers import, for example
https://quickbooks.intuit.com/learn-support/en-au/help-article/import-export-files/
import-journal-entries-quickbooks-online/L4tQBwbs7_AU_en_AU
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Annotated

import polars as pl

from pipelines.exports import (
    DATE_FORMATS,
    Column,
    Document,
    Fault,
    Posting,
    Row,
    amount,
    billed,
    cell_faults,
    charged,
    fill,
    laid_out,
    last_day,
    pattern,
    price_faults,
    text_of,
    write_csv,
)
from pipelines.mapping_file import codes, one_line, read_settings
from warehouse import money
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "JNL"
TITLE = "a journal entry (CSV)"
ENDING = ".csv"


@dataclass(frozen=True)
class Settings(Posting):
    """Settings of `--mapping`.

    Attributes
    ----------
    account, accounts
        The account that cost centers are debited on, and those of cost centers that have another.
    client_account
        The account for projects that a client pays.
    recovery_account, recovery_cost_center
        What is credited.
    description
        Pattern; of fields that all lines of a project share.
    """

    account: Annotated[str, one_line(40, 1)] = "SOFTWARE"
    accounts: Annotated[Mapping[str, str], codes(one_line(40, 1))] = field(default_factory=dict)
    client_account: Annotated[str, one_line(40, 1)] = "UNBILLED"
    recovery_account: Annotated[str, one_line(40, 1)] = "RECOVERY"
    recovery_cost_center: Annotated[str, one_line(40)] = ""
    description: Annotated[str, pattern] = "Software {project} {project_name}"


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines with a cost center or description that cannot be imported, and a day that is closed."""
    rows = billed(charged(run, lines, batch))
    columns = _columns()
    sides = [_side(row, mapping, row["amount_minor"]) for row in rows]
    found = [
        fault
        for row, side in zip(rows, sides, strict=True)
        for fault in (*cell_faults(side, columns), *price_faults(row))
    ]
    return found + mapping.faults(rows)


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out the entries: debits by cost center and project, then the credit that balances them."""
    rows = billed(charged(run, lines, batch))
    sides = []
    for _, entry in groupby(sorted(rows, key=lambda row: row["currency"]), lambda row: row["currency"]):
        debits = _debits(list(entry), mapping)
        sides += [*debits, _credit(debits, mapping)] if debits else []
    return [laid_out(sides, _columns())]


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as CSV."""
    write_csv(document, path, DATE_FORMATS[mapping.date_format])


def _debits(rows: Sequence[Row], mapping: Settings) -> list[Row]:
    """Sum one currency's lines by cost center and project."""

    def key(row: Row) -> tuple[str, str]:
        return text_of(row["cost_center"]), text_of(row["project"])

    sides = []
    for _, lines in groupby(sorted(rows, key=key), key):
        mine = list(lines)
        total = sum(row["amount_minor"] for row in mine)
        if total:
            sides.append(_side(mine[0], mapping, total))
    return sides


def _side(row: Row, mapping: Settings, total: int) -> Row:
    """Return a project's side of the entry."""
    center = text_of(row["cost_center"])
    account = mapping.accounts.get(center, mapping.account) if center else mapping.client_account
    text = fill(mapping.description, row)
    return {**row, "amount_minor": total, "account": account, "center": center, "text": text}


def _credit(debits: Sequence[Row], mapping: Settings) -> Row:
    """Return the side that balances the others."""
    return {
        **debits[0],
        "amount_minor": -sum(row["amount_minor"] for row in debits),
        "account": mapping.recovery_account,
        "center": mapping.recovery_cost_center,
        "text": "Software recovery",
    }


def _columns() -> list[Column]:
    return [
        Column("Date", last_day),
        Column("Reference", lambda row: f"{row['batch']}-{row['currency']}", "code"),
        Column("Cost Center", lambda row: text_of(row["center"]), "code"),
        Column("Account", lambda row: text_of(row["account"]), "code"),
        Column("Debit", lambda row: _positive(row, 1)),
        Column("Credit", lambda row: _positive(row, -1)),
        Column("Amount", amount),
        Column("Currency", lambda row: text_of(row["currency"])),
        Column("Description", lambda row: text_of(row["text"]), "prose"),
    ]


def _positive(row: Row, sign: int) -> Decimal:
    """Return the amount on one side of the entry; 0 on the other."""
    return money.major(max(sign * row["amount_minor"], 0), row["currency"])
