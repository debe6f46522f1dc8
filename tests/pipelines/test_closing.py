"""The end of a run: who may approve it, what a closed one allows, and held lines billed after all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use
from drafted_run import (
    NOW,
    OCTOBER,
    PERIOD,
    RUN,
    SEPTEMBER,
    change,
    copied,
    events,
    file_of,
    fill,
    lines,
    make_approvable,
)
from sqlalchemy import Engine

from pipelines import adjusting, billing, budgets, exporting
from pipelines.book import open_book
from pipelines.statements import read_statements
from pipelines.workbook_sheets import adjustments
from warehouse import ledger
from warehouse.errors import Problem
from warehouse.projects import Codes

NOVEMBER = ms("2026-12-02 12:00")
POLICY = {"default": {"idle_timeout_ms": 300_000}}


def closed(engine: Engine, period: str, now_ms: int, *, hold: int | None = None, **more: Any) -> str:
    run = billing.draft(engine, period, more.get("target", "generic"), "pat", now_ms)
    if hold:
        billing.review(engine, run, hold, "hold", "sue", "ask the client", now_ms)
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)
    return run


# --- Who approves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "setting", "is_strict"),
    [
        ({}, None, True),
        ({"separation_of_duties": True}, False, True),
        ({"separation_of_duties": False}, None, False),
        ({"separation_of_duties": False}, False, False),
        ({"separation_of_duties": False}, True, True),
    ],
)
def test_of_policy_and_organization_the_stricter_word_counts(
    engine: Engine, policy: dict[str, Any], setting: bool | None, is_strict: bool
) -> None:
    organize(engine, POLICY | policy)
    if setting is not None:
        settings = f'{{"separation_of_duties": {str(setting).lower()}}}'
        change(engine, f"UPDATE organization SET settings = '{settings}'")
    with engine.connect() as connection:
        assert billing.separation(connection) == ({"author"} if is_strict else frozenset())


def test_who_waived_what_blocked_may_be_kept_from_approving(engine: Engine) -> None:
    fill(engine, POLICY | {"waiver_may_approve": False})
    make_approvable(engine)
    with pytest.raises(Problem, match="SUE waived exception 1 of run 2026-09/1 and cannot approve; let"):
        billing.approve(engine, RUN, "SUE", NOW)
    billing.approve(engine, RUN, "ann", NOW)


def test_who_waived_may_approve_unless_the_policy_says_no(drafted: Engine) -> None:
    make_approvable(drafted)
    billing.approve(drafted, RUN, "sue", NOW)
    assert events(drafted)[-1] == ("sue", "billing approve")


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({"pat": 1, "ann": 1}, "ann prepared run 2026-09/1 and cannot approve it"),
        ({"rita": 1, "ann": 1}, "ann wrote rate version 1 of run 2026-09/1 and cannot approve it"),
        ({"sue": 1, "ann": 1}, "ann waived exception 1 of run 2026-09/1 and cannot approve"),
    ],
)
def test_a_second_account_makes_nobody_somebody_else(
    engine: Engine, others: dict[str, int], says: str
) -> None:
    fill(engine, POLICY | {"waiver_may_approve": False})
    make_approvable(engine)
    for number, (name, person) in enumerate(others.items(), 30):
        change(engine, f"INSERT INTO account (id, name, person_id) VALUES ({number}, '{name}', {person})")
    with pytest.raises(Problem, match=says):
        billing.approve(engine, RUN, "ann", NOW)


# --- Two at once -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["approve", "sign"])
def test_of_two_who_do_the_same_at_once_one_wins_and_the_other_changes_nothing(
    both_engines: Engine, act: str
) -> None:
    fill(both_engines)
    if act == "approve":
        make_approvable(both_engines)
    acts: dict[str, Any] = {
        "approve": lambda who: billing.approve(both_engines, RUN, who, NOW) is None,
        "sign": lambda who: billing.sign(both_engines, RUN, "A", who, "for him", NOW),
    }

    def attempt(who: str) -> str:
        try:
            return str(bool(acts[act](who)))
        except Problem as problem:
            return str(problem)

    before = len(events(both_engines))
    with ThreadPoolExecutor(2) as pool:
        outcomes = set(pool.map(attempt, ["ann", "sue"]))
    loser = "False" if act == "sign" else f"run {RUN} is approved; only a draft can be approved"
    assert outcomes == {"True", loser}
    assert [action for _, action in events(both_engines)[before:]] == [f"billing {act}"]
    assert billing.verify(both_engines) == []


# --- Void and showback -------------------------------------------------------------------------------------


def test_a_void_run_says_what_to_do_and_a_closed_one_how_it_is_corrected(drafted: Engine) -> None:
    make_approvable(drafted)
    billing.approve(drafted, RUN, "ann", NOW)
    billing.void(drafted, RUN, "ann", "wrong calendar", NOW)
    with pytest.raises(Problem, match="run 2026-09/1 is void; draft its period anew"):
        billing.void(drafted, RUN, "ann", "again", NOW)
    second = billing.draft(drafted, PERIOD, "generic", "pat", NOW)
    assert second == "2026-09/2"
    billing.waive(drafted, second, "sue", "known", NOW, kind="unassigned")
    for project, manager in (("A", "user2"), ("B", "user3")):
        billing.sign(drafted, second, project, manager, "", NOW)
    billing.approve(drafted, second, "ann", NOW)
    billing.close(drafted, second, "ann", NOW)
    with pytest.raises(Problem, match=r"is closed; it stays as it is: .* is exported anew"):
        billing.void(drafted, second, "ann", "again", NOW)


def test_showback_is_the_same_run_and_never_exported(drafted: Engine, tmp_path: Path) -> None:
    before = lines(drafted, "line", "kind", "quantity", "amount_minor")
    billing.draft(drafted, PERIOD, "generic", "pat", NOW, showback=True)
    assert lines(drafted, "line", "kind", "quantity", "amount_minor") == before
    assert billing.show(drafted, RUN)["showback"] is True
    make_approvable(drafted)
    billing.approve(drafted, RUN, "ann", NOW)
    billing.close(drafted, RUN, "ann", NOW)
    with pytest.raises(Problem, match="showback"):
        exporting.export(drafted, RUN, "generic", tmp_path / "out.csv", "ann", NOW)


# --- Release -----------------------------------------------------------------------------------------------

BOOKED = ("kind", "period", "project", "quantity", "amount_minor", "review")


@pytest.fixture(scope="module")
def held_file(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    """September is closed with line 1 of two on hold; there is an hour of October and one of November."""

    def filled(engine: Engine) -> None:
        organize(engine)
        billed_hours(engine, ["2026-09-07", "2026-09-08", "2026-10-07", "2026-11-09"])
        closed(engine, PERIOD, SEPTEMBER, hold=1)

    return file_of(tmp_path_factory.mktemp("held"), empty_warehouse, filled)


@pytest.fixture
def held(held_file: Path, tmp_path: Path) -> Iterator[Engine]:
    with copied(held_file, tmp_path) as engine:
        yield engine


def test_a_released_line_is_billed_by_the_next_draft_in_the_period_incurred(held: Engine) -> None:
    assert billing.release(held, RUN, 1, "sue", " the client has agreed ", NOW) == [1]
    october = closed(held, "2026-10", OCTOBER)
    assert lines(held, *BOOKED, run=october) == [
        ("usage", "2026-10", "A", 1000, 9000, None),
        ("reversal", "2026-09", "A", -1000, -9000, "hold"),
        ("replacement", "2026-09", "A", 1000, 9000, None),
    ]
    assert lines(held, "note", run=october)[2][0] == (
        "replaces line 1 of run 2026-09/1: used in 2026-09, billed in 2026-10, held line released: "
        "the client has agreed"
    )
    shown = billing.show(held, october)
    assert (shown["billed_minor"], shown["held_minor"]) == ({"EUR": 18_000}, {"EUR": -9000})
    assert lines(held, "kind", "period", run=closed(held, "2026-11", NOVEMBER)) == [("usage", "2026-11")]
    assert billing.verify(held) == []


def test_the_workbook_tells_what_is_held_among_adjustments_apart(held: Engine) -> None:
    billing.release(held, RUN, 1, "sue", "the client has agreed", NOW)
    october = closed(held, "2026-10", OCTOBER)
    told = adjustments(open_book(held, october, "sue", "workbook", OCTOBER)).title
    assert told == "Adjustments of closed periods: 90.00 EUR; on Held, not billed: -90.00 EUR"


def test_why_a_line_was_released_stays_inside_the_firm(held: Engine) -> None:
    billing.release(held, RUN, 1, "sue", "late evidence that they pay anything", NOW)
    october = closed(held, "2026-10", OCTOBER)
    book = open_book(held, october, "sue", "workbook", OCTOBER)
    columns, rows = exporting.rows(book.run, book.lines)
    told = [row[columns.index("note")] for row in rows]
    assert told == ["", "used in 2026-09, billed in 2026-10, correction of line 1 of run 2026-09/1"]
    (statement,), _ = read_statements(held, october, "sue", OCTOBER)
    assert statement.adjustments["reason"].to_list() == ["kept back at first, and billed now"]
    assert "they pay anything" in adjustments(book).frame["note"][-1]


def test_a_line_that_is_not_released_stays_on_hold(held: Engine) -> None:
    assert lines(held, *BOOKED, run=closed(held, "2026-10", OCTOBER)) == [
        ("usage", "2026-10", "A", 1000, 9000, None)
    ]


def test_a_released_line_that_has_changed_is_billed_as_it_is_now(held: Engine) -> None:
    use(held, session(11, ("2026-09-07 12:00", "2026-09-07 12:30", "input")), received="2026-10-20 08:00")
    on(held, 11, "A", at_="2026-09-07 12:00", created="2026-10-20 08:00", entry=50)
    billing.release(held, RUN, 1, "sue", "agreed", NOW)
    october = closed(held, "2026-10", OCTOBER)
    assert lines(held, *BOOKED, run=october)[1:] == [
        ("reversal", "2026-09", "A", -1000, -9000, "hold"),
        ("replacement", "2026-09", "A", 1500, 13_500, None),
    ]
    assert "held line released: agreed and late evidence" in lines(held, "note", run=october)[2][0]


def test_a_release_waits_for_a_run_that_is_closed_and_for_its_cut_off(held: Engine) -> None:
    billing.release(held, RUN, 1, "sue", "agreed", OCTOBER + 1)
    run = billing.draft(held, "2026-10", "generic", "pat", OCTOBER)
    assert len(lines(held, "line", run=run)) == 1
    billing.draft(held, "2026-10", "generic", "pat", OCTOBER + 1)
    assert len(lines(held, "line", run=run)) == 3
    billing.void(held, run, "pat", "begin anew", OCTOBER + 2)
    assert len(lines(held, "line", run=billing.draft(held, "2026-10", "generic", "pat", OCTOBER + 3))) == 3


def late_half_hour(engine: Engine) -> str:
    """Draft October, which books line 1 anew, on hold as that is: half an hour more of it was received."""
    use(engine, session(11, ("2026-09-07 12:00", "2026-09-07 12:30", "input")), received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-07 12:00", created="2026-10-20 08:00", entry=50)
    return billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)


def test_a_line_released_after_the_draft_that_books_it_anew_is_billed_by_drafting_again(held: Engine) -> None:
    october = late_half_hour(held)
    assert [row[-1] for row in lines(held, *BOOKED, run=october)] == [None, "hold", "hold"]
    billing.release(held, RUN, 1, "sue", "agreed", OCTOBER + 1)
    says = "run 2026-10/1 holds line 3, and what that corrects was released since the draft; draft the period"
    with pytest.raises(Problem, match=says):
        billing.approve(held, october, "ann", OCTOBER + 1)
    for later in (2, 3):
        billing.draft(held, "2026-10", "generic", "pat", OCTOBER + later)
    assert [row[-1] for row in lines(held, *BOOKED, run=october)] == [None, "hold", None]
    with held.connect() as connection:  # drafted however often, it is held back once
        assert len(ledger.reviews_of(connection, ledger.find_run(connection, october).id)) == 1
    billing.approve(held, october, "ann", OCTOBER + 3)


def test_nothing_is_released_that_an_approved_run_books_anew(held: Engine) -> None:
    october = late_half_hour(held)
    billing.approve(held, october, "ann", OCTOBER)
    says = "line 1 of run 2026-09/1 is booked anew by run 2026-10/1, which is approved; close that first"
    with pytest.raises(Problem, match=says):
        billing.release(held, RUN, 1, "sue", "agreed", OCTOBER + 1)
    billing.close(held, october, "ann", OCTOBER)
    assert billing.release(held, october, 3, "sue", "agreed", OCTOBER + 1) == [3]


def test_what_takes_back_a_line_is_billed_if_that_was(held: Engine) -> None:
    on(held, 2, "B", at_="2026-09-08 09:30", entry=51, created="2026-10-20 08:00")
    october = late_half_hour(held)
    taken = lines(held, "line", "review", "amount_minor", run=october)
    assert taken[1] == (2, "hold", -9000)
    assert taken[3] == (4, None, -9000)
    for line, action, says in (
        (
            2,
            "accept",
            "line 2 of run 2026-10/1 takes back line 1 of run 2026-09/1, which is held: it goes as",
        ),
        (2, "writeoff", "takes back line 1 of run 2026-09/1, which is held"),
        (4, "hold", "takes back line 2 of run 2026-09/1, which is billed: it goes as that line; hold, write"),
    ):
        with pytest.raises(Problem, match=says):
            billing.review(held, october, line, action, "sue", "why", OCTOBER)
    assert billing.review(held, october, 4, "accept", "sue", "why", OCTOBER) == [4]
    assert billing.review(held, october, 2, "dispute", "sue", "why", OCTOBER) == [2]
    assert billing.review(held, october, 2, "hold", "sue", "why", OCTOBER) == [2]
    change(held, "DELETE FROM line_review WHERE action = 'hold' AND reason = 'why'")
    change(held, "DELETE FROM line_review WHERE action = 'dispute'")
    billing.approve(held, october, "ann", OCTOBER)


def test_a_line_is_released_once(held: Engine) -> None:
    billing.release(held, RUN, 1, "sue", "agreed", NOW)
    before = events(held)
    assert billing.release(held, RUN, 1, "sue", "agreed", NOW) == []
    assert events(held) == before
    closed(held, "2026-10", OCTOBER)
    with pytest.raises(Problem, match="line 1 of run 2026-09/1 was booked anew by run 2026-10/1"):
        billing.release(held, RUN, 1, "sue", "agreed", OCTOBER)
    with pytest.raises(Problem, match="line 2 of run 2026-10/1 takes back what was held; its replacement"):
        billing.release(held, "2026-10/1", 2, "sue", "agreed", OCTOBER)


@pytest.mark.parametrize(
    ("line", "reason", "says"),
    [
        (2, "why", "line 2 of run 2026-09/1 is not held; release held lines alone"),
        (9, "why", "run 2026-09/1 has no line 9"),
        (1, "", "release needs a reason"),
    ],
)
def test_what_cannot_be_released_is_refused(held: Engine, line: int, reason: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        billing.release(held, RUN, line, "sue", reason, NOW)


def test_a_line_of_a_draft_is_accepted_and_not_released(drafted: Engine) -> None:
    billing.review(drafted, RUN, 1, "hold", "user2", "wait", NOW)
    with pytest.raises(Problem, match="run 2026-09/1 is review; accept the line of a draft instead"):
        billing.release(drafted, RUN, 1, "user2", "agreed", NOW)


# --- On both databases -------------------------------------------------------------------------------------


def test_a_life_with_everything_in_it_is_the_same_on_both_databases(both_engines: Engine) -> None:
    engine = both_engines
    fill(engine)
    billing.change_staff(engine, "ann", NOW, add=("root",))
    change(engine, "UPDATE project SET budget_minor = 5000, not_to_exceed_minor = 20000 WHERE number = 'B'")
    billing.review(engine, RUN, 1, "dispute", "user1", "wrong project", NOW)
    billing.transfer(engine, RUN, 1, Codes("B", "01"), "user2", "B's", NOW)
    billing.review(engine, RUN, 2, "hold", "user2", "wait", NOW)
    billing.draft(engine, PERIOD, "generic", "pat", NOW, showback=True)
    assert lines(engine, "project", "amount_minor", "review") == [
        ("A", 9000, "hold"), ("B", 9000, None), ("B", 9000, None),
    ]  # fmt: skip
    assert [row["kind"] for row in billing.exceptions(engine, RUN)] == ["unassigned", "over_budget"]
    billing.settle(engine, RUN, "root", "by hand", NOW, number=1)
    billing.sign(engine, RUN, "B", "user3", "", NOW)
    billing.withdraw(engine, RUN, "B", "user3", "", NOW)
    billing.sign(engine, RUN, "B", "sue", "for him", NOW)
    billing.approve(engine, RUN, "ann", NOW)
    billing.close(engine, RUN, "sue", NOW)
    billing.release(engine, RUN, 1, "user2", "agreed", NOW)
    use(engine, hour(9, "2026-10-07", person=2))
    on(engine, 9, "A", at_="2026-10-07 09:00", entry=90)
    found = billing.collecting(engine, "2026-10", OCTOBER)
    assert (found["status"], found["lower_bound"]["amount_minor"]) == ("collecting", {"EUR": 9000})
    october = billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)
    assert lines(engine, "kind", "amount_minor", "review", run=october) == [
        ("usage", 9000, None), ("reversal", -9000, "hold"), ("replacement", 9000, None),
    ]  # fmt: skip
    assert budgets.standing(engine, october)["billed_before_minor"].to_list() == [0, 18_000]
    assert billing.visible_lines(engine, october, "user1")["line"].to_list() == [2, 3]
    assert billing.show(engine, october)["sign_offs"][0]["state"] == "unsigned"
    assert billing.verify(engine) == []


# --- Another quantum ---------------------------------------------------------------------------------------


def in_minutes(engine: Engine, minutes: int) -> None:
    """Close September in minutes: an hour of A on the 7th, and some minutes on the 8th."""
    organize(engine)
    price(engine, 1, 900_000)
    use(engine, hour(1, "2026-09-07"), hour(2, "2026-09-08", minutes=minutes), hour(3, "2026-10-07"))
    for number, day in ((1, "2026-09-07"), (2, "2026-09-08"), (3, "2026-10-07")):
        on(engine, number, "A", at_=f"{day} 09:00")
    closed(engine, PERIOD, SEPTEMBER, target="quickbooks-iif")
    assert lines(engine, "quantity") == [(60,), (minutes,)]
    on(engine, 2, "B", at_="2026-09-08 09:00", entry=50, created="2026-10-15 10:00")


def test_a_closed_run_of_another_quantum_is_corrected_where_that_is_exact(engine: Engine) -> None:
    in_minutes(engine, 30)
    october = closed(engine, "2026-10", OCTOBER)
    assert lines(engine, *BOOKED[:5], run=october) == [
        ("usage", "2026-10", "A", 1000, 9000),
        ("reversal", "2026-09", "A", -500, -4500),
        ("usage", "2026-09", "B", 500, 4500),
    ]
    assert billing.verify(engine) == []


def test_a_correction_in_another_quantum_can_itself_be_corrected(engine: Engine) -> None:
    in_minutes(engine, 30)
    closed(engine, "2026-10", OCTOBER)
    use(engine, hour(4, "2026-11-09"))
    on(engine, 4, "A", at_="2026-11-09 09:00")
    on(engine, 2, "A", at_="2026-09-08 09:00", entry=60, created="2026-11-15 10:00")
    november = closed(engine, "2026-11", NOVEMBER, target="quickbooks-iif")
    assert lines(engine, *BOOKED[:5], run=november)[1:] == [
        ("usage", "2026-09", "A", 30, 4500),
        ("reversal", "2026-09", "B", -30, -4500),
    ]
    assert billing.verify(engine) == []


def test_a_closed_run_of_another_quantum_is_not_corrected_where_that_is_not_exact(engine: Engine) -> None:
    in_minutes(engine, 20)
    with pytest.raises(
        Problem, match="by -20 / 60 hours, which are no whole number of the 1000 quanta"
    ) as no:
        billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)
    assert "draft with a target like quickbooks-iif" in str(no.value)
    run = closed(engine, "2026-10", OCTOBER, target="quickbooks-iif")
    assert lines(engine, "quantity", run=run) == [(60,), (-20,), (20,)]


# --- What a closed run had to leave out --------------------------------------------------------------------


def test_time_without_a_project_is_booked_once_a_preset_speaks_of_it(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-10-07"])
    use(engine, hour(5, "2026-09-07"))
    billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
    billing.waive(engine, RUN, "sue", "unknown yet", SEPTEMBER, kind="unassigned")
    billing.approve(engine, RUN, "ann", SEPTEMBER)
    billing.close(engine, RUN, "ann", SEPTEMBER)
    change(
        engine,
        "INSERT INTO project_preset (id, person_id, project_id, valid_from_on, author, reason, created_ms) "
        "VALUES (1, 1, 2, '2026-01-01', 'pm', 'her project', 0)",
    )
    october = closed(engine, "2026-10", OCTOBER)
    assert lines(engine, "kind", "period", "project", "note", run=october)[1:] == [
        ("usage", "2026-09", "B", "not billed before: used in 2026-09, billed in 2026-10, unassigned settled")
    ]


def test_kinds_that_are_looked_at_again_are_those_of_which_it_is_not_sure() -> None:
    assert set(adjusting.UNSURE) <= set(billing.KINDS)
