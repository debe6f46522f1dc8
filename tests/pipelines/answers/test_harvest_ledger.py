"""Proposals of a window as a ledger and a funnel; seats to propose."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW
from sqlalchemy import Engine

from apps import charts
from pipelines.answers import harvest_ledger
from pipelines.answers.question import Question, ask
from warehouse.directory.harvest import note
from warehouse.errors import Problem

OCTOBER = {"start": "2026-10-01", "end": "2026-11-01"}


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine, with_charges=False)
    return engine


def question(engine: Engine, **asked: str) -> Question:
    return ask(engine, **(OCTOBER | asked), now=NOW)


def say(engine: Engine, seat: int, *steps: str) -> None:
    """Each step a day after the one before, from 12 October on; ben approves, ann does the rest."""
    for place, step in enumerate(steps):
        at_ms = round(datetime(2026, 10, 12 + place, 12, tzinfo=UTC).timestamp() * 1000)
        note(engine, seat, step, "ben" if step == "approve" else "ann", "unused", at_ms)


def test_the_ledger_follows_each_proposal_and_adds_up_what_came_back(week: Engine) -> None:
    say(week, 1, "propose", "notice", "release", "approve", "reclaim")
    say(week, 2, "propose", "notice", "keep")
    say(week, 3, "propose")
    found = harvest_ledger.answer(question(week))
    columns = ("seat", "product", "proposed", "noticed", "answer", "approver", "reclaimed", "saved")
    day = [date(2026, 10, 12 + number) for number in range(5)]
    assert found.cases.select(columns).rows() == [
        (1, "Drawing LT", day[0], day[1], "release", "ben", day[4], "1,200.00 EUR"),
        (2, "Drawing LT", day[0], day[1], "keep", None, None, None),
        (3, "Drawing LT", day[0], None, None, None, None, None),
    ]
    assert found.funnel.tail(5)["seats"].to_list() == [3, 2, 1, 1, 1]
    assert found.claims["saved"] == (
        "What came back costs **1,200.00 EUR a year**; it is saved at the next renewal or true-up."
    )
    assert found.claims["open"] == "**1 seat** waits for its next step; 1 holder keeps the seat."
    assert found.results == {"proposed": 3, "reclaimed": 1, "saved_minor": {"EUR": 120_000}}
    (bars,) = charts.harvest_funnel(found.funnel).data
    assert list(bars.x)[-5:] == [3, 2, 1, 1, 1]


def test_a_seat_without_a_known_cost_saves_nothing_that_is_known(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(sa.text("UPDATE entitlement SET unit_cost_minor = NULL, currency = NULL"))
    say(week, 1, "propose", "notice", "release", "approve", "reclaim")
    found = harvest_ledger.answer(question(week))
    assert found.claims["saved"] == "Nothing is saved yet: no seat with a known cost came back."


def test_where_nobody_proposed_anything_the_report_says_how(week: Engine) -> None:
    with pytest.raises(Problem, match="No seat was proposed for taking back from 2026-10-01") as told:
        harvest_ledger.answer(question(week))
    assert "process-meter harvest note SEAT propose" in told.value.remedy
    say(week, 1, "propose")
    with pytest.raises(Problem, match="No seat was proposed"):
        harvest_ledger.answer(question(week, application="cad"))


def test_seats_under_way_are_listed_with_their_last_step(week: Engine) -> None:
    say(week, 1, "propose", "notice")
    say(week, 2, "propose", "notice", "keep")
    listed = {row["seat"]: row["stands"] for row in harvest_ledger.seats(week)}
    assert listed[1] == "notice"
    assert listed.get(2, "could be reclaimed") == "could be reclaimed"
