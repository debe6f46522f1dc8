"""The hours of the week, on a week that can be counted by hand."""

from __future__ import annotations

import polars as pl
import pytest
import small_warehouse
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from pipelines.answers import heatmap
from pipelines.answers.question import ask
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def test_each_working_morning_is_busy_and_the_rest_of_the_week_is_quiet(week: Engine) -> None:
    found = heatmap.answer(ask(week, **WINDOW, application="cad", now=NOW))
    used = found.hours.filter(pl.col("maximum") > 0)
    assert found.hours.height == 7 * 24
    assert used.rows() == [
        (day, hour, 6, mean) for day in range(1, 6) for hour, mean in ((9, 6.0), (10, 3.0))
    ]
    assert found.busiest.row(0) == ("Monday", "09:00", 6, 6.0)
    assert found.claims == {
        "busiest": "**Drawing** is wanted most on Monday from 09:00: 6 people at most, 6.0 on average; 5 "
        "are owned, and every one of the ten busiest hours went above that.",
        "quiet": "158 hours of the week are quiet, 94 % of all: less than a quarter of the busiest hour's "
        "mean. Work that can wait would find Drawing free there.",
    }


def test_the_mean_puts_the_hours_in_another_order(week: Engine) -> None:
    found = heatmap.answer(ask(week, **WINDOW, application="cad", now=NOW), "mean")
    assert found.busiest["hour"].to_list() == ["09:00"] * 5 + ["10:00"] * 5


def test_an_unknown_measure_is_refused(week: Engine) -> None:
    with pytest.raises(Problem, match="unknown measure 'median'; give one of maximum, mean"):
        heatmap.answer(ask(week, **WINDOW, now=NOW), "median")
