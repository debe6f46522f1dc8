"""The accounting target `quickbooks-iif`: time activities of QuickBooks Desktop (IIF, tabs).

QuickBooks multiplies a duration in hours and minutes by the rate of its service item. So an item must have
one rate, ours, and a draft for this target counts in minutes. PITEM stays empty: hours of software must never
get onto a payroll item. No duration may be over 23:59: a longer line becomes several entries whose amounts,
each rounded by itself, sum to the line's.

A time activity is neither negative nor an amount. Those lines are in a second file, `-transactions`: a credit
memo per job for what is negative (reversals, caps, roundings down), an invoice for positive fixed amounts.

- What is not chargeable has billing status 0, and is in the file only if the mapping says `non_chargeable`.
- Held and written-off lines are left out.
- A file per currency, since a company file bills a customer in one.

Time activities and the timer's header: the IIF import kit, and
http://support.quickbooks.intuit.com/support/Pages/InProductHelp/Core/QB2K8/ContentPackage/Core/IIF/iif_reference_timeract.html
Transactions: the same kit, iif_reference_transactions.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Annotated

import polars as pl

from pipelines.exports import (
    Column,
    Document,
    Fault,
    Posting,
    Row,
    Value,
    amount,
    billed,
    by_currency,
    cell_faults,
    charged,
    fill,
    is_fixed,
    is_held_back,
    laid_out,
    last_day,
    pattern,
    price_faults,
    text_of,
    two_price_faults,
    written,
)
from pipelines.mapping_file import choice, codes, flag, one_line, read_settings
from warehouse import money
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 60
CODE = "QBD"
TITLE = "time activities of QuickBooks Desktop (IIF)"
ENDING = ".iif"

LONGEST_MINUTES = 23 * 60 + 59
"""What DURATION can hold: 23:59."""

WHOLE_HOURS = 23 * 60
"""The longest of whole hours, in minutes."""

DATE_FORMAT = "%m/%d/%y"

HEADER = (
    "!TIMERHDR\tVER\tREL\tCOMPANYNAME\tIMPORTEDBEFORE\tFROMTIMER\tCOMPANYCREATETIME",
    "TIMERHDR\t8\t0\t{company_name}\tN\tY\t{company_create_time}",
)
"""Version and release are those of the timer that wrote the layout."""

TRANSACTIONS = "-transactions"
TRANSACTION = ("TRNSTYPE", "DATE", "ACCNT", "NAME", "AMOUNT", "DOCNUM", "MEMO")
SPLIT = (*TRANSACTION, "QNTY", "PRICE", "INVITEM")


@dataclass(frozen=True)
class Settings(Posting):
    """Settings of `--mapping`; `date_format` has no say, the layout fixes it.

    Attributes
    ----------
    company_name, company_create_time
        As in the header of a list that QuickBooks has exported for the timer.
    item, items
        Pattern of a service item; and items of applications that have one of their own.
    fixed_item
        Item of what is not an hour.
    customers, employees
        From client codes (or cost centers) and employee numbers to QuickBooks' names.
    class_name
        PROJ; empty: none.
    note
        Pattern.
    non_chargeable
        Whether time that is not chargeable is in the file.
    receivable_account, income_account
        Of the transactions.
    encoding
        QuickBooks Desktop reads the code page of its Windows.
    """

    company_name: Annotated[str, one_line(60)] = ""
    company_create_time: Annotated[str, one_line(20)] = ""
    item: Annotated[str, pattern] = "{application_code} {rate}"
    items: Annotated[Mapping[str, str], codes(one_line(31, 1))] = field(default_factory=dict)
    fixed_item: Annotated[str, one_line(31, 1)] = "Software"
    customers: Annotated[Mapping[str, str], codes(one_line(41, 1))] = field(default_factory=dict)
    employees: Annotated[Mapping[str, str], codes(one_line(41, 1))] = field(default_factory=dict)
    class_name: Annotated[str, one_line(31)] = ""
    note: Annotated[str, pattern] = "{application}, {batch} line {line}"
    non_chargeable: Annotated[bool, flag] = False
    receivable_account: Annotated[str, one_line(159, 1)] = "Accounts Receivable"
    income_account: Annotated[str, one_line(159, 1)] = "Software Income"
    encoding: Annotated[str, choice("cp1252", "utf-8")] = "cp1252"


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines without customer, with text that IIF cannot hold, too long to divide; items of two rates."""
    rows = charged(run, lines, batch)
    timed, others = _timed(rows, mapping), _others(rows)
    found = [fault for row in timed for fault in _timed_faults(row, mapping)]
    for row in others:
        columns = _other_columns(mapping, text_of(batch))
        found += [*cell_faults(row, columns), *_text_faults(row, columns, mapping), *price_faults(row)]
    items = two_price_faults(
        [row for row in timed if row["billable"]], "the item", lambda row: _item(mapping, row)
    )
    return found + mapping.faults(sorted([*timed, *others], key=lambda row: row["line"])) + items


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out the time activities; and beside them credit memos and invoices, where there are any."""
    taken = [*_timed(charged(run, lines, batch), mapping), *_others(charged(run, lines, batch))]
    made = []
    for suffix, rows in by_currency(taken):
        entries = [part for row in _timed(rows, mapping) for part in _parts(row)]
        made.append(laid_out(entries, _columns(mapping), suffix))
        if others := _others(rows):
            made.append(_transactions(others, batch, mapping, suffix))
    return made


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as IIF: a block of time activities, or transactions with their distribution lines."""
    text = "".join(f"{line}\r\n" for line in _written(document, mapping))
    path.write_bytes(text.encode(mapping.encoding))


# --- Time activities ---------------------------------------------------------------------------------------


def _timed(rows: Sequence[Row], mapping: Settings) -> list[Row]:
    """Return the lines that are a time activity: hours, and not negative."""
    return [
        row
        for row in rows
        if row["quantity"] > 0
        and not is_fixed(row)
        and (row["is_billed"] or (mapping.non_chargeable and not row["billable"] and not is_held_back(row)))
    ]


def _columns(mapping: Settings) -> list[Column]:
    return [
        Column("DATE", mapping.posted_on),
        Column("JOB", lambda row: _job(mapping, row), "code", missing=NO_CUSTOMER, remedy=MAP_CUSTOMER),
        Column("EMP", lambda row: _employee(mapping, row), "code", 41, missing="nobody is named"),
        Column("ITEM", lambda row: _item(mapping, row), "code", 31, missing="it has no item"),
        Column("PITEM", lambda _: ""),
        Column("DURATION", lambda row: money.hours_and_minutes(row["quantity"])),
        Column("PROJ", lambda _: mapping.class_name, "code"),
        Column("NOTE", lambda row: fill(mapping.note, row), "prose", 1000, remedy="set a shorter note"),
        Column("BILLINGSTATUS", lambda row: 1 if row["billable"] else 0),
    ]


NO_CUSTOMER = "the project {project} has no client"
MAP_CUSTOMER = "write the customer of its cost center under [customers] in the mapping file"


def _job(mapping: Settings, row: Row) -> str:
    """Return customer:job; a client's own account is the customer alone."""
    payer = text_of(row["client"] or row["cost_center"])
    customer = mapping.customers.get(payer) or text_of(row["client_name"])
    if not customer or row["project_kind"] == "client":
        return customer
    return f"{customer}:{row['project']}"


def _employee(mapping: Settings, row: Row) -> str:
    return mapping.employees.get(text_of(row["employee_number"])) or text_of(row["person"])


def _item(mapping: Settings, row: Row) -> str:
    return mapping.items.get(text_of(row["application"])) or fill(mapping.item, row)


def _parts(row: Row) -> list[Row]:
    """Divide a line into entries of at most 23:59."""
    minutes = divided(row["quantity"], row["rate_scaled"], row["currency"]) or [row["quantity"]]
    return [{**row, "quantity": part} for part in minutes]


def divided(minutes: int, rate_scaled: int, currency: str) -> list[int] | None:
    """Divide minutes into parts of at most 23:59 whose amounts, each rounded, sum to the whole's.

    Returns
    -------
    list of int or None
        The fewest parts, the longest first; or else equal parts and a rest, of 23 hours at first, which cost
        whole cents at a rate of whole cents. None where nothing sums up: only the whole rounds up a cent.
    """
    return _in_fewest(minutes, rate_scaled, currency) or _in_equal(minutes, rate_scaled, currency)


def _in_fewest(minutes: int, rate_scaled: int, currency: str) -> list[int] | None:
    if minutes <= LONGEST_MINUTES:
        return [minutes]
    wanted = _priced(minutes, rate_scaled, currency)
    least = minutes - LONGEST_MINUTES * (-(-minutes // LONGEST_MINUTES) - 1)
    for part in range(LONGEST_MINUTES, least - 1, -1):
        rest = minutes - part
        if _priced(part, rate_scaled, currency) + _priced(rest, rate_scaled, currency) == wanted:
            further = _in_fewest(rest, rate_scaled, currency)
            return further and [part, *further]
    return None


def _in_equal(minutes: int, rate_scaled: int, currency: str) -> list[int] | None:
    wanted = _priced(minutes, rate_scaled, currency)
    for length in (WHOLE_HOURS, *range(LONGEST_MINUTES, LONGEST_MINUTES // 2, -1)):
        count = -(-(minutes - LONGEST_MINUTES) // length)
        parts = [*[length] * count, minutes - length * count]
        if sum(_priced(part, rate_scaled, currency) for part in parts) == wanted:
            return parts
    return None


def _priced(minutes: int, rate_scaled: int, currency: str) -> int:
    return money.amount_minor(minutes, QUANTUM_PER_HOUR, rate_scaled, currency)


def _timed_faults(row: Row, mapping: Settings) -> list[Fault]:
    columns = _columns(mapping)
    found = [*cell_faults(row, columns), *_text_faults(row, columns, mapping), *price_faults(row)]
    if divided(row["quantity"], row["rate_scaled"], row["currency"]) is None:
        what = (
            f"{money.hours_and_minutes(row['quantity'])} h cannot be divided into entries of at most 23:59 "
            "without losing a cent"
        )
        found.append(Fault(row["line"], what, "use a rate of whole cents, or the target quickbooks-invoice"))
    return found


# --- Transactions ------------------------------------------------------------------------------------------


def _others(rows: Sequence[Row]) -> list[Row]:
    """Return the billed lines that are no time activity: negative ones, and fixed amounts."""
    return [row for row in billed(rows) if row["quantity"] < 0 or is_fixed(row)]


def _other_columns(mapping: Settings, number: str) -> list[Column]:
    """Lay out one distribution line: one item at the line's amount, so that nothing is multiplied."""
    return [
        Column("DOCNUM", lambda _: number),
        Column("TRNSTYPE", lambda row: "CREDIT MEMO" if row["amount_minor"] < 0 else "INVOICE"),
        Column("DATE", last_day),
        Column("NAME", lambda row: _job(mapping, row), "code", missing=NO_CUSTOMER, remedy=MAP_CUSTOMER),
        Column("AMOUNT", lambda row: abs(amount(row))),
        Column("QNTY", lambda _: 1),
        Column("PRICE", lambda row: abs(amount(row))),
        Column("INVITEM", lambda _: mapping.fixed_item, "code", 31),
        Column("MEMO", lambda row: fill(mapping.note, row), "prose", 1000, remedy="set a shorter note"),
    ]


def _transactions(others: Sequence[Row], batch: str, mapping: Settings, suffix: str) -> Document:
    """Group the lines into one transaction per job and direction, numbered after the batch."""

    def group(row: Row) -> tuple[str, bool]:
        return _job(mapping, row), row["amount_minor"] < 0

    documents = []
    for number, (_, mine) in enumerate(groupby(sorted(others, key=group), group), 1):
        # QuickBooks has 11 characters for a document's number.
        documents.append(laid_out(mine, _other_columns(mapping, f"{batch[-6:]}-{number}")))
    rows = [row for each in documents for row in each.rows]
    return Document(f"{suffix}{TRANSACTIONS}", documents[0].columns, rows)


# --- The file ----------------------------------------------------------------------------------------------


def _text_faults(row: Row, columns: Sequence[Column], mapping: Settings) -> list[Fault]:
    """Name texts that IIF has no way to quote, or that the code page cannot write."""
    found = []
    for column in columns:
        text = written(column.value(row))
        if '"' in text and column.kind != "value":
            what = f"the {column.name} holds a quotation mark, which IIF cannot hold"
            found.append(Fault(row["line"], what, column.remedy))
        if not _can_encode(text, mapping.encoding):
            what = f"the {column.name} holds characters that are not in the code page {mapping.encoding}"
            found.append(Fault(row["line"], what, "map it, leave it out of the pattern, or set encoding"))
    return found


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _written(document: Document, mapping: Settings) -> Iterator[str]:
    if document.suffix.endswith(TRANSACTIONS):
        yield from _transaction_lines(document, mapping)
        return
    yield HEADER[0]
    yield HEADER[1].format(company_name=mapping.company_name, company_create_time=mapping.company_create_time)
    yield _tabbed("!TIMEACT", document.columns)
    for row in document.rows:
        yield _tabbed("TIMEACT", row)


def _transaction_lines(document: Document, mapping: Settings) -> Iterator[str]:
    """Write debit and credit: what an invoice adds to receivables its lines take from income."""
    yield _tabbed("!TRNS", TRANSACTION)
    yield _tabbed("!SPL", SPLIT)
    yield "!ENDTRNS"
    rows = [dict(zip(document.columns, row, strict=True)) for row in document.rows]
    for _, group in groupby(rows, lambda row: row["DOCNUM"]):
        items = [_signed(row) | {"ACCNT": mapping.income_account} for row in group]
        total = -sum(Decimal(written(item["AMOUNT"])) for item in items)
        head = items[0] | {"ACCNT": mapping.receivable_account, "AMOUNT": total}
        yield _tabbed("TRNS", [head[name] for name in TRANSACTION])
        for item in items:
            yield _tabbed("SPL", [item[name] for name in SPLIT])
        yield "ENDTRNS"


def _signed(row: Mapping[str, Value]) -> dict[str, Value]:
    """Give a distribution line its sign: an invoice's lines are credits, so negative."""
    sign = 1 if row["TRNSTYPE"] == "CREDIT MEMO" else -1
    return {**row, **{name: sign * Decimal(written(row[name])) for name in ("AMOUNT", "QNTY")}}


def _tabbed(keyword: str, values: Sequence[Value]) -> str:
    return "\t".join([keyword, *(written(value, DATE_FORMAT) for value in values)])
