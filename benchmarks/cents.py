"""Cents lost or won by 1,000,000 random lines against exact rational arithmetic.

Each line is priced as a bill prices it, in whole columns of 64 and 128 bits, and once more with Python's
fractions: rate converted by a factor of eight decimals and rounded to a ten-thousandth, rate x quantity
rounded half away from zero to the currency's minor unit. Quantities reach a million hours, rates a million an
hour; ties of exactly half a cent are drawn on purpose. Then amounts are divided among projects as caps and
packages are, and their parts summed.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from math import floor
from random import Random

import polars as pl

from warehouse.metrics.conversion import FACTOR_SCALE, converted_rate
from warehouse.money import RATE_SCALE, amount_minor_expr, minor_digits, spread_over

LINES, SEED = 1_000_000, 20261005
CURRENCIES = ("EUR", "USD", "JPY", "KWD")
QUANTA = (1000, 60)


def half_away(value: Fraction) -> int:
    """Round as the bill says it rounds."""
    return floor(value + Fraction(1, 2)) if value >= 0 else -floor(-value + Fraction(1, 2))


def random_line(dice: Random) -> tuple[int, int, int | None, str]:
    """Draw quantity, rate, factor and currency; every tenth amount lies on half a minor unit."""
    currency = dice.choice(CURRENCIES)
    quantity = dice.choice([1, -1]) * dice.choice([dice.randrange(24_000), dice.randrange(10**9)])
    rate = dice.choice([dice.randrange(10**6), dice.randrange(10**10)])
    factor = dice.choice([None, None, dice.randrange(1, 10**10)])
    if dice.random() < 0.1:
        units = RATE_SCALE // 10 ** minor_digits(currency)
        return dice.choice([1, -1]) * 500, (2 * dice.randrange(10**6) + 1) * units, None, currency
    return quantity, rate, factor, currency


def priced(lines: pl.DataFrame, per_hour: int) -> pl.DataFrame:
    """Price lines as a bill does."""
    rated = lines.with_columns(rate_scaled=converted_rate(pl.col("rate")))
    return rated.with_columns(
        amount=amount_minor_expr(pl.col("quantity"), per_hour, pl.col("rate_scaled"), pl.col("currency"))
    )


def difference(lines: pl.DataFrame, per_hour: int) -> tuple[int, int]:
    """Return cents beyond the stated rounding, summed without their signs, and how many ties there were."""
    lost = ties = 0
    columns = ("quantity", "rate", "conversion_scaled", "currency", "amount")
    for quantity, rate, factor, currency, amount in lines.select(columns).iter_rows():
        converted = half_away(rate * Fraction(factor or FACTOR_SCALE, FACTOR_SCALE))
        exact = Fraction(quantity, per_hour) * Fraction(converted, RATE_SCALE) * 10 ** minor_digits(currency)
        ties += exact.denominator == 2
        lost += abs(amount - half_away(exact))
    return lost, ties


def undivided(lines: pl.DataFrame) -> int:
    """Divide amounts among projects by weight; return by how much their parts miss them."""
    parts = lines.select(
        group=pl.int_range(pl.len()) // 5, project=pl.int_range(pl.len()) % 5,
        weight=pl.col("quantity").abs() + 1,
        total=pl.col("amount").abs() % 10**12,
    ).with_columns(pl.col("total").first().over("group"))  # fmt: skip
    spread = spread_over(parts, "total", "weight", ["group"], ["project"])
    sums = spread.group_by("group").agg(pl.col("part").sum(), pl.col("total").first())
    return int((sums["part"] - sums["total"]).abs().sum())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    dice = Random(SEED)
    names = {"quantity": pl.Int64, "rate": pl.Int64, "conversion_scaled": pl.Int64, "currency": pl.String}
    lost = ties = missed = 0
    for per_hour in QUANTA:
        drawn = [random_line(dice) for _ in range(count // len(QUANTA))]
        lines = priced(pl.DataFrame(drawn, schema=names, orient="row"), per_hour)
        more = difference(lines, per_hour)
        lost, ties, missed = lost + more[0], ties + more[1], missed + undivided(lines)
    print(f"{count:,} lines, {ties:,} of them on half a minor unit")
    print(f"minor units beyond the stated rounding: {lost}; missed by the parts of divided amounts: {missed}")
    assert lost == missed == 0


if __name__ == "__main__":
    main()
