from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from accounting import a_line, a_run, faults, months, read_csv, write
from hypothesis import given

from pipelines.exports import journal

RUN = a_run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal")


@given(month=months())
def test_the_entry_sums_to_zero_and_no_side_is_negative(folder: Path, month: list[dict[str, Any]]) -> None:
    rows = read_csv(write(journal, RUN, month, folder, 'description = "{project}"')[0])
    assert sum(Decimal(row["Amount"]) for row in rows) == 0
    assert sum(Decimal(row["Debit"]) for row in rows) == sum(Decimal(row["Credit"]) for row in rows)
    for row in rows:
        assert Decimal(row["Debit"]) - Decimal(row["Credit"]) == Decimal(row["Amount"])
        assert min(Decimal(row["Debit"]), Decimal(row["Credit"])) == 0


def test_cost_centers_are_debited_and_the_recovery_account_is_credited(folder: Path) -> None:
    center = {"client": None, "client_name": None, "cost_center": "0815"}
    rows = [a_line(1, **center), a_line(2, quantity=-250, **center), a_line(3), a_line(4, project="B")]
    text = 'recovery_account = "8400"\nrecovery_cost_center = "IT"\n[accounts]\n"0815" = "6310"\n'
    assert read_csv(write(journal, RUN, rows, folder, text)[0]) == [
        {
            "Date": "10/31/2026", "Reference": "2026-10/1-XX-3f2a91c4-EUR", "Cost Center": center,
            "Account": account, "Debit": debit, "Credit": credit, "Amount": amount, "Currency": "EUR",
            "Description": text,
        }
        for center, account, debit, credit, amount, text in [
            ("", "UNBILLED", "90.00", "0.00", "90.00", "Software 007 Pier"),
            ("", "UNBILLED", "90.00", "0.00", "90.00", "Software B Pier"),
            ("0815", "6310", "67.50", "0.00", "67.50", "Software 007 Pier"),
            ("IT", "8400", "0.00", "247.50", "-247.50", "Software recovery"),
        ]
    ]  # fmt: skip


def test_a_sum_below_zero_changes_sides(folder: Path) -> None:
    rows = [a_line(1, quantity=-1000), a_line(2, project="B", quantity=250)]
    shown = read_csv(write(journal, RUN, rows, folder)[0])
    assert [(row["Debit"], row["Credit"]) for row in shown] == [
        ("0.00", "90.00"), ("22.50", "0.00"), ("67.50", "0.00"),
    ]  # fmt: skip


def test_each_currency_balances_by_itself(folder: Path) -> None:
    rows = [a_line(1), a_line(2, currency="JPY", rate_scaled=1_000_000, amount_minor=100)]
    shown = read_csv(write(journal, RUN, rows, folder)[0])
    assert [(row["Reference"][-3:], row["Amount"], row["Currency"]) for row in shown] == [
        ("EUR", "90.00", "EUR"), ("EUR", "-90.00", "EUR"), ("JPY", "100", "JPY"), ("JPY", "-100", "JPY"),
    ]  # fmt: skip


def test_nothing_billed_is_an_entry_without_sides(folder: Path) -> None:
    rows = [
        a_line(1, review="hold"),
        a_line(2, billable=False, rate_scaled=0),
        a_line(3),
        a_line(4, quantity=-1000),
    ]
    assert read_csv(write(journal, RUN, rows, folder)[0]) == []


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"cost_center": "=4711"}, "line 1: the Cost Center '=4711' begins like a formula"),
        ({"project_name": "a\rb"}, "line 1: the Description 'Software 007 a\\rb' holds a control character"),
        ({"amount_minor": 1}, "line 1: quantity x unit price, 1.000 x 90.0000, is 90.00, not 0.01"),
    ],
)
def test_a_line_that_cannot_be_imported_is_named(folder: Path, facts: dict[str, Any], says: str) -> None:
    assert says in faults(journal, RUN, [a_line(1, **facts)], folder)[0]
