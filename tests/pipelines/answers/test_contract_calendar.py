"""When contracts end, by when notice must be given, and what is at stake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW
from sqlalchemy import Engine

from apps import charts
from pipelines.answers import contract_calendar
from pipelines.answers.contract_calendar import ContractCalendar
from pipelines.answers.question import ask
from warehouse.errors import Problem

Ask = Callable[..., ContractCalendar]

# Today is 3 November 2026; the window is the week of 5 October.
END = "UPDATE entitlement SET valid_to_on = '{1}', notice_on = '{2}', contract = 'C-{0}' WHERE id = {0}"
ENDS = (END.format(2, "2027-01-01", "2026-12-01"), END.format(3, "2027-06-01", "2026-11-01"))


@pytest.fixture
def asked(engine: Engine) -> Ask:
    small_warehouse.fill(engine, with_charges=False)

    def answered(*statements: str, months: int = 12, application: str = "") -> ContractCalendar:
        with engine.begin() as connection:
            for statement in (*ENDS, *statements):
                connection.execute(sa.text(statement))
        window = {"start": "2026-10-05", "end": "2026-10-10", "application": application}
        return contract_calendar.answer(ask(engine, **window, now=NOW), months)

    return answered


def test_contracts_come_in_the_order_of_their_ends_with_what_is_needed_and_at_risk(asked: Ask) -> None:
    found = asked()
    # Tokens were in use for 5 % of business time; nobody used the three seats; CAD has no end.
    assert found.contracts.select(
        "product", "contract", "ends", "notice_on", "quantity", "cost", "need", "at_risk", "missing"
    ).rows() == [
        (
            "Simulation",
            "C-2",
            date(2027, 1, 1),
            date(2026, 12, 1),
            30,
            "1,200.00 EUR",
            0,
            "36,000.00 EUR",
            "",
        ),
        ("Drawing LT", "C-3", date(2027, 6, 1), date(2026, 11, 1), 4, "1,200.00 EUR", 0, "4,800.00 EUR", ""),
        ("Drawing", None, None, None, 5, "1,200.00 EUR", 6, "0.00 EUR", "end, notice date, contract number"),
    ]
    assert found.claims == {
        "ends": "Of 3 contracts **2 end within 12 months**. The next notice is due by 2026-12-01: "
        "Simulation. For 1 of them the day for notice has passed.",
        "risk": "The contracts that end within 12 months hold **40,800.00 EUR a year** beyond the need; most "
        "of it in Simulation: 30 owned, 0 needed.",
        "incomplete": "**1 contract** lacks something; what is missing is left out of all money.",
    }
    assert found.results == {
        "contracts": 3,
        "ending": 2,
        "incomplete": 1,
        "at_risk_minor": {"EUR": 4_080_000},
    }


def test_seats_in_use_are_needed_though_few_are_open_at_once(asked: Ask) -> None:
    found = asked(
        "UPDATE entitlement_application SET application_id = 5 - application_id WHERE entitlement_id > 1"
    )
    # Two of three holders use Simulation, in 5 % of business time: 95 % of it needs no license at all.
    seats = found.contracts.filter(entitlement="LT-1").select("need_95", "need", "money_at_risk_minor")
    assert seats.rows() == [(0, 2, 240_000)]


def test_two_contracts_of_one_product_share_its_need(asked: Ask) -> None:
    found = asked(
        "INSERT INTO entitlement (id, code, product_id, metric, quantity, valid_from_on, valid_to_on,"
        " unit_cost_minor, currency, counting_rule, consumption_order) VALUES (9, 'CAD-9', 1, 'concurrent',"
        " 4, '2026-01-01', '2027-02-01', 100, 'EUR', 'exact_sweep', 2)",
        "INSERT INTO entitlement_application (entitlement_id, application_id) VALUES (9, 1)",
        application="cad",
    )
    # Six people: five take the five of the first contract, the sixth one of the four.
    assert found.contracts.select("entitlement", "quantity", "need").rows() == [
        ("CAD-9", 4, 1),
        ("CAD-1", 5, 5),
    ]


def test_what_has_no_cost_or_has_not_begun_has_no_money(asked: Ask) -> None:
    found = asked(
        "UPDATE entitlement SET unit_cost_minor = NULL, currency = NULL WHERE id = 2",
        "UPDATE entitlement SET valid_from_on = '2026-12-01' WHERE id = 3",
    )
    assert found.contracts.select("product", "need", "at_risk").rows()[:2] == [
        ("Simulation", 0, None), ("Drawing LT", None, None),
    ]  # fmt: skip
    assert found.claims["risk"] == (
        "No contract that ends within 12 months is known to hold more than is needed."
    )
    assert "Simulation" in found.incomplete["product"].to_list()


def test_the_horizon_and_an_empty_shelf_are_told_in_one_sentence(asked: Ask) -> None:
    assert asked(months=2).results["ending"] == 1
    with pytest.raises(Problem, match="a horizon of 0 months"):
        asked(months=0)
    with pytest.raises(Problem, match="No contract of lt is in force on 2026-11-03 or later"):
        asked("UPDATE entitlement SET valid_to_on = '2026-11-03' WHERE id = 3", application="lt")


def test_a_warehouse_without_business_hours_counts_all_hours(asked: Ask) -> None:
    found = asked("UPDATE office SET business_weekdays = ''")
    assert found.footer.calendar == "all hours, because no office is open in this window"


def test_the_chart_draws_a_bar_for_each_contract_and_marks_its_notice(asked: Ask) -> None:
    found = asked()
    figure = charts.contract_calendar(found.contracts, today=found.today)
    bars, notices = figure.data
    assert len(bars.x) == 3
    assert list(notices.x) == ["2026-12-01", "2026-11-01"]
    labels = [note.text for note in figure.layout.annotations if "<br>" in note.text]
    assert labels[2] == "<b>Drawing</b><br>no end known, no notice date"
    assert pl.Series(bars.base).to_list()[0] == "2026-01-01"
