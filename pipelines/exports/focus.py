"""The accounting target `focus`: charges as FOCUS names them, in Parquet, for reports of technology spending.

A row per line. Columns of FOCUS, the FinOps Open Cost and Usage Specification, have its names and meaning;
what it has no column for begins with `x_`, as it asks. Nobody is named: a row says which project and
application, not who.

- Usage, what is not chargeable among it, is charge category Usage, with a billed cost of 0 where it costs
  nothing. A package or another positive fixed amount is a Purchase; caps and roundings are Adjustments.
- A correction of a closed period has the charge class Correction, its day of use as charge period, and the
  run's period as billing period: so no report counts it as use of this month.
- Contracted and list cost are the exact product of unit price and quantity; the billed and effective cost is
  the line's amount. Money and quantities are decimals, never floats.
- Held and written-off lines are left out. Every row has its own currency.

Columns: https://focus.finops.org/focus-specification/ and the data types in
https://learn.microsoft.com/en-us/cloud-computing/finops/focus/metadata. Cost rules:
https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import polars as pl

from pipelines.exports import (
    VALUES,
    Document,
    Fault,
    Row,
    Value,
    amount,
    charged,
    hours,
    is_fixed,
    is_held_back,
    price_faults,
    text_of,
)
from pipelines.mapping_file import one_line, read_settings
from warehouse import money
from warehouse.ledger import Run

QUANTUM_PER_HOUR = 1000
CODE = "FOCUS"
TITLE = "FOCUS charge records (Parquet)"
ENDING = ".parquet"

MONEY = pl.Decimal(38, 7)
"""Seven decimals hold the exact product of three of a quantity and four of a rate."""

QUANTITY = pl.Decimal(38, 3)


@dataclass(frozen=True)
class Settings:
    """Settings of `--mapping`: who issues the charges, who provides the software, and its category."""

    invoice_issuer: Annotated[str, one_line(255, 1)] = "Process Meter"
    provider: Annotated[str, one_line(255, 1)] = "Process Meter"
    service_category: Annotated[str, one_line(255, 1)] = "Other"


def read_mapping(path: Path | None) -> Settings:
    """Read the settings; see `mapping_file.read_settings`."""
    return read_settings(Settings, path)


def faults(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Fault]:
    """Name lines whose amount is not quantity x rate; Parquet holds any text."""
    del mapping
    return [fault for row in _taken(run, lines, batch) for fault in price_faults(row)]


def documents(run: Run, lines: pl.DataFrame, batch: str, mapping: Settings) -> list[Document]:
    """Lay out every line that is not held back."""
    columns = _columns(mapping)
    # FOCUS has no empty texts: what is not known is null.
    rows = [
        tuple(None if (cell := value(row)) == "" else cell for _, value in columns.values())
        for row in _taken(run, lines, batch)
    ]
    return [Document("", list(columns), rows)]


def write(document: Document, path: Path, mapping: Settings) -> None:
    """Write it as Parquet; days become midnights in UTC, as FOCUS has instants."""
    types = pl.Schema({name: dtype for name, (dtype, _) in _columns(mapping).items()})
    read = {name: pl.Date() if dtype == INSTANT else dtype for name, dtype in types.items()}
    frame = pl.DataFrame(document.rows, schema=read, orient="row")
    frame.cast(types).write_parquet(path, compression="zstd", statistics=False)


def _taken(run: Run, lines: pl.DataFrame, batch: str) -> list[Row]:
    return [row for row in charged(run, lines, batch) if not is_held_back(row)]


INSTANT = pl.Datetime("ms", "UTC")

Columns = dict[str, tuple[pl.DataType, Callable[[Row], Value]]]


def _columns(mapping: Settings) -> Columns:
    return {**_of_bill(mapping), **_of_charge(), **_of_price(), **_of_service(mapping), **_of_ours()}


def _of_bill(mapping: Settings) -> Columns:
    return {
        "BillingAccountId": (pl.String(), _payer),
        "BillingAccountName": (pl.String(), lambda row: text_of(row["payer"])),
        "BillingCurrency": (pl.String(), VALUES["currency"]),
        "BillingPeriodStart": (INSTANT, lambda row: row["run_starts_on"]),
        "BillingPeriodEnd": (INSTANT, lambda row: row["run_ends_on"]),
        "InvoiceId": (pl.String(), VALUES["run"]),
        "InvoiceIssuerName": (pl.String(), lambda _: mapping.invoice_issuer),
        "SubAccountId": (pl.String(), VALUES["project"]),
        "SubAccountName": (pl.String(), VALUES["project_name"]),
    }


def _of_charge() -> Columns:
    return {
        "ChargeCategory": (pl.String(), _category),
        "ChargeClass": (pl.String(), lambda row: "Correction" if row["is_correction"] else None),
        "ChargeDescription": (pl.String(), _description),
        "ChargeFrequency": (pl.String(), lambda row: "One-Time" if is_fixed(row) else "Usage-Based"),
        "ChargePeriodStart": (INSTANT, lambda row: row["day"]),
        "ChargePeriodEnd": (INSTANT, lambda row: row["day"] + timedelta(days=1)),
        "BilledCost": (MONEY, amount),
        "EffectiveCost": (MONEY, amount),
        "ContractedCost": (MONEY, _exact_cost),
        "ListCost": (MONEY, _exact_cost),
    }


def _of_price() -> Columns:
    return {
        "ConsumedQuantity": (QUANTITY, _consumed),
        "ConsumedUnit": (pl.String(), lambda row: None if _consumed(row) is None else "Hours"),
        "PricingCategory": (pl.String(), lambda _: "Standard"),
        "PricingQuantity": (QUANTITY, hours),
        "PricingUnit": (pl.String(), lambda row: "Units" if is_fixed(row) else "Hours"),
        "ContractedUnitPrice": (MONEY, VALUES["unit_price"]),
        "ListUnitPrice": (MONEY, VALUES["unit_price"]),
        "SkuPriceId": (pl.String(), lambda row: text_of(row["rate_id"])),
    }


def _of_service(mapping: Settings) -> Columns:
    return {
        "ProviderName": (pl.String(), lambda _: mapping.provider),
        "PublisherName": (pl.String(), lambda _: mapping.provider),
        "ServiceCategory": (pl.String(), lambda _: mapping.service_category),
        "ServiceName": (pl.String(), VALUES["application"]),
        "SkuId": (pl.String(), VALUES["application_code"]),
    }


def _of_ours() -> Columns:
    return {
        "x_Batch": (pl.String(), VALUES["batch"]),
        "x_Line": (pl.Int64(), VALUES["line"]),
        "x_Kind": (pl.String(), VALUES["kind"]),
        "x_PeriodIncurred": (pl.String(), VALUES["period"]),
        "x_Corrects": (pl.String(), VALUES["corrects"]),
        "x_Phase": (pl.String(), VALUES["phase"]),
        "x_Task": (pl.String(), VALUES["task"]),
        "x_Office": (pl.String(), VALUES["office"]),
        "x_CostCenter": (pl.String(), VALUES["account"]),
        "x_Billable": (pl.String(), VALUES["billable"]),
    }


def _payer(row: Row) -> str:
    return text_of(row["client"] or row["cost_center"] or row["project"])


def _category(row: Row) -> str:
    """Return what a charge is: use, a purchase, or an adjustment of the bill."""
    if is_fixed(row):
        return "Purchase" if row["amount_minor"] > 0 and not row["is_correction"] else "Adjustment"
    return "Adjustment" if row["kind"] in ("month_rounding", "cap", "package") else "Usage"


def _consumed(row: Row) -> Decimal | None:
    """Return the hours used; None where the charge is no use, as FOCUS asks."""
    return hours(row) if _category(row) == "Usage" else None


def _exact_cost(row: Row) -> Decimal:
    return money.rate(row["rate_scaled"]) * hours(row)


def _description(row: Row) -> str:
    words = {"reversal": "reversed", "replacement": "booked again"}.get(row["kind"], "")
    return " ".join(part for part in (text_of(row["application_name"]), words) if part)
