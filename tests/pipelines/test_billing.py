from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use, waive_all
from sqlalchemy import Engine

from pipelines import billing, exporting
from warehouse import ledger, store
from warehouse.errors import Problem

SEPTEMBER, OCTOBER, NOVEMBER = (ms(f"2026-{month}-02 12:00") for month in (10, 11, 12))
"""When each month is drafted: the second day of the next one, at noon."""


def close(engine: Engine, period: str, now_ms: int) -> str:
    run = billing.draft(engine, period, "generic", "pat", now_ms)
    waive_all(engine, run, now_ms)
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)
    return run


def lines(engine: Engine, run: str, *columns: str) -> list[tuple[Any, ...]]:
    return ledger.lines_of(engine, run).select(columns).rows()


def totals(engine: Engine, run: str) -> dict[str, Any]:
    with engine.connect() as connection:
        return ledger.find_run(connection, run).totals


# --- Draft -------------------------------------------------------------------------------------------------


def test_a_draft_rates_a_period_and_ties_out(both_engines: Engine) -> None:
    organize(both_engines)
    billed_hours(both_engines, ["2026-09-07", "2026-09-08"])
    use(both_engines, hour(3, "2026-09-09"))  # no project
    use(both_engines, hour(4, "2026-09-09", application="notes", person=2))  # not billed
    run = billing.draft(both_engines, "2026-09", "generic", "pat", SEPTEMBER)
    assert run == "2026-09/1"
    assert lines(both_engines, run, "line", "kind", "project", "quantity", "amount_minor", "period") == [
        (1, "usage", "A", 1000, 9000, "2026-09"),
        (2, "usage", "A", 1000, 9000, "2026-09"),
    ]
    found = totals(both_engines, run)
    assert found["tie_out_ms"] == {
        "run": 10_800_000, "idle_beyond_buffer": 0, "overlap": 0, "held": 0, "non_chargeable": 0,
        "not_assigned": 3_600_000, "without_rate": 0, "rounding": 0, "billed": 7_200_000,
    }  # fmt: skip
    assert found["amount_minor"] == {"EUR": 18_000}
    assert found["exceptions"] == {"unassigned": 1}
    assert found["session_coverage"] == 1.0
    assert found["fleet_coverage"] == 0.0
    assert found["control"]["segments"] == 3 * 4


def test_a_draft_prints_both_totals_and_the_bounds(engine: Engine) -> None:
    organize(engine, {"default": {"idle_timeout_ms": 600_000, "buffer_ms": 60_000}})
    price(engine, 1, 600_000)
    use(
        engine,
        session(
            1,
            ("2026-09-07 09:00", "2026-09-07 09:06", "input"),
            ("2026-09-07 09:06", "2026-09-07 09:24", "no_input"),
            ("2026-09-07 09:24", "2026-09-07 09:30", "unobserved"),
        ),
    )
    on(engine, 1, "A", at_="2026-09-07 09:00")
    found = totals(engine, billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER))
    # 6 minutes of input; a gap of 18 minutes, of which 0, 1 or 10 are billed; 6 minutes unknown.
    assert found["buffer_0"] == {"billed_ms": 360_000, "amount_minor": {"EUR": 600}}
    assert found["amount_minor"] == {"EUR": 702}
    assert found["buffer_t"] == {"billed_ms": 961_200, "amount_minor": {"EUR": 1602}}
    assert found["lower_bound"]["amount_minor"] == {"EUR": 702}
    assert found["upper_bound"]["amount_minor"] == {"EUR": 1302}
    assert found["session_coverage"] == 0.8


def test_a_draft_again_replaces_the_open_one_and_keeps_its_reviews(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 2, "dispute", "ada", "I was on leave", SEPTEMBER)
    use(engine, hour(3, "2026-09-04"), received="2026-10-02 13:00")
    on(engine, 3, "A", at_="2026-09-04 09:00")
    again = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER + 7_200_000)
    assert again == run
    assert lines(engine, run, "line", "day", "review")[-1][2] == "dispute"
    assert len(lines(engine, run, "line")) == 3
    assert billing.show(engine)["runs"][0]["disputed_lines"] == [3]
    assert billing.show(engine, run)["status"] == "review"


def test_a_review_whose_line_is_gone_is_told_to_the_auditor(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 1, "hold", "pm", "wrong project", SEPTEMBER)
    on(engine, 1, "B", at_="2026-09-07 09:00", entry=9, created="2026-10-02 12:30")
    billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER + 7_200_000)
    with engine.connect() as connection:
        details = connection.execute(sa.text("SELECT detail FROM audit_event ORDER BY id")).scalars().all()
    assert json.loads(details[-1])["reviews_dropped"] == ["hold by pm: wrong project"]


def test_evidence_after_the_cut_off_waits(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    use(engine, hour(2, "2026-09-08"), received="2026-10-02 12:00:00.001")
    on(engine, 2, "A", at_="2026-09-08 09:00")
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    assert lines(engine, run, "session_count") == [(1,)]


@pytest.mark.parametrize(
    ("period", "target", "now", "says"),
    [
        (
            "2026-13",
            "generic",
            SEPTEMBER,
            "there is no fiscal period '2026-13': known are 2026-08 to 2026-11",
        ),
        ("2026-09", "ledgerly", SEPTEMBER, "unknown target 'ledgerly'; use one of generic"),
        ("2026-11", "generic", NOVEMBER, "nobody used a billed application in period 2026-11"),
        ("2026-09", "generic", ms("2026-10-01 03:59"), "2026-09 is not over before 2026-10-01 04:00 UTC"),
    ],
)
def test_what_cannot_be_drafted_is_refused_in_one_line(
    engine: Engine, period: str, target: str, now: int, says: str
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    with pytest.raises(Problem, match=says):
        billing.draft(engine, period, target, "pat", now)
    assert billing.show(engine) == {"runs": []}


def test_without_a_billing_policy_the_defaults_are_put_on_record(engine: Engine) -> None:
    organize(engine)
    with store.writing(engine) as connection:
        connection.execute(sa.text("DELETE FROM policy_version"))
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with engine.connect() as connection:
        found = ledger.find_run(connection, run)
    assert found.policy_version == 1
    assert found.policy_document["default"]["idle_timeout_ms"] == 900_000


def test_exceptions_name_session_time_and_cause(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000, application_id=1)
    use(
        engine,
        hour(1, "2026-09-07"),
        hour(2, "2026-09-08"),
        hour(3, "2026-09-09"),
        hour(4, "2026-09-10", person=None),
        hour(5, "2026-09-11", application="fem"),
        hour(6, "2026-09-14", clock_stepped=True),
    )
    for number, project in ((2, "CLOSED"), (3, "nope"), (4, "A"), (5, "A"), (6, "A")):
        on(engine, number, project, at_="2026-09-01 09:00")
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    found = ledger.exceptions_of(engine, run).select("kind", "session", "milliseconds", "detail").rows()
    assert found == [
        ("unknown_person", 4, 3_600_000, "the account belongs to no person of the directory"),
        ("closed_project", 2, 3_600_000, "project CLOSED is closed from 2026-08-01"),
        ("invalid_project", 3, 3_600_000, "project nope is not in the project master"),
        ("no_rate", 5, 3_600_000, "no rate in EUR for fem on project A"),
        ("unassigned", 1, 3_600_000, "no project was set"),
        ("clock", 6, 3_600_000, "the wall clock was set during the session; durations do not depend on it"),
    ]


# --- Review, approve, close --------------------------------------------------------------------------------


def test_preparer_and_rate_author_cannot_approve(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match="PAT prepared run 2026-09/1 and cannot approve it"):
        billing.approve(engine, run, "PAT", SEPTEMBER)
    with pytest.raises(Problem, match="rita wrote rate version 1 of run 2026-09/1 and cannot approve it"):
        billing.approve(engine, run, "rita", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    assert billing.show(engine, run)["approved_by"] == "ann"


def test_a_policy_can_relax_the_separation_of_duties(engine: Engine) -> None:
    organize(engine, {"default": {"idle_timeout_ms": 300_000}, "separation_of_duties": False})
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "rita", SEPTEMBER)
    billing.approve(engine, run, "rita", SEPTEMBER)
    assert billing.show(engine, run)["status"] == "approved"


def test_a_disputed_line_blocks_the_approval_until_it_is_settled(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 2, "dispute", "ada", "not mine", SEPTEMBER)
    with pytest.raises(
        Problem, match="run 2026-09/1 has disputed lines: 2; accept, hold, write off or transfer"
    ):
        billing.approve(engine, run, "ann", SEPTEMBER)
    billing.review(engine, run, 2, "accept", "pm", "it was", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)


def test_held_and_written_off_lines_stay_in_the_ledger_and_out_of_the_bill(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-09-08", "2026-09-09"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 1, "hold", "pm", "ask the client", SEPTEMBER)
    billing.review(engine, run, 3, "writeoff", "pm", "goodwill", SEPTEMBER)
    shown = billing.show(engine, run)
    assert (shown["billed_minor"], shown["held_minor"], shown["lines"]) == ({"EUR": 9000}, {"EUR": 9000}, 3)


@pytest.mark.parametrize(
    ("line", "action", "reason", "says"),
    [
        (9, "hold", "why", "run 2026-09/1 has no line 9"),
        (1, "burn", "why", "unknown act of review 'burn'; use one of dispute, accept"),
        (1, "hold", "  ", "hold needs a reason; say why in a few words"),
    ],
)
def test_what_is_no_review_is_refused(engine: Engine, line: int, action: str, reason: str, says: str) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match=says):
        billing.review(engine, run, line, action, "pm", reason, SEPTEMBER)


def test_each_status_allows_what_it_allows(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    with pytest.raises(Problem, match="there is no billing run '2026-09/1'"):
        billing.approve(engine, "2026-09/1", "ann", SEPTEMBER)
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match="run 2026-09/1 is draft; only an approved run can be closed"):
        billing.close(engine, run, "ann", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    with pytest.raises(Problem, match="is approved; only a draft can be reviewed"):
        billing.review(engine, run, 1, "hold", "pm", "late", SEPTEMBER)
    with pytest.raises(Problem, match="is approved; close it, or void it first"):
        billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    with pytest.raises(Problem, match="period 2026-09 is closed by run 2026-09/1"):
        billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(
        Problem, match="is closed; it stays as it is: what was wrong is reversed and replaced"
    ):
        billing.void(engine, run, "ann", "oops", SEPTEMBER)
    with pytest.raises(Problem, match="is closed; only an approved run"):
        billing.close(engine, run, "ann", SEPTEMBER)


def test_a_void_run_makes_room_for_the_next_number(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.void(engine, run, "ann", "wrong rates", SEPTEMBER)
    assert billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER) == "2026-09/2"


def test_of_two_who_close_at_once_one_wins_and_the_other_is_told(both_engines: Engine) -> None:
    organize(both_engines)
    billed_hours(both_engines, ["2026-09-07"])
    run = billing.draft(both_engines, "2026-09", "generic", "pat", SEPTEMBER)
    billing.approve(both_engines, run, "ann", SEPTEMBER)

    def attempt(name: str) -> str:
        try:
            billing.close(both_engines, run, name, SEPTEMBER)
        except Problem as problem:
            return str(problem)
        return "closed"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(attempt, ["ann", "bob"]))
    assert outcomes == ["closed", "run 2026-09/1 is closed; only an approved run can be closed"]
    assert billing.verify(both_engines) == []


def test_a_draft_made_before_another_run_was_closed_cannot_be_closed(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    second = billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)
    billing.approve(engine, second, "ann", OCTOBER)
    close(engine, "2026-09", OCTOBER)
    with pytest.raises(Problem, match="run 2026-09/1 was closed since run 2026-10/1 was drafted"):
        billing.close(engine, second, "ann", OCTOBER)


# --- Adjustments -------------------------------------------------------------------------------------------

BOOKED = ("kind", "period", "project", "quantity", "amount_minor", "session_count", "note")


def test_late_usage_reverses_the_line_it_changes_and_books_it_anew(both_engines: Engine) -> None:
    organize(both_engines)
    billed_hours(both_engines, ["2026-09-07", "2026-09-08", "2026-10-07"])
    close(both_engines, "2026-09", SEPTEMBER)
    # A laptop away: half an hour more of the 8th, and an hour of the 9th, received on October 20th.
    use(both_engines, session(11, ("2026-09-08 12:00", "2026-09-08 12:30", "input")), hour(12, "2026-09-09"),
        received="2026-10-20 08:00")  # fmt: skip
    on(both_engines, 11, "A", at_="2026-09-08 12:00", created="2026-10-20 08:00")
    on(both_engines, 12, "A", at_="2026-09-09 09:00", created="2026-10-20 08:00")
    run = close(both_engines, "2026-10", OCTOBER)
    why = "used in 2026-09, billed in 2026-10, late evidence and project corrected"
    assert lines(both_engines, run, *BOOKED) == [
        ("usage", "2026-10", "A", 1000, 9000, 1, None),
        ("reversal", "2026-09", "A", -1000, -9000, 1, f"reverses line 2 of run 2026-09/1: {why}"),
        ("replacement", "2026-09", "A", 1500, 13_500, 2, f"replaces line 2 of run 2026-09/1: {why}"),
        ("usage", "2026-09", "A", 1000, 9000, 1, f"not billed before: {why}"),
    ]
    found = totals(both_engines, run)
    assert found["usage_minor"] == {"EUR": 9000}
    assert found["adjustment_minor"] == {"EUR": 13_500}
    assert found["adjusted_periods"] == ["2026-09"]
    assert found["exceptions"] == {"late": 4}
    assert ledger.shares_of(both_engines, run)["active_ms"].to_list() == [
        3_600_000, -3_600_000, 3_600_000, 1_800_000, 3_600_000,
    ]  # fmt: skip
    assert billing.verify(both_engines) == []


def test_what_was_adjusted_once_is_not_adjusted_again(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07", "2026-11-09"])
    close(engine, "2026-09", SEPTEMBER)
    use(engine, hour(11, "2026-09-08"), received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-08 09:00", created="2026-10-20 08:00")
    close(engine, "2026-10", OCTOBER)
    assert lines(engine, close(engine, "2026-11", NOVEMBER), "kind", "period") == [("usage", "2026-11")]


def test_a_replacement_can_itself_be_replaced(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07", "2026-11-09"])
    close(engine, "2026-09", SEPTEMBER)
    for number, start, received in ((11, "12:00", "2026-10-20 08:00"), (12, "14:00", "2026-11-20 08:00")):
        end = f"2026-09-07 {start[:2]}:30"
        use(engine, session(number, (f"2026-09-07 {start}", end, "input")), received=received)
        on(engine, number, "A", at_=f"2026-09-07 {start}", created=received)
    october = close(engine, "2026-10", OCTOBER)
    november = close(engine, "2026-11", NOVEMBER)
    assert lines(engine, october, "kind", "quantity")[1:] == [("reversal", -1000), ("replacement", 1500)]
    assert lines(engine, november, "kind", "quantity")[1:] == [("reversal", -1500), ("replacement", 2000)]
    assert "reverses line 3 of run 2026-10/1" in lines(engine, november, "note")[1][0]


def test_a_corrected_project_moves_time_from_one_line_to_another(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    close(engine, "2026-09", SEPTEMBER)
    on(engine, 1, "B", at_="2026-09-07 09:30", entry=9, created="2026-10-15 10:00")
    run = close(engine, "2026-10", OCTOBER)
    assert lines(engine, run, "kind", "project", "quantity", "amount_minor")[1:] == [
        ("reversal", "A", -1000, -9000),
        ("replacement", "A", 500, 4500),
        ("usage", "B", 500, 4500),
    ]


def test_corrections_are_at_the_rates_of_the_period_incurred(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    close(engine, "2026-09", SEPTEMBER)
    # A dearer rate for project A comes in October and reaches back; it does not touch what was billed.
    price(engine, 2, 2_000_000, project_id=1, application_id=1, valid_from_on="2026-09-01")
    use(engine, session(11, ("2026-09-07 12:00", "2026-09-07 12:30", "input")), received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-07 12:00", created="2026-10-20 08:00")
    run = close(engine, "2026-10", OCTOBER)
    assert lines(engine, run, "kind", "rate_id", "quantity", "amount_minor") == [
        ("usage", 2, 1000, 20_000),
        ("reversal", 1, -1000, -9000),
        ("replacement", 1, 1500, 13_500),
    ]


def test_corrections_are_by_the_policy_of_the_period_incurred(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    close(engine, "2026-09", SEPTEMBER)
    with store.writing(engine) as connection:
        document = json.dumps({"default": {"idle_timeout_ms": 60_000, "signal": "focus"}})
        connection.execute(
            sa.text(
                "INSERT INTO policy_version (policy_id, version, created_ms, created_by, document) "
                "VALUES (1, 2, 1, 'admin', :document)"
            ),
            {"document": document},
        )
    pause = session(
        11,
        ("2026-09-08 09:00", "2026-09-08 09:10", "input"),
        ("2026-09-08 09:10", "2026-09-08 09:14", "background"),
    )
    use(engine, pause, received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-08 09:00", created="2026-10-20 08:00")
    run = close(engine, "2026-10", OCTOBER)
    # Four minutes in the background are a pause under the policy of September (T = 300 s).
    assert lines(engine, run, "period", "active_ms", "pause_ms")[1:] == [("2026-09", 600_000, 240_000)]


def test_overlap_that_late_evidence_moves_reverses_every_line_it_touches(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000)
    use(engine, session(5, ("2026-09-07 09:00", "2026-09-07 09:30", "input")))
    use(engine, hour(6, "2026-10-07"))
    on(engine, 5, "A", at_="2026-09-07 09:00")
    on(engine, 6, "A", at_="2026-10-07 09:00")
    close(engine, "2026-09", SEPTEMBER)
    # The same person in the same program on another machine, with a later last input, on project B.
    use(engine, session(11, ("2026-09-07 09:05", "2026-09-07 09:15", "input")), received="2026-10-20 08:00")
    on(engine, 11, "B", at_="2026-09-07 09:05", created="2026-10-20 08:00")
    run = close(engine, "2026-10", OCTOBER)
    assert lines(engine, run, "kind", "project", "active_ms")[1:] == [
        ("reversal", "A", -1_800_000),
        ("replacement", "A", 1_200_000),
        ("usage", "B", 600_000),
    ]


def test_time_that_had_no_project_is_billed_once_it_has_one(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000)
    use(engine, hour(1, "2026-09-07"), hour(2, "2026-09-08", person=None), hour(3, "2026-10-07"))
    use(engine, hour(4, "2026-09-09"))
    for number, project in ((2, "A"), (3, "A"), (4, "LATER")):
        on(engine, number, project, at_="2026-09-01 09:00")
    close(engine, "2026-09", SEPTEMBER)
    with store.writing(engine) as connection:  # the account has a person, the project is known
        connection.execute(sa.text("UPDATE account SET person_id = 2 WHERE id = 9"))
        connection.execute(
            sa.text(
                "INSERT INTO project (id, number, name, client_id, currency) "
                "VALUES (6, 'LATER', 'Later', 1, 'EUR')"
            )
        )
    run = close(engine, "2026-10", OCTOBER)
    assert lines(engine, run, "kind", "person_id", "project", "note")[1:] == [
        ("usage", 2, "A", "not billed before: used in 2026-09, billed in 2026-10, unknown person settled"),
        (
            "usage",
            1,
            "LATER",
            "not billed before: used in 2026-09, billed in 2026-10, invalid project settled",
        ),
    ]


def test_the_month_s_rounding_is_corrected_with_the_month(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000, increment_ms=360_000, direction="up", level="month")
    use(engine, hour(1, "2026-09-07", minutes=14), hour(2, "2026-10-07", minutes=6))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    on(engine, 2, "A", at_="2026-10-07 09:00")
    first = close(engine, "2026-09", SEPTEMBER)
    assert lines(engine, first, "kind", "quantity") == [("usage", 233), ("month_rounding", 67)]
    use(engine, hour(11, "2026-09-08", minutes=3), received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-08 09:00", created="2026-10-20 08:00")
    run = close(engine, "2026-10", OCTOBER)
    # 17 minutes round up to 18, as 14 did: 233 + 50 + 17 = 300.
    assert lines(engine, run, "kind", "period", "day", "quantity")[1:] == [
        ("reversal", "2026-09", date(2026, 9, 7), -67),
        ("usage", "2026-09", date(2026, 9, 8), 50),
        ("replacement", "2026-09", date(2026, 9, 8), 17),
    ]


def test_what_corrects_a_held_line_is_held(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 1, "hold", "pm", "ask the client", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    on(engine, 1, "B", at_="2026-09-07 09:30", entry=9, created="2026-10-15 10:00")
    run = close(engine, "2026-10", OCTOBER)
    assert lines(engine, run, "kind", "project", "review")[1:] == [
        ("reversal", "A", "hold"),
        ("replacement", "A", "hold"),
        ("usage", "B", None),
    ]
    assert billing.show(engine, run)["billed_minor"] == {"EUR": 9000 + 4500}


# --- Audit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ("UPDATE charge_line SET amount_minor = amount_minor + 1 WHERE line_number = 2", "line 2"),
        ("UPDATE charge_share SET active_ms = active_ms - 1 WHERE charge_line_id = 2", "line 2"),
        ("UPDATE charge_line SET digest = 'ff' WHERE line_number = 3", "line 3"),
        ("DELETE FROM charge_share WHERE charge_line_id = 3", "line 3"),
        ("UPDATE billing_run SET approved_by = 'eve'", "the run itself"),
        ("UPDATE billing_run SET digest = 'ff'", "does not end with the digest"),
        ("UPDATE audit_event SET actor = 'eve' WHERE id = 2", "audit event 2 was changed"),
        ("DELETE FROM audit_event WHERE id = 1", "audit event 1 does not follow"),
    ],
)
def test_a_change_after_the_close_is_named(both_engines: Engine, change: str, names: str) -> None:
    organize(both_engines)
    billed_hours(both_engines, ["2026-09-07", "2026-09-08", "2026-09-09"])
    close(both_engines, "2026-09", SEPTEMBER)
    assert billing.verify(both_engines) == []
    with store.writing(both_engines) as connection:
        if connection.dialect.name == "postgresql":  # past its guards, as an administrator could
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text(change))
    found = billing.verify(both_engines)
    assert len(found) >= 1
    assert names in found[0]


def test_a_line_leads_to_its_sessions_and_reviews(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 1, "accept", "pm", "fine", SEPTEMBER)
    shown = billing.show(engine, run, 1)
    assert shown["line"]["amount_minor"] == 9000
    assert shown["sessions"][0]["session"] == 1
    assert shown["sessions"][0]["started"] == "2026-09-07 09:00:00.000+00:00"
    assert shown["reviews"][0] | {"at": ""} == {"action": "accept", "actor": "pm", "reason": "fine", "at": ""}
    json.dumps(shown)
    assert "Ada" not in json.dumps(shown)
    with pytest.raises(Problem, match="has no line 2"):
        billing.show(engine, run, 2)


# --- What must never be approved, corrected or exported ----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE charge_line SET amount_minor = 9001", "line 1 is not rate x quantity"),
        ("UPDATE charge_line SET active_ms = active_ms + 1", "line 1 is not the sum of its sessions"),
        ("UPDATE charge_line SET billable = FALSE", "do not sum to its totals"),
    ],
)
def test_lines_that_do_not_agree_with_each_other_are_not_approved(
    engine: Engine, change: str, says: str
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with store.writing(engine) as connection:
        connection.execute(sa.text(change))
    with pytest.raises(Problem, match=says):
        billing.approve(engine, run, "ann", SEPTEMBER)


def test_a_run_in_another_quantum_is_neither_corrected_nor_exported_as_if_it_were_in_this_one(
    engine: Engine, tmp_path: Path
) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    run = close(engine, "2026-09", SEPTEMBER)
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE billing_run SET quantum_per_hour = 60, target = 'clock'"))
    with pytest.raises(Problem, match="was drafted for clock, which generic cannot take"):
        exporting.export(engine, run, "generic", tmp_path / "out.csv", "ann", OCTOBER)
    use(engine, hour(11, "2026-09-08"), received="2026-10-20 08:00")
    on(engine, 11, "A", at_="2026-09-08 09:00", created="2026-10-20 08:00")
    with pytest.raises(Problem, match="by -1000 / 60 hours, which are no whole number of the 1000 quanta"):
        billing.draft(engine, "2026-10", "generic", "pat", OCTOBER)


def test_a_run_can_be_void_only_with_a_reason(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    with pytest.raises(Problem, match="to void a run needs a reason"):
        billing.void(engine, run, "ann", " ", SEPTEMBER)


def test_a_closed_run_that_vanishes_is_missed(engine: Engine) -> None:
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07"])
    close(engine, "2026-09", SEPTEMBER)
    close(engine, "2026-10", OCTOBER)
    with store.writing(engine) as connection:
        connection.execute(sa.text("UPDATE billing_run SET status = 'void' WHERE number = '2026-09/1'"))
    assert billing.verify(engine) == ["run 2026-09/1: it was closed, and its status says 'void'"]
    with store.writing(engine) as connection:
        connection.execute(
            sa.text("UPDATE billing_run SET digest = NULL, closed_ms = NULL WHERE status = 'void'")
        )
    assert billing.verify(engine) == [
        "run 2026-10/1: the run that it follows in the chain is not there",
        "run 2026-09/1: audit event 3 says that it was closed, and it is not there",
    ]
