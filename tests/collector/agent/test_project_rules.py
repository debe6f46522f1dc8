"""What is objected to before it is sent: in the words of the server, which judges in the end."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from listed_projects import BRIDGE, LEAVE, MALL, ORDER, TOWER, project_list

from collector.agent.project_list import ProjectList, read
from collector.agent.project_rules import Choice, complaint, objections
from collector.protocol import FieldRule
from warehouse.projects import Codes, Master, field_rules

DAY = date(2026, 11, 2)
RULES = [
    ORDER,
    {"name": "area", "label": "Area", "kind": "choice", "choices": ["north", "south"]},
    {"name": "due", "label": "Due", "kind": "date"},
    {"name": "amount", "label": "Amount", "kind": "number"},
    {"name": "remark", "label": "Remark", "longest": 5},
]
PROJECTS: list[dict[str, Any]] = [BRIDGE, LEAVE, MALL, TOWER]
KNOWN = read([project_list(*PROJECTS, rules=RULES)])
GOOD = {"order": "WO-00017"}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice("0815", "10", "A", GOOD), []),
        (Choice("0815", None, None, GOOD), []),
        (Choice("LEAVE"), []),
        (Choice("0815", "20"), []),
        (Choice("9999"), ["project 9999 is not in the list of open projects"]),
        (Choice("0815", "99", None, GOOD), ["phase 99 is not a phase of project 0815"]),
        (Choice("0815", None, "A", GOOD), ["task A of project 0815 names no phase"]),
        (Choice("0815", "20", "A"), ["task A is not a task of phase 20 of project 0815"]),
        (Choice("0815", "30", None, GOOD), ["phase 30 of project 0815 opens on 2027-01-01"]),
        (Choice("4712", None, None, GOOD), ["project 4712 opens on 2027-02-01"]),
        (Choice("0815"), ["the field Work order is missing"]),
        (
            Choice("0815", "99", None, {"order": "17", "color": "blue"}),
            [
                "phase 99 is not a phase of project 0815",
                "the field Work order holds 17, which does not match WO-[0-9]{5}",
                "there is no field color",
            ],
        ),
    ],
)
def test_all_that_is_wrong_is_said_at_once(choice: Choice, said: list[str]) -> None:
    assert objections(choice, KNOWN, DAY) == said


def test_the_day_on_which_a_project_closes_takes_no_more_time() -> None:
    choice = Choice("4711", None, None, GOOD)

    assert objections(choice, KNOWN, date(2026, 11, 30)) == []
    assert objections(choice, KNOWN, date(2026, 12, 1)) == ["project 4711 is closed from 2026-12-01"]


def test_without_a_list_nothing_is_objected_to() -> None:
    assert objections(Choice("9999", "1", "2", {"order": "x"}), ProjectList(), DAY) == []


def test_a_pattern_that_this_python_does_not_know_is_left_to_the_server() -> None:
    assert complaint(FieldRule(name="a", label="A", pattern="(?<=.*)x"), "y") == ""


MASTER = Master.of(
    pl.DataFrame(
        [
            {
                "project": each["number"],
                "chargeable": each.get("chargeable", True),
                "opened_on": date.fromisoformat(each["opened_on"]) if "opened_on" in each else None,
                "closed_on": date.fromisoformat(each["closed_on"]) if "closed_on" in each else None,
            }
            for each in PROJECTS
        ],
        infer_schema_length=None,
    ),
    pl.DataFrame(
        [
            {
                "project": "0815",
                "phase": phase["number"],
                "chargeable": phase.get("chargeable", True),
                "opened_on": date.fromisoformat(phase["opened_on"]) if "opened_on" in phase else None,
                "closed_on": None,
            }
            for phase in BRIDGE["phases"]
        ],
        infer_schema_length=None,
    ),
    pl.DataFrame([("0815", "10", "A"), ("0815", "10", "B")], ["project", "phase", "task"], orient="row"),
    fields=field_rules({"project_fields": RULES}),
)

numbers = st.sampled_from(["0815", "LEAVE", "4711", "4712"])
phases = st.none() | st.sampled_from(["10", "20", "30", "99", "\u202ex"])
tasks = st.none() | st.sampled_from(["A", "B", "C"])
values = st.one_of(
    st.sampled_from(["", "WO-00017", "north", "2026-12-31", "2026-1-1", "12.5", "-0", "1e5", "٣", "x" * 300]),
    st.text(max_size=12),
)
fields = st.dictionaries(st.sampled_from([rule["name"] for rule in RULES]), values)


@given(numbers, phases, tasks, fields, st.dates(date(2026, 10, 1), date(2027, 3, 1)))
@example("0815", "10", "A", {"order": "WO-00017\n"}, DAY)
@example("0815", "20", None, {"due": "2026-W01-1"}, DAY)
def test_of_listed_projects_the_server_says_the_same(
    project: str, phase: str | None, task: str | None, entered: dict[str, str], day: date
) -> None:
    verdict = MASTER.judge(Codes(project, phase, task), day, None, entered)
    found = objections(Choice(project, phase, task, entered), KNOWN, day)

    suffix = f" (project {project})" if verdict.fault == "invalid_field" else ""
    assert [f"{each}{suffix}" for each in found[:1]] == ([verdict.reason] if verdict.fault else [])
