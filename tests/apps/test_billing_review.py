"""The billing page: each act is done on the server's side, for whoever looks, or refused in words."""

from __future__ import annotations

import json
from datetime import date

import pytest
import sqlalchemy as sa
from billing_warehouse import billed_hours, hour, ms, on, organize, use
from sqlalchemy import Engine

from apps import billing_review
from apps.billing_review import Desk
from pipelines import billing
from pipelines.answers import run_review

SEPTEMBER = ms("2026-10-02 12:00")


@pytest.fixture
def drafted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """September: two hours of user1 on A, one of user2 on US, one of user2 without a project."""
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    use(engine, hour(3, "2026-09-09", person=2), hour(4, "2026-09-10", person=2))
    on(engine, 3, "A", at_="2026-09-09 09:00")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE project SET manager_id = 1 WHERE number = 'A'"))
    billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    monkeypatch.setattr(billing_review, "_now_ms", lambda: SEPTEMBER + 1)
    monkeypatch.setattr(billing_review, "_today", lambda: date(2026, 10, 2))
    return engine


def looks(engine: Engine, account: str) -> Desk:
    desk = Desk(engine, account, run_review.runs(engine, account, date(2026, 10, 2)))
    desk.fill()
    return desk


def staff_are(engine: Engine, *accounts: str) -> None:
    with engine.begin() as connection:
        settings = json.dumps({"billing_staff": accounts})
        connection.execute(sa.text("UPDATE organization SET settings = :settings"), {"settings": settings})


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


def test_it_opens_with_the_run_that_waits_and_says_for_what(drafted: Engine) -> None:
    desk = looks(drafted, "ann")

    assert desk.run.options == (
        ("2026-10: collecting", "2026-10"),
        ("2026-08: collecting", "2026-08"),
        ("2026-09: draft", "2026-09/1"),
    )
    assert desk.run.value == "2026-09/1"
    assert "<li>1 unassigned: settle or waive with a reason</li>" in desk.top.value
    assert "<li>projects without a sign-off: A</li>" in desk.top.value
    assert desk.kind.options == (("unassigned", "unassigned"),)
    assert "3 lines" in desk.parts["lines"].value
    assert "Of 4.0 hours of run time in period 2026-09" in desk.parts["tie_out"].value


def test_a_run_goes_from_its_exceptions_to_its_close(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.why_kind.value, desk.why_project.value = "agreed", "for the manager, who is away"

    assert "1 exceptions of 2026-09/1 are waived." in press(desk, "Waive")
    assert "The project is signed off." in press(desk, "Sign off")
    assert "Nothing keeps this run from being approved" in desk.top.value
    assert "2026-09/1 is approved." in press(desk, "Approve")
    assert "2026-09/1 is closed." in press(desk, "Close for good")
    assert desk.run.options[-1] == ("2026-09: closed", "2026-09/1")
    desk.why_run.value = "it was wrong"
    assert "run 2026-09/1 is closed" in press(desk, "Void")
    press(desk, "Workbook")
    assert 'download="2026-09-1-workbook.xlsx"' in desk.parts["files"].value


def test_an_act_without_a_reason_is_refused_in_words(drafted: Engine) -> None:
    desk = looks(drafted, "ann")

    assert "needs a reason; give one" in press(desk, "Waive")
    assert 'class="late"' in desk.said.value
    assert billing.show(drafted, "2026-09/1")["blocking"] == {"unassigned": 1}


def test_who_prepared_a_run_cannot_approve_it_here_either(drafted: Engine) -> None:
    billing.waive(drafted, "2026-09/1", "ann", "agreed", SEPTEMBER, kind="unassigned")
    billing.sign(drafted, "2026-09/1", "A", "user1", "", SEPTEMBER)

    assert "pat prepared run 2026-09/1 and cannot approve it" in press(looks(drafted, "pat"), "Approve")


def test_a_line_is_reviewed_once(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.line.value, desk.act.value, desk.why_line.value = "2", "hold", "asked for the contract"

    assert "Done." in press(desk, "Do it")
    assert "That was so already: nothing changed." in press(desk, "Do it")
    assert billing.show(drafted, "2026-09/1")["held_minor"] == {"EUR": 9000}


def test_a_line_goes_to_another_project_and_the_draft_has_to_be_made_anew(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.line.value, desk.act.value, desk.why_line.value = "1", "transfer", "was theirs"

    assert "nothing says where to transfer the line" in press(desk, "Do it")
    desk.to.value = "B / 01 / X"
    assert "Done." in press(desk, "Do it")
    assert "<li>1 lines transferred: draft the period again</li>" in desk.top.value
    assert "2026-09/1 is drafted." in press(desk, "Draft")
    assert ("B", "B") in desk.only.options


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", "²", "99"])
def test_what_is_no_line_is_said_so(drafted: Engine, text: str) -> None:
    desk = looks(drafted, "ann")
    desk.line.value = text

    assert "line" in press(desk, "Where it comes from")
    assert desk.parts["evidence"].value == ""


def test_a_line_leads_to_its_sessions(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.line.value = "1"

    assert press(desk, "Where it comes from") == ""
    assert "Active 3,600,000 + pause 0 + buffer 0 = 3,600,000 ms" in desk.parts["evidence"].value
    assert "x 90.00 EUR/h = 90.00 EUR" in desk.parts["evidence"].value
    assert "4 stretches of evidence" in desk.parts["evidence"].value
    assert "2026-09-07" in desk.parts["evidence"].value


def test_a_period_without_a_run_shows_how_complete_it_is(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.run.value = "2026-08"

    assert "Period 2026-08 is being collected" in desk.top.value
    assert "Bill so far" in desk.top.value
    assert {row.layout.display for row in desk.rows} == {"none"}
    assert "nobody used a billed application in period 2026-08" in press(desk, "Draft")


def test_a_manager_sees_and_signs_own_projects_alone(drafted: Engine) -> None:
    staff_are(drafted, "ann")
    on(drafted, 4, "B", at_="2026-09-10 09:00", entry=44)
    billing.draft(drafted, "2026-09", "generic", "ann", SEPTEMBER + 5)
    desk = looks(drafted, "user1")

    assert desk.only.options == (("all projects", ""), ("A", "A"))
    assert "Project B" not in desk.parts["lines"].value + desk.parts["projects"].value
    assert desk.parts["exceptions"] not in desk.widgets()
    assert "The project is signed off." in press(desk, "Sign off")
    # What a browser sends decides nothing.
    desk.project.options = (("B", "B"),)
    desk.project.value = "B"
    assert "user1 cannot sign" in press(desk, "Sign off")


def test_whoever_manages_nothing_is_told_whose_page_it_is(
    drafted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff_are(drafted, "ann")
    shown: list[str] = []
    monkeypatch.setattr(
        billing_review, "display", lambda *parts: shown.extend(str(part.data) for part in parts)
    )
    monkeypatch.setattr(billing_review, "open_warehouse", lambda: drafted)
    monkeypatch.setattr(billing_review.visit, "viewer", lambda: "user2")

    billing_review.show()

    assert "This page is for billing staff and for managers of projects" in shown[0]
    assert "Charge lines" not in shown[0]
