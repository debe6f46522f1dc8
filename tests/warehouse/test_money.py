from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse import money
from warehouse.errors import Problem

quantities = st.integers(-1_000_000_000, 1_000_000_000)
rates = st.integers(0, money.LARGEST_RATE_SCALED)
currencies = st.sampled_from(["EUR", "USD", "JPY", "KWD"])


def test_an_hour_and_a_half_at_85_euros_is_127_50() -> None:
    assert money.amount_minor(1500, 1000, 850_000, "EUR") == 12_750
    assert money.amount_minor(90, 60, 850_000, "EUR") == 12_750


def test_half_a_cent_is_rounded_away_from_zero_on_both_sides() -> None:
    # 0.005 h at 1.00 EUR is half a cent.
    assert money.amount_minor(5, 1000, 10_000, "EUR") == 1
    assert money.amount_minor(-5, 1000, 10_000, "EUR") == -1
    assert money.amount_minor(4, 1000, 10_000, "EUR") == 0


def test_yen_have_no_decimals_and_dinars_have_three() -> None:
    assert money.amount_minor(1500, 1000, 10_000_000, "JPY") == 1500
    assert money.amount_minor(1500, 1000, 10_000, "KWD") == 1500
    assert [money.minor_digits(code) for code in ("JPY", "EUR", "KWD")] == [0, 2, 3]


@given(quantities, st.sampled_from(money.QUANTA_PER_HOUR), rates, currencies)
def test_amounts_equal_those_of_decimal(quantity: int, per_hour: int, rate: int, currency: str) -> None:
    exact = Fraction(quantity * rate * 10 ** money.minor_digits(currency), per_hour * 10_000)
    # A ratio with these denominators ends within 40 decimals only up to a repeating tail that is no half.
    decimal = Decimal(exact.numerator) / Decimal(exact.denominator)
    expected = int(decimal.to_integral_value(ROUND_HALF_UP))
    assert money.amount_minor(quantity, per_hour, rate, currency) == expected


@given(
    st.lists(st.tuples(quantities, rates, currencies), min_size=1, max_size=50),
    st.sampled_from(money.QUANTA_PER_HOUR),
)
def test_whole_columns_are_priced_as_single_lines_are(
    lines: list[tuple[int, int, str]], per_hour: int
) -> None:
    frame = pl.DataFrame(
        lines, schema={"quantity": pl.Int64, "rate": pl.Int64, "currency": pl.String}, orient="row"
    )
    priced = frame.select(
        money.amount_minor_expr(pl.col("quantity"), per_hour, pl.col("rate"), pl.col("currency"))
    )
    assert priced.to_series().to_list() == [
        money.amount_minor(quantity, per_hour, rate, currency) for quantity, rate, currency in lines
    ]


def test_a_million_hours_at_a_million_an_hour_are_a_million_millions() -> None:
    line = pl.DataFrame({"quantity": [10**9], "rate": [10**10], "currency": ["KWD"]})
    priced = line.select(
        money.amount_minor_expr(pl.col("quantity"), 1000, pl.col("rate"), pl.col("currency"))
    )
    assert priced.to_series().to_list() == [10**15]


def test_a_duration_becomes_whole_quanta() -> None:
    assert money.quanta(3_600_000, 1000) == 1000
    assert money.quanta(1_800, 1000) == 1  # half of 3.6 s
    assert money.quanta(1_799, 1000) == 0
    assert money.quanta(-1_800, 1000) == -1
    assert money.quanta(90_000, 60) == 2


def test_amounts_rates_and_hours_as_people_read_them() -> None:
    assert money.format_minor(123_450, "EUR") == "1,234.50 EUR"
    assert money.format_minor(-5, "EUR") == "-0.05 EUR"
    assert money.format_minor(1500, "JPY") == "1,500 JPY"
    assert money.format_rate(850_000, "EUR") == "85.00 EUR/h"
    assert money.format_rate(851_234, "EUR") == "85.1234 EUR/h"
    assert money.format_rate(10_000_000, "JPY") == "1,000 JPY/h"
    assert str(money.hours(1234, 1000)) == "1.234"
    assert str(money.hours(1000, 1000)) == "1.000"
    assert str(money.hours(20, 60)) == "0.333333"
    assert [money.hours_and_minutes(minutes) for minutes in (5, 605, -65)] == ["0:05", "10:05", "-1:05"]


@pytest.mark.parametrize(("text", "scaled"), [("85", 850_000), (" 85.50 ", 855_000), ("0.0001", 1), ("0", 0)])
def test_a_rate_is_read_to_a_ten_thousandth(text: str, scaled: int) -> None:
    assert money.scale_rate(text) == scaled
    assert money.rate(scaled) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("abc", "'abc' is not a rate"),
        ("-1", "negative"),
        ("NaN", "not finite"),
        ("1.00001", "finer than four decimals"),
        ("1e9", "over a million an hour"),
        ("", "'' is not a rate"),
    ],
)
def test_what_is_no_rate_is_refused(text: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        money.scale_rate(text)


@pytest.mark.parametrize("code", ["eur", "EURO", "", "E1R", "€€€"])
def test_what_is_no_currency_is_refused(code: str) -> None:
    with pytest.raises(Problem, match="is not a currency"):
        money.minor_digits(code)


def test_the_largest_remainder_takes_the_odd_cent() -> None:
    assert money.spread(100, [1, 1, 1]) == [34, 33, 33]
    assert money.spread(-100, [1, 1, 1]) == [-34, -33, -33]
    assert money.spread(10, [1, 2]) == [3, 7]
    assert money.spread(7, [0, 0]) == [7, 0]


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_spread_parts_sum_to_the_whole_and_stay_within_one_of_the_exact_share(
    total: int, weights: list[int]
) -> None:
    parts = money.spread(total, weights)
    assert sum(parts) == total
    if sum(weights):
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - Fraction(total * weight, sum(weights))) < 1
