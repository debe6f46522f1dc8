"""What an accounting system makes of each target's files: it reads them by itself, multiplies and rounds.

Each import returns (project, amount) for what it would bill. It knows the files alone: rates come from where
the accountant would have them, as the unit table that has the rate written in a unit's name.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import polars as pl
from accounting import read_csv, read_iif, rounded

Amounts = list[tuple[str, Decimal]]

CUSTOMERS = '[customers]\n"4711" = "Internal"\n'
MAPPINGS = {
    "quickbooks-iif": CUSTOMERS,
    "quickbooks-invoice": f'per = "project"\ndescription = "{{project}}"\n{CUSTOMERS}',
    "journal": 'description = "{project}"',
}
"""Mapping files under which a project can be told from the files."""


def rate_in(name: str) -> Decimal:
    """Return the rate at the end of the name of a unit or item; a fixed unit is at 1.00."""
    return Decimal("1.00") if name == "FIXED" else Decimal(name.rpartition(" ")[2])


def units(paths: list[Path]) -> Amounts:
    """Vantagepoint: three decimals of the quantity, by the unit table's rate."""
    return [
        (row["WBS1"], rounded(Decimal(row["Quantity"]).quantize(Decimal("0.001")) * rate_in(row["Unit"])))
        for path in paths
        for row in read_csv(path)
    ]


def expenses(paths: list[Path]) -> Amounts:
    """Vantagepoint: the billing amounts of what is billable."""
    rows = [row for path in paths for row in read_csv(path)]
    return [(row["WBS1"], Decimal(row["BillExt"])) for row in rows if row["BillStatus"] == "B"]


def in_house(paths: list[Path]) -> Amounts:
    """Ajera: billing units by billing rate."""
    amounts = []
    for row in [row for path in paths for row in read_csv(path)]:
        priced = rounded(Decimal(row["Billing Units"]) * Decimal(row["Billing Rate"]))
        assert priced == Decimal(row["Billing Amount"])
        amounts.append((row["Project ID"], priced))
    return amounts


def minutes(duration: str) -> int:
    """Read H:MM; QuickBooks takes 23:59 at most."""
    hours, sixtieths = duration.split(":")
    whole = int(hours) * 60 + int(sixtieths)
    assert 0 < whole <= 1439
    return whole


def half_away(value: Fraction) -> Decimal:
    """Round a positive amount to cents."""
    return Decimal(int(value * 100 + Fraction(1, 2))) / 100


def time_and_transactions(paths: list[Path]) -> Amounts:
    """QuickBooks Desktop: time by its item's rate, and what transactions put to income."""
    amounts = []
    for row in [row for path in paths for row in read_iif(path.read_bytes().decode("cp1252"))]:
        if row["kind"] == "TIMEACT" and row["BILLINGSTATUS"] == "1":
            priced = half_away(minutes(row["DURATION"]) * Fraction(rate_in(row["ITEM"])) / 60)
            amounts.append((row["JOB"].rpartition(":")[2], priced))
        if row["kind"] == "SPL":
            assert Decimal(row["QNTY"]) * Decimal(row["PRICE"]) == Decimal(row["AMOUNT"])
            amounts.append((row["NAME"].rpartition(":")[2], -Decimal(row["AMOUNT"])))
    return amounts


def invoices(paths: list[Path]) -> Amounts:
    """QuickBooks Online: quantity by rate of invoices, less that of credit notes."""
    amounts = []
    for path in paths:
        sign = -1 if path.stem.endswith("-credits") else 1
        for row in read_csv(path):
            priced = rounded(Decimal(row["Item Quantity"]) * Decimal(row["Item Rate"]))
            assert priced == Decimal(row["*Item Amount"]) >= 0
            amounts.append((row["Item Description"], sign * priced))
    return amounts


def journal(paths: list[Path]) -> Amounts:
    """General ledger: what is debited less what is credited, but for the account that balances it."""
    rows = [row for path in paths for row in read_csv(path)]
    return [
        (row["Description"], Decimal(row["Debit"]) - Decimal(row["Credit"]))
        for row in rows
        if row["Account"] != "RECOVERY"
    ]


def table(paths: list[Path]) -> Amounts:
    """Any: quantity by unit price of what is billable."""
    return [
        (row["project no"], rounded(Decimal(row["quantity"]) * Decimal(row["unit price"])))
        for path in paths
        for row in read_csv(path)
        if row["billable"] == "Y"
    ]


def charges(paths: list[Path]) -> Amounts:
    """FinOps report: the unit price by the quantity, rounded, is the billed cost."""
    amounts = []
    for row in pl.read_parquet(paths[0]).to_dicts():
        assert row["ListUnitPrice"] * row["PricingQuantity"] == row["ListCost"] == row["ContractedCost"]
        assert rounded(row["ListCost"]) == row["BilledCost"] == row["EffectiveCost"]
        amounts.append((row["SubAccountId"], row["BilledCost"]))
    return amounts


IMPORTS: dict[str, Callable[[list[Path]], Amounts]] = {
    "generic": table,
    "vantagepoint": units,
    "vantagepoint-expense": expenses,
    "ajera": in_house,
    "quickbooks-iif": time_and_transactions,
    "quickbooks-invoice": invoices,
    "journal": journal,
    "focus": charges,
}
