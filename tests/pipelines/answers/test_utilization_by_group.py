"""Which groups use what, and what their part costs, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
import small_warehouse
from small_warehouse import NOW, SINCE, WINDOW, at_ms
from sqlalchemy import Engine, text

from pipelines.answers import utilization_by_group
from pipelines.answers.question import ask
from pipelines.queries import query
from warehouse.errors import Problem
from warehouse.store import append

CIVIL, ALONE = range(7, 12), 12
"""Five more people, and one of no department: each has `cad` open on Monday from 9 to 10, active."""


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine, with_charges=False)
    return engine


@pytest.fixture
def departments(week: Engine) -> Engine:
    """Six people of ARC, who have `cad` open for 60 hours and active for 45, five of CIV, one of none."""
    rows: dict[tuple[str, str], list[Any]] = {
        ("department", "id code name"): [(1, "ARC", "Architecture"), (2, "CIV", "Civil")],
        ("person", "id code name employment valid_from_on"): [
            (n, f"p{n}", f"Person {n}", "employee", SINCE) for n in (*CIVIL, ALONE)
        ],
        ("placement", "id person_id office_id department_id valid_from_on"): [
            (n, n, 1, 2, SINCE) for n in CIVIL
        ],
        ("account", "id name person_id"): [(n, f"person{n}", n) for n in (*CIVIL, ALONE)],
    }
    monday = date(2026, 10, 5)
    start, end = at_ms(monday, 9), at_ms(monday, 10)
    rows[
        "session",
        "id key application_id account_id host_id started_ms ended_ms source logon_session zone received_ms",
    ] = [
        (5000 + n, f"more{n}", 1, n, 1, start, end, "agent", "1", "Europe/Berlin", 0) for n in (*CIVIL, ALONE)
    ]
    rows[
        "segment",
        "session_id start_ms end_ms attention since_ms units cpu_percent policy_version received_ms",
    ] = [
        (5000 + n, at, at + 900_000, 0, at, 1, 0.0, 1, 0)
        for n in (*CIVIL, ALONE)
        for at in range(start, end, 900_000)
    ]
    for (table, columns), values in rows.items():
        append(week, table, pl.DataFrame(values, columns.split(), orient="row", infer_schema_length=None))
    with week.begin() as connection:
        connection.execute(text("UPDATE placement SET department_id = 1 WHERE person_id < 7"))
    return week


def test_departments_with_their_hours_and_their_part_of_the_cost(departments: Engine) -> None:
    asked = ask(departments, **WINDOW, application="cad", basis="active", now=NOW)
    found = utilization_by_group.answer(asked, "department")
    assert found.rows.rows() == [
        ("ARC", "Drawing", 6, 60.0, 45.0, 0.75, "5,294.12 EUR"),
        ("Other departments", "Drawing", None, 6.0, 6.0, 1.0, "705.88 EUR"),  # CIV stands for the one of none
    ]
    assert found.costs["cost_minor"].sum() == 600_000
    assert list(found.headings.values()) == [
        *("Department", "Application", "People", "Run hours", "Active hours", "Active share"),
        "Cost share a year",
    ]
    assert found.claims == {
        "groups": "Of the groups that are not joined with others: **Drawing is open longest in ARC**: 60.0 "
        "hours, 75 % of them active.",
        "cost": "The licenses cost **6,000.00 EUR a year**, divided among the groups by their use.",
        "weekdays": "The weekday with the most active time is **Monday**, with 15.0 hours in all; the one "
        "with the least is Friday, with 9.0 hours. Times are those of Europe/Berlin.",
        "hours": "The hour of the day with the most active time is **09:00**, with 36.0 hours in all; the "
        "one with the least is 10:00, with 15.0 hours. Times are those of Europe/Berlin.",
    }
    assert found.results["cost_a_year_minor"] == {"EUR": 600_000}


def test_within_a_department_the_offices_and_the_parts_of_what_two_licenses_cost(departments: Engine) -> None:
    found = utilization_by_group.answer(ask(departments, **WINDOW, basis="run", now=NOW), "department,office")
    # Two people use the simulation: with the only other application they are all that can be shown.
    assert found.rows.rows() == [
        ("All departments", "All offices", "All applications", None, 71.0, 56.0, 56 / 71, "42,000.00 EUR")
    ]
    assert found.claims["groups"] == (
        "**No group of an application has five people or more**, so none is shown for itself."
    )
    assert found.claims["cost"].endswith(
        "Licenses of 4,800.00 EUR a year cover applications without such use, and are nobody's."
    )


def test_a_person_in_two_groups_counts_in_each(departments: Engine) -> None:
    append(
        departments,
        "directory_group",
        pl.DataFrame({"id": [1, 2], "source": "", "name": ["Modelers", "Everyone"]}),
    )
    members = [(1, n) for n in range(1, 7)] + [(2, n) for n in range(1, 12)]
    frame = pl.DataFrame(members, ["directory_group_id", "person_id"], orient="row")
    append(departments, "membership", frame.with_columns(valid_from_on=pl.lit(SINCE)))
    asked = ask(departments, **WINDOW, application="cad", basis="active", now=NOW)
    found = utilization_by_group.answer(asked, "group")
    assert found.rows.select("group", "people", "run_hours").rows() == [
        ("Everyone", 11, 65.0),
        ("Other groups", None, 61.0),
    ]
    assert found.costs["cost_minor"].sum() == 600_000
    assert found.footer.rows["sessions"] == 36
    assert found.claims["groups"].endswith(
        "A person in two groups counts in each, so the groups may add up to more than the whole."
    )


def test_a_name_that_two_directories_know_says_of_which_it_is(week: Engine) -> None:
    known = {"id": [1, 2, 3], "source": ["", "ldap", ""], "name": ["Staff", "Staff", "Rest"]}
    append(week, "directory_group", pl.DataFrame(known))
    members = [(1, n) for n in range(1, 7)] + [(group, n) for group in (2, 3) for n in range(1, 6)]
    frame = pl.DataFrame(members, ["directory_group_id", "person_id"], orient="row")
    append(week, "membership", frame.with_columns(valid_from_on=pl.lit(SINCE)))
    asked = {"by": "group", "application": "cad", "start": "2026-10-05", "end": "2026-10-06"}
    assert query(week, "hours_by_group", asked) == [
        {"group": "Rest", "application": "cad", "hours_by_group": 10.0},
        {"group": "Staff (a file)", "application": "cad", "hours_by_group": 12.0},
        {"group": "Staff (ldap)", "application": "cad", "hours_by_group": 10.0},
    ]


def test_a_log_without_people_says_what_is_missing(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(text("UPDATE segment SET attention = 6"))
        connection.execute(text("UPDATE account SET person_id = NULL"))
        connection.execute(text("UPDATE entitlement SET unit_cost_minor = NULL, currency = NULL"))
    asked = ask(week, **WINDOW, application="cad", basis="active", now=NOW)
    found = utilization_by_group.answer(asked)
    assert found.rows.rows() == [
        ("No department", "No office", "Drawing", 6, 60.0, None, None, None),
    ]
    assert found.claims["groups"] == (
        "**Drawing is open longest**: 60.0 hours. Whether anyone was active in it is not known: a license "
        "server or a cluster tells what was open, not who was at work. Whose sessions these are is not "
        "known: `process-meter directory import` says which people belong where."
    )
    assert found.claims["cost"] == (
        "No cost can be divided among groups: none is known. `process-meter entitlement import FILE` says "
        "what licenses cost."
    )
    assert found.claims["weekdays"].startswith("The weekday with the most open time is **Monday**")


def test_what_cannot_be_asked_or_shown_is_said(week: Engine) -> None:
    asked = ask(week, **WINDOW, now=NOW)
    with pytest.raises(Problem, match="by cannot be 'person'"):
        utilization_by_group.answer(asked, "office,person")
    with pytest.raises(Problem, match="by is empty"):
        utilization_by_group.answer(asked, " , ")
    with pytest.raises(Problem, match="No directory group is known"):
        utilization_by_group.answer(asked, "group")
    with pytest.raises(Problem, match="There are no sessions of lt"):
        utilization_by_group.answer(ask(week, **WINDOW, application="lt", now=NOW))
    with pytest.raises(Problem, match="No application was used by 5 people or more"):
        utilization_by_group.answer(ask(week, **WINDOW, application="sim", now=NOW))


def test_scripts_get_the_same_figures(departments: Engine) -> None:
    asked = {"by": "department", "basis": "active", "application": "cad"}
    assert query(departments, "cost_share", asked) == [
        {"department": None, "application": "cad", "currency": "EUR", "cost_share": 11_765},
        {"department": "ARC", "application": "cad", "currency": "EUR", "cost_share": 529_412},
        {"department": "CIV", "application": "cad", "currency": "EUR", "cost_share": 58_823},
    ]
    assert query(departments, "hours_by_group", {"by": "version", "application": "sim"}) == [
        {"version": None, "application": "sim", "hours_by_group": 5.0}
    ]
