from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounting import a_line, a_run, faults, read_csv, write

from pipelines.exports import vantagepoint_expense
from warehouse.errors import Problem

RUN = a_run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("expense")


def test_columns_are_those_of_the_published_layout(folder: Path) -> None:
    (path,) = write(vantagepoint_expense, RUN, [a_line(1, cost_minor=4321)], folder)
    assert read_csv(path) == [
        {
            "WBS1": "007", "WBS2": "01", "WBS3": "", "Account": "SOFTWARE", "Vendor": "",
            "TransDate": "10/05/2026", "Period": "202610", "Description": "The cad 2026-10/1-XX-3f2a91c4",
            "Amount": "43.21", "BillExt": "90.00", "BillStatus": "B",
        }
    ]  # fmt: skip


def test_what_is_free_is_non_billable_and_held_lines_come_only_when_asked_for(folder: Path) -> None:
    rows = [
        a_line(1),
        a_line(2, billable=False, rate_scaled=0),
        a_line(3, review="hold"),
        a_line(4, review="writeoff"),
        a_line(5, quantity=-200, kind="reversal"),
    ]
    shown = [
        [(row["BillStatus"], row["BillExt"]) for row in read_csv(path)]
        for text in ("", 'statuses = ["B", "H", "W"]')
        for path in write(vantagepoint_expense, RUN, rows, folder, text)
    ]
    assert shown == [
        [("B", "90.00"), ("N", "0.00"), ("B", "-18.00")],
        [("B", "90.00"), ("H", "90.00"), ("W", "90.00"), ("B", "-18.00")],
    ]


def test_periods_of_other_names_are_mapped_and_none_may_be_after_the_active_one(folder: Path) -> None:
    odd = a_run(period="FY26-P10")
    (found,) = faults(vantagepoint_expense, odd, [a_line(1)], folder)
    assert found == (
        "the run is of period FY26-P10, which has no number YYYYPP; "
        'write it under [periods]: "FY26-P10" = "202610"'
    )
    text = '[periods]\n"FY26-P10" = "202610"'
    assert read_csv(write(vantagepoint_expense, odd, [a_line(1)], folder, text)[0])[0]["Period"] == "202610"
    (found,) = faults(vantagepoint_expense, RUN, [a_line(1)], folder, 'active_period = "202609"')
    assert found == (
        "the run is of period 202610, after the active one, 202609; "
        "make it the active period first, then change active_period"
    )
    assert faults(vantagepoint_expense, RUN, [a_line(1)], folder, 'active_period = "202610"') == []


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"project": "9" * 31}, "line 1: the WBS1 '9999"),
        ({"application_name": "x" * 59}, "has 81 characters; 80 are taken"),
        ({"phase": "a\nb"}, "line 1: the WBS2 'a\\nb' holds a control character"),
    ],
)
def test_a_line_that_cannot_be_imported_is_named(folder: Path, facts: dict[str, Any], says: str) -> None:
    (found, *_) = faults(vantagepoint_expense, RUN, [a_line(1, **facts), a_line(2)], folder)
    assert says in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('acount = "1"', "there is no setting 'acount'; use currency, open_from, open_until"),
        ('account = "12345678901234"', "account: '12345678901234' is not a text on one line of 1 to 13"),
        ('account = ""', "account: '' is not a text on one line of 1 to 13 characters"),
        ("account = 521", "account: 521 is not a text on one line"),
        ('statuses = ["B", "X"]', "is not a list of B, H, W, N"),
        ('statuses = ["B", "B"]', "is not a list of B, H, W, N"),
        ('description = "{name}"', "is not a text with fields in braces, of run, line, date"),
        ('description = "{person!r}"', "is not a text with fields in braces"),
        ('description = "{person"', "is not a text with fields in braces"),
        ('description = "{}"', "is not a text with fields in braces"),
        ('currency = "Euro"', "is not the ISO 4217 code of a currency"),
        ('open_from = "2026-10-01"', "is not a date without quotes, such as 2026-10-31"),
        ('correction_date = "later"', "is not one of use, billed"),
        ("accounts = 1", "is not a table, such as"),
        ("[accounts]\ncad = 1", "is not a text on one line of 1 to 13 characters"),
        ("account", "cannot be read"),
    ],
)
def test_a_mapping_that_is_none_is_refused_in_one_line(folder: Path, text: str, says: str) -> None:
    path = folder / "wrong.toml"
    path.write_text(text)
    with pytest.raises(Problem) as refused:
        vantagepoint_expense.read_mapping(path)
    assert says in str(refused.value)
