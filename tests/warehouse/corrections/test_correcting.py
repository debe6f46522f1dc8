"""Corrections: what is written, what is kept, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from billing_warehouse import hour, ms, organize, use
from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.corrections import Corrected, Correction, correct, trace
from warehouse.errors import Problem
from warehouse.projects import Codes

NOW = ms("2026-10-20 12:00")
NINE, TEN = ms("2026-10-05 09:00"), ms("2026-10-05 10:00")
FORGOTTEN = Correction(1, Codes("B", "01", "X"), "forgot to set it")


def refusal(engine: Engine, correction: Correction, actor: str = "user1", now_ms: int = NOW) -> str:
    """Return why a correction is refused, and see that nothing was written."""
    count = "SELECT count(*) FROM project_entry"
    before = store.read(engine, count).item()
    with pytest.raises(Problem) as caught:
        correct(engine, [correction], actor, now_ms)
    assert store.read(engine, count).item() == before
    return str(caught.value)


def test_a_correction_is_a_further_entry_and_is_audited(week: Engine, entries: Any) -> None:
    assert correct(week, [FORGOTTEN], "user1", NOW) == Corrected(1, 0)
    assert entries(week)[2:] == [(4, 1, NINE, None, "B", "01", "X", {}, "user1", "forgot to set it")]
    with week.connect() as connection:
        event = schema.audit_event.c
        row = connection.execute(sa.select(event.actor, event.action, event.subject, event.detail)).one()
    assert tuple(row) == (
        "user1",
        "project correct",
        "session s1",
        {
            "from_ms": NINE,
            "to_ms": None,
            "before": None,
            "after": ["B", "01", "X"],
            "fields": {},
            "reason": "forgot to set it",
        },
    )


def test_both_databases_take_a_correction_with_its_fields(both_engines: Engine) -> None:
    organize(both_engines)
    use(both_engines, hour(1, "2026-10-05"))
    fields = [{"name": "order", "label": "Order", "required": True}]
    with store.writing(both_engines) as connection:
        connection.execute(schema.organization.update().values(settings={"project_fields": fields}))
    order = Correction(1, Codes("B", "01"), "forgot it", fields={"order": "=7 \U0001f309"})
    assert correct(both_engines, [order], "USER1", NOW) == Corrected(1, 0)
    assert correct(both_engines, [order], "user1", NOW) == Corrected(0, 1)
    (said,) = trace(both_engines, 1, "user1")
    assert (said.before, said.after, dict(said.fields)) == (
        None,
        Codes("B", "01"),
        {"order": "=7 \U0001f309"},
    )
    assert "neither user2's own" in refusal(both_engines, order, "user2")


def test_what_was_said_before_is_kept(week: Engine, entries: Any) -> None:
    before = entries(week)
    correct(week, [Correction(2, Codes("B"), "wrong one")], "user1", NOW)
    assert entries(week)[:-1] == before
    assert entries(week)[-1][1:5] == (2, ms("2026-10-06 09:00"), None, "B")


def test_the_same_correction_again_does_no_harm(week: Engine, entries: Any) -> None:
    correct(week, [FORGOTTEN], "user1", NOW)
    written = entries(week)
    assert correct(week, [FORGOTTEN], "user1", NOW + 5_000) == Corrected(0, 1)
    assert entries(week) == written


def test_a_stretch_of_a_session_can_be_corrected_alone(week: Engine, entries: Any) -> None:
    half = NINE + 1_800_000
    parts = [
        Correction(1, Codes("A"), "first half", to_ms=half),
        Correction(1, Codes("B"), "second half", from_ms=half, to_ms=TEN),
    ]
    assert correct(week, parts, "user1", NOW) == Corrected(2, 0)
    assert [row[2:5] for row in entries(week)[2:]] == [(NINE, half, "A"), (half, None, "B")]
    assert correct(week, parts, "user1", NOW) == Corrected(0, 2)


def test_one_that_is_refused_keeps_all_from_being_written(week: Engine, entries: Any) -> None:
    before = entries(week)
    with pytest.raises(Problem, match="project gone is not in the project master"):
        correct(week, [FORGOTTEN, Correction(2, Codes("gone"), "x")], "user1", NOW)
    assert entries(week) == before


# --- What is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correction", "message"),
    [
        (
            Correction(99, Codes("A"), "x"),
            "there is no session 99; see them: `process-meter project check`",
        ),
        (
            Correction(1, Codes("B", "02"), "x"),
            (
                "phase 02 is not a phase of project B; choose one of the project master, or import it: "
                "`process-meter project import FILE`"
            ),
        ),
        (
            Correction(1, Codes("CLOSED"), "x"),
            (
                "project CLOSED is closed from 2026-08-01; choose one that is open on that day, or let its "
                "days be changed"
            ),
        ),
        (Correction(1, Codes("A"), "  "), "a correction needs a reason; say why, for whoever asks later"),
        (
            Correction(1, Codes("A"), "a\nb"),
            r"a\nb is no reason that can be shown; give at most 1,000 characters on one line",
        ),
        (
            Correction(1, Codes("A"), "x" * 40_000),
            (f"{'x' * 60}… is no reason that can be shown; give at most 1,000 characters on one line"),
        ),
        (
            Correction(1, Codes("A"), "x", from_ms=NINE - 1),
            (
                "2026-10-05 10:59:59.999+02:00 is no moment of session 1; give a stretch of the session: it "
                "starts at 2026-10-05 11:00:00+02:00, it ends at 2026-10-05 12:00:00+02:00"
            ),
        ),
        (
            Correction(1, Codes("A"), "x", to_ms=TEN + 1),
            (
                "2026-10-05 12:00:00.001+02:00 is after session 1 ended; give a stretch of the session: it "
                "starts at 2026-10-05 11:00:00+02:00, it ends at 2026-10-05 12:00:00+02:00"
            ),
        ),
        (
            Correction(1, Codes("A"), "x", from_ms=NINE + 1, to_ms=NINE + 1),
            (
                "2026-10-05 11:00:00.001+02:00 is not after the start of the stretch; give a stretch of the "
                "session: it starts at 2026-10-05 11:00:00+02:00, it ends at 2026-10-05 12:00:00+02:00"
            ),
        ),
        (
            Correction(1, Codes("A"), "x", fields={"order": "7"}),
            "there is no field order; known ones: none",
        ),
        (
            Correction(1, Codes("A\0"), "x"),
            (
                r"project A\x00 is not in the project master; choose one of the project master, or import "
                "it: `process-meter project import FILE`"
            ),
        ),
    ],
)
def test_what_does_not_fit_is_named_with_its_remedy(
    week: Engine, correction: Correction, message: str
) -> None:
    assert refusal(week, correction) == message


def test_a_person_must_be_a_member_and_the_fields_must_fit(week: Engine, settings: Any) -> None:
    settings(week, project_fields=[{"name": "order", "required": True}])
    with store.writing(week) as connection:
        member = {"project_id": 1, "person_id": 2, "valid_from_on": "2026-01-01"}
        connection.execute(schema.project_member.insert().values(member))
    told = refusal(week, Correction(1, Codes("A"), "x", fields={"order": "7"}))
    assert told.startswith("the person is not a member of project A on that day; choose another one")
    assert refusal(week, Correction(1, Codes("B"), "x")) == (
        "the field order is missing (project B); give the field a value that fits"
    )
    assert correct(week, [Correction(1, Codes("B"), "x", fields={"order": " 7 "})], "user1", NOW).new == 1
    assert correct(week, [Correction(1, Codes("LEAVE"), "at home")], "user1", NOW).new == 1


def test_fields_are_kept_with_the_entry(week: Engine, settings: Any, entries: Any) -> None:
    settings(week, project_fields=[{"name": "order"}])
    for value in ("=7", "שלום 🌉"):
        correct(week, [Correction(1, Codes("A"), "x", fields={"order": value})], "user1", NOW)
        assert entries(week)[-1][7] == {"order": value}


# --- Whose it is -------------------------------------------------------------------------------------------


def test_a_person_corrects_own_sessions_and_no_others(week: Engine) -> None:
    others = Correction(3, Codes("A"), "x")
    assert refusal(week, others, "user1") == (
        "session 3 is neither user1's own nor of a project that user1 manages; let its person, the project's "
        "manager or the billing staff do it"
    )
    assert correct(week, [others], "USER2", NOW).new == 1


def test_a_second_account_of_a_person_is_the_same_person(week: Engine, change: Any) -> None:
    change(week, "account", {"id": 9}, person_id=1)
    assert correct(week, [FORGOTTEN], "nobody", NOW).new == 1


def test_whoever_shares_an_account_corrects_nothing_with_it(week: Engine, change: Any) -> None:
    change(week, "account", {"id": 1}, shared=True)
    assert "is neither user1's own" in refusal(week, FORGOTTEN)


def test_somebody_unknown_corrects_nothing(week: Engine) -> None:
    assert "is neither mallory's own" in refusal(week, FORGOTTEN, "mallory")


def test_a_manager_corrects_what_was_ever_entered_on_an_own_project(week: Engine, change: Any) -> None:
    change(week, "project", {"number": "A"}, manager_id=2)
    assert correct(week, [Correction(2, Codes("B"), "not mine")], "user2", NOW).new == 1
    assert correct(week, [Correction(2, Codes("A"), "mine after all")], "user2", NOW).new == 1
    assert "is neither user2's own" in refusal(week, FORGOTTEN, "user2")


@pytest.mark.parametrize(
    ("preset", "may"),
    [
        ({"person_id": 1}, True),
        ({"office_id": 1}, True),
        ({"office_id": 2}, False),
        ({"person_id": 3}, False),
        ({"person_id": 1, "application_id": 1}, True),
        ({"person_id": 1, "application_id": 2}, False),
        ({"person_id": 1, "valid_to_on": "2026-10-05"}, False),
        ({"application_id": 1}, False),
        ({}, False),
    ],
)
def test_a_manager_corrects_what_an_own_preset_applies_to(
    week: Engine, change: Any, preset: dict[str, Any], may: bool
) -> None:
    change(week, "project", {"number": "A"}, manager_id=2)
    row = {"project_id": 1, "valid_from_on": "2026-10-01", "author": "pat", "reason": "x", "created_ms": 0}
    with store.writing(week) as connection:
        connection.execute(schema.project_preset.insert().values({**row, **preset}))
    if may:
        assert correct(week, [FORGOTTEN], "user2", NOW).new == 1
    else:
        assert "is neither user2's own" in refusal(week, FORGOTTEN, "user2")


def test_billing_staff_corrects_all(week: Engine, settings: Any) -> None:
    settings(week, billing_staff=["Pat"])
    everything = [FORGOTTEN, Correction(2, Codes("B"), "x"), Correction(3, Codes("A"), "x")]
    assert correct(week, everything, "pat", NOW) == Corrected(3, 0)


def test_on_the_server_whoever_runs_the_command_is_staff_unless_staff_is_named(
    week: Engine, settings: Any
) -> None:
    assert correct(week, [FORGOTTEN], "root", NOW, on_server=True).new == 1
    settings(week, billing_staff=["pat"])
    with pytest.raises(Problem, match="neither root's own"):
        correct(week, [Correction(1, Codes("A"), "x")], "root", NOW, on_server=True)


# --- Until when --------------------------------------------------------------------------------------------


def test_after_the_deadline_only_billing_staff_corrects(week: Engine, settings: Any) -> None:
    settings(week, correction_days=5, billing_staff=["pat"])
    until = ms("2026-11-05 23:00")  # midnight in Berlin, five days after the first of November
    assert refusal(week, FORGOTTEN, now_ms=until) == (
        "session 1 is of period 2026-10, which could be corrected until 2026-11-06 00:00:00+01:00; "
        "ask the billing staff"
    )
    assert correct(week, [FORGOTTEN], "user1", until - 1).new == 1
    assert correct(week, [Correction(1, Codes("A"), "x")], "pat", until).new == 1


def test_the_end_of_a_runs_review_is_its_periods_deadline(week: Engine, settings: Any) -> None:
    settings(week, correction_days=60)
    run = {
        "number": "2026-10/1", "fiscal_period_id": 10, "status": "review", "target": "generic",
        "quantum_per_hour": 1000, "overlap_policy": "union", "cut_off_ms": 0, "policy_version_id": 1,
        "prepared_by": "pat", "prepared_ms": 0, "input_digest": "", "review_until_ms": NOW,
    }  # fmt: skip
    with store.writing(week) as connection:
        connection.execute(schema.billing_run.insert().values(run))
    assert "could be corrected until 2026-10-20 14:00:00+02:00" in refusal(week, FORGOTTEN)
    with store.writing(week) as connection:
        connection.execute(schema.billing_run.update().values(status="void"))
    assert correct(week, [FORGOTTEN], "user1", NOW).new == 1


def test_without_a_setting_and_a_run_there_is_no_deadline(week: Engine) -> None:
    assert correct(week, [FORGOTTEN], "user1", ms("2036-01-01 00:00")).new == 1
