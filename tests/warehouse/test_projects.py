from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from warehouse.projects import Codes, Master

MASTER = Master.of(
    pl.DataFrame(
        {
            "project": ["0042", "0099", "LEAVE"],
            "chargeable": [True, True, False],
            "opened_on": [date(2026, 10, 1), None, None],
            "closed_on": [date(2026, 11, 1), None, None],
        }
    ),
    pl.DataFrame(
        {
            "project": ["0042", "0099"],
            "phase": ["01", "01"],
            "chargeable": [True, False],
            "opened_on": [date(2026, 10, 5), None],
            "closed_on": [None, date(2026, 10, 20)],
        }
    ),
    pl.DataFrame({"project": ["0042"], "phase": ["01"], "task": ["A"]}),
)
MIDDLE = date(2026, 10, 10)


def test_known_and_open_codes_take_time() -> None:
    for codes in (Codes("0042"), Codes("0042", "01"), Codes("0042", "01", "A"), Codes("0099")):
        assert MASTER.judge(codes, MIDDLE) == (None, "", True)


def test_leading_zeros_are_part_of_a_number() -> None:
    assert MASTER.judge(Codes("42"), MIDDLE).reason == "project 42 is not in the project master"


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (Codes("7"), "project 7 is not in the project master"),
        (Codes("0042", "02"), "phase 02 is not a phase of project 0042"),
        (Codes("0042", "01", "B"), "task B is not a task of phase 01 of project 0042"),
        (Codes("0042", None, "A"), "task A of project 0042 names no phase"),
    ],
)
def test_unknown_codes_are_invalid_and_say_which(codes: Codes, reason: str) -> None:
    assert MASTER.judge(codes, MIDDLE) == ("invalid_project", reason, False)


def test_the_closing_day_is_the_first_that_takes_no_more_time() -> None:
    assert MASTER.judge(Codes("0042"), date(2026, 10, 31)).fault is None
    assert MASTER.judge(Codes("0042"), date(2026, 11, 1)) == (
        "closed_project",
        "project 0042 is closed from 2026-11-01",
        False,
    )


def test_a_phase_has_days_of_its_own() -> None:
    assert MASTER.judge(Codes("0042", "01"), date(2026, 10, 4)).reason == (
        "phase 01 of project 0042 opens on 2026-10-05"
    )
    assert MASTER.judge(Codes("0099", "01"), date(2026, 10, 20)).reason == (
        "phase 01 of project 0099 is closed from 2026-10-20"
    )
    assert MASTER.judge(Codes("0042"), date(2026, 9, 30)).reason == "project 0042 opens on 2026-10-01"


def test_a_code_may_take_time_and_never_be_billed() -> None:
    assert MASTER.judge(Codes("LEAVE"), MIDDLE) == (None, "", False)
    assert MASTER.judge(Codes("0099", "01"), MIDDLE) == (None, "", False)
