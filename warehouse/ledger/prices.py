"""What the rates table says that a line of a rate version may cost an hour."""

from __future__ import annotations

import json

import polars as pl

from warehouse.ledger.links import Read
from warehouse.money import rounded

CONVERSION_SCALE = 100_000_000
"""Scaled units in a conversion factor of 1."""

_RATE = pl.Schema(
    {
        "id": pl.Int64, "currency": pl.String, "valid_from_on": pl.String, "valid_to_on": pl.String,
        "rate_scaled": pl.Int64, "tiers": pl.String, "has_free_hours": pl.Int64,
    }
)  # fmt: skip
_RATES = """
    SELECT id, currency, valid_from_on, valid_to_on, rate_scaled, CAST(tiers AS TEXT),
           CASE WHEN free_ms > 0 OR tier_kind = 'package' THEN 1 ELSE 0 END
    FROM rate
"""
_FACTOR = pl.Schema(
    {"from_currency": pl.String, "to_currency": pl.String, "factor_scaled": pl.Int64, "from_on": pl.String}
)
_FACTORS = (
    "SELECT from_currency, to_currency, factor_scaled, min(from_on) FROM conversion_rate GROUP BY 1, 2, 3"
)


class Prices:
    """The rates and conversion rates by now."""

    def __init__(self, read: Read) -> None:
        self._rates = {number: rest for number, *rest in read(_RATES, _RATE, {}).iter_rows()}
        self._factors = {tuple(key): since for *key, since in read(_FACTORS, _FACTOR, {}).iter_rows()}

    def fault(  # noqa: PLR0911, PLR0913, PLR0917 - all that a line says of its price
        self,
        unit: str,
        billable: int,
        rate_id: int | None,
        rate_scaled: int,
        day: str,
        currency: str,
        rate_currency: str | None,
        factor: int | None,
    ) -> str | None:
        """Say what is wrong with the price of a line; None where nothing is."""
        if rate_id is None:
            free = not billable or unit == "each"
            return None if free else "it is billed without a rate version"
        if rate_id not in self._rates:
            return f"its rate version {rate_id} is not there"
        own, since, until, base, tiers, has_free_hours = self._rates[rate_id]
        if day < since or (until is not None and day >= until):
            return f"its rate version {rate_id} is not in force on {day}"
        if own != (rate_currency or currency):
            return f"its rate version {rate_id} is in {own}"
        if (rate_currency is None) != (factor is None):
            return "it names a conversion only in part"
        if factor is not None and self._factors.get((own, currency, factor), "~") > day:
            return f"no conversion rate from {own} to {currency} says {factor} by {day}"
        # Hours of an allowance, or in a package that a line of its own charges, cost nothing.
        prices = [base, *_tier_prices(tiers), *([0] if has_free_hours else [])]
        if unit == "hour" and rate_scaled not in [_converted(price, factor) for price in prices]:
            return f"its rate version {rate_id} says another price"
        return None


def _tier_prices(text: str | None) -> list[int]:
    try:
        return [int(price) for _, price in json.loads(text or "[]")]
    except (ValueError, TypeError):
        return []


def _converted(price: int, factor: int | None) -> int:
    return price if factor is None else rounded(price * factor, CONVERSION_SCALE)
