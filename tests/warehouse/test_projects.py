from __future__ import annotations

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import Problem
from warehouse.projects import Codes, Master, field_rules

MASTER = Master.of(
    pl.DataFrame(
        {
            "project": ["0042", "0099", "LEAVE"],
            "chargeable": [True, True, False],
            "opened_on": [date(2026, 10, 1), None, None],
            "closed_on": [date(2026, 11, 1), None, None],
        }
    ),
    pl.DataFrame(
        {
            "project": ["0042", "0099"],
            "phase": ["01", "01"],
            "chargeable": [True, False],
            "opened_on": [date(2026, 10, 5), None],
            "closed_on": [None, date(2026, 10, 20)],
        }
    ),
    pl.DataFrame({"project": ["0042"], "phase": ["01"], "task": ["A"]}),
)
MIDDLE = date(2026, 10, 10)


def test_known_and_open_codes_take_time() -> None:
    for codes in (Codes("0042"), Codes("0042", "01"), Codes("0042", "01", "A"), Codes("0099")):
        assert MASTER.judge(codes, MIDDLE) == (None, "", True)


def test_leading_zeros_are_part_of_a_number() -> None:
    assert MASTER.judge(Codes("42"), MIDDLE).reason == "project 42 is not in the project master"


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (Codes("7"), "project 7 is not in the project master"),
        (Codes("0042", "02"), "phase 02 is not a phase of project 0042"),
        (Codes("0042", "01", "B"), "task B is not a task of phase 01 of project 0042"),
        (Codes("0042", None, "A"), "task A of project 0042 names no phase"),
    ],
)
def test_unknown_codes_are_invalid_and_say_which(codes: Codes, reason: str) -> None:
    assert MASTER.judge(codes, MIDDLE) == ("invalid_project", reason, False)


def test_the_closing_day_is_the_first_that_takes_no_more_time() -> None:
    assert MASTER.judge(Codes("0042"), date(2026, 10, 31)).fault is None
    assert MASTER.judge(Codes("0042"), date(2026, 11, 1)) == (
        "closed_project",
        "project 0042 is closed from 2026-11-01",
        False,
    )


def test_a_phase_has_days_of_its_own() -> None:
    assert MASTER.judge(Codes("0042", "01"), date(2026, 10, 4)).reason == (
        "phase 01 of project 0042 opens on 2026-10-05"
    )
    assert MASTER.judge(Codes("0099", "01"), date(2026, 10, 20)).reason == (
        "phase 01 of project 0099 is closed from 2026-10-20"
    )
    assert MASTER.judge(Codes("0042"), date(2026, 9, 30)).reason == "project 0042 opens on 2026-10-01"


def test_a_code_may_take_time_and_never_be_billed() -> None:
    assert MASTER.judge(Codes("LEAVE"), MIDDLE) == (None, "", False)
    assert MASTER.judge(Codes("0099", "01"), MIDDLE) == (None, "", False)


# --- Members -----------------------------------------------------------------------------------------------

MEMBERS = pl.DataFrame(
    {
        "project": ["0042", "0042", "0042"],
        "person_id": [1, 1, 2],
        "valid_from": [date(2026, 10, 1), date(2026, 10, 20), date(2026, 10, 1)],
        "valid_to": [date(2026, 10, 10), None, None],
    }
)
LISTED = Master.of(
    pl.DataFrame(list(MASTER.projects.values())),
    pl.DataFrame(list(MASTER.phases.values())),
    pl.DataFrame([(*MASTER.tasks,)[0]], schema=["project", "phase", "task"], orient="row"),
    MEMBERS,
)


def test_a_listed_person_may_charge_on_the_days_of_the_membership() -> None:
    days = {day: LISTED.judge(Codes("0042"), date(2026, 10, day), 1).fault for day in (1, 9, 10, 19, 20, 31)}
    assert days == {1: None, 9: None, 10: "not_a_member", 19: "not_a_member", 20: None, 31: None}


def test_whoever_is_not_listed_is_told_so_with_the_number_and_the_remedy() -> None:
    verdict = LISTED.judge(Codes("0042", "01"), MIDDLE, 3)
    assert verdict == ("not_a_member", "the person is not a member of project 0042 on that day", False)
    assert verdict.sentence == (
        "the person is not a member of project 0042 on that day; choose another one, or let its manager add "
        "the person: `process-meter project members FILE`"
    )


def test_a_project_that_lists_nobody_is_open_to_everybody() -> None:
    assert LISTED.judge(Codes("0099"), MIDDLE, 3).fault is None


def test_without_a_person_membership_is_not_judged() -> None:
    assert LISTED.judge(Codes("0042"), MIDDLE).fault is None


def test_a_closed_project_is_closed_to_its_members_too() -> None:
    assert LISTED.judge(Codes("0042"), date(2026, 11, 1), 1).fault == "closed_project"


# --- Fields ------------------------------------------------------------------------------------------------

FIELDS = {
    "project_fields": [
        {"name": "order", "label": "Work order", "required": True, "pattern": "WO-[0-9]{3}"},
        {"name": "miles", "label": "Miles", "kind": "number"},
        {"name": "due", "label": "Due", "kind": "date"},
        {"name": "kind", "label": "Kind", "kind": "choice", "choices": ["Study", "Design"]},
        {"name": "note", "label": "Note", "longest": 5},
    ]
}
FIELDED = replace(MASTER, fields=field_rules(FIELDS))
GOOD = {"order": "WO-123"}


def test_fields_that_fit_take_time() -> None:
    full = {"order": "WO-123", "miles": "-12.5", "due": "2026-12-31", "kind": "Design", "note": "שלום"}
    assert FIELDED.judge(Codes("0042"), MIDDLE, 1, full) == (None, "", True)
    assert FIELDED.judge(Codes("0042"), MIDDLE, 1, GOOD).fault is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "the field Work order is missing (project 0042)"),
        ({"order": "  "}, "the field Work order is missing (project 0042)"),
        (
            {"order": "WO-1234"},
            "the field Work order holds WO-1234, which does not match WO-[0-9]{3} (project 0042)",
        ),
        (
            GOOD | {"miles": "1e5"},
            "the field Miles holds 1e5, which is not a number such as 12.5 (project 0042)",
        ),
        (
            GOOD | {"miles": "NaN"},
            "the field Miles holds NaN, which is not a number such as 12.5 (project 0042)",
        ),
        (
            GOOD | {"due": "2026-02-30"},
            "the field Due holds 2026-02-30, which is no day such as 2026-12-31 (project 0042)",
        ),
        (
            GOOD | {"due": "2026-W01-1"},
            "the field Due holds 2026-W01-1, which is no day such as 2026-12-31 (project 0042)",
        ),
        (
            GOOD | {"kind": "design"},
            "the field Kind holds design, which is none of Study, Design (project 0042)",
        ),
        (
            GOOD | {"note": "sixsix"},
            "the field Note holds sixsix, which is longer than 5 characters (project 0042)",
        ),
        (
            GOOD | {"note": "a\0b"},
            r"the field Note holds a\x00b, which holds a character that cannot be printed (project 0042)",
        ),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: dict[str, str], reason: str) -> None:
    assert FIELDED.judge(Codes("0042"), MIDDLE, 1, fields) == ("invalid_field", reason, False)


def test_fields_of_an_entry_without_any_record_of_them_are_not_judged() -> None:
    assert FIELDED.judge(Codes("0042"), MIDDLE, 1).fault is None


def test_a_code_that_is_never_billed_needs_no_field_and_refuses_a_wrong_one() -> None:
    assert FIELDED.judge(Codes("LEAVE"), MIDDLE, 1, {}) == (None, "", False)
    assert FIELDED.judge(Codes("LEAVE"), MIDDLE, 1, {"order": "x"}).fault == "invalid_field"


def test_a_field_that_was_taken_away_since_is_let_be() -> None:
    assert FIELDED.judge(Codes("0042"), MIDDLE, 1, GOOD | {"of_last_year": "x"}).fault is None


def test_rules_come_back_as_they_were_written() -> None:
    assert field_rules({"project_fields": [rule.document() for rule in FIELDED.fields]}) == FIELDED.fields
    assert field_rules({}) == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a"}, "project_fields is no list; give one table [[field]] for each field"),
        (
            [{"name": f"f{number}"} for number in range(9)],
            "there are 9 project fields; name at most 8",
        ),
        (["a"], "project field 1 is no table; write it as [[field]]"),
        (
            [{"name": "a"}, {"name": "a"}],
            "the project field 'a' is there twice; give each field its own name",
        ),
        (
            [{"name": "a", "size": 4}],
            (
                "project field a: unknown key size; known ones: name, label, kind, required, pattern, "
                "choices, longest"
            ),
        ),
        (
            [{"name": "a", "label": "\t"}],
            ("project field a: its label is no short text; give at most 100 printable characters"),
        ),
        (
            [{"name": "a", "kind": "money"}],
            "project field a: unknown kind 'money'; use one of text, number, date, choice",
        ),
        (
            [{"name": "a", "required": "yes"}],
            "project field a: required is neither true nor false; write true or false",
        ),
        (
            [{"name": "a", "kind": "number", "pattern": "1"}],
            "project field a: a number has no pattern; leave pattern out",
        ),
        (
            [{"name": "a", "pattern": "("}],
            (
                "project field a: its pattern is none; give a regular expression of at most 200 characters, "
                "such as WO-[0-9]{5}"
            ),
        ),
        (
            [{"name": "a", "longest": 0}],
            ("project field a: longest is no length; give a whole number of 1 to 1000"),
        ),
        (
            [{"name": "a", "kind": "choice", "choices": []}],
            "project field a: it has no choices; list its words, each of at most 100 printable characters",
        ),
        (
            [{"name": "a", "kind": "choice", "choices": ["x", "x"]}],
            "project field a: a choice is there twice; keep one of them",
        ),
    ],
)
def test_rules_that_mean_nothing_are_refused(fields: object, message: str) -> None:
    with pytest.raises(Problem) as caught:
        field_rules({"project_fields": fields})
    assert str(caught.value) == message


@pytest.mark.parametrize("name", [None, 7, "", "Order", "1st", "work order", "x" * 33, "session", "=x", "é"])
def test_a_field_needs_a_name_that_a_column_can_have(name: object) -> None:
    with pytest.raises(Problem, match="is no name of a field"):
        field_rules({"project_fields": [{"name": name}]})


# --- What people enter -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entered", "told"),
    [
        ("=1+1", "project =1+1 is not in the project master"),
        ("+4", "project +4 is not in the project master"),
        ("-4", "project -4 is not in the project master"),
        ("@SUM(A1)", "project @SUM(A1) is not in the project master"),
        ("\t7", r"project \t7 is not in the project master"),
        ("a\0b", r"project a\x00b is not in the project master"),
        ("\u202e7400", r"project \u202e7400 is not in the project master"),
        ("גשר", "project גשר is not in the project master"),
        ("🌉", "project 🌉 is not in the project master"),
        ("\ud800", r"project \ud800 is not in the project master"),
        ("x" * 40_000, f"project {'x' * 60}… is not in the project master"),
    ],
)
def test_a_sentence_holds_whatever_was_entered(entered: str, told: str) -> None:
    assert MASTER.judge(Codes(entered), MIDDLE) == ("invalid_project", told, False)


@given(
    st.builds(Codes, st.text(), st.none() | st.text(), st.none() | st.text()),
    st.dates(),
    st.none() | st.integers(1, 3),
    st.none() | st.dictionaries(st.sampled_from(["order", "miles", "due", "kind", "note"]), st.text()),
)
def test_a_verdict_is_one_line_that_can_be_printed(
    codes: Codes, day: date, person: int | None, fields: dict[str, str] | None
) -> None:
    verdict = replace(FIELDED, members=LISTED.members).judge(codes, day, person, fields)
    assert (verdict.fault is None) == (verdict.reason == "") == (verdict.remedy == "")
    assert verdict.sentence.isprintable()
    assert len(verdict.sentence) < 800
