"""Sign-offs of project managers, over exactly the lines that they saw."""

from __future__ import annotations

from typing import Any

import pytest
from billing_cases import session
from billing_warehouse import on, use
from drafted_run import NOW, PERIOD, RUN, change, events, fill, make_approvable
from sqlalchemy import Engine

from pipelines import billing
from warehouse.errors import Problem
from warehouse.projects import Codes

AGAIN, DAY = NOW + 3_600_000, 86_400_000


def states(engine: Engine) -> dict[str, str]:
    return {row["project"]: row["state"] for row in billing.sign_offs(engine, RUN)}


def waived(engine: Engine) -> Engine:
    billing.waive(engine, RUN, "sue", "known", NOW, kind="unassigned")
    return engine


def test_a_manager_signs_the_project_s_lines(drafted: Engine) -> None:
    assert states(drafted) == {"A": "unsigned", "B": "unsigned"}
    assert billing.sign(drafted, RUN, "A", "USER2", "", NOW) is True
    row = billing.sign_offs(drafted, RUN)[0]
    assert row["manager"].startswith("P-")
    assert row | {"manager": ""} == {
        "project": "A", "manager": "", "lines": 2, "billed": 2, "state": "signed", "by": "USER2",
        "reason": "", "at": "2026-10-02T13:00:00+00:00",
    }  # fmt: skip
    assert billing.show(drafted, RUN)["status"] == "review"
    assert events(drafted)[-1] == ("USER2", "billing sign")


def test_unsigned_projects_block_the_approval(drafted: Engine) -> None:
    waived(drafted)
    billing.sign(drafted, RUN, "B", "user3", "", NOW)
    with pytest.raises(
        Problem, match=r"run 2026-09/1 waits for the managers of A \(unsigned\); let them sign"
    ):
        billing.approve(drafted, RUN, "ann", NOW)
    billing.sign(drafted, RUN, "A", "user2", "", NOW)
    billing.approve(drafted, RUN, "ann", NOW)


def test_a_sign_off_given_twice_changes_nothing(drafted: Engine) -> None:
    billing.sign(drafted, RUN, "A", "user2", "", NOW)
    before = events(drafted)
    assert billing.sign(drafted, RUN, "A", "user2", "again", NOW) is False
    assert billing.sign(drafted, RUN, "A", "sue", "for him", NOW) is False
    assert events(drafted) == before


def test_staff_signs_for_a_manager_with_a_reason_alone(drafted: Engine) -> None:
    with pytest.raises(Problem, match="to act for the manager of project A needs a reason"):
        billing.sign(drafted, RUN, "A", "sue", " ", NOW)
    assert billing.sign(drafted, RUN, "A", "sue", "he has agreed on the phone", NOW) is True
    assert billing.sign_offs(drafted, RUN)[0]["reason"] == "he has agreed on the phone"


def test_a_sign_off_is_withdrawn_once(drafted: Engine) -> None:
    assert billing.withdraw(drafted, RUN, "A", "user2", "", NOW) is False
    billing.sign(drafted, RUN, "A", "user2", "", NOW)
    assert billing.withdraw(drafted, RUN, "A", "user2", "", NOW) is True
    assert states(drafted)["A"] == "withdrawn"
    assert events(drafted)[-1] == ("user2", "billing withdraw")
    assert billing.withdraw(drafted, RUN, "A", "user2", "", NOW) is False
    with pytest.raises(Problem, match=r"A \(withdrawn\), B \(unsigned\)"):
        billing.approve(waived(drafted), RUN, "ann", NOW)
    assert billing.sign(drafted, RUN, "A", "user2", "", NOW) is True


@pytest.mark.parametrize(
    ("project", "actor", "says"),
    [
        ("C", "pat", "run 2026-09/1 has no line of project C"),
        ("US", "pat", "run 2026-09/1 has no line of project US"),
        ("A", "user3", "user3 cannot sign project A, which is somebody else's: user3 is not of the billing"),
    ],
)
def test_what_is_no_sign_off_is_refused(drafted: Engine, project: str, actor: str, says: str) -> None:
    for act in (billing.sign, billing.withdraw):
        with pytest.raises(Problem, match=says):
            act(drafted, RUN, project, actor, "why", NOW)


def test_lines_in_dispute_or_transferred_are_not_signed(drafted: Engine) -> None:
    billing.review(drafted, RUN, 1, "dispute", "user1", "not mine", NOW)
    with pytest.raises(Problem, match="project A has lines in dispute: 1; accept, hold, write off or"):
        billing.sign(drafted, RUN, "A", "user2", "", NOW)
    billing.transfer(drafted, RUN, 1, Codes("B"), "user2", "B's", NOW)
    with pytest.raises(Problem, match="project A has lines in transfer: 1; draft the period again"):
        billing.sign(drafted, RUN, "A", "user2", "", NOW)
    assert billing.sign(drafted, RUN, "B", "user3", "", NOW) is True


def test_an_approved_run_is_not_signed(drafted: Engine) -> None:
    make_approvable(drafted)
    billing.approve(drafted, RUN, "ann", NOW)
    with pytest.raises(Problem, match="run 2026-09/1 is approved; only a draft can be signed"):
        billing.sign(drafted, RUN, "A", "user2", "", NOW)
    with pytest.raises(Problem, match="run 2026-09/1 is approved; only a sign-off on a draft can be"):
        billing.withdraw(drafted, RUN, "A", "user2", "", NOW)


# --- What a sign-off covers -------------------------------------------------------------------------------


def test_a_draft_with_the_same_lines_needs_no_new_sign_off_whatever_their_numbers(drafted: Engine) -> None:
    billing.sign(drafted, RUN, "B", "user3", "", NOW)
    use(drafted, session(11, ("2026-09-11 12:00", "2026-09-11 12:30", "input")), received="2026-10-02 13:30")
    on(drafted, 11, "A", at_="2026-09-11 12:00", entry=50, created="2026-10-02 13:30")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert states(drafted) == {"A": "unsigned", "B": "signed"}


def test_a_draft_with_a_changed_line_needs_a_new_sign_off(drafted: Engine) -> None:
    billing.sign(drafted, RUN, "A", "user2", "", NOW)
    use(drafted, session(11, ("2026-09-08 12:00", "2026-09-08 12:30", "input")), received="2026-10-02 13:30")
    on(drafted, 11, "A", at_="2026-09-08 12:00", entry=50, created="2026-10-02 13:30")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert states(drafted)["A"] == "changed"
    with pytest.raises(Problem, match=r"A \(changed\)"):
        billing.approve(waived(drafted), RUN, "ann", AGAIN)
    assert billing.sign(drafted, RUN, "A", "user2", "", AGAIN) is True
    assert states(drafted)["A"] == "signed"


def test_a_line_held_since_needs_a_new_sign_off_and_one_accepted_does_not(drafted: Engine) -> None:
    billing.sign(drafted, RUN, "A", "user2", "", NOW)
    billing.review(drafted, RUN, 1, "accept", "user2", "fine", NOW)
    assert states(drafted)["A"] == "signed"
    billing.review(drafted, RUN, 1, "hold", "sue", "wait", NOW)
    assert states(drafted)["A"] == "changed"


def test_a_project_none_of_whose_lines_is_billed_needs_no_sign_off(drafted: Engine) -> None:
    billing.review(drafted, RUN, 3, "writeoff", "user3", "gift", NOW)
    assert states(drafted) == {"A": "unsigned", "B": "not needed"}
    billing.sign(drafted, RUN, "A", "user2", "", NOW)
    billing.approve(waived(drafted), RUN, "ann", NOW)


def test_a_project_without_a_manager_needs_no_sign_off_and_takes_none(drafted: Engine) -> None:
    change(drafted, "UPDATE project SET manager_id = NULL")
    assert states(drafted) == {"A": "not needed", "B": "not needed"}
    with pytest.raises(Problem, match="project A has no manager: nobody has to sign it"):
        billing.sign(drafted, RUN, "A", "sue", "why", NOW)
    billing.approve(waived(drafted), RUN, "ann", NOW)


# --- The deadline ------------------------------------------------------------------------------------------


@pytest.fixture
def with_deadline(engine: Engine) -> Engine:
    """Managers have two days to sign."""
    fill(engine, {"default": {"idle_timeout_ms": 300_000}, "review_days": 2})
    return waived(engine)


def test_after_the_deadline_unsigned_projects_no_longer_block_and_are_told_to_the_auditor(
    with_deadline: Engine,
) -> None:
    until = NOW - 3_600_000 + 2 * DAY
    assert billing.show(with_deadline, RUN)["review_until"] == "2026-10-04T12:00:00+00:00"
    with pytest.raises(Problem, match="or wait until 2026-10-04 12:00 UTC"):
        billing.approve(with_deadline, RUN, "ann", until - 1)
    billing.sign(with_deadline, RUN, "A", "user2", "", NOW)
    billing.approve(with_deadline, RUN, "ann", until)
    detail: Any
    with with_deadline.connect() as connection:
        detail = connection.exec_driver_sql("SELECT detail FROM audit_event ORDER BY id DESC").scalar()
    assert '"unsigned": ["B"]' in detail


def test_a_new_draft_gives_the_managers_their_days_again(with_deadline: Engine) -> None:
    billing.draft(with_deadline, PERIOD, "generic", "pat", NOW + DAY)
    assert billing.show(with_deadline, RUN)["review_until"] == "2026-10-05T13:00:00+00:00"
