"""Literal frames in, the figure's data literally out."""

from __future__ import annotations

from datetime import date
from typing import Any

import plotly.graph_objects as go
import polars as pl

from apps import charts


def data(figure: go.Figure) -> list[dict[str, Any]]:
    return list(figure.to_plotly_json()["data"])


def labels(figure: go.Figure) -> list[str]:
    return [note["text"] for note in figure.to_plotly_json()["layout"].get("annotations", [])]


LEVELS = pl.DataFrame(
    {
        "n": [0, 1, 2],
        "minutes_short": [120.0, 30.0, 0.0],
        "cost_minor": [0, 10_050, 20_100],
        "rent_minor": [0, 9_000, 12_000],
        "buy_minor": pl.Series([None, None, None], dtype=pl.Int64),
    }
)


def test_a_cost_curve_has_a_line_for_each_way_to_pay_and_a_dot_for_each_mark() -> None:
    figure = charts.cost_curve(LEVELS, currency="EUR", owned=2, marks={"cheapest mix": (1, 9_000)})
    assert [(line.get("name"), line["y"]) for line in data(figure)] == [
        ("subscribed for the year", [0.0, 100.5, 201.0]),
        ("rented by the month", [0.0, 90.0, 120.0]),
        (None, [90.0]),
    ]
    assert labels(figure) == ["cheapest mix", "owned 2"]


def test_without_any_price_the_chart_says_so() -> None:
    bare = LEVELS.with_columns(cost_minor=pl.col("buy_minor"), rent_minor=pl.col("buy_minor"))
    assert labels(charts.cost_curve(bare, currency="")) == ["No price is known."]


def test_shortage_is_drawn_in_hours_with_what_is_enough() -> None:
    figure = charts.minutes_short(LEVELS, owned=2, enough=1)
    assert data(figure)[0]["y"] == [2.0, 0.5, 0.0]
    assert labels(figure) == ["1 are enough", "owned 2"]


def test_a_trend_goes_on_where_the_months_end() -> None:
    months = pl.DataFrame(
        {
            "month": [date(2026, 1, 1), date(2026, 2, 1)],
            "demand": [4.0, None],
            "line": [4.0, 5.0],
            "lower": [3.0, 3.5],
            "upper": [5.0, 6.5],
        }
    )
    assert [(line["name"], line["y"]) for line in data(charts.demand_trend(months))] == [
        ("four in five months", [3.0, 3.5]),
        ("four in five months", [5.0, 6.5]),
        ("trend", [4.0, 5.0]),
        ("peak of the month", [4.0, None]),
    ]
    few = months.with_columns(line=pl.lit(None, pl.Float64))
    assert [line["name"] for line in data(charts.demand_trend(few))] == ["peak of the month"]


def test_a_term_stands_beside_buying_at_list_price() -> None:
    years = pl.DataFrame(
        {"year": [1, 2], "cost_minor": [90_000, 95_000], "at_list_minor": [100_000, 110_000]}
    )
    assert [(bar["name"], bar["x"], bar["y"]) for bar in data(charts.term_costs(years, currency="EUR"))] == [
        ("this offer", ["1", "2"], [900.0, 950.0]),
        ("as needed, at list", ["1", "2"], [1000.0, 1100.0]),
    ]
    assert labels(charts.term_costs(years.select("year"), currency="")) == ["No price is known."]
