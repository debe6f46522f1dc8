from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accounting import a_line, a_run, faults, read_csv, write

from pipelines.exports import ajera

RUN = a_run()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ajera")


def test_columns_are_those_of_the_published_layout_and_the_last_is_never_blank(folder: Path) -> None:
    rows = [a_line(1, quantity=500, cost_minor=1000), a_line(2, phase=None)]
    first, second = read_csv(write(ajera, RUN, rows, folder)[0])
    assert first == {
        "Activity Description": "The cad", "Billing Amount": "45.00", "Billing Rate": "90.0000",
        "Billing Units": "0.500", "Cost Amount": "10.00", "Cost Rate": "20.0000", "Date": "10/05/2026",
        "Notes": "Ada Example, 2026-10/1-XX-3f2a91c4 line 1", "Phase ID": "01", "Project ID": "007",
        "Units": "0.500",
    }  # fmt: skip
    assert (second["Phase ID"], second["Cost Rate"], second["Units"]) == ("", "0.0000", "1.000")


def test_each_thing_is_found_by_key_or_by_description_never_by_both(folder: Path) -> None:
    text = (
        'activity = "key"\nproject = "description"\nphase = "none"\n'
        '[activities]\ncad = "1017"\n[projects]\n"007" = "Pier renewal"\n'
    )
    (row,) = read_csv(write(ajera, RUN, [a_line(1)], folder, text)[0])
    named = [name for name in row if name.split()[0] in ("Activity", "Project", "Phase")]
    assert [(name, row[name]) for name in named] == [
        ("Activity Key", "1017"), ("Project Description", "Pier renewal"),
    ]  # fmt: skip


def test_a_key_must_be_a_number(folder: Path) -> None:
    text = 'activity = "key"\nproject = "key"\nphase = "key"\n[phases]\n"007/01" = "12"\n'
    assert faults(ajera, RUN, [a_line(1)], folder, text) == [
        "line 1: the Activity Key 'The cad' is no number; write it under [activities] in the mapping file"
    ]
    assert faults(ajera, RUN, [a_line(1, project="B-1", phase=None)], folder, text)[1:] == [
        "line 1: the Project Key 'B-1' is no number; write it under [projects] in the mapping file"
    ]


def test_negative_units_correct_and_a_fixed_amount_is_one_unit(folder: Path) -> None:
    rows = [
        a_line(1, quantity=-1500, kind="reversal"),
        a_line(2, unit="each", rate_scaled=250_000, kind="package"),
        a_line(3, billable=False, rate_scaled=0),
        a_line(4, review="hold"),
    ]
    assert [
        (row["Units"], row["Billing Rate"], row["Billing Amount"])
        for row in read_csv(write(ajera, RUN, rows, folder)[0])
    ] == [("-1.500", "90.0000", "-135.00"), ("1.000", "25.0000", "25.00")]


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"application_name": ""}, "line 1: the application  has no activity"),
        ({"application_name": "=cmd()"}, "line 1: the Activity Description '=cmd()' begins like a formula"),
        ({"person": "a\tb"}, "line 1: the Notes 'a\\tb, 2026-10/1-XX-3f2a91c4 line 1' holds a control"),
        ({"project": "7" * 256}, "has 256 characters; 255 are taken"),
    ],
)
def test_a_line_that_cannot_be_imported_is_named(folder: Path, facts: dict[str, Any], says: str) -> None:
    assert says in faults(ajera, RUN, [a_line(1, **facts)], folder)[0]
