"""The page of own time: a person sees own sessions alone, and what is chosen is judged on the server."""

from __future__ import annotations

import json

import polars as pl
import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, use
from sqlalchemy import Engine

from apps.my_time import Desk
from pipelines import billing
from warehouse import corrections, store

FRIDAY = ms("2026-09-11 16:00")
OCTOBER = ms("2026-10-25 16:00")


@pytest.fixture
def september(engine: Engine) -> Engine:
    """A week: user1 on A on Monday, on nothing on Tuesday and Wednesday; user2 on nothing on Thursday."""
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    use(
        engine,
        hour(2, "2026-09-08"),
        hour(3, "2026-09-09", application="fem"),
        hour(4, "2026-09-10", person=2),
    )
    return engine


def looks(engine: Engine, account: str = "user1", now_ms: int = FRIDAY) -> Desk:
    desk = Desk(engine, account, lambda: now_ms)
    desk.fill()
    return desk


def press(desk: Desk, words: str) -> str:
    """Press the button of that name; return what the page says then."""
    buttons = [
        button
        for row in desk.widgets()
        for button in getattr(row, "children", ())
        if getattr(button, "description", "") == words and hasattr(button, "click")
    ]
    assert len(buttons) == 1, words
    buttons[0].click()
    return str(desk.said.value)


def settings(engine: Engine, **changed: object) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE organization SET settings = :settings"), {"settings": json.dumps(changed)}
        )


def test_the_week_shows_own_sessions_and_what_is_to_put_right_first(september: Engine) -> None:
    desk = looks(september)

    assert desk.monday.isoformat() == "2026-09-07"
    assert desk.entry.options == (
        ("2: Tue 09-08 11:00 to 12:00 The cad, no project", 2),
        ("3: Wed 09-09 11:00 to 12:00 The fem, no project", 3),
        ("1: Mon 09-07 11:00 to 12:00 The cad, A", 1),
        ("all 2 that are to put right", 0),
    )
    assert "no project was set" in desk.top.value
    assert "09-10" not in desk.top.value


def test_a_project_is_found_by_its_name_and_set_with_phase_and_task(september: Engine) -> None:
    desk = looks(september)
    desk.entry.value, desk.project.value = 2, "B Project B"

    assert desk.phase.options == (("none", ""), ("01 Design", "01"))
    desk.phase.value = "01"
    assert desk.task.options == (("none", ""), ("X Drawings", "X"))
    desk.task.value, desk.reason.value = "X", "was the drawings"

    assert "Set 1 entry to B." in press(desk, "Set project")
    assert "B / 01 / X" in desk.top.value
    said = corrections.trace(september, 2, "user1")
    assert [(each.author, each.reason) for each in said] == [("user1", "was the drawings")]


def test_all_that_is_to_put_right_is_set_at_once(september: Engine) -> None:
    desk = looks(september)
    desk.entry.value, desk.project.value, desk.reason.value = 0, "A", "the whole week"

    assert "Set 2 entries to A." in press(desk, "Set project")
    assert [value for _, value in desk.entry.options] == [1, 2, 3]
    assert desk.project.options[0] == "A Project A"  # lately used ones come first


@pytest.mark.parametrize(
    ("project", "reason", "says"),
    [
        ("", "x", "no project is chosen; write its number or name"),
        ("NOPE", "x", "project NOPE is not in the project master"),
        ("CLOSED", "x", "project CLOSED is closed from"),
        ("A", "", "needs a reason"),
        ("=HYPERLINK(1)", "x", "is not in the project master"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    september: Engine, project: str, reason: str, says: str
) -> None:
    desk = looks(september)
    desk.project.value, desk.reason.value = project, reason

    assert says in press(desk, "Set project")
    assert store.read(september, "SELECT count(*) AS n FROM project_entry").item() == 1


def test_the_organizations_own_fields_are_asked_for_and_judged(september: Engine) -> None:
    rules = [
        {
            "name": "stage",
            "label": "Stage",
            "kind": "choice",
            "required": True,
            "choices": ["draft", "final"],
        },
        {"name": "order_no", "label": "Order", "kind": "text", "required": False, "pattern": "[0-9]{4}"},
    ]
    settings(september, project_fields=rules)
    desk = looks(september)
    desk.entry.value, desk.project.value, desk.reason.value = 2, "A", "as told"
    assert [widget.description for widget in desk.fields.values()] == ["Stage", "Order"]

    assert "Stage" in press(desk, "Set project")
    desk.fields["stage"].value, desk.fields["order_no"].value = "final", "12"
    assert "Order" in press(desk, "Set project")
    desk.fields["order_no"].value = "0012"
    assert "Set 1 entry to A." in press(desk, "Set project")


def test_somebody_elses_session_cannot_be_reached_from_here(september: Engine) -> None:
    desk = looks(september)
    desk.project.value, desk.reason.value = "A", "mine now"
    # What a browser sends decides nothing: the week is read under the account that looks.
    desk.found.week.stretches.replace_column(0, pl.Series("session", [4] * desk.found.week.stretches.height))
    desk.entry.value = 2

    assert "late" in press(desk, "Set project")
    assert corrections.trace(september, 4, "user2") == []


def test_other_weeks_can_be_looked_at(september: Engine) -> None:
    desk = looks(september, now_ms=ms("2026-09-18 16:00"))

    assert "No application that is billed was used in this week" in desk.top.value
    press(desk, "Week before")
    assert "Week of 2026-09-07" in desk.title.value
    assert len(desk.entry.options) == 4


def test_an_own_line_is_disputed_and_nobody_elses(september: Engine) -> None:
    on(september, 4, "A", at_="2026-09-10 09:00")
    october = ms("2026-10-02 12:00")
    run = billing.draft(september, "2026-09", "generic", "pat", october)
    settings(september, billing_staff=["pat"])
    desk = looks(september, now_ms=FRIDAY)

    assert desk.line.options == (("2026-09/1, line 1: 2026-09-07 The cad", ("2026-09/1", 1)),)
    assert "needs a reason" in press(desk, "Dispute")
    desk.why.value = "that was on B"
    assert "Line 1 of run 2026-09/1 is in dispute." in press(desk, "Dispute")
    assert "That was so already" in press(desk, "Dispute")
    desk.line.options = (("theirs", (run, 2)),)
    desk.line.value = (run, 2)
    assert "user1 cannot dispute line 2" in press(desk, "Dispute")


def test_before_any_run_there_is_nothing_to_dispute(september: Engine) -> None:
    desk = looks(september)

    assert "No billing run has a line of yours in this week yet." in desk.lines.value
    assert desk.disputing.layout.display == "none"


def test_a_stranger_sees_an_empty_week(september: Engine) -> None:
    desk = looks(september, "stranger")

    assert "No application that is billed was used in this week" in desk.top.value
    assert desk.entry.options == ()
    desk.project.value, desk.reason.value = "A", "x"
    assert "no entry is chosen" in press(desk, "Set project")


def test_another_week_begins_with_what_is_to_put_right_in_it(september: Engine) -> None:
    use(september, hour(5, "2026-08-31"), hour(6, "2026-09-01"))
    on(september, 6, "A", at_="2026-09-01 09:00")
    desk = looks(september)
    assert desk.entry.value == 2

    press(desk, "Week before")
    assert [place for _, place in desk.entry.options] == [1, 2]
    assert desk.entry.value == 1


def test_who_is_not_in_the_directory_is_told_why_nothing_is_charged(september: Engine) -> None:
    assert "The directory does not know whose account this is" in looks(september, "stranger").top.value
    assert "The directory does not know" not in looks(september, "user3").top.value


def test_the_night_on_which_clocks_are_turned_says_which_clock(engine: Engine) -> None:
    organize(engine)
    use(
        engine,
        session(1, ("2026-10-24 20:00", "2026-10-24 22:30", "input")),
        session(2, ("2026-10-25 00:30", "2026-10-25 01:15", "input")),
    )
    desk = looks(engine, now_ms=OCTOBER)

    assert [words.split(" The")[0] for words, _ in desk.entry.options[:3]] == [
        "1: Sat 10-24 22:00 to 00:00",
        "2: Sun 10-25 00:00 to 00:30",
        "3: Sun 10-25 02:30 CEST to 02:15 CET",
    ]
    assert "0.75" in desk.top.value
