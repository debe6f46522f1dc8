"""Review of a draft, line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import hour, ms, on, organize, price, use
from drafted_run import NOW, PERIOD, RUN, SEPTEMBER, change, events, lines, make_approvable
from sqlalchemy import Engine

from pipelines import billing
from warehouse.errors import Problem
from warehouse.projects import Codes

AGAIN = NOW + 3_600_000
"""When the period is drafted again."""


def entries(engine: Engine, *, since: int) -> list[tuple[Any, ...]]:
    """Return the project entries after one, by id: session, from and to in UTC, codes, author."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT session_id, from_ms, to_ms, project_number, phase_number, task_number, author "
                f"FROM project_entry WHERE id > {since} ORDER BY session_id, from_ms"
            )
        )
        return [tuple(row) for row in rows]


# --- Dispute, accept, hold, write off ----------------------------------------------------------------------


def test_an_act_done_again_changes_nothing_whoever_does_it(drafted: Engine) -> None:
    assert billing.review(drafted, RUN, 1, "dispute", "user1", "not mine", NOW) == [1]
    before = events(drafted)
    assert billing.review(drafted, RUN, 1, "dispute", "user2", "not his", NOW) == []
    assert events(drafted) == before
    assert billing.review(drafted, RUN, 1, "accept", "user2", "it was", NOW) == [1]
    assert billing.review(drafted, RUN, 1, "dispute", "user1", "it was not", NOW) == [1]


def test_a_draft_drafted_again_keeps_what_was_reviewed(drafted: Engine) -> None:
    billing.review(drafted, RUN, 1, "dispute", "user1", "not mine", NOW)
    billing.review(drafted, RUN, 3, "hold", "user3", "wait", NOW)
    billing.draft(drafted, PERIOD, "generic", "ann", AGAIN)
    assert lines(drafted, "line", "review") == [(1, "dispute"), (2, None), (3, "hold")]
    assert billing.show(drafted, RUN)["status"] == "review"


# --- Transfer ----------------------------------------------------------------------------------------------


def test_a_transferred_line_is_booked_by_the_next_draft_on_its_new_project(drafted: Engine) -> None:
    assert billing.transfer(drafted, RUN, 2, Codes("B", "01", "X"), "user2", "B's work", NOW) is True
    start = ms("2026-09-08 09:00")
    assert entries(drafted, since=3) == [(2, start, start + 3_600_000, "B", "01", "X", "user2")]
    assert lines(drafted, "line", "review") == [(1, None), (2, "transfer"), (3, None)]
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert lines(drafted, "project", "phase", "task", "quantity", "review") == [
        ("A", None, None, 1000, None),
        ("B", "01", None, 1000, None),
        ("B", "01", "X", 1000, None),
    ]


def test_a_run_with_a_transferred_line_has_to_be_drafted_again(drafted: Engine) -> None:
    billing.transfer(drafted, RUN, 2, Codes("B"), "user2", "B's work", NOW)
    for act in ("accept", "hold", "writeoff", "dispute"):
        with pytest.raises(Problem, match="line 2 of run 2026-09/1 was transferred; draft the period again"):
            billing.review(drafted, RUN, 2, act, "user2", "after all", NOW)
    with pytest.raises(Problem, match="has transferred lines: 2; draft the period again"):
        billing.approve(drafted, RUN, "ann", NOW)
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    make_approvable(drafted)
    billing.approve(drafted, RUN, "ann", AGAIN)


def test_a_transfer_done_again_changes_nothing_and_another_one_is_refused(drafted: Engine) -> None:
    billing.transfer(drafted, RUN, 2, Codes("B"), "user2", "B's work", NOW)
    before = events(drafted), entries(drafted, since=0)
    assert billing.transfer(drafted, RUN, 2, Codes("B"), "user2", "B's work", NOW) is False
    with pytest.raises(Problem, match="transferred to project B by user2; draft the period again"):
        billing.transfer(drafted, RUN, 2, Codes("B", "01"), "user2", "the phase", NOW)
    assert (events(drafted), entries(drafted, since=0)) == before


def test_a_disputed_line_can_be_transferred_and_the_dispute_is_settled(drafted: Engine) -> None:
    billing.review(drafted, RUN, 2, "dispute", "user1", "not this project", NOW)
    billing.transfer(drafted, RUN, 2, Codes("B"), "user2", "right", NOW)
    # Late evidence gives the line that was transferred a successor: what was said of the old one is done.
    use(drafted, session(11, ("2026-09-08 12:00", "2026-09-08 12:30", "input")), received="2026-10-02 13:30")
    on(drafted, 11, "A", at_="2026-09-08 12:00", entry=50, created="2026-10-02 13:30")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert lines(drafted, "project", "quantity", "review") == [
        ("A", 1000, None), ("A", 500, None), ("B", 1000, None), ("B", 1000, None),
    ]  # fmt: skip


def test_only_the_stretches_of_the_line_move_and_the_fields_go_along(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000)
    # A at 09:00, B from 09:20 to 09:40, A again; and a second session of A on the day, with a field.
    use(engine, hour(1, "2026-09-07"), session(2, ("2026-09-07 14:00", "2026-09-07 14:30", "input")))
    on(engine, 1, "A", at_="2026-09-07 09:00", entry=1)
    on(engine, 1, "B", at_="2026-09-07 09:20", until="2026-09-07 09:40", entry=2)
    on(engine, 2, "A", at_="2026-09-07 14:00", entry=3)
    change(engine, """UPDATE project_entry SET fields = '{"order": "WO-1"}' WHERE id = 3""")
    billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
    assert lines(engine, "project", "quantity") == [("A", 1167), ("B", 333)]
    billing.transfer(engine, RUN, 1, Codes("LEAVE"), "pat", "not billable", NOW)
    moved = [ms(f"2026-09-07 {clock}") for clock in ("09:00", "09:20", "09:40", "10:00", "14:00", "14:30")]
    assert [row[:4] for row in entries(engine, since=3)] == [
        (1, moved[0], moved[1], "LEAVE"),
        (1, moved[2], moved[3], "LEAVE"),
        (2, moved[4], moved[5], "LEAVE"),
    ]
    with engine.connect() as connection:
        fields = connection.execute(sa.text("SELECT fields FROM project_entry WHERE id > 3 ORDER BY id"))
        assert [json.loads(text) for text in fields.scalars()] == [{}, {}, {"order": "WO-1"}]
    billing.draft(engine, PERIOD, "generic", "pat", AGAIN)
    assert lines(engine, "project", "quantity", "billable") == [("B", 333, True), ("LEAVE", 1167, False)]


def test_time_that_a_preset_has_charged_moves_alone(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000)
    use(engine, hour(1, "2026-09-07"))
    on(engine, 1, "B", at_="2026-09-07 09:30")
    change(
        engine,
        "INSERT INTO project_preset (id, person_id, project_id, valid_from_on, author, reason, created_ms) "
        "VALUES (1, 1, 1, '2026-01-01', 'pm', 'her project', 0)",
    )
    billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
    assert lines(engine, "project", "quantity") == [("A", 500), ("B", 500)]
    billing.transfer(engine, RUN, 1, Codes("LEAVE"), "pat", "not billable", NOW)
    assert [row[1:4] for row in entries(engine, since=1)] == [
        (ms("2026-09-07 09:00"), ms("2026-09-07 09:30"), "LEAVE")
    ]


@pytest.mark.parametrize(
    ("line", "to", "reason", "says"),
    [
        (9, Codes("B"), "why", "run 2026-09/1 has no line 9"),
        (1, Codes("B"), "  ", "transfer needs a reason"),
        (1, Codes("A"), "why", "line 1 is on project A already; name another target"),
        (1, Codes("NONE"), "why", "line 1 cannot be transferred: project NONE is not in the project master"),
        (1, Codes("CLOSED"), "why", "cannot be transferred: project CLOSED is closed from 2026-08-01"),
        (1, Codes("B", "02"), "why", "cannot be transferred: phase 02 is not a phase of project B"),
        (1, Codes("B", "01", "Z"), "why", "cannot be transferred: task Z is not a task of phase 01"),
        (1, Codes("US"), "why", "the person is not a member of project US on that day"),
    ],
)
def test_a_line_goes_only_where_its_time_may_be_charged(
    drafted: Engine, line: int, to: Codes, reason: str, says: str
) -> None:
    change(
        drafted,
        "INSERT INTO project_member (id, project_id, person_id, valid_from_on) "
        "VALUES (1, 5, 3, '2026-01-01')",
    )
    with pytest.raises(Problem, match=says):
        billing.transfer(drafted, RUN, line, to, "pat", reason, NOW)
    assert entries(drafted, since=3) == []


def test_what_somebody_has_entered_since_the_draft_is_not_outranked(drafted: Engine) -> None:
    on(drafted, 1, "B", at_="2026-09-07 09:30", entry=50, created="2026-10-02 12:30")
    with pytest.raises(Problem, match="line 1 of run 2026-09/1: the project of session 1 was changed since"):
        billing.transfer(drafted, RUN, 1, Codes("B"), "user2", "B's work", NOW)


def test_a_line_of_a_closed_run_is_not_transferred(drafted: Engine) -> None:
    make_approvable(drafted)
    billing.approve(drafted, RUN, "ann", NOW)
    with pytest.raises(Problem, match="run 2026-09/1 is approved; only a line of a draft can be transferred"):
        billing.transfer(drafted, RUN, 1, Codes("B"), "user2", "B's work", NOW)


def test_lines_without_time_and_reversals_are_not_transferred(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000, increment_ms=360_000, direction="up", level="month")
    use(engine, hour(1, "2026-09-07", minutes=14), hour(2, "2026-10-07", minutes=6))
    for number, day in ((1, "2026-09-07"), (2, "2026-10-07")):
        on(engine, number, "A", at_=f"{day} 09:00")
    billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
    assert lines(engine, "kind") == [("usage",), ("month_rounding",)]
    with pytest.raises(Problem, match="line 2 of run 2026-09/1 has no time of its own; transfer the lines"):
        billing.transfer(engine, RUN, 2, Codes("B"), "pat", "why", NOW)
    billing.approve(engine, RUN, "ann", NOW)
    billing.close(engine, RUN, "ann", NOW)
    use(engine, hour(11, "2026-09-07", minutes=30), received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-07 09:00", created="2026-10-20 08:00")
    october = billing.draft(engine, "2026-10", "generic", "pat", ms("2026-11-02 12:00"))
    kinds = dict(lines(engine, "kind", "line", run=october))
    with pytest.raises(Problem, match="takes back what was billed; transfer the line that replaces it"):
        billing.transfer(engine, october, kinds["reversal"], Codes("B"), "pat", "why", ms("2026-11-02 13:00"))
    billing.transfer(engine, october, kinds["replacement"], Codes("B"), "pat", "B's", ms("2026-11-02 13:00"))
    billing.draft(engine, "2026-10", "generic", "pat", ms("2026-11-02 14:00"))
    september = [row for row in lines(engine, "period", "kind", "project", run=october) if row[0] == PERIOD]
    assert ("2026-09", "usage", "B") in september


def test_what_goes_to_cost_centers_is_not_transferred(engine: Engine) -> None:
    organize(engine, {"default": {"idle_timeout_ms": 300_000}, "charge_to": "cost_center"})
    price(engine, 1, 900_000)
    use(engine, hour(1, "2026-09-07"))
    change(
        engine,
        "INSERT INTO cost_center (id, code, name) VALUES (1, 'CC1', 'Design')",
        "UPDATE placement SET cost_center_id = 1",
        "UPDATE project SET kind = 'cost_center', client_id = NULL, cost_center_id = 1 WHERE number = 'A'",
    )
    billing.draft(engine, PERIOD, "generic", "pat", SEPTEMBER)
    assert lines(engine, "project") == [("A",)]
    with pytest.raises(Problem, match="line 1 of run 2026-09/1 is charged to the person's cost center"):
        billing.transfer(engine, RUN, 1, Codes("B"), "pat", "B's work", NOW)
