"""What licenses cost in a window, idle cost, and what projects paid back."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.errors import Problem
from warehouse.metrics.license_cost import idle_cost, license_cost, recovered

RIGHT = {
    "entitlement": pl.String, "quantity": pl.Int64, "valid_from": pl.Date, "valid_to": pl.Date,
    "unit_cost_minor": pl.Int64, "currency": pl.String,
}  # fmt: skip
COST = {"license": pl.String, "currency": pl.String, "cost_minor": pl.Int64}
USE = {"license": pl.String, "run_ms": pl.Int64, "idle_ms": pl.Int64, "held_ms": pl.Int64}
START, END = date(2026, 1, 1), date(2027, 1, 1)


def rights(*rows: tuple[object, ...]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema=RIGHT, orient="row")


def test_a_right_costs_the_days_of_the_window_on_which_it_is_in_force() -> None:
    found = license_cost(
        rights(
            ("whole", 5, date(2020, 1, 1), None, 120_000, "EUR"),
            ("half", 1, date(2026, 7, 2), date(2028, 1, 1), 1_000, "USD"),  # 183 days: 501.37
            ("unpriced", 3, START, END, None, None),
            ("before", 1, date(2025, 1, 1), START, 1_000, "EUR"),
            ("after", 1, END, None, 1_000, "EUR"),
        ),
        START,
        END,
    )
    assert found.collect().rows() == [
        ("whole", "EUR", 365, 600_000),
        ("half", "USD", 183, 501),
        ("unpriced", None, 365, None),
    ]


def test_a_window_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(Problem, match="is not after its start"):
        license_cost(rights(), END, END)


@given(st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 800), st.integers(1, 800))
def test_the_cost_is_the_exact_fraction_rounded_once(quantity: int, unit: int, first: int, days: int) -> None:
    start = date(2025, 1, 1) + timedelta(days=first)
    frame = rights(("a", quantity, None, None, unit, "EUR"))
    exact = Fraction(quantity * unit * days, 365)
    cost = license_cost(frame, start, start + timedelta(days=days)).collect()["cost_minor"][0]
    assert abs(cost - exact) <= Fraction(1, 2)


def test_idle_cost_is_the_idle_share_of_the_run_time_and_unknown_where_attention_is_not_seen() -> None:
    costs = pl.LazyFrame(
        [
            ("cad", "EUR", 1_001),
            ("cad", "USD", None),
            ("batch", "EUR", 500),
            ("none", "EUR", 500),
            ("big", "INR", 10**13),
        ],
        schema=COST,
        orient="row",
    )
    used = pl.LazyFrame(
        [("cad", 400, 100, 50), ("batch", 400, 0, 400), ("big", 10**12, 10**12, 0)], schema=USE, orient="row"
    )
    assert idle_cost(costs, used).collect().rows() == [
        ("cad", "EUR", 1_001, 0.25, 250),
        ("cad", "USD", None, 0.25, None),
        ("batch", "EUR", 500, None, None),
        ("none", "EUR", 500, None, None),
        ("big", "INR", 10**13, 1.0, 10**13),
    ]


def test_what_projects_paid_is_added_up_by_license_and_currency() -> None:
    lines = pl.LazyFrame(
        {
            "application": ["cad", "lt", "cad", "cad", "other"],
            "currency": ["EUR", "EUR", "USD", "EUR", "EUR"],
            "amount_minor": [100, 20, 7, -1, 1_000],
        }
    )
    licenses = pl.LazyFrame({"application": ["cad", "lt"], "license": ["suite", "suite"]})
    assert recovered(lines, licenses).collect().rows() == [("suite", "EUR", 119), ("suite", "USD", 7)]
