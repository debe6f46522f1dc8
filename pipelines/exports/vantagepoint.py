"""The accounting target `vantagepoint`: Deltek Vantagepoint's unit transactions.

The layout has no amount: Vantagepoint multiplies the quantity, which it rounds to three decimals, by the
billing rate that its unit table has for the unit. So a unit must have one rate, ours: the pattern of its code
carries the rate unless the mapping names units, and a second rate of a unit is a fault.

- A fixed amount is so many units of `fixed_unit`, whose rate in the unit table is 1.00.
- Corrections and roundings are negative quantities.
- What is not chargeable, held or written off is left out: the unit table would price it.
- A file per currency, since a unit table has one; a line that was converted has the converted rate.

Columns: https://help.deltek.com/Product/Vantagepoint/4.5/UT_TF_Unit_Data_Entry.html
Widths, and rates of four decimals: https://help.deltek.com/product/Vision/7.6/UT_Units_Table_Format.html
"""

from __future__ import annotations

from collections.abc import Mapping
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
    billed,
    by_currency,
    cell_faults,
    charged,
    fill,
    hours,
    is_fixed,
    laid_out,
    pattern,
    price_faults,
    text_of,
    two_price_faults,
    write_csv,
)
from pipelines.mapping_file import codes, one_line, read_settings
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "VP"
TITLE = "unit transactions of Deltek Vantagepoint (CSV)"
ENDING = ".csv"

THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True)
class Settings(Posting):
    """Settings of `--mapping`.

    Attributes
    ----------
    unit, units
        Pattern of a unit's code; and codes for applications that have one of their own.
    fixed_unit
        The unit of fixed amounts, at 1.00.
    unit_table, account, description
        Patterns; an empty account: that of the unit table.
    company
        Of the employees.
    """

    unit: Annotated[str, pattern] = "{application_code} {rate}"
    units: Annotated[Mapping[str, str], codes(one_line(30, 1))] = field(default_factory=dict)
    fixed_unit: Annotated[str, one_line(30, 1)] = "FIXED"
    unit_table: Annotated[str, pattern] = "SOFTWARE"
    account: Annotated[str, one_line(13)] = ""
    description: Annotated[str, pattern] = "{application} {batch}"
    company: Annotated[str, one_line(14)] = ""


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines without employee number, beyond the widths, of a closed day, and units of two rates."""
    rows, columns = billed(charged(run, lines, batch)), _columns(mapping)
    found = [fault for row in rows for fault in (*cell_faults(row, columns), *price_faults(row))]
    by_hour = [row for row in rows if not is_fixed(row)]
    units = two_price_faults(by_hour, "the unit", lambda row: f"{_table(mapping, row)}/{_unit(mapping, row)}")
    return found + mapping.faults(rows) + units


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out what is billed, a row per line; several currencies are several documents."""
    columns = _columns(mapping)
    parts = by_currency(billed(charged(run, lines, batch)))
    return [laid_out(rows, columns, suffix) for suffix, rows in parts]


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as CSV."""
    write_csv(document, path, DATE_FORMATS[mapping.date_format])


def _columns(mapping: Settings) -> list[Column]:
    person = "import employee numbers: `process-meter directory import`"
    return [
        Column("Unit", lambda row: _unit(mapping, row), "code", 30, missing="it has no unit"),
        Column("TransDate", mapping.posted_on),
        Column("WBS1", VALUES["project"], "code", 30, missing="it has no project"),
        Column("WBS2", VALUES["phase"], "code", 30),
        Column("WBS3", VALUES["task"], "code", 30),
        Column("UnitTable", lambda row: _table(mapping, row), "code", 30, missing="it has no unit table"),
        Column("Account", lambda _: mapping.account, "code", 13),
        Column(
            "DetailDescription",
            lambda row: fill(mapping.description, row),
            "prose",
            80,
            remedy="set a shorter description in the mapping file",
        ),
        Column("Quantity", _quantity),
        Column(
            "Employee",
            VALUES["employee"],
            "code",
            20,
            missing="{person} has no employee number",
            remedy=person,
        ),
        Column("EmployeeCompany", lambda _: mapping.company, "code", 14),
    ]


def _unit(mapping: Settings, row: Row) -> str:
    if is_fixed(row):
        return mapping.fixed_unit
    return mapping.units.get(text_of(row["application"])) or fill(mapping.unit, row)


def _table(mapping: Settings, row: Row) -> str:
    return fill(mapping.unit_table, row)


def _quantity(row: Row) -> Decimal:
    """Hours to the thousandth; of a fixed amount, as many units as it has units of its currency."""
    return (amount(row) if is_fixed(row) else hours(row)).quantize(THOUSANDTH)
