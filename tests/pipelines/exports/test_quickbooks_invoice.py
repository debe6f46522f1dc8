from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounting import a_line, a_run, faults, read_csv, write

from pipelines.exports import quickbooks_invoice

RUN = a_run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("invoice")


def test_an_invoice_per_customer_with_the_columns_that_are_mapped_by_themselves(folder: Path) -> None:
    rows = [
        a_line(1, tax_code="V19"),
        a_line(2, client="ACME", client_name="Acme", task="X"),
        a_line(3, quantity=250),
    ]
    first, *others = read_csv(write(quickbooks_invoice, RUN, rows, folder, 'tax_code = "V7"')[0])
    assert first == {
        "*Invoice No": "2026-10/1-1", "*Customer": "Acme", "*Invoice Date": "10/31/2026",
        "*Due Date": "11/30/2026", "Memo": "2026-10/1-XX-3f2a91c4", "Item(Product/Service)": "The cad",
        "Item Description": "007 01 X", "Item Quantity": "1.000", "Item Rate": "90.0000",
        "*Item Amount": "90.00", "*Item Tax Code": "V7", "Currency": "EUR", "Service Date": "10/05/2026",
    }  # fmt: skip
    assert [(row["*Invoice No"], row["*Item Amount"], row["*Item Tax Code"]) for row in others] == [
        ("2026-10/1-2", "90.00", "V19"),
        ("2026-10/1-2", "22.50", "V7"),
    ]


def test_what_is_negative_is_a_credit_note_of_positive_amounts_in_a_second_file(folder: Path) -> None:
    rows = [
        a_line(1),
        a_line(2, quantity=-500, kind="reversal"),
        a_line(3, unit="each", quantity=-1000, rate_scaled=100_000, kind="cap"),
    ]
    main, notes = write(quickbooks_invoice, RUN, rows, folder)
    assert notes.name == "out-credits.csv"
    assert [row["*Item Amount"] for row in read_csv(main)] == ["90.00"]
    names = ("*Credit Note No", "*Credit Note Date", "Item Quantity", "Item Rate", "*Item Amount")
    assert [[row[name] for name in names] for row in read_csv(notes)] == [
        ["2026-10/1-C1", "10/31/2026", "0.500", "90.0000", "45.00"],
        ["2026-10/1-C1", "10/31/2026", "1.000", "10.0000", "10.00"],
    ]


def test_currencies_are_invoices_of_their_own(folder: Path) -> None:
    rows = [a_line(1), a_line(2, currency="USD"), a_line(3)]
    found = read_csv(write(quickbooks_invoice, RUN, rows, folder)[0])
    assert [(row["*Invoice No"], row["Currency"]) for row in found] == [
        ("2026-10/1-1", "EUR"), ("2026-10/1-1", "EUR"), ("2026-10/1-2", "USD"),
    ]  # fmt: skip


def test_free_held_and_written_off_lines_are_on_no_invoice(folder: Path) -> None:
    rows = [a_line(1, billable=False, rate_scaled=0), a_line(2, review="hold"), a_line(3, review="writeoff")]
    assert (
        read_csv(write(quickbooks_invoice, RUN, [*rows, a_line(4)], folder)[0])[0]["*Item Amount"] == "90.00"
    )


@pytest.mark.parametrize(
    ("facts", "mapping", "says"),
    [
        (
            {"client": None, "client_name": None},
            "",
            "line 1: the project 007 has no client; write the customer",
        ),
        ({"client_name": "=A"}, "", "line 1: the *Customer '=A' begins like a formula"),
        ({"client_name": "x" * 101}, "", "has 101 characters; 100 are taken"),
        ({"application_name": "-CAD"}, "", "line 1: the Item(Product/Service) '-CAD' begins like a formula"),
        (
            {"person": "a\x00"},
            'description = "{person}"',
            "line 1: the Item Description 'a\\x00' holds a control character",
        ),
        ({}, 'number = "{batch}"', "line 1: the *Invoice No '2026-10/1-XX-3f2a91c4-1' has 23 characters; 21"),
        ({}, "open_until = 2026-10-01", "line 1: 2026-10-05 is not open"),
        ({"currency": "USD"}, 'currency = "EUR"', "line 1: it is in USD, and the mapping says EUR"),
    ],
)
def test_a_line_that_cannot_be_imported_is_named(
    folder: Path, facts: dict[str, Any], mapping: str, says: str
) -> None:
    assert says in faults(quickbooks_invoice, RUN, [a_line(1, **facts)], folder, mapping)[0]
