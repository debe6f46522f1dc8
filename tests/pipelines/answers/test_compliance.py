"""The position of every product, and use outside or without a right, in a week that is counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from apps import charts
from pipelines.answers import compliance
from pipelines.answers.compliance import Compliance
from pipelines.answers.question import ask
from warehouse.errors import Problem

Ask = Callable[..., Compliance]


@pytest.fixture
def asked(engine: Engine) -> Ask:
    """Answer for the week, after some statements; everything that is open counts."""
    small_warehouse.fill(engine, with_charges=False)

    def answered(*statements: str, application: str = "") -> Compliance:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        return compliance.answer(ask(engine, **WINDOW, basis="run", application=application, now=NOW))

    return answered


FIGURES = ("product", "metric", "entitled", "consumed", "difference", "value")


def test_each_product_s_position_is_told_in_the_unit_of_its_contract_the_worst_first(asked: Ask) -> None:
    found = asked()
    # Six people at CAD with five licenses; two of them hold 4 licenses of 5 tokens; three of four seats.
    assert found.positions.select(FIGURES).rows() == [
        ("Simulation", "token", 30, 40, -10, "-12,000.00 EUR"),
        ("Drawing", "concurrent", 5, 6, -1, "-1,200.00 EUR"),
        ("Drawing LT", "named user", 4, 3, 1, "1,200.00 EUR"),
    ]
    assert found.positions["evidence"].to_list() == [
        "peak of 40 first on 2026-10-05 at 10:00, for 150.0 minutes",
        "peak of 6 first on 2026-10-05 at 09:00, for 600.0 minutes",
        "seats assigned: 3, in use without one: 0",
    ]
    assert set(found.positions["missing"]) == {"end, notice date, contract number"}
    assert found.claims["positions"] == (
        "Of 3 positions **2 are short** and 1 has a surplus. To buy what is missing costs 13,200.00 EUR a "
        "year. The widest gap is Simulation: 40 consumed, 30 entitled. The surplus costs 1,200.00 EUR a "
        "year. 3 positions rest on incomplete contracts, whose money is left out where it is not known."
    )
    assert found.results["by_pool"] == {
        "sim-product:token": {"entitled": 30, "consumed": 40},
        "cad-product:concurrent": {"entitled": 5, "consumed": 6},
        "lt-product:named_user": {"entitled": 4, "consumed": 3},
    }


MORE = (
    "INSERT INTO entitlement (id, code, product_id, metric, quantity, valid_from_on, unit_cost_minor,"
    " currency, counting_rule, consumption_order) VALUES (9, 'CAD-9', 1, '{}', {}, '2026-01-01', 100000,"
    " 'EUR', 'exact_sweep', {})"
)
COVERS_CAD = "INSERT INTO entitlement_application (entitlement_id, application_id) VALUES (9, 1)"


def test_seats_and_a_shared_pool_of_one_product_divide_its_use(asked: Ask) -> None:
    seats = "INSERT INTO assignment (entitlement_id, person_id, valid_from_on) VALUES (9, {}, '2026-01-01')"
    found = asked(MORE.format("named_user", 2, 1), COVERS_CAD, seats.format(1), seats.format(2))
    of_cad = found.positions.filter(pl.col("product") == "Drawing").sort("metric")
    # The two with a seat leave four of the six to the five licenses.
    assert of_cad.select("metric", "entitled", "consumed").rows() == [
        ("concurrent", 5, 4),
        ("named user", 2, 2),
    ]


def test_two_rights_of_one_metric_are_one_position_that_counts_demand_once(asked: Ask) -> None:
    found = asked(MORE.format("concurrent", 4, 2), COVERS_CAD, application="cad")
    assert found.positions.select("entitled", "consumed", "value").rows() == [(9, 6, "3,000.00 EUR")]


def test_who_uses_a_seat_product_without_a_seat_needs_one(asked: Ask) -> None:
    found = asked(
        "UPDATE entitlement SET metric = 'named_user', quantity = 4 WHERE id = 1",
        "INSERT INTO assignment (entitlement_id, person_id, valid_from_on) VALUES (1, 1, '2026-01-01')",
        application="cad-product",
    )
    assert found.positions.select("consumed", "difference", "evidence").rows() == [
        (6, -2, "seats assigned: 1, in use without one: 5")
    ]


@pytest.mark.parametrize(
    ("rule", "change", "consumed", "said"),
    [
        # Six devices, 09:00 to 11:00 on the grid of ten minutes.
        ("fixed_interval", "", 6, "peak of 6 first on 2026-10-05 at 09:00, for 600.0 minutes"),
        # Two people on five days, at five tokens; all of them 40 tokens for half an hour a day.
        ("user_day", "token", 50, "10 user-days of UTC at 5 tokens"),
        ("consumed_balance", "token", 100, "100 token hours from 2026-10-05 to 2026-10-09"),
    ],
)
def test_a_contract_s_own_counting_rule_counts(
    asked: Ask, rule: str, change: str, consumed: int, said: str
) -> None:
    code = "sim" if change else "cad"
    found = asked(f"UPDATE entitlement SET counting_rule = '{rule}'", application=code)
    assert found.positions.select("consumed", "evidence").rows() == [(consumed, said)]


def test_use_that_a_contract_does_not_allow_is_a_finding_with_a_pseudonym(asked: Ask) -> None:
    found = asked(
        "UPDATE person SET employment = 'contractor' WHERE id = 4",
        """UPDATE entitlement SET use_rights = '{"contractors": false, "regions": ["APAC"]}' WHERE id = 1""",
    )
    assert found.by_right.rows() == [("Drawing", "region", 6, 6), ("Drawing", "contractors", 1, 1)]
    (finding,) = found.findings.filter(pl.col("right") == "contractors").to_dicts()
    assert finding["subject"].startswith("P-")
    assert (finding["what"], finding["evidence"]) == ("used by a contractor", 5)
    assert dict(found.positions.select("product", "findings").iter_rows())["Drawing"] == 7
    assert found.claims["findings"].startswith(
        "**7 findings** of use outside the rights, most of them of Drawing"
    )


def test_use_that_no_right_covers_is_told_with_why(asked: Ask) -> None:
    found = asked(
        "DELETE FROM entitlement_application WHERE entitlement_id = 2",
        """UPDATE entitlement SET use_rights = '{"offices": ["ELSEWHERE"]}' WHERE id = 1""",
    )
    assert found.without_right.with_columns(pl.col("hours").round(6)).rows() == [
        ("Drawing", 6, 60.0, "another place than its rights allow, or after their end"),
        ("Simulation", 2, 5.0, "no right is known"),
    ]
    assert (
        found.claims["without"] == "**2 applications** were used without any right: Drawing and Simulation."
    )


def test_a_contract_without_a_cost_has_no_value_and_is_not_in_the_sum(asked: Ask) -> None:
    found = asked("UPDATE entitlement SET unit_cost_minor = NULL, currency = NULL WHERE id = 1")
    (row,) = found.positions.filter(pl.col("product") == "Drawing").to_dicts()
    assert (row["value"], row["missing"]) == (None, "unit cost, end, notice date, contract number")
    assert "costs 12,000.00 EUR a year, without the 1 whose cost is not known." in found.claims["positions"]


def test_where_nothing_is_owned_the_report_says_how_to_enter_it(asked: Ask) -> None:
    with pytest.raises(Problem, match="No license of lt is owned on the last day of the window, 2026-10-11"):
        asked("DELETE FROM entitlement_application WHERE entitlement_id = 3", application="lt")
    with pytest.raises(Problem, match="No license is owned on the last day") as told:
        asked("UPDATE entitlement SET valid_to_on = '2026-10-11'")
    assert told.value.remedy == "enter what you own: `process-meter entitlement import FILE`"


def test_the_chart_draws_what_is_short_to_the_left_and_what_is_to_spare_to_the_right(asked: Ask) -> None:
    figure = charts.positions(asked().positions)
    short, spare = figure.data
    assert [round(share) for share in short.x] == [-33, -20, 0]
    assert [round(share) for share in spare.x] == [0, 0, 25]
    assert figure.layout.annotations[0].text == "<b>Simulation</b><br>token: 40 consumed, 30 entitled"
