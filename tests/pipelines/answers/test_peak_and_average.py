"""Peak, average and refusals of each day, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import DAYS, NOW, WINDOW, at_ms
from sqlalchemy import Engine

from pipelines.answers import peak_and_average
from pipelines.answers.question import ask
from warehouse.errors import Problem
from warehouse.store import append


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def refuse(engine: Engine, *moments: tuple[date, int, int]) -> None:
    rows = [
        (f"d{place}", "flexnet", "lic", "denied", 1, 1, at_ms(*moment), "Licensed number reached.", 0)
        for place, moment in enumerate(moments)
    ]
    columns = [
        "key",
        "source",
        "server",
        "kind",
        "application_id",
        "account_id",
        "at_ms",
        "reason",
        "received_ms",
    ]
    append(engine, "denial", pl.DataFrame(rows, columns, orient="row"))


def test_each_day_has_maximum_average_percentile_and_minutes_above(week: Engine) -> None:
    found = peak_and_average.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW))
    columns = ("day", "maximum", "average", "percentile", "owned", "denials", "minutes_above")
    # Six people for two of ten business hours, five licenses.
    assert found.by_day.select(columns).rows() == [
        *((day, 6, 1.2, 6, 5, None, 120.0) for day in DAYS),
        *((date(2026, 10, day), 0, None, None, 5, None, 0.0) for day in (10, 11)),
    ]
    assert found.trend.columns == ["day", "average", "peak"]
    assert found.claims == {
        "days": "Drawing peaked at **6 people**, and had 1.2 on average in business hours. 6 are enough for "
        "95 % of that time, and for the peak of 95 % of days.",
        "above": "**On 5 of 7 days demand was above what was owned**, for 10.0 hours in all; longest on "
        "2026-10-05, for 120 minutes.",
        "denials": "Whether anybody was refused is not known: no log of a license server tells of it. "
        "`process-meter import flexnet FILE` reads one.",
    }
    assert found.results["minutes_above_owned"] == 600.0


def test_another_percentage_of_time_and_of_days(week: Engine) -> None:
    found = peak_and_average.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW), 25)
    assert found.by_day["percentile"].to_list() == [0, 0, 0, 0, 0, None, None]
    assert (found.results["need_of_time"], found.need_of_days) == (0, 0)
    with pytest.raises(Problem, match="percentile 101 is outside 0 to 100"):
        peak_and_average.answer(ask(week, **WINDOW, now=NOW), 101)


def test_what_is_owned_is_that_of_each_day(week: Engine) -> None:
    with week.begin() as connection:
        connection.execute(sa.text("UPDATE entitlement SET valid_to_on = '2026-10-07' WHERE code = 'CAD-1'"))
        connection.execute(
            sa.text(
                "INSERT INTO entitlement (code, product_id, metric, quantity, valid_from_on, "
                "unit_cost_minor, currency, consumption_order, counting_rule, use_rights) "
                "VALUES ('CAD-2', 1, 'concurrent', 6, '2026-10-08', 0, 'EUR', 1, 'exact_sweep', '{}')"
            )
        )
        connection.execute(
            sa.text("INSERT INTO entitlement_application SELECT id, 1 FROM entitlement WHERE code = 'CAD-2'")
        )
    found = peak_and_average.answer(ask(week, **WINDOW, application="cad", basis="run", now=NOW))
    assert found.by_day["owned"].to_list() == [5, 5, None, 6, 6, 6, 6]
    assert found.by_day["minutes_above"].to_list() == [120.0, 120.0, None, 0.0, 0.0, 0.0, 0.0]


def test_denials_are_counted_by_local_day_and_none_is_a_zero(week: Engine) -> None:
    refuse(week, (DAYS[0], 9, 5), (DAYS[0], 9, 6), (DAYS[2], 23, 59))
    found = peak_and_average.answer(ask(week, **WINDOW, application="cad", now=NOW))
    assert found.by_day["denials"].to_list() == [2, 0, 1, 0, 0, 0, 0]
    assert found.claims["denials"] == (
        "The license server refused 3 requests on 2 days; on 2 of them more were in use at some moment than "
        "were owned."
    )
    other = peak_and_average.answer(ask(week, **WINDOW, application="sim", now=NOW))
    assert other.results["denials"] is None


def test_a_denial_of_another_month_says_that_this_one_had_none(week: Engine) -> None:
    refuse(week, (date(2026, 9, 1), 9, 0))
    found = peak_and_average.answer(ask(week, **WINDOW, application="cad", now=NOW))
    assert found.claims["denials"] == "The license server refused nobody in this window."
    assert found.results["denials"] == 0


def test_a_long_window_is_drawn_by_whole_weeks(week: Engine) -> None:
    asked = ask(week, start="2026-07-06", end="2026-10-12", application="cad", now=NOW)
    found = peak_and_average.answer(asked)
    assert (found.step, found.trend.height, found.trend["peak"][-1]) == ("week", 14, 6)
