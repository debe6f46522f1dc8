"""The billing page: each act is done on the server's side, for whoever looks, or refused in words."""

from __future__ import annotations

import json
from datetime import date

import pytest
import sqlalchemy as sa
from billing_warehouse import billed_hours, hour, ms, on, organize, use
from sqlalchemy import Engine

from apps import billing_review, billing_sections, forms
from apps.billing_review import Desk
from apps.billing_sections import went
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


def offered(desk: Desk) -> list[str]:
    """What can be pressed, in order."""
    return [
        child.description
        for row in desk.widgets()
        if forms.is_shown(row)
        for child in getattr(row, "children", ())
        if hasattr(child, "click") and forms.is_shown(child)
    ]


OF_A_DRAFT = [
    "Draft again", "Workbook", "Make void", "Settle", "Waive", "Sign off", "Do it", "Where it comes from",
]  # fmt: skip


def test_it_opens_with_the_run_that_waits_and_says_for_what(drafted: Engine) -> None:
    desk = looks(drafted, "ann")

    assert desk.run.options == (
        ("2026-10: collecting", "2026-10"),
        ("2026-08: collecting", "2026-08"),
        ("2026-09: draft", "2026-09/1"),
    )
    assert desk.run.value == "2026-09/1"
    assert "<li>unassigned: 1 to settle or waive with a reason</li>" in desk.top.value
    assert "<li>projects without a sign-off: A</li>" in desk.top.value
    assert desk.kind.options == (("unassigned", "unassigned"),)
    assert "3 lines" in desk.parts["lines"].value
    assert "Of 4.0 hours of run time in period 2026-09" in desk.parts["tie_out"].value


def test_a_run_goes_from_its_exceptions_to_its_close_and_offers_what_can_be_done(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.why_kind.value, desk.why_project.value = "agreed", "for the manager, who is away"

    assert offered(desk) == OF_A_DRAFT
    assert (
        "It can be approved once nothing of the list above is left, by anybody of the billing staff but pat "
        "(who prepared it) and whoever wrote its rates. It can be closed once it is approved. Its import "
        "file can be made once it is closed." in desk.parts["why_not"].value
    )
    assert "Waived 1 exception of 2026-09/1." in press(desk, "Waive")
    assert "Project A is signed off." in press(desk, "Sign off")
    assert "Before it can be approved" not in desk.top.value
    assert offered(desk) == [
        "Draft again", "Approve", "Workbook", "Make void", "Take back", "Do it", "Where it comes from",
    ]  # fmt: skip
    assert "2026-09/1 is approved." in press(desk, "Approve")
    assert offered(desk) == ["Close for good", "Workbook", "Make void", "Where it comes from"]
    assert ">Billed<" not in desk.parts["projects"].value
    assert "To change them, make it void and draft the period again." in desk.parts["why_not"].value
    assert "2026-09/1 is closed." in press(desk, "Close for good")
    assert desk.run.options[-1] == ("2026-09: closed", "2026-09/1")
    assert offered(desk) == ["Workbook", "Import file", "Where it comes from"]
    assert ">Billed<" in desk.parts["projects"].value
    assert "It is closed for good: usage that comes late" in desk.parts["why_not"].value
    press(desk, "Workbook")
    assert 'download="2026-09-1-workbook.xlsx"' in desk.parts["files"].value


def test_what_is_hidden_is_refused_all_the_same(drafted: Engine) -> None:
    desk = looks(drafted, "pat")
    desk.why_run.value = desk.why_kind.value = "it was wrong"

    assert "run 2026-09/1 is draft; only an approved run can be closed" in press(desk, "Close for good")
    assert "2026-09/1 is void." in press(desk, "Make void")
    assert "run 2026-09/1 is void" in press(desk, "Waive")


def test_a_void_run_bills_nothing_and_its_period_can_be_drafted_anew(drafted: Engine) -> None:
    billing.void(drafted, "2026-09/1", "pat", "wrong calendar", SEPTEMBER)
    desk = looks(drafted, "ann")
    desk.run.value = "2026-09/1"

    assert offered(desk) == ["Draft again", "Workbook", "Where it comes from"]
    assert "It bills nothing. Period 2026-09 can be drafted anew." in desk.parts["why_not"].value
    assert "2026-09/2 is drafted." in press(desk, "Draft again")
    desk.run.value = "2026-09/1"
    assert offered(desk) == ["Workbook", "Where it comes from"]


def test_what_is_over_a_limit_can_only_be_waived(drafted: Engine) -> None:
    with drafted.begin() as connection:
        connection.execute(sa.text("UPDATE project SET not_to_exceed_minor = 1 WHERE number = 'A'"))
    billing.draft(drafted, "2026-09", "generic", "pat", SEPTEMBER)
    desk = looks(drafted, "ann")
    desk.kind.value = "over_limit"

    assert "<li>over limit: 1 to waive with a reason</li>" in desk.top.value
    assert "Settle" not in offered(desk)
    assert "Waive" in offered(desk)
    desk.kind.value = "unassigned"
    assert "Settle" in offered(desk)


def test_drafting_again_keeps_the_target_of_the_run(drafted: Engine) -> None:
    billing.draft(drafted, "2026-09", "quickbooks-iif", "pat", SEPTEMBER)
    desk = looks(drafted, "ann")

    press(desk, "Draft again")
    assert billing.show(drafted, "2026-09/1")["target"] == "quickbooks-iif"
    desk.target.value = "generic"
    press(desk, "Draft again")
    assert billing.show(drafted, "2026-09/1")["target"] == "generic"


def test_an_act_without_a_reason_is_refused_in_words(drafted: Engine) -> None:
    desk = looks(drafted, "ann")

    assert "needs a reason; say why in a few words" in press(desk, "Waive")
    assert 'class="late"' in desk.said.value
    assert billing.show(drafted, "2026-09/1")["blocking"] == {"unassigned": 1}


def ready(engine: Engine) -> None:
    """Leave nothing that keeps the run from being approved."""
    billing.waive(engine, "2026-09/1", "ann", "agreed", SEPTEMBER, kind="unassigned")
    billing.sign(engine, "2026-09/1", "A", "user1", "", SEPTEMBER)


def test_who_prepared_a_run_cannot_approve_it_here_either(drafted: Engine) -> None:
    ready(drafted)
    desk = looks(drafted, "pat")

    assert "Approve" not in offered(desk)
    assert "It cannot be approved by you: pat prepared run 2026-09/1" in desk.parts["why_not"].value
    assert "pat prepared run 2026-09/1 and cannot approve it" in press(desk, "Approve")


def test_who_prepared_a_run_approves_it_where_the_policy_allows_that(drafted: Engine) -> None:
    relaxed = {"default": {"idle_timeout_ms": 300_000}, "separation_of_duties": False}
    with drafted.begin() as connection:
        connection.execute(
            sa.text("UPDATE policy_version SET document = :document"), {"document": json.dumps(relaxed)}
        )
    assert "by anybody of the billing staff, also who prepared it: the billing policy allows that." in (
        looks(drafted, "pat").parts["why_not"].value
    )
    ready(drafted)
    desk = looks(drafted, "pat")

    assert "2026-09/1 is approved." in press(desk, "Approve")


def test_projects_that_are_not_signed_hold_nothing_up_after_their_deadline(drafted: Engine) -> None:
    billing.waive(drafted, "2026-09/1", "ann", "agreed", SEPTEMBER, kind="unassigned")
    until = {"until": SEPTEMBER + 1}
    with drafted.begin() as connection:
        connection.execute(sa.text("UPDATE billing_run SET review_until_ms = :until"), until)
    desk = looks(drafted, "ann")

    assert "projects without a sign-off" not in desk.top.value
    assert {"Approve", "Sign off"} <= set(offered(desk))


def test_a_line_is_reviewed_once(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    desk.line.value, desk.act.value, desk.why_line.value = "2", "hold", "asked for the contract"

    assert "Held line 2." in press(desk, "Do it")
    assert '<td class="c" data-label="Line">2</td>' in desk.parts["lines"].value.split("</tr>")[1]
    assert 'data-label="Review">held</td>' in desk.parts["lines"].value.split("</tr>")[1]
    assert "That was so already: nothing changed." in press(desk, "Do it")
    assert billing.show(drafted, "2026-09/1")["held_minor"] == {"EUR": 9000}


def test_a_held_line_of_a_closed_run_is_released_once(drafted: Engine) -> None:
    billing.review(drafted, "2026-09/1", 2, "hold", "ann", "asked for the contract", SEPTEMBER)
    ready(drafted)
    billing.approve(drafted, "2026-09/1", "ann", SEPTEMBER)
    desk = looks(drafted, "ann")
    assert "Do it" not in offered(desk)

    press(desk, "Close for good")
    assert "Held lines can be released below, and the next draft bills them: 2." in (
        desk.parts["why_not"].value
    )
    assert desk.act.options == (("Release", "release"),)
    desk.line.value, desk.why_line.value = "2", "the contract is signed"
    assert "Released line 2." in press(desk, "Do it")
    assert offered(desk) == ["Workbook", "Import file", "Where it comes from"]
    assert "Held lines" not in desk.parts["why_not"].value


def test_lines_under_one_cap_are_named_when_they_go_along(
    drafted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = looks(drafted, "ann")
    desk.line.value, desk.act.value, desk.why_line.value = "1", "hold", "asked for the contract"
    monkeypatch.setattr("pipelines.billing.review", lambda *_: [1, 2])

    assert "Held lines 1 and 2: what is under one cap is billed together or not at all." in press(
        desk, "Do it"
    )


@pytest.mark.parametrize(
    ("marked", "caps", "says"),
    [
        ([], set(), ""),
        ([3], set(), "Held line 3."),
        ([3, 44], {44}, "Held line 3 and the cap's line 44: "),
        ([3, 5, 44], {44}, "Held lines 3 and 5 and the cap's line 44: "),
        ([44], {44}, "Held the cap's line 44."),
        (list(range(1, 12)), set(), "Held lines 1, 2, 3, 4, 5, 6, 7, 8 and 3 more: "),
    ],
)
def test_which_lines_an_act_has_taken_is_said(marked: list[int], caps: set[int], says: str) -> None:
    along = "what is under one cap is billed together or not at all." if says.endswith(": ") else ""

    assert went("Held", marked, caps) == says + along


def test_a_line_goes_to_another_project_and_the_draft_has_to_be_made_anew(drafted: Engine) -> None:
    desk = looks(drafted, "ann")
    assert not forms.is_shown(desk.to)
    desk.line.value, desk.act.value, desk.why_line.value = "1", "transfer", "was theirs"

    assert forms.is_shown(desk.to)
    assert "nothing says where to transfer the line" in press(desk, "Do it")
    desk.to.value = "B / 01 / X"
    assert "Transferred line 1 to B: draft the period again." in press(desk, "Do it")
    assert "<li>1 line transferred (draft the period again): 1</li>" in desk.top.value
    assert "2026-09/1 is drafted." in press(desk, "Draft again")
    assert ("B", "B") in desk.only.options


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", "²", "99"])
def test_what_is_no_line_is_said_so(drafted: Engine, text: str) -> None:
    desk = looks(drafted, "ann")
    desk.line.value = text

    assert "line" in press(desk, "Where it comes from")
    assert desk.parts["evidence"].value == ""


def test_a_project_that_is_chosen_shows_all_its_lines(
    drafted: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billing_sections, "MOST_LINES", 1)
    desk = looks(drafted, "ann")
    assert "2 more are not shown: choose a project, or list them with" in desk.parts["lines"].value
    desk.only.value = "A"
    assert desk.parts["lines"].value.count('data-label="Line"') == 3
    assert "not shown" not in desk.parts["lines"].value


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
    assert offered(desk) == ["Draft"]
    assert "Everything else can be done once there is a draft." in desk.parts["why_not"].value
    assert "nobody used a billed application in period 2026-08" in press(desk, "Draft")
    desk.run.value = "2026-10"
    assert offered(desk) == []
    assert "It can be drafted once the period is over." in desk.parts["why_not"].value


def test_a_manager_sees_and_signs_own_projects_alone(drafted: Engine) -> None:
    staff_are(drafted, "ann")
    on(drafted, 4, "B", at_="2026-09-10 09:00", entry=44)
    billing.draft(drafted, "2026-09", "generic", "ann", SEPTEMBER + 5)
    desk = looks(drafted, "user1")

    assert desk.only.options == (("all projects", ""), ("A", "A"))
    assert "4 lines of the whole run" in desk.top.value
    assert "Project B" not in desk.parts["lines"].value + desk.parts["projects"].value
    assert desk.parts["exceptions"] not in desk.widgets()
    assert offered(desk) == ["Sign off", "Do it", "Where it comes from"]
    assert "approval, close and files are for the billing staff: ann." in desk.parts["why_not"].value
    assert "Project A is signed off." in press(desk, "Sign off")
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
