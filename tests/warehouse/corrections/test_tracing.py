"""The trace of a session, and the instants at which its stretches begin and end."""

from __future__ import annotations

from typing import Any

import pytest
from billing_warehouse import hour, ms, on, organize, use
from sqlalchemy import Engine

from warehouse.corrections import Correction, Said, correct, instant_of, trace
from warehouse.errors import Problem
from warehouse.projects import Codes

NOW = ms("2026-10-20 12:00")
NINE, TEN = ms("2026-10-06 09:00"), ms("2026-10-06 10:00")
HALF = NINE + 1_800_000


def test_a_trace_says_who_when_from_what_to_what_and_why(week: Engine) -> None:
    correct(week, [Correction(2, Codes("B", "01"), "second half was B", from_ms=HALF)], "user1", NOW)
    correct(week, [Correction(2, Codes("LEAVE"), "all of it")], "user1", NOW + 1)
    assert trace(week, 2, "user1") == [
        Said(2, NINE, "ada", "at launch", NINE, None, None, None, Codes("A"), {}),
        Said(4, NOW, "user1", "second half was B", HALF, None, None, Codes("A"), Codes("B", "01"), {}),
        Said(5, NOW + 1, "user1", "all of it", NINE, None, None, Codes("A"), Codes("LEAVE"), {}),
    ]


def test_a_session_of_which_nothing_was_said_has_an_empty_trace(week: Engine) -> None:
    assert trace(week, 1, "user1") == []


def test_a_trace_is_shown_to_those_who_may_correct(week: Engine, settings: Any) -> None:
    with pytest.raises(Problem, match="session 2 is neither user2's own nor of a project"):
        trace(week, 2, "user2")
    settings(week, correction_days=0, billing_staff=["pat"])
    assert len(trace(week, 2, "pat")) == 1
    assert len(trace(week, 2, "user1")) == 1
    with pytest.raises(Problem, match="there is no session 77"):
        trace(week, 77, "pat")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-06 11:30", "2026-10-06 09:30"),
        ("2026-10-06T11:30:00.250", "2026-10-06 09:30:00.250"),
        ("2026-10-06 11:30+00:00", "2026-10-06 11:30"),
        ("2026-10-06T09:30:00Z", "2026-10-06 09:30"),
        ("2026-10-25 02:30+02:00", "2026-10-25 00:30"),
        ("2026-10-25 02:30+01:00", "2026-10-25 01:30"),
    ],
)
def test_an_instant_is_in_the_zone_of_the_persons_home_office(week: Engine, text: str, instant: str) -> None:
    assert instant_of(week, 2, text) == ms(instant)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("half past nine", "'half past nine' is no instant; write it as 2026-10-05 09:30"),
        ("0001-01-01 00:00+00:00", "'0001-01-01 00:00+00:00' is no instant of our time; write it as"),
        (
            "2026-10-25 02:30",
            (
                "the clocks of Europe/Berlin skip 2026-10-25 02:30, or show it twice; "
                "give it with its offset, such as 2026-10-25 02:30:00+00:00"
            ),
        ),
        ("2026-03-29 02:30", "the clocks of Europe/Berlin skip 2026-03-29 02:30, or show it twice"),
    ],
)
def test_what_is_no_instant_is_refused(week: Engine, text: str, message: str) -> None:
    with pytest.raises(Problem) as caught:
        instant_of(week, 2, text)
    assert str(caught.value).startswith(message)


def test_a_correction_of_a_single_process_is_known_as_such(engine: Engine, entries: Any) -> None:
    organize(engine)
    use(engine, hour(1, "2026-10-05"))
    on(engine, 1, "A", at_="2026-10-05 09:00", entry=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE project_entry SET instance = 17")
    correct(engine, [Correction(1, Codes("A"), "all processes")], "user1", NOW)
    assert [(said.instance, said.before) for said in trace(engine, 1, "user1")] == [(17, None), (None, None)]
