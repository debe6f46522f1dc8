"""Integer money: what a quantity at a rate costs, exactly; `Decimal` only where people read or write it.

Inside, an amount is whole minor units of its currency, a rate is 1/10,000 of the major unit per hour, and a
quantity is whole quanta, `quantum_per_hour` of them to the hour. No float ever holds any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

import polars as pl

from warehouse.errors import Problem

RATE_SCALE = 10_000
"""Scaled rate units in one major unit of a currency."""

HOUR_MS = 3_600_000

QUANTA_PER_HOUR = (1000, 60)
"""The quanta that a run may have: 0.001 h, or one minute for targets that take HH:MM."""

LARGEST_RATE_SCALED = 10**6 * RATE_SCALE
"""A million an hour: whatever is dearer is a slip of the decimal point."""

# ISO 4217: the currencies whose minor unit is not a hundredth.
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_DIGITS = dict.fromkeys(_WHOLE.split(), 0) | dict.fromkeys(_THOUSANDTHS.split(), 3)


def minor_digits(currency: str) -> int:
    """Return how many decimals the amounts of a currency have.

    Raises
    ------
    Problem
        The text is no currency code.
    """
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()):
        raise Problem(f"{currency!r} is not a currency", "give its ISO 4217 code, such as EUR")
    return _DIGITS.get(currency, 2)


def rounded(numerator: int, denominator: int) -> int:
    """Divide and round half away from zero; `denominator` is positive."""
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return quotient if numerator >= 0 else -quotient


def rounded_expr(numerator: pl.Expr, denominator: pl.Expr | int) -> pl.Expr:
    """Divide and round half away from zero, in whole columns (Int64); `denominator` is positive."""
    return (numerator.sign() * ((2 * numerator.abs() + denominator) // (2 * denominator))).cast(pl.Int64)


def amount_minor(quantity: int, quantum_per_hour: int, rate_scaled: int, currency: str) -> int:
    """Price a quantity: rate x quantity, half away from zero, to the currency's minor unit.

    Parameters
    ----------
    quantity
        Whole quanta; negative on a correction.
    quantum_per_hour
        Quanta in an hour.
    rate_scaled
        Price of an hour in 1/10,000 of the major unit.
    currency
        ISO 4217 code.
    """
    minor_units = 10 ** minor_digits(currency)
    return rounded(quantity * rate_scaled * minor_units, quantum_per_hour * RATE_SCALE)


def amount_minor_expr(
    quantity: pl.Expr, quantum_per_hour: int, rate_scaled: pl.Expr, currency: pl.Expr
) -> pl.Expr:
    """Price quantities as `amount_minor` does, in whole columns (Int64); null where a column is null."""
    # A million hours at a million an hour is beyond 64 bits.
    return rounded_expr(quantity.cast(pl.Int128) * rate_scaled, rate_units_expr(currency) * quantum_per_hour)


def rate_units_expr(currency: pl.Expr) -> pl.Expr:
    """Return how many rate units, 1/10,000, one minor unit of each currency has (Int64).

    A divisor of a price, so that the product stays small; and the price of a fixed amount that is charged
    once.
    """
    units = pl.lit(RATE_SCALE // 100, dtype=pl.Int64)
    for digits in set(_DIGITS.values()):
        codes = [code for code, its_digits in _DIGITS.items() if its_digits == digits]
        units = pl.when(currency.is_in(codes)).then(RATE_SCALE // 10**digits).otherwise(units)
    return units


def quanta(milliseconds: int, quantum_per_hour: int) -> int:
    """Round a duration to whole quanta, half away from zero."""
    return rounded(milliseconds, HOUR_MS // quantum_per_hour)


def hours(quantity: int, quantum_per_hour: int) -> Decimal:
    """Return a quantity in hours; exact for thousandths, six decimals for minutes."""
    value = Decimal(quantity) / quantum_per_hour
    return value.quantize(Decimal("0.001") if quantum_per_hour == 1000 else Decimal("0.000001"))


def hours_and_minutes(minutes: int) -> str:
    """Return a quantity in minutes as H:MM, as time sheets write it."""
    sign = "-" if minutes < 0 else ""
    return f"{sign}{abs(minutes) // 60}:{abs(minutes) % 60:02d}"


def major(amount: int, currency: str) -> Decimal:
    """Return an amount in major units with exactly the currency's decimals."""
    return Decimal(amount).scaleb(-minor_digits(currency))


def format_minor(amount: int, currency: str) -> str:
    """Write an amount as people read it: `1,234.50 EUR`."""
    return f"{major(amount, currency):,} {currency}"


def rate(rate_scaled: int) -> Decimal:
    """Return the price of an hour in major units, with four decimals."""
    return Decimal(rate_scaled).scaleb(-4)


def format_rate(rate_scaled: int, currency: str) -> str:
    """Write a rate as people read it: `85.00 EUR/h`, with as many decimals as it needs."""
    text = f"{rate(rate_scaled):,}".rstrip("0")
    whole, _, decimals = text.partition(".")
    digits = minor_digits(currency)
    return f"{whole}{'.' if decimals or digits else ''}{decimals.ljust(digits, '0')} {currency}/h"


def scale_rate(text: str) -> int:
    """Read a rate as people write it: `85`, `85.5`, `0.0125`.

    Raises
    ------
    Problem
        No number, negative, finer than 1/10,000, or over a million an hour.
    """
    try:
        scaled = Decimal(text.strip()) * RATE_SCALE
    except InvalidOperation:
        raise Problem(f"{text!r} is not a rate", "write a number such as 85.50") from None
    if not scaled.is_finite() or scaled < 0:
        raise Problem(f"the rate {text} is negative or not finite", "write a number of 0 or more")
    if scaled != scaled.to_integral_value():
        raise Problem(f"the rate {text} is finer than four decimals", "round it to 1/10,000")
    if scaled > LARGEST_RATE_SCALED:
        raise Problem(f"the rate {text} is over a million an hour", "check the decimal point")
    return int(scaled)


def spread_over(
    frame: pl.DataFrame, total: str, weight: str, over: Sequence[str], order: Sequence[str]
) -> pl.DataFrame:
    """Divide fixed amounts as `spread` does, one per group of rows.

    Parameters
    ----------
    frame
        `total` (the same on all rows of a group, 0 or more), `weight` (0 or more, of which at least one in a
        group is over 0), the columns of `over`, which name a group, and of `order`, which name a row.

    Returns
    -------
    pl.DataFrame
        The rows with `part` (Int64), in the order of `over` and `order`; the parts of a group sum to `total`.
    """
    product = pl.col(total).cast(pl.Int128) * pl.col(weight)
    whole = pl.col(weight).cast(pl.Int128).sum().over(over)
    shares = frame.with_columns(part=product // whole, rest=product % whole)
    keys = [*over, "rest", *order]
    by_rest = shares.sort(keys, descending=[name == "rest" for name in keys])
    left = pl.col(total) - pl.col("part").sum().over(over)
    place = pl.int_range(pl.len()).over(over)
    parts = by_rest.with_columns(part=(pl.col("part") + (place < left)).cast(pl.Int64))
    return parts.drop("rest").sort(*over, *order)


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a fixed amount in proportion to weights by the largest remainder: the parts sum to it.

    Equal remainders go to the earlier part. All weights 0: everything goes to the first part.
    """
    whole = sum(weights)
    if whole == 0:
        return [total if place == 0 else 0 for place in range(len(weights))]
    sign = 1 if total >= 0 else -1
    shares = [divmod(abs(total) * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: -shares[place][1])
    for place in by_remainder[: abs(total) - sum(parts)]:
        parts[place] += 1
    return [sign * part for part in parts]
