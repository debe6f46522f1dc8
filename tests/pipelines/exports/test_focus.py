from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from accounting import a_line, a_run, faults, write

from pipelines.exports import focus

RUN = a_run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("focus")


def read(rows: list[dict[str, Any]], folder: Path, text: str = "") -> list[dict[str, Any]]:
    return pl.read_parquet(write(focus, RUN, rows, folder, text)[0]).to_dicts()


def test_a_row_has_the_names_and_types_of_the_specification(folder: Path) -> None:
    (row,) = read([a_line(1, quantity=333)], folder, 'provider = "Engineering IT"')
    assert row == {
        "BillingAccountId": "PORT", "BillingAccountName": "Port Authority", "BillingCurrency": "EUR",
        "BillingPeriodStart": datetime(2026, 10, 1, tzinfo=UTC),
        "BillingPeriodEnd": datetime(2026, 11, 1, tzinfo=UTC),
        "InvoiceId": "2026-10/1", "InvoiceIssuerName": "Process Meter", "SubAccountId": "007",
        "SubAccountName": "Pier", "ChargeCategory": "Usage", "ChargeClass": None,
        "ChargeDescription": "The cad", "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": datetime(2026, 10, 5, tzinfo=UTC),
        "ChargePeriodEnd": datetime(2026, 10, 6, tzinfo=UTC),
        "BilledCost": Decimal("29.97"), "EffectiveCost": Decimal("29.97"), "ContractedCost": Decimal("29.97"),
        "ListCost": Decimal("29.97"), "ConsumedQuantity": Decimal("0.333"), "ConsumedUnit": "Hours",
        "PricingCategory": "Standard", "PricingQuantity": Decimal("0.333"), "PricingUnit": "Hours",
        "ContractedUnitPrice": Decimal(90), "ListUnitPrice": Decimal(90), "SkuPriceId": "1",
        "ProviderName": "Engineering IT", "PublisherName": "Engineering IT", "ServiceCategory": "Other",
        "ServiceName": "The cad", "SkuId": "cad", "x_Batch": "2026-10/1-XX-3f2a91c4", "x_Line": 1,
        "x_Kind": "usage", "x_PeriodIncurred": "2026-10", "x_Corrects": None, "x_Phase": "01", "x_Task": None,
        "x_Office": "BER", "x_CostCenter": None, "x_Billable": "Y",
    }  # fmt: skip
    frame = pl.read_parquet(folder / "out.parquet")
    assert not any(dtype.is_float() for dtype in frame.dtypes)
    assert frame.schema["BilledCost"] == pl.Decimal(38, 7)


def test_corrections_are_a_charge_class_of_their_own_in_the_period_that_bills_them(folder: Path) -> None:
    correction = a_line(
        1, quantity=-500, kind="reversal", day=date(2026, 9, 9), period="2026-09", is_correction=True,
        original_run="2026-09/1", original_line=4,
    )  # fmt: skip
    (row,) = read([correction], folder)
    names = ("ChargeCategory", "ChargeClass", "ChargeDescription", "ConsumedQuantity", "x_Corrects")
    assert [row[name] for name in names] == [
        "Usage", "Correction", "The cad reversed", Decimal("-0.500"), "2026-09/1 line 4",
    ]  # fmt: skip
    assert row["ChargePeriodStart"] == datetime(2026, 9, 9, tzinfo=UTC)
    assert row["BillingPeriodStart"] == datetime(2026, 10, 1, tzinfo=UTC)


def test_packages_are_purchases_caps_and_roundings_adjustments_and_none_of_them_is_use(folder: Path) -> None:
    rows = [
        a_line(1, unit="each", rate_scaled=250_000, kind="package"),
        a_line(2, unit="each", quantity=-1000, rate_scaled=100_000, kind="cap"),
        a_line(3, quantity=-17, kind="month_rounding"),
        a_line(4, billable=False, rate_scaled=0),
        a_line(5, review="hold"),
    ]
    names = ("ChargeCategory", "ConsumedQuantity", "PricingUnit", "BilledCost")
    assert [tuple(row[name] for name in names) for row in read(rows, folder)] == [
        ("Purchase", None, "Units", Decimal(25)),
        ("Adjustment", None, "Units", Decimal(-10)),
        ("Adjustment", None, "Hours", Decimal("-1.53")),
        ("Usage", Decimal(1), "Hours", Decimal(0)),
    ]


def test_nobody_is_named_and_any_text_comes_back_as_it_was(folder: Path) -> None:
    odd = "=1+1\t\u05e2\u05d9 \U0001f5a5 " + "x" * 40_000
    (row,) = read([a_line(1, application_name=odd)], folder)
    assert row["ServiceName"] == odd
    assert not [name for name, value in row.items() if value in ("Ada Example", "0007")]


def test_a_line_whose_amount_is_not_quantity_by_rate_is_named(folder: Path) -> None:
    assert (
        "is 90.00, not 0.01; verify the ledger" in faults(focus, RUN, [a_line(1, amount_minor=1)], folder)[0]
    )
