from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from accounting import a_line, a_run, faults, read_csv, write

from pipelines.exports import vantagepoint

RUN = a_run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vantagepoint")


def test_columns_are_those_of_the_published_layout(folder: Path) -> None:
    (path,) = write(vantagepoint, RUN, [a_line(1, quantity=333)], folder)
    assert read_csv(path) == [
        {
            "Unit": "cad 90.00", "TransDate": "10/05/2026", "WBS1": "007", "WBS2": "01", "WBS3": "",
            "UnitTable": "SOFTWARE", "Account": "", "DetailDescription": "The cad 2026-10/1-XX-3f2a91c4",
            "Quantity": "0.333", "Employee": "0007", "EmployeeCompany": "",
        }
    ]  # fmt: skip


def test_a_mapping_gives_units_tables_account_company_and_dates(folder: Path) -> None:
    text = (
        'unit_table = "{project}"\naccount = "521.00"\ncompany = "01"\ndate_format = "YYYY-MM-DD"\n'
        'description = "{person}"\n[units]\ncad = "SOFT01"\n'
    )
    (path,) = write(vantagepoint, RUN, [a_line(1)], folder, text)
    (row,) = read_csv(path)
    assert [row[name] for name in ("Unit", "UnitTable", "Account", "EmployeeCompany", "TransDate")] == [
        "SOFT01", "007", "521.00", "01", "2026-10-05",
    ]  # fmt: skip
    assert row["DetailDescription"] == "Ada Example"


def test_a_fixed_amount_is_so_many_units_at_one(folder: Path) -> None:
    cap = a_line(1, unit="each", quantity=-1000, rate_scaled=123_400, kind="cap")
    (row,) = read_csv(write(vantagepoint, RUN, [cap], folder)[0])
    assert (row["Unit"], row["Quantity"]) == ("FIXED", "-12.340")


def test_free_held_written_off_and_empty_lines_are_left_out(folder: Path) -> None:
    rows = [
        a_line(1, billable=False, rate_scaled=0),
        a_line(2, review="hold"),
        a_line(3, review="writeoff"),
        a_line(4, quantity=0),
        a_line(5, review="accept"),
    ]
    (path,) = write(vantagepoint, RUN, rows, folder)
    assert [row["Quantity"] for row in read_csv(path)] == ["1.000"]


def test_a_correction_keeps_its_day_or_goes_to_the_first_of_the_period(folder: Path) -> None:
    correction = a_line(1, quantity=-500, day=date(2026, 9, 9), period="2026-09", is_correction=True)
    (row,) = read_csv(write(vantagepoint, RUN, [correction], folder)[0])
    assert (row["TransDate"], row["Quantity"]) == ("09/09/2026", "-0.500")
    (row,) = read_csv(write(vantagepoint, RUN, [correction], folder, 'correction_date = "billed"')[0])
    assert row["TransDate"] == "10/01/2026"


@pytest.mark.parametrize(
    ("facts", "mapping", "says"),
    [
        (
            {"employee_number": None},
            "",
            "line 1: Ada Example has no employee number; import employee numbers",
        ),
        ({"project": "9" * 31}, "", "has 31 characters; 30 are taken; correct it in the master data"),
        ({"phase": "9" * 31}, "", "line 1: the WBS2 '9999"),
        ({"project": "=1+1"}, "", "line 1: the WBS1 '=1+1' begins like a formula"),
        ({"project": "\tA"}, "", "line 1: the WBS1 '\\tA' begins like a formula"),
        (
            {"application_name": "x" * 60},
            "",
            "DetailDescription 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...' has 82",
        ),
        (
            {"application_name": "x" * 40_000},
            "",
            "has 40,022 characters; 80 are taken; set a shorter description",
        ),
        (
            {"application_name": "a\0b"},
            "",
            "line 1: the DetailDescription 'a\\x00b 2026-10/1-XX-3f2a91c4' holds",
        ),
        ({"application": "y" * 30}, "", "line 1: the Unit 'yyyyy"),
        (
            {"currency": "USD"},
            'currency = "EUR"',
            "line 1: it is in USD, and the mapping says EUR; leave currency",
        ),
        ({}, "open_from = 2026-10-06", "line 1: 2026-10-05 is not open: the mapping says 2026-10-06 to"),
        (
            {"amount_minor": 9001},
            "",
            "quantity x unit price, 1.000 x 90.0000, is 90.00, not 90.01; verify the",
        ),
    ],
)
def test_a_line_that_cannot_be_imported_is_named(
    folder: Path, facts: dict[str, Any], mapping: str, says: str
) -> None:
    (found, *_) = faults(vantagepoint, RUN, [a_line(1, **facts), a_line(2)], folder, mapping)
    assert says in found


def test_a_unit_of_two_rates_is_named_with_both(folder: Path) -> None:
    rows = [a_line(1), a_line(2, rate_scaled=850_000), a_line(3)]
    assert faults(vantagepoint, RUN, rows, folder) == []
    (found,) = faults(vantagepoint, RUN, rows, folder, '[units]\ncad = "SOFT01"')
    assert found == (
        "line 2: the unit 'SOFTWARE/SOFT01' costs 85.00 EUR here and 90.00 in line 1; "
        "give each rate its own: {rate} in the pattern does"
    )


def test_each_currency_gets_a_file_of_its_own_where_units_have_rates_of_their_own(folder: Path) -> None:
    rows = [a_line(1), a_line(2, currency="USD", rate_scaled=950_000), a_line(3)]
    paths = write(vantagepoint, RUN, rows, folder, '[units]\ncad = "SOFT01"')
    assert [(path.name, len(read_csv(path))) for path in paths] == [("out-EUR.csv", 2), ("out-USD.csv", 1)]


@pytest.mark.parametrize("name", ["=2+2", "+1", "-1", "@SUM(A1)", "\uff1d1+1"])
def test_prose_that_a_spreadsheet_would_run_gets_an_apostrophe(folder: Path, name: str) -> None:
    (path,) = write(vantagepoint, RUN, [a_line(1, application_name=name)], folder)
    assert read_csv(path)[0]["DetailDescription"] == f"'{name} 2026-10/1-XX-3f2a91c4"


@pytest.mark.parametrize("name", ["\u05e2\u05d9\u05e6\u05d5\u05d1", "\U0001f5a5 Studio", 'A, "B"; C'])
def test_any_script_emoji_and_quotes_come_back_as_they_were(folder: Path, name: str) -> None:
    (path,) = write(vantagepoint, RUN, [a_line(1, application_name=name)], folder)
    assert read_csv(path)[0]["DetailDescription"] == f"{name} 2026-10/1-XX-3f2a91c4"
