"""Prices in another currency than the payer's: converted by a dated factor that stays on the line.

A factor is 1/100,000,000: units of one currency for one of the other. It holds from its day until the pair's
next one; nothing is derived from the reverse pair or by way of a third currency.
"""

from __future__ import annotations

import polars as pl

from warehouse.money import rate_units_expr, rounded_expr

FACTOR_SCALE = 100_000_000


def factors(prices: pl.DataFrame, conversions: pl.DataFrame) -> pl.DataFrame:
    """Add `conversion_scaled` (Int64): the factor in force on each row's day; null where there is none.

    Parameters
    ----------
    prices
        `day`, `rate_currency` (of the price), `currency` (of the payer), ...
    conversions
        `from_currency`, `to_currency`, `from_on`, `factor_scaled`; one row per pair and day.
    """
    known = conversions.select(
        pl.col("from_currency").alias("rate_currency"),
        pl.col("to_currency").alias("currency"),
        pl.col("from_on").alias("day"),
        pl.col("factor_scaled").alias("conversion_scaled"),
    )
    pair = ["rate_currency", "currency"]
    return prices.sort("day").join_asof(known.sort("day"), on="day", by=pair, check_sortedness=False)


def converted_rate(rate_scaled: pl.Expr) -> pl.Expr:
    """Convert rates by `conversion_scaled` (null: as they are), half away from zero to 1/10,000."""
    product = rate_scaled.cast(pl.Int128) * pl.col("conversion_scaled").fill_null(FACTOR_SCALE)
    return rounded_expr(product, FACTOR_SCALE)


def converted_minor(amount_minor: pl.Expr) -> pl.Expr:
    """Convert amounts of `rate_currency` to `currency` by `conversion_scaled`, to its minor unit.

    An amount whose `rate_currency` is null is in `currency` already.
    """
    given = rate_units_expr(pl.coalesce("rate_currency", "currency"))
    product = amount_minor.cast(pl.Int128) * given * pl.col("conversion_scaled").fill_null(FACTOR_SCALE)
    return rounded_expr(product, rate_units_expr(pl.col("currency")).cast(pl.Int128) * FACTOR_SCALE)
