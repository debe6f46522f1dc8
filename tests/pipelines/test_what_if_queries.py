"""What the shell says of other numbers of licenses, for the week that can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_warehouse
from sqlalchemy import Engine

from pipelines.queries import query
from warehouse.errors import Problem
from warehouse.store import upgrade


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('queries') / 'week.sqlite'}")
    small_warehouse.fill(engine)
    yield engine
    engine.dispose()


CAD = {"application": "cad", "basis": "busy"}


def test_each_number_of_licenses_has_its_figure(week: Engine) -> None:
    assert query(week, "turned_away", CAD) == [
        {"n": n, "turned_away": away} for n, away in enumerate((30, 25, 20, 15, 10, 5, 0))
    ]
    assert query(week, "minutes_short", CAD)[5] == {"n": 5, "minutes_short": 450.0}
    with pytest.raises(Problem, match="people_affected asks for one application"):
        query(week, "people_affected")


def test_the_cheapest_mix_and_a_term_can_be_asked(week: Engine) -> None:
    assert query(week, "cheapest_mix", CAD) == {
        "named": 6, "concurrent": 0, "cost_minor": 300, "bound_minor": 300,
    }  # fmt: skip
    years = query(
        week, "term_cost", {"quantity": 10, "need": 8, "price_minor": 1000, "years": 2, "uplift": 5}
    )
    assert [year["cost_minor"] for year in years if isinstance(year, dict)] == [10_000, 10_500]
    with pytest.raises(Problem, match=r"a service level of 101.0 %"):
        query(week, "cheapest_mix", CAD | {"service_percent": 101})


def test_one_pool_and_the_trend_can_be_asked(week: Engine) -> None:
    places = query(week, "pooled_peak", CAD)
    assert [(row["place"], row["peak"]) for row in places if isinstance(row, dict)] == [("HQ", 6), (None, 6)]
    assert query(week, "demand_trend", CAD) == [
        {"month": "2026-10-01", "demand": 6.0, "line": None, "lower": None, "upper": None, "months": 1}
    ]
