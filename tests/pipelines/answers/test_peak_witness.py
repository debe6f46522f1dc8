"""Who made up a peak, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers import peak_witness
from pipelines.answers.question import ask
from warehouse.directory import pseudonym, pseudonym_key
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def test_the_peak_lists_person_device_project_state_and_since(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO project_entry (session_id, from_ms, project_number, fields, author, reason, "
                "created_ms) SELECT id, started_ms, '0077', '{}', 'p1', '', 0 FROM session "
                "WHERE account_id = 1"
            )
        )
    found = peak_witness.answer(ask(week, **WINDOW, now=NOW))
    at = datetime(2026, 10, 5, 8, tzinfo=UTC)
    key = pseudonym_key(week.url)
    columns = ("instant", "person", "device", "office", "application", "project", "state", "since")
    assert found.witnesses.select(columns).sort("project", nulls_last=True).rows() == [
        (at, pseudonym("P", n, key), pseudonym("H", n, key), "HQ", "Simulation", project, "active", at)
        for n, project in ((1, "0077"), (2, None))
    ]
    assert (found.demand, found.is_peak) == (40, True)
    assert found.by_office.rows() == [("HQ", 2, 1.0)]
    assert found.by_project.rows() == [("0077", 1, 0.5), ("no project", 1, 0.5)]
    assert found.claims == {
        "instant": "On Monday, 2026-10-05 at 10:00:00 (Europe/Berlin) **40 tokens** of Simulation were in "
        "use, the most of the window, which lasted 150.0 minutes in all. 30 are owned, 10 fewer.",
        "makeup": "2 sessions of 2 people made it up. Names are pseudonyms.",
        "parts": "They were in 1 office, most of them in HQ \\(2\\). They worked on 1 project, and 50 % of "
        "them had entered none.",
    }


def test_a_project_that_was_entered_for_later_in_the_session_is_not_told_of_the_peak(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(
            sa.text(
                """
                INSERT INTO project_entry (session_id, from_ms, to_ms, project_number, fields, author, reason,
                                           created_ms)
                SELECT id, started_ms, started_ms + 60000, '0077', '{}', 'p', '', 0 FROM session
                UNION ALL
                SELECT id, started_ms + 60000, ended_ms, '0078', '{}', 'p', '', 0 FROM session
                """
            )
        )
    found = peak_witness.answer(ask(week, **WINDOW, now=NOW))
    assert found.witnesses["project"].to_list() == ["0077", "0077"]


def test_an_instant_may_be_given_in_local_time_or_with_its_zone(week: Engine) -> None:
    asked = ask(week, **WINDOW, application="cad", now=NOW)
    local, utc = (peak_witness.answer(asked, at) for at in ("2026-10-06 09:30", "2026-10-06T07:30:00+00:00"))
    assert local.results == utc.results
    assert local.results["instant"] == "2026-10-06T07:30:00Z"
    assert (local.demand, local.is_peak, local.witnesses.height) == (6, True, 6)


def test_nobodys_idle_time_is_told(week: Engine) -> None:
    found = peak_witness.answer(
        ask(week, **WINDOW, application="cad", basis="run", now=NOW), "2026-10-05 10:45"
    )
    assert found.witnesses["state"].to_list() == ["open"] * 6


def test_an_instant_without_use_says_so(week: Engine) -> None:
    found = peak_witness.answer(ask(week, **WINDOW, application="cad", now=NOW), "2026-10-05 12:00")
    assert (found.demand, found.witnesses.height) == (0, 0)
    assert found.claims["instant"].endswith("; the peak of the window was 6. 5 are owned.")
    assert found.claims["makeup"] == "Nobody had it in use at that instant."


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("noon", "at 'noon' is not an instant; write it as 2026-10-05 10:30"),
        ("2026-10-12 00:00", "2026-10-12 00:00 is not in the window from 2026-10-05 to 2026-10-12; choose"),
    ],
)
def test_an_instant_that_cannot_be_is_refused_in_one_line(week: Engine, at: str, says: str) -> None:
    with pytest.raises(Problem) as problem:
        peak_witness.answer(ask(week, **WINDOW, now=NOW), at)
    assert str(problem.value).startswith(says)
