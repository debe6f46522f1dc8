"""Importing holidays and fiscal periods."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from warehouse import frames

Use = Callable[[Engine, str], None]
CALENDAR = "record,name,office,day,starts_on,ends_on\n"


def test_holidays_of_one_office_or_all(filled: Engine, files: Any) -> None:
    text = "holiday,New Year,*,2026-01-01,,\nholiday,Thanksgiving,NYC,2026-11-26,,\n"
    files.bring(filled, "calendar", CALENDAR + text)
    assert frames.holidays(filled).collect().rows() == [
        ("BER", date(2026, 1, 1)),
        ("NYC", date(2026, 1, 1)),
        ("NYC", date(2026, 11, 26)),
    ]


def test_periods_of_any_length_can_move_their_edges(filled: Engine, files: Any) -> None:
    days = ["2026-01-05", "2026-02-02", "2026-03-02", "2026-04-06"]
    text = "".join(f"period,P{n + 1},,,{days[n]},{days[n + 1]}\n" for n in range(3))
    files.bring(filled, "calendar", CALENDAR + text)
    moved = "period,P1,,,2026-01-05,2026-02-09\nperiod,P2,,,2026-02-09,2026-03-02\n"
    told = files.bring(filled, "calendar", CALENDAR + moved)
    assert told == "periods: 0 new, 2 changed, 0 unchanged"
    assert frames.periods(filled).select("period", "starts_on").collect().rows() == [
        ("P1", date(2026, 1, 5)),
        ("P2", date(2026, 2, 9)),
        ("P3", date(2026, 3, 2)),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "feast,X,*,2026-01-01,,\n",
            "row 2, column record: unknown word 'feast'; write one of holiday, period",
        ),
        ("holiday,X,,2026-01-01,,\n", "row 2, column office: the cell is empty; fill it in"),
        ("holiday,X,LON,2026-01-01,,\n", "row 2, column office: unknown office 'LON'; import it first"),
        ("holiday,X,*,,,\n", "row 2, column day: the cell is empty; write the first day, as 2026-01-01"),
        (
            "period,P7,,,2026-07-01,2026-07-01\n",
            "row 2, column ends_on: 2026-07-01 is not after starts_on 2026-07-01; swap or widen them",
        ),
        (
            "period,P7,,,2026-07-02,2026-08-01\n",
            (
                "row 2, column starts_on: period P7 leaves 1 days out after 2026-06, "
                "which ends on 2026-07-01; let each period start on the day the one before ends"
            ),
        ),
        (
            "period,P7,,,2026-06-30,2026-08-01\n",
            (
                "row 2, column starts_on: period P7 overlaps by 1 days with 2026-06, "
                "which ends on 2026-07-01; let each period start on the day the one before ends"
            ),
        ),
        (
            "period,P7,,,2026-06-01,2026-08-01\n",
            "row 2, column starts_on: period 2026-06 has the same day; let periods follow each other",
        ),
        (
            "period,2026-06,,,2026-06-01,2026-06-30\n",
            (
                "row 2, column starts_on: period 2026-06 is 2026-06-01 to 2026-07-01 in run 2026-06/1; "
                "leave its days as they are, or void the run"
            ),
        ),
        (
            "period,P7,,,2026-07-01,2026-08-01\nperiod,P7,,,2026-08-01,2026-09-01\n",
            "row 3, column name: P7 is already in row 2; remove one of them",
        ),
    ],
)
def test_a_bad_calendar_file_changes_nothing(
    rated: Engine, files: Any, use_the_first_rate: Use, rows: str, message: str
) -> None:
    use_the_first_rate(rated, "draft")
    assert files.refusal(rated, "calendar", CALENDAR + rows).startswith(message)


def test_the_days_of_a_closed_period_stay_and_no_void_is_offered(
    rated: Engine, files: Any, use_the_first_rate: Use
) -> None:
    use_the_first_rate(rated, "closed")
    told = files.refusal(rated, "calendar", CALENDAR + "period,2026-06,,,2026-06-01,2026-06-30\n")
    assert told.endswith("in run 2026-06/1; leave its days as they are")
