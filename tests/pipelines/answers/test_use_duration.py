"""For how long how many are in use, on a week that can be counted by hand."""

from __future__ import annotations

import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers import use_duration
from pipelines.answers.question import ask
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def test_minutes_at_n_and_at_n_or_more(week: Engine) -> None:
    found = use_duration.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW))
    # Fifty business hours, ten of them with six people.
    assert found.by_number.rows()[0] == (0, 2400.0, 3000.0, 1.0)
    assert found.by_number.rows()[1:] == [(n, 600.0 if n == 6 else 0.0, 600.0, 0.2) for n in range(1, 7)]
    assert found.levels.rows() == [(0, 2400.0, 3000.0, 100.0), (6, 600.0, 600.0, 20.0)]
    assert found.covering == {95: 6, 99: 6}
    assert found.claims["duration"] == (
        "Of business hours (whenever an office is open, holidays left out), **6 are enough** for 95 % and "
        "**6 are enough** for 99 % of the time; the whole peak of Drawing takes 6 people, and 5 are owned."
    )
    assert found.claims["last"] == (
        "The last 1 license of the 6 in use at most was needed for 10.0 hours in all."
    )


def test_shares_of_time_of_launches_and_of_days_are_different_numbers(week: Engine) -> None:
    found = use_duration.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW))
    assert found.needs.rows() == [
        ("time, all hours", 6, 6, 6),  # 10 of 168 hours are 6 %
        ("business hours", 6, 6, 6),
        ("hours in use", 6, 6, 6),
        ("launches", 6, 6, 6),
        ("days", 6, 6, 6),
    ]
    sim = use_duration.answer(ask(week, **WINDOW, application="sim", now=NOW))
    assert sim.needs.select("share_of", "need_95").rows() == [
        ("time, all hours", 0),  # 2.5 of 168 hours are 1.5 %
        ("business hours", 0),  # 2.5 of 50 hours are 5 %, and no more
        ("hours in use", 40),
        ("launches", 40),
        ("days", 40),
    ]
    assert sim.claims["needs"].startswith(
        "**95 % is not one number.** Of all hours, 0 are enough for 95 %; but of launches, for 95 % to find "
        "a license takes 40."
    )


@pytest.mark.parametrize(
    ("calendar", "minutes"), [("all", 7 * 1440.0), ("business", 3000.0), ("in_use", 600.0)]
)
def test_the_calendar_is_the_time_that_is_shared_out(week: Engine, calendar: str, minutes: float) -> None:
    found = use_duration.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW), calendar)
    assert found.by_number["minutes_at_or_above"][0] == minutes


def test_without_an_office_business_hours_are_all_hours_and_it_says_so(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(sa.text("UPDATE office SET business_weekdays = '6', closes_minute = opens_minute"))
    found = use_duration.answer(ask(week, **WINDOW, application="cad", now=NOW))
    assert found.calendar == "all hours, because no office is open in this window"
    assert "business hours" not in found.needs["share_of"]
    assert found.by_number["minutes_at_or_above"][0] == 7 * 1440.0


def test_an_unknown_calendar_is_refused(week: Engine) -> None:
    with pytest.raises(Problem, match="unknown calendar 'lunch'; give one of all, business, in_use"):
        use_duration.answer(ask(week, **WINDOW, now=NOW), "lunch")


def test_what_was_never_needed_is_said(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(sa.text("UPDATE entitlement SET quantity = 9 WHERE code = 'CAD-1'"))
    found = use_duration.answer(ask(week, **WINDOW, application="cad", now=NOW))
    assert found.claims["last"].endswith("; 3 of the 9 owned were never needed at any moment.")
