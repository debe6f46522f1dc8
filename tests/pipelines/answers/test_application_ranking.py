"""Which applications are used most, on a week that can be counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import small_warehouse
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers import application_ranking
from pipelines.answers.question import ask
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def test_the_week_in_order_of_active_hours(week: Engine) -> None:
    found = application_ranking.answer(ask(week, **WINDOW, basis="active", now=NOW))
    last = datetime(2026, 10, 9, 8, 30, tzinfo=UTC)
    assert found.applications.rows() == [
        ("cad", "Drawing", 30, 45.0, 0.9, 6, 5, last),
        ("sim", "Simulation", 10, 5.0, 0.1, 2, 5, last),
        ("lt", "Drawing LT", 0, 0.0, 0.0, 0, 0, None),
    ]
    assert found.claims == {
        "all": "**Drawing is used most**: 45.0 hours of active time by 6 people, 90 % of all. Of 3 "
        "applications, 1 makes up 90 % of the use.",
        "forgotten": "**Nobody used Drawing LT** in the window.",
    }
    assert found.results["hours"] == 50.0


def test_one_application_alone(week: Engine) -> None:
    found = application_ranking.answer(ask(week, **WINDOW, application="sim-product", basis="run", now=NOW))
    assert found.applications.select("application", "hours", "share").rows() == [("sim", 5.0, 1.0)]
    assert found.claims["forgotten"] == "Every application was used in the last 30 days of the window."


def test_an_application_of_long_ago_is_named(week: Engine) -> None:
    asked = ask(
        week, start="2026-10-05", end="2026-12-01", basis="run", now=datetime(2026, 12, 2, tzinfo=UTC)
    )
    assert (
        application_ranking.answer(asked)
        .claims["forgotten"]
        .endswith("2 applications were used, but not in the last 30 days; Simulation last on 2026-10-09.")
    )


def test_without_use_it_says_what_is_missing(week: Engine) -> None:
    with pytest.raises(Problem, match="There are no sessions from 2025-01-01 to 2025-02-01"):
        application_ranking.answer(ask(week, start="2025-01-01", end="2025-02-01", now=NOW))
    with pytest.raises(Problem, match="There are no sessions of lt"):
        application_ranking.answer(ask(week, **WINDOW, application="lt", now=NOW))
