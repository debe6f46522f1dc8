"""The accounting target `quickbooks-invoice`: invoices of QuickBooks Online (CSV).

An invoice per customer and currency (or per project, as the mapping says), a row per line with its quantity,
rate and amount, so that quantity x rate = amount wherever it is computed again. The number is the run's and
the invoice's: imported twice it would be there twice under one number.

An invoice takes no negative: reversals, caps and roundings down are in a second file, `-credits`, as credit
notes with positive amounts, for QuickBooks' import of credit notes.

- A fixed amount is a row of quantity 1.
- What is not chargeable, held or written off is left out.
- Several currencies are several invoices; QuickBooks needs its multicurrency feature for them.

Columns, required ones with an asterisk: https://quickbooks.intuit.com/learn-support/en-ca/sales-and-invoicing/
do-we-need-to-map-field-everytime-when-import-invoices/01/394876
Credit notes: https://quickbooks.intuit.com/learn-support/en-us/help-articles/how-to-import-credit-notes/00/332855
Widths: https://support.zed-systems.com/kb/a197/import-invoices-into-quickbooks-online.aspx
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
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
    Value,
    amount,
    billed,
    cell_faults,
    charged,
    fill,
    hours,
    laid_out,
    last_day,
    pattern,
    price_faults,
    text_of,
    write_csv,
)
from pipelines.mapping_file import choice, codes, days, one_line, read_settings
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "QBO"
TITLE = "invoices of QuickBooks Online (CSV)"
ENDING = ".csv"


@dataclass(frozen=True)
class Settings(Posting):
    """Settings of `--mapping`.

    Attributes
    ----------
    customers
        From client codes (or cost centers) to QuickBooks' names.
    per
        One invoice per `customer` or per `project`.
    number
        Pattern of the start of its number; a dash and a count follow.
    due_days
        From the invoice's date, which is the last day of the run's period.
    item, items
        Pattern of the product or service; and those of applications that have one of their own.
    description, memo
        Patterns.
    tax_code
        Where a line has none.
    """

    customers: Annotated[Mapping[str, str], codes(one_line(100, 1))] = field(default_factory=dict)
    per: Annotated[str, choice("customer", "project")] = "customer"
    number: Annotated[str, pattern] = "{run}"
    due_days: Annotated[int, days] = 30
    item: Annotated[str, pattern] = "{application}"
    items: Annotated[Mapping[str, str], codes(one_line(100, 1))] = field(default_factory=dict)
    description: Annotated[str, pattern] = "{project} {phase} {task}"
    memo: Annotated[str, pattern] = "{batch}"
    tax_code: Annotated[str, one_line(31)] = ""


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines without customer, of closed days, or with text beyond the widths."""
    rows = _numbered(billed(charged(run, lines, batch)), mapping)
    columns = _columns(mapping, "Invoice", sign=1)
    found = [fault for row in rows for fault in (*cell_faults(row, columns), *price_faults(row))]
    return found + mapping.faults(sorted(rows, key=lambda row: row["line"]))


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out the invoices; and beside them the credit notes, where anything is negative."""
    rows = billed(charged(run, lines, batch))
    positive = _numbered([row for row in rows if row["amount_minor"] >= 0], mapping)
    negative = _numbered([row for row in rows if row["amount_minor"] < 0], mapping, "C")
    made = [laid_out(positive, _columns(mapping, "Invoice", sign=1))]
    if negative:
        made.append(laid_out(negative, _columns(mapping, "Credit Note", sign=-1), "-credits"))
    return made


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as CSV."""
    write_csv(document, path, DATE_FORMATS[mapping.date_format])


def _numbered(rows: Sequence[Row], mapping: Settings, letter: str = "") -> list[Row]:
    """Order lines by invoice and give each the number of its own."""

    def invoice(row: Row) -> tuple[str, ...]:
        project = text_of(row["project"]) if mapping.per == "project" else ""
        return _customer(mapping, row), row["currency"], project

    grouped = groupby(sorted(rows, key=invoice), invoice)
    return [
        {**row, "number": f"{fill(mapping.number, row)}-{letter}{count}"}
        for count, (_, lines) in enumerate(grouped, 1)
        for row in lines
    ]


def _columns(mapping: Settings, kind: str, sign: int) -> list[Column]:
    no_customer = "the project {project} has no client"
    map_customer = "write the customer of its cost center under [customers] in the mapping file"
    shorter = "set a shorter pattern in the mapping file"
    due = Column("*Due Date", lambda row: last_day(row) + timedelta(days=mapping.due_days))
    return [
        Column(f"*{kind} No", lambda row: text_of(row["number"]), "code", 21, remedy=shorter),
        Column(
            "*Customer",
            lambda row: _customer(mapping, row),
            "code",
            100,
            missing=no_customer,
            remedy=map_customer,
        ),
        Column(f"*{kind} Date", last_day),
        *([due] if kind == "Invoice" else []),
        Column("Memo", lambda row: fill(mapping.memo, row), "prose", 4000, remedy=shorter),
        Column(
            "Item(Product/Service)", lambda row: _item(mapping, row), "code", 100, missing="it has no item"
        ),
        Column("Item Description", lambda row: fill(mapping.description, row), "prose", 4000, remedy=shorter),
        Column("Item Quantity", lambda row: sign * hours(row)),
        Column("Item Rate", VALUES["unit_price"]),
        Column("*Item Amount", lambda row: sign * amount(row)),
        Column("*Item Tax Code", lambda row: _tax_code(mapping, row), "code", 31),
        Column("Currency", VALUES["currency"]),
        Column("Service Date", mapping.posted_on),
    ]


def _customer(mapping: Settings, row: Row) -> str:
    payer = text_of(row["client"] or row["cost_center"])
    return mapping.customers.get(payer) or text_of(row["client_name"])


def _item(mapping: Settings, row: Row) -> Value:
    return mapping.items.get(text_of(row["application"])) or fill(mapping.item, row)


def _tax_code(mapping: Settings, row: Row) -> str:
    return text_of(row["tax_code"]) or mapping.tax_code
