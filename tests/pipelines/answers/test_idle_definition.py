"""What other definitions of idle say of a week that can be counted by hand (see small_warehouse)."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers import idle_definition
from pipelines.answers.idle_definition import IdleDefinition
from pipelines.answers.question import ask
from warehouse.errors import Problem
from warehouse.store import append, upgrade

ON_MONDAY = 1
"""The session of the first person's Monday: 90 minutes of input in `cad`, then 30 without."""


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The week; one session of it is for the Harbor bridge, at 10.00 EUR an hour."""
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('idle') / 'warehouse.sqlite'}")
    small_warehouse.fill(engine)
    entry = {"session_id": ON_MONDAY, "from_ms": 0, "project_number": "0077", "author": "p1", "reason": ""}
    append(engine, "project_entry", pl.DataFrame([{**entry, "created_ms": 0}]))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def found(week: Engine) -> IdleDefinition:
    return idle_definition.answer(ask(week, **WINDOW, now=NOW), "15, 31", "input,focus")


def test_each_definition_has_its_hours_peaks_and_people(found: IdleDefinition) -> None:
    columns = ("idle_after", "signal", "peaks", "seats", "busy_hours", "idle_hours")
    rounded = found.by_definition.select(columns).with_columns(pl.col(pl.Float64).round(9))
    assert rounded.rows() == [
        ("as the policy says", "as the policy says", 8, 8, 50.0, 15.0),
        ("15 minutes", "keyboard and pointer", 8, 8, 50.0, 15.0),
        ("31 minutes", "keyboard and pointer", 8, 8, 65.0, 0.0),
        ("15 minutes", "having the focus", 8, 8, 65.0, 0.0),
        ("31 minutes", "having the focus", 8, 8, 65.0, 0.0),
    ]


def test_the_last_closed_period_is_charged_anew_under_each_definition(found: IdleDefinition) -> None:
    assert found.by_definition.select("billed_hours", "bill").rows() == [
        (1.5, "15.00 EUR"),
        (1.5, "15.00 EUR"),
        (2.0, "20.00 EUR"),
        (2.0, "20.00 EUR"),
        (2.0, "20.00 EUR"),
    ]
    assert found.claims["bill"].startswith(
        "Period 2026-10, the last one closed, charged anew at its rates: **15.00 EUR** under the billing "
        "policy, and from 15.00 EUR to 20.00 EUR. "
    )


def test_claims_name_the_policy_and_the_extremes(found: IdleDefinition) -> None:
    assert found.claims["hours"] == (
        "As the policy stands, **50.0 hours** count as use. Over the same evidence it is 50.0 hours with 15 "
        "minutes, keyboard and pointer, and 65.0 hours with 31 minutes, having the focus: 30 % more."
    )
    assert found.claims["licenses"] == "No license has a peak that depends on how idle is defined."
    assert found.tried["idle_minutes"].to_list() == [15, 31, 15, 31]
    assert found.results["definitions"][0] == {
        "definition": "in force, as the policy says", "idle_minutes": None, "peaks": 8, "seats": 8,
        "busy_hours": 50.0,
    }  # fmt: skip
    assert found.footer.basis.startswith("busy")
    assert found.footer.key == "people, after their accounts are merged"


def test_one_application_of_few_people_tells_no_idle_time(week: Engine) -> None:
    of_two = idle_definition.answer(ask(week, **WINDOW, application="sim", now=NOW), "15", "input")
    assert of_two.by_definition.select("seats", "busy_hours", "idle_hours").rows() == [(2, 5.0, None)] * 2
    assert of_two.by_license.select("name", "owned", "in_force", "lowest", "highest").rows() == [
        ("Simulation", 30, 2, 2, 2)
    ]


def test_a_license_whose_peak_depends_on_it_says_whether_what_is_owned_is_enough() -> None:
    by_license = pl.DataFrame(
        {
            "name": ["Draw", "Calc"],
            "owned": [5, None],
            "in_force": [5, 2],
            "lowest": [4, 2],
            "highest": [6, 2],
        },
        schema_overrides={"owned": pl.Int64},
    )
    assert idle_definition.claim_licenses(by_license) == (
        "1 license has a peak that depends on the definition, most of all **Draw**: 4 to 6. Whether what is "
        "owned is enough depends on the definition for **Draw**."
    )
    owned = by_license.with_columns(owned=pl.lit(9))
    assert idle_definition.claim_licenses(owned).endswith("decide whether what is owned is enough.")


def test_without_a_closed_period_there_is_no_bill_and_the_report_says_so(engine: Engine) -> None:
    small_warehouse.fill(engine, with_charges=False)
    answer = idle_definition.answer(ask(engine, **WINDOW, now=NOW), "15", "input")
    assert answer.bill is None
    assert answer.by_definition["bill"].to_list() == [None, None]
    assert answer.claims["bill"].startswith("No billing period is closed yet")


def test_evidence_that_tells_no_use_is_refused_with_what_to_do(engine: Engine) -> None:
    small_warehouse.fill(engine, with_charges=False)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE segment SET attention = 6"))  # held
    with pytest.raises(Problem, match="tells whether it was used: a license server's log"):
        idle_definition.answer(ask(engine, **WINDOW, now=NOW))


def test_a_window_without_sessions_says_what_there_is(week: Engine) -> None:
    with pytest.raises(Problem, match="sessions are held from 2026-10-05 to 2026-10-09"):
        idle_definition.answer(ask(week, start="2026-01-01", end="2026-02-01", now=NOW))
