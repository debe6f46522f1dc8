"""What the Expense-2-Project reports say of a week that can be counted by hand (see small_warehouse)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import small_warehouse
import sqlalchemy as sa
from billing_warehouse import billed_hours, hour, ms, on, organize, use
from small_warehouse import NOW, put
from sqlalchemy import Engine

from apps import charts
from pipelines import billing
from pipelines.answers import (
    billing_reconciliation,
    charges_by,
    cost_recovery,
    project_data_quality,
    unbilled_time,
)
from warehouse import ledger
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def before(engine: Engine) -> None:
    """Bill September, too: 30 hours of cad on the bridge at 9.00."""
    period = (2, "2026-09", "2026-09-01", "2026-10-01")
    run = (2, "2026-09/1", 2, "closed", "generic", 1000, "union", 0, 2, "pat", 0, "", "{}")
    line = (9, 2, 1, "usage", "2026-09-05", *[1] * 5, 30_000, "EUR", 27_000, True, 0, 0, 0, 90_000, 1, 2)
    put(engine, ("fiscal_period", "id name starts_on ends_on", [period]))
    put(engine, ("billing_run", small_warehouse.RUN_COLUMNS, [run]))
    put(engine, ("charge_line", small_warehouse.LINE_COLUMNS, [line]))


# --- Charges by project and by application -----------------------------------------------------------------


def test_projects_stand_beside_the_period_before_and_what_was_agreed(week: Engine) -> None:
    before(week)
    change(week, "UPDATE project SET budget_minor = 100000, not_to_exceed_minor = 110000 WHERE id = 1")

    found = charges_by.answer("project", week, "2026-10", now=NOW)

    shown = ("project", "quantity", "rate", "amount", "prior", "budget", "spent_share", "left")
    assert found.rows.select(shown).rows() == [
        ("0077", "89.000", "10.00 EUR/h", "890.00 EUR", "270.00 EUR", "1,000.00 EUR", 1.16, "-60.00 EUR"),
        ("0078", "1.500", "10.00 USD/h", "15.00 USD", None, None, None, None),
    ]
    assert found.claims == {
        "run": "2 projects are charged **890.00 EUR and 15.00 USD** in period 2026-10; run 2026-10/1 is "
        "closed and final.",
        "rows": "The largest are **0077 Harbor bridge** with 890.00 EUR for 89.000 hours and **0078 Museum** "
        "with 15.00 USD for 1.500 hours.",
        "change": "What was charged in 2026-09, too, came to 270.00 EUR then and comes to **890.00 EUR** "
        "now; 1 row below had no charge then.",
        "limits": "1 project has a budget or a not-to-exceed amount; **0077 exceeds its not-to-exceed "
        "amount**.",
    }
    assert [rows["project"].to_list() for rows in found.limited] == [["0077"]]
    assert found.prior_period == "2026-09"


def test_an_application_is_charged_for_by_office(week: Engine) -> None:
    change(week, "UPDATE charge_line SET rate_scaled = 85000 WHERE id = 3")

    found = charges_by.answer("application", week, now=NOW)

    assert found.rows.select("application", "office", "quantity", "rate", "amount").rows() == [
        ("Drawing", "HQ", "89.000", "8.50 to 10.00 EUR/h", "890.00 EUR"),
        ("Simulation", "HQ", "1.500", "10.00 USD/h", "15.00 USD"),
    ]
    assert found.claims["change"] == (
        "The fiscal period before was not billed, so there is nothing to compare with."
    )
    assert "limits" not in found.claims


def test_a_fixed_amount_is_no_hours_and_no_rate(week: Engine) -> None:
    change(week, "UPDATE charge_line SET unit = 'each', kind = 'cap' WHERE id = 3")

    assert charges_by.answer("project", week, now=NOW).rows_in("EUR").select(
        "quantity", "rate", "amount"
    ).rows() == [("90.000", "10.00 EUR/h", "890.00 EUR")]


def test_what_review_holds_is_left_out(week: Engine) -> None:
    review = (1, 1, "hold", "ada", "asked", 0)
    put(week, ("line_review", "id charge_line_id action actor reason at_ms", [review]))

    assert charges_by.answer("project", week, now=NOW).rows_in("EUR")["amount"].to_list() == ["-10.00 EUR"]


def test_a_run_that_charges_nothing_says_how_to_see_why(week: Engine) -> None:
    change(week, "UPDATE charge_line SET billable = false")

    with pytest.raises(Problem, match="2026-10/1 charges nothing; see why: `process-meter billing show"):
        charges_by.answer("application", week, now=NOW)


# --- The tie-out -------------------------------------------------------------------------------------------

HOUR = 3_600_000
TERMS = {
    "run": 100 * HOUR, "idle_beyond_buffer": 20 * HOUR, "overlap": 5 * HOUR, "held": 0,
    "non_chargeable": 4 * HOUR, "not_assigned": 10 * HOUR, "without_rate": HOUR,
    "rounding": HOUR // 2, "billed": 60 * HOUR + HOUR // 2,
}  # fmt: skip


def tied(engine: Engine, **changed: int) -> None:
    same = {"billed_ms": 60 * HOUR, "amount_minor": {"EUR": 60_000, "USD": 10}}
    totals = {
        "tie_out_ms": TERMS | changed,
        "not_assigned_ms": {"unassigned": 8 * HOUR, "closed_project": 2 * HOUR, "invalid_project": 0},
        "outside_ms": {"suspended": 0, "unknown": HOUR},
        "buffer_0": same,
        "overlaps": {"union": same, "full": {"billed_ms": 65 * HOUR, "amount_minor": {"EUR": 65_000}}},
    }
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE billing_run SET totals = :totals"), {"totals": json.dumps(totals)})


def test_run_time_becomes_billed_time_step_by_step(week: Engine) -> None:
    tied(week)

    found = billing_reconciliation.answer(week, now=NOW)

    assert found.steps.select("term", "hours").rows() == [
        ("run", 100.0), ("idle_beyond_buffer", -20.0), ("overlap", -5.0), ("held", 0.0),
        ("non_chargeable", -4.0), ("not_assigned", -10.0), ("without_rate", -1.0), ("rounding", 0.5),
        ("billed", 60.5),
    ]  # fmt: skip
    assert found.not_assigned.rows() == [("no project was set", 8.0), ("the project is closed", 2.0)]
    assert found.outside.rows() == [("unknown", 1.0)]
    assert found.alternatives.rows() == [
        ("Without any buffer", 60.0, "600.00 EUR"),
        ("Without any buffer", 60.0, "0.10 USD"),
        ("Overlap: every session counts", 65.0, "650.00 EUR"),
    ]
    assert found.claims["run"] == (
        "Of 100 hours of run time in period 2026-10, **60.5 hours are billed**, 60 %; the terms between add "
        "up to the millisecond."
    )
    assert found.claims["largest"] == (
        "The most that is not billed: idle beyond the buffer (20.0 hours), no valid project (10.0 hours) and "
        "overlap of one person's sessions (5.0 hours)."
    )


def test_a_tie_out_that_does_not_add_up_is_told_to_the_millisecond(week: Engine) -> None:
    tied(week, billed=60 * HOUR)

    found = billing_reconciliation.answer(week, now=NOW)

    assert found.difference_ms == HOUR // 2
    assert "**but for 1,800,000 ms**" in found.claims["run"]


def test_a_run_without_a_tie_out_is_drafted_again(week: Engine) -> None:
    with pytest.raises(Problem, match="Run 2026-10/1 has no tie-out; draft its period again"):
        billing_reconciliation.answer(week, now=NOW)


def test_the_waterfall_comes_down_to_what_is_billed(week: Engine) -> None:
    tied(week)

    bars = charts.waterfall(billing_reconciliation.answer(week, now=NOW).steps).data[0]

    assert (list(bars.base)[:3], list(bars.x)[:3]) == ([0.0, 80.0, 75.0], [100.0, 20.0, 5.0])
    assert (bars.base[-2], bars.x[-2], bars.base[-1], bars.x[-1]) == (60.0, 0.5, 0.0, 60.5)


# --- What licenses cost, and what came back ----------------------------------------------------------------


def test_the_cost_of_a_product_is_set_against_its_bill(week: Engine) -> None:
    # 5 licenses at 1,200.00 a year, of which October is 31 of 365 days: 509.59; 30 tokens: 3,057.53.
    found = cost_recovery.answer(week, now=NOW)

    shown = ("name", "cost", "quantity", "billed", "margin", "recovered_share")
    assert [(*row[:5], row[5] and round(row[5], 3)) for row in found.rows.select(shown).rows()] == [
        ("Simulation", "3,057.53 EUR", None, "0.00 EUR", "-3,057.53 EUR", 0.0),
        ("Drawing", "509.59 EUR", "89.000", "890.00 EUR", "380.41 EUR", 1.747),
        ("Drawing LT", "407.67 EUR", None, "0.00 EUR", "-407.67 EUR", 0.0),
        ("Simulation", "bought in EUR", "1.500", "15.00 USD", None, None),
    ]
    assert found.claims == {
        "whole": "Period 2026-10 bills **890.00 EUR** for licenses that cost 3,974.79 EUR (22 %).",
        "best": "1 product earned more than the licenses cost, 2 less; furthest from it is **Simulation** "
        "with -3,057.53 EUR.",
        "unpriced": "Every right in force has a price.",
    }


def test_a_right_without_a_price_leaves_its_product_out_of_the_sum(week: Engine) -> None:
    change(week, "UPDATE entitlement SET unit_cost_minor = NULL WHERE id = 1")

    found = cost_recovery.answer(week, now=NOW)

    assert found.unpriced == ["Drawing"]
    assert found.rows.filter(product="cad-product").select("cost", "billed", "margin").rows() == [
        (None, "890.00 EUR", None)
    ]
    assert found.results["cost_minor"] == {"EUR": 346_520}


def test_without_entitlements_it_says_how_to_enter_them(week: Engine) -> None:
    change(
        week,
        "DELETE FROM assignment",
        "DELETE FROM entitlement_application",
        "DELETE FROM entitlement",
    )
    with pytest.raises(Problem, match="enter it: `process-meter entitlement import FILE`"):
        cost_recovery.answer(week, now=NOW)


def test_the_charts_draw_an_empty_frame_and_an_unknown_prior(week: Engine) -> None:
    found = charges_by.answer("project", week, now=NOW)

    figure = charts.charges_compared(found.rows_in("EUR"), "project_name")
    assert (list(figure.data[0].x), list(figure.data[1].x)) == ([89_000], [])
    assert charts.charges_compared(found.rows.clear(), "project_name").layout.annotations[0].text == (
        "Nothing to show."
    )


# --- Project data, and what nobody pays for ----------------------------------------------------------------

OCTOBER = datetime(2026, 10, 2, 12, tzinfo=UTC)


@pytest.fixture
def september(engine: Engine) -> Engine:
    """Hours of cad at 90.00: two on A, one of them said afterwards; one each on nothing, CLOSED and LEAVE."""
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    use(engine, *(hour(number, f"2026-09-{number + 6:02}") for number in (2, 3, 4, 5)))
    on(engine, 2, "A", at_="2026-09-08 09:00", entry=12, created="2026-09-20 12:00")
    on(engine, 4, "CLOSED", at_="2026-09-10 09:00", entry=14)
    on(engine, 5, "LEAVE", at_="2026-09-11 09:00", entry=15)
    return engine


def test_project_data_are_judged_office_by_office(september: Engine) -> None:
    found = project_data_quality.answer(september, "2026-09", now=OCTOBER)

    assert found.by_office.rows(named=True) == [
        {
            "office": "BER", "hours": 5.0, "valid": 2.0, "non_chargeable": 1.0, "missing": 1.0,
            "invalid": 0.0, "closed": 1.0, "unknown": 0.0, "corrections": 1, "wrong_share": 0.4,
            "non_chargeable_share": 0.2,
        }
    ]  # fmt: skip
    assert found.by_reason.rows() == [
        ("no project was set", 1.0, 1, 1),
        ("project CLOSED is closed from 2026-08-01", 1.0, 1, 1),
    ]
    assert found.claims == {
        "whole": "Of 5.0 hours of billable time in period 2026-09, **2.0 hours (40 %) cannot be charged** as "
        "they are: 1.0 hours have no project and 1.0 hours name one that is closed.",
        "reasons": "2 reasons; each row can be put right: on the page My time, or with `process-meter "
        "project check` and `project correct`.",
        "corrections": "1 entry was made after the session had ended.",
    }


def test_a_period_without_billable_time_has_no_project_data(september: Engine) -> None:
    with pytest.raises(Problem, match="Period 2026-08 has no billable time, as far as was received"):
        project_data_quality.answer(september, "2026-08", now=OCTOBER)


def test_what_nobody_pays_for_is_valued_at_the_rates_in_force(september: Engine) -> None:
    run = billing.draft(september, "2026-09", "generic", "pat", ms(OCTOBER))
    held = ledger.lines_of(september, run).filter(project="A")["line"][0]
    billing.review(september, run, held, "hold", "ann", "asked for the contract", ms(OCTOBER))

    found = unbilled_time.answer(september, "2026-09", now=OCTOBER)

    assert found.rows.select("reason", "application", "office", "hours", "value").rows() == [
        ("held in review", "The cad", "BER", 1.0, "90.00 EUR"),
        ("no project was set", "The cad", "BER", 1.0, "90.00 EUR"),
        ("non-chargeable code", "The cad", "BER", 1.0, "90.00 EUR"),
        ("the project is closed", "The cad", "BER", 1.0, "90.00 EUR"),
    ]
    assert found.claims["whole"] == (
        "**4.0 hours** of period 2026-09 are on no bill; at the rates in force they would have come to "
        "**360.00 EUR**."
    )


def test_time_of_an_office_without_a_rate_is_valued_in_the_organizations_currency(september: Engine) -> None:
    change(september, "UPDATE office SET currency = 'GBP' WHERE id = 1")

    found = unbilled_time.answer(september, "2026-09", now=OCTOBER)

    assert found.currencies == ["EUR"]
    assert found.by_reason["hours"].sum() == 3.0


def test_time_that_no_rate_fits_has_no_value(september: Engine) -> None:
    change(september, "UPDATE rate SET valid_from_on = '2027-01-01'")

    found = unbilled_time.answer(september, "2026-09", now=OCTOBER)

    assert ("no rate", 2.0, None) in found.by_reason.select("reason", "hours", "value").rows()
    assert set(found.by_reason["value"]) == {None}
