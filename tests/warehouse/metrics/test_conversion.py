"""Rates in another currency than the payer's, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from billing_cases import PROJECT, frame, rate, tariff
from rating_cases import HOUR, rated, rows, use

from warehouse.metrics.tariff import CONVERSIONS, Tariff

JULY, TENTH = date(2026, 7, 1), date(2026, 10, 10)
USD_TO_EUR = ("USD", "EUR", 92_345_678)
COLUMNS = ("rate_scaled", "currency", "amount_minor", "rate_currency", "conversion_scaled")


def converting(*conversions: tuple[str, str, int] | tuple[str, str, int, date], rates: Any) -> Tariff:
    """The tariff of `billing_cases` with projects in yen and dinar, and conversions from July on."""
    known = [
        dict(zip(("from_currency", "to_currency", "factor_scaled", "from_on"), (*row, JULY), strict=False))
        for row in conversions
    ]
    more = [
        {"project": code, "currency": code, "chargeable": True, "kind": "project"} for code in ("JPY", "KWD")
    ]
    prices = tariff(*rates)
    projects = pl.concat([prices.projects, frame(PROJECT, more)])
    return replace(prices, projects=projects, conversions=frame(dict(CONVERSIONS), known))


def test_a_rate_of_another_currency_is_converted_and_the_line_keeps_how() -> None:
    # 12.3456 USD x 0.92345678 = 11.400628..., to a ten-thousandth 11.4006; 2 h are 22.80 EUR.
    price = rate(1, 123_456, currency="USD")
    found = rated(use(5, 120), at=converting(USD_TO_EUR, rates=[price]))
    assert rows(found, *COLUMNS) == [(114_006, "EUR", 2280, "USD", 92_345_678)]


def test_half_a_ten_thousandth_is_rounded_away_from_zero() -> None:
    found = rated(use(5, 60), at=converting(("USD", "EUR", 50_000_000), rates=[rate(1, 25, currency="USD")]))
    assert rows(found, "rate_scaled") == [(13,)]


def test_a_rate_in_the_payers_currency_goes_before_a_more_special_one_in_another() -> None:
    prices = [rate(1, 100_000), rate(2, 900_000, currency="USD", project="A", application="cad")]
    found = rated(use(5, 60), at=converting(USD_TO_EUR, rates=prices))
    assert rows(found, "rate_id", *COLUMNS) == [(1, 100_000, "EUR", 1000, None, None)]


def test_the_most_special_rate_of_the_other_currencies_counts() -> None:
    prices = [rate(1, 100_000, currency="USD"), rate(2, 200_000, currency="GBP", application="cad")]
    found = rated(use(5, 60), at=converting(USD_TO_EUR, ("GBP", "EUR", 115_000_000), rates=prices))
    assert rows(found, "rate_id", *COLUMNS) == [(2, 230_000, "EUR", 2300, "GBP", 115_000_000)]


def test_of_two_as_special_the_one_that_can_be_converted_counts_then_the_first_code() -> None:
    prices = [rate(1, 100_000, currency="CHF"), rate(2, 100_000, currency="USD")]
    one = rated(use(5, 60), at=converting(USD_TO_EUR, rates=prices))
    assert rows(one, "rate_id") == [(2,)]
    both = rated(use(5, 60), at=converting(USD_TO_EUR, ("CHF", "EUR", 105_000_000), rates=prices))
    assert rows(both, "rate_id") == [(1,)]


def test_a_factor_holds_from_its_day_until_the_next_one() -> None:
    later = ("USD", "EUR", 80_000_000, TENTH)
    price = rate(1, 100_000, currency="USD")
    found = rated(use(9, 60), use(10, 60), at=converting(USD_TO_EUR, later, rates=[price]))
    assert rows(found, "rate_scaled", "conversion_scaled") == [(92_346, 92_345_678), (80_000, 80_000_000)]


@pytest.mark.parametrize(
    "conversions",
    [
        [],
        [("EUR", "USD", 108_000_000)],  # nothing is derived from the reverse pair
        [("USD", "GBP", 80_000_000), ("GBP", "EUR", 115_000_000)],  # nor by way of a third currency
        [("USD", "EUR", 92_345_678, date(2026, 10, 6))],  # nor before its day
    ],
)
def test_without_a_conversion_time_is_not_billed_and_says_so(conversions: list[Any]) -> None:
    price = rate(1, 100_000, currency="USD")
    found = rated(use(5, 60), at=converting(*conversions, rates=[price]))
    assert found.lines.is_empty()
    assert found.unbilled.rows() == [
        ("no_conversion", 1, HOUR, "no conversion of USD to EUR on 2026-10-05 for cad on project A")
    ]


def test_tiers_caps_and_cost_are_converted_too() -> None:
    price = rate(
        1, 100_000, currency="USD", tier_kind="graduated", tiers=[[2 * HOUR, 50_000]],
        cost_rate_scaled=70_000, daily_cap_minor=2_500,
    )  # fmt: skip
    found = rated(use(5, 240), at=converting(("USD", "EUR", 90_000_000), rates=[price]))
    # 2 h at 9.00 and 2 h at 4.50 are 27.00; the cap of 25.00 USD is 22.50 EUR; an hour costs 6.30 EUR.
    assert rows(found, "kind", "rate_scaled", "amount_minor", "cost_minor") == [
        ("usage", 90_000, 1800, 1260),
        ("usage", 45_000, 900, 1260),
        ("cap", 45_000, -450, None),
    ]


@pytest.mark.parametrize(
    ("project", "factor", "price", "cap"),
    # 10 USD/h for 3 h, at most 25 USD: in yen without decimals, in dinars with three.
    [("JPY", 15_012_345_678, 15_012_346, -751), ("KWD", 30_712_345, 30_712, -1536)],
)
def test_amounts_have_the_decimals_of_the_payers_currency(
    project: str, factor: int, price: int, cap: int
) -> None:
    dollars = rate(1, 100_000, currency="USD", daily_cap_minor=2_500)
    found = rated(use(5, 180, project), at=converting(("USD", project, factor), rates=[dollars]))
    hours, taken = found.lines.rows(named=True)
    assert (hours["rate_scaled"], hours["amount_minor"] + taken["amount_minor"]) == (
        price,
        {"JPY": 3753, "KWD": 7678}[project],
    )
    assert taken["amount_minor"] == cap


def test_packages_and_the_cap_of_a_period_are_converted_by_the_factor_of_its_first_day() -> None:
    later = ("USD", "EUR", 80_000_000, TENTH)
    packed = rate(1, 100_000, currency="USD", tier_kind="package", package_ms=10 * HOUR)
    found = rated(use(9, 60), use(11, 60), at=converting(USD_TO_EUR, later, rates=[packed]))
    assert rows(found, "kind", "amount_minor", "conversion_scaled")[-1] == ("package", 9235, 92_345_678)
    capped = rate(1, 100_000, currency="USD", monthly_cap_minor=1_000)
    bound = rated(use(9, 60), use(11, 60), at=converting(USD_TO_EUR, later, rates=[capped]))
    assert bound.lines["amount_minor"].sum() == 923
