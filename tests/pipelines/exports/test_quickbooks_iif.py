from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from accounting import a_line, a_run, by_project, faults, lines, read_iif, write
from accounting_imports import half_away, minutes, time_and_transactions
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipelines.exports import quickbooks_iif
from pipelines.exports.quickbooks_iif import divided

RUN = a_run(60)

PUBLISHED = (
    "!TIMERHDR\tVER\tREL\tCOMPANYNAME\tIMPORTEDBEFORE\tFROMTIMER\tCOMPANYCREATETIME\n"
    "TIMERHDR\t8\t0\tRock Castle\tN\tY\t897000000\n"
    "!TIMEACT\tDATE\tJOB\tEMP\tITEM\tPITEM\tDURATION\tPROJ\tNOTE\tBILLINGSTATUS\n"
    "TIMEACT\t06/21/97\tJones:Kitchen\tJane Roe\tDesign\t\t4:15\tRemodel\tFirst/nsecond\t1\n"
)
"""Header, columns and examples as the IIF reference gives them: 06/21/97, customer:job, 4:15."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("iif")


def read(path: Path) -> list[dict[str, str]]:
    return read_iif(path.read_bytes().decode("cp1252"))


def test_the_published_example_is_read_and_written_in_the_same_columns(folder: Path) -> None:
    header, activity = read_iif(PUBLISHED)
    assert minutes(activity["DURATION"]) == 255
    ours = read(write(quickbooks_iif, RUN, [a_line(1, 60)], folder)[0])
    assert [list(row) for row in ours] == [list(header), list(activity)]


def test_a_time_activity_has_no_payroll_item(folder: Path) -> None:
    text = (
        'note = "{batch}"\ncompany_name = "Rock Castle"\ncompany_create_time = "897000000"\n'
        'class_name = "Remodel"\n'
        '[items]\ncad = "CAD station"\n[employees]\n"0007" = "Example, Ada"\n[customers]\nPORT = "Port"\n'
    )
    (path,) = write(quickbooks_iif, RUN, [a_line(1, 60, quantity=255)], folder, text)
    assert path.read_bytes().decode("ascii").split("\r\n") == [
        "!TIMERHDR\tVER\tREL\tCOMPANYNAME\tIMPORTEDBEFORE\tFROMTIMER\tCOMPANYCREATETIME",
        "TIMERHDR\t8\t0\tRock Castle\tN\tY\t897000000",
        "!TIMEACT\tDATE\tJOB\tEMP\tITEM\tPITEM\tDURATION\tPROJ\tNOTE\tBILLINGSTATUS",
        "TIMEACT\t10/05/26\tPort:007\tExample, Ada\tCAD station\t\t4:15\tRemodel\t2026-10/1-XX-3f2a91c4\t1",
        "",
    ]


def test_a_clients_own_account_is_the_customer_alone(folder: Path) -> None:
    (path,) = write(quickbooks_iif, RUN, [a_line(1, 60, project="PORT", project_kind="client")], folder)
    assert read(path)[1]["JOB"] == "Port Authority"


def test_a_line_of_over_23_59_is_divided_without_losing_a_cent(folder: Path) -> None:
    (path,) = write(quickbooks_iif, RUN, [a_line(1, 60, quantity=3000, rate_scaled=333_333)], folder)
    durations = [row["DURATION"] for row in read(path)[1:]]
    assert durations == ["23:58", "23:58", "2:04"]
    assert sum(map(minutes, durations)) == 3000
    assert by_project(time_and_transactions([path]))["all"] == Decimal("1666.67")


@given(whole=st.integers(1, 20_000), rate=st.integers(0, 2_000_000))
def test_parts_are_at_most_23_59_and_sum_to_time_and_money(whole: int, rate: int) -> None:
    parts = divided(whole, rate, "EUR")
    assume(parts is not None)
    assert parts is not None
    assert 0 < min(parts) <= max(parts) <= 1439
    assert sum(parts) == whole
    assert -(-whole // 1439) <= len(parts) <= -(-whole // 720)
    priced = [half_away(Fraction(part * rate, 600_000)) for part in parts]
    assert sum(priced) == half_away(Fraction(whole * rate, 600_000))


@example(whole=18_693, cents=2)  # 13 parts of at most 23:59 lose a cent; 14 of up to 23 hours do not
@given(whole=st.integers(1, 20_000), cents=st.integers(0, 50_000))
def test_at_a_rate_of_whole_cents_every_line_can_be_divided(whole: int, cents: int) -> None:
    assert divided(whole, cents * 100, "EUR") is not None


def test_a_line_that_cannot_be_divided_is_named(folder: Path) -> None:
    # 3,000 minutes at 0.0001 an hour are half a cent, which rounds up; no part of them reaches half a cent.
    (found,) = faults(quickbooks_iif, RUN, [a_line(1, 60, quantity=3000, rate_scaled=1)], folder)
    assert found == (
        "line 1: 50:00 h cannot be divided into entries of at most 23:59 without losing a cent; "
        "use a rate of whole cents, or the target quickbooks-invoice"
    )


def test_negative_lines_are_credit_memos_and_fixed_amounts_invoices_in_a_second_file(folder: Path) -> None:
    rows = [
        a_line(1, 60),
        a_line(2, 60, quantity=-20, kind="reversal"),
        a_line(3, 60, quantity=-60, unit="each", rate_scaled=100_000, kind="cap"),
        a_line(4, 60, unit="each", rate_scaled=250_000, kind="package"),
    ]
    main, others = write(quickbooks_iif, RUN, rows, folder)
    assert others.name == "out-transactions.iif"
    assert [row["DURATION"] for row in read(main)[1:]] == ["1:00"]
    assert [
        (
            row["kind"],
            row.get("TRNSTYPE"),
            row.get("DATE"),
            row.get("ACCNT"),
            row.get("AMOUNT"),
            row.get("DOCNUM"),
        )
        for row in read(others)
    ] == [
        ("TRNS", "INVOICE", "10/31/26", "Accounts Receivable", "25.00", "2a91c4-1"),
        ("SPL", "INVOICE", "10/31/26", "Software Income", "-25.00", "2a91c4-1"),
        ("ENDTRNS", None, None, None, None, None),
        ("TRNS", "CREDIT MEMO", "10/31/26", "Accounts Receivable", "-40.00", "2a91c4-2"),
        ("SPL", "CREDIT MEMO", "10/31/26", "Software Income", "30.00", "2a91c4-2"),
        ("SPL", "CREDIT MEMO", "10/31/26", "Software Income", "10.00", "2a91c4-2"),
        ("ENDTRNS", None, None, None, None, None),
    ]


def test_each_currency_gets_files_of_its_own(folder: Path) -> None:
    dollars = {"currency": "USD"}
    rows = [a_line(1, 60), a_line(2, 60, **dollars), a_line(3, 60, quantity=-1, **dollars)]
    assert [path.name for path in write(quickbooks_iif, RUN, rows, folder)] == [
        "out-EUR.iif", "out-USD.iif", "out-USD-transactions.iif",
    ]  # fmt: skip


def test_time_that_is_not_chargeable_comes_only_when_asked_for_and_as_not_billable(folder: Path) -> None:
    rows = [a_line(1, 60), a_line(2, 60, billable=False, rate_scaled=0), a_line(3, 60, review="hold")]
    shown = [
        [row["BILLINGSTATUS"] for row in read(write(quickbooks_iif, RUN, rows, folder, text)[0])[1:]]
        for text in ("", "non_chargeable = true")
    ]
    assert shown == [["1"], ["1", "0"]]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (
            {"client": None, "client_name": None},
            "line 1: the project 007 has no client; write the customer of",
        ),
        ({"person": "=Cy()"}, "line 1: the EMP '=Cy()' begins like a formula"),
        ({"person": 'Ada "A" X'}, "line 1: the EMP holds a quotation mark, which IIF cannot hold"),
        (
            {"person": "\u05d0\u05d3\u05d4"},
            "line 1: the EMP holds characters that are not in the code page cp1252",
        ),
        (
            {"application_name": "CAD \U0001f5a5"},
            "line 1: the NOTE holds characters that are not in the code page",
        ),
        (
            {"application_name": "a\tb"},
            "line 1: the NOTE 'a\\tb, 2026-10/1-XX-3f2a91c4 line 1' holds a control",
        ),
        ({"application_name": "x" * 40_000}, "has 40,030 characters; 1000 are taken; set a shorter note"),
        ({"person": "y" * 42}, "has 42 characters; 41 are taken"),
        ({"application": "c" * 30}, "line 1: the ITEM 'ccccc"),
    ],
)
def test_a_line_that_cannot_be_imported_is_named(folder: Path, facts: dict[str, Any], says: str) -> None:
    assert says in faults(quickbooks_iif, RUN, [a_line(1, 60, **facts)], folder)[0]
    credit = a_line(1, 60, quantity=-60, **facts)
    if not {"person", "application"} & set(facts):
        assert faults(quickbooks_iif, RUN, [credit], folder) != []


def test_two_rates_of_one_item_are_named(folder: Path) -> None:
    rows = [a_line(1, 60), a_line(2, 60, rate_scaled=1)]
    (found,) = faults(quickbooks_iif, RUN, rows, folder, '[items]\ncad = "CAD"')
    assert found.startswith("line 2: the item 'CAD' costs 0.0001 EUR here and 90.00 in line 1;")


def test_another_code_page_takes_other_scripts(folder: Path) -> None:
    row = a_line(1, 60, person="\u05d0\u05d3\u05d4", application_name="CAD \U0001f5a5")
    (path,) = write(quickbooks_iif, RUN, [row], folder, 'encoding = "utf-8"')
    assert read_iif(path.read_text(encoding="utf-8"))[1]["EMP"] == "\u05d0\u05d3\u05d4"


def test_the_import_sheet_shows_plain_values() -> None:
    mapping = quickbooks_iif.read_mapping(None)
    (document,) = quickbooks_iif.documents(RUN, lines(a_line(1, 60)), "", mapping)
    assert {type(value).__name__ for value in document.rows[0]} == {"date", "str", "int"}
