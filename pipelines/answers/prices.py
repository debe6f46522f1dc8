"""What licenses cost a year in each way they are sold: as the contract says, else in percent of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

import polars as pl

from pipelines.answers.demand import Demand
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.licenses import SEAT_METRICS
from warehouse.money import rounded


@dataclass(frozen=True)
class Offers:
    """What is assumed where no contract names a price, in percent; 0: it is not sold so.

    Attributes
    ----------
    named
        A year's seat of one person, of a year's concurrent license.
    rent
        A month's concurrent license, of a year's.
    buy
        The purchase of a license for good, of a year's.
    maintenance
        A year's maintenance of a purchased license, of its purchase.
    years
        For how long a purchase is used.
    """

    named: float = 50.0
    rent: float = 12.0
    buy: float = 300.0
    maintenance: float = 20.0
    years: int = 5

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if min(self.named, self.rent, self.buy, self.maintenance) < 0 or self.years < 1:
            raise Problem(
                "a negative price, or a purchase for less than a year", "give percentages of 0 or more"
            )


@dataclass(frozen=True)
class YearlyPrices:
    """Prices of one pool, in minor units of `currency`; None: not sold so.

    Attributes
    ----------
    unit
        Of what the pool is licensed by, as the contract says: a license, a seat, a token.
    named, concurrent, token
        For a year.
    rent
        A concurrent license for a month.
    buy
        A concurrent license bought for good: its share of the purchase, and maintenance, for a year.
    """

    currency: str
    unit: int
    named: int | None
    concurrent: int | None
    token: int | None
    rent: int | None
    buy: int | None


def yearly_prices(demand: Demand, pool: str, offers: Offers) -> YearlyPrices | None:
    """Find the prices of a pool, or None where no right in force has a price.

    Of several rights the one that is consumed last counts: it is the next one to be bought or given back.
    """
    day = demand.question.end_day - timedelta(days=1)
    product, is_token = pool.removesuffix(":token"), pool.endswith(":token")
    in_force = (pl.col("valid_from") <= day) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))
    rights = frames.entitlements(demand.question.engine).filter(
        in_force,
        pl.col("product") == product,
        (pl.col("metric") == "token") == is_token,
        pl.col("unit_cost_minor").is_not_null(),
    )
    found = rights.sort("consumption_order", maintain_order=True).tail(1).collect()
    if found.is_empty():
        return None
    right = found.row(0, named=True)
    return _prices(right["currency"], right["unit_cost_minor"], right["metric"], offers)


def _prices(currency: str, unit: int, metric: str, offers: Offers) -> YearlyPrices:
    if metric == "token":
        return YearlyPrices(currency, unit, named=None, concurrent=None, token=unit, rent=None, buy=None)
    is_seat = metric in SEAT_METRICS
    if is_seat and not offers.named:
        return YearlyPrices(currency, unit, named=unit, concurrent=None, token=None, rent=None, buy=None)
    # The seat's price is known: of a concurrent license it is so many percent.
    concurrent = _part(unit, 10_000 / _share(offers.named)) if is_seat else unit
    bought = concurrent * _share(offers.buy) / 100
    buy = bought / offers.years + bought * _share(offers.maintenance) / 100
    return YearlyPrices(
        currency=currency,
        unit=unit,
        named=unit if is_seat else _part(concurrent, _share(offers.named)) or None,
        concurrent=concurrent,
        token=None,
        rent=_part(concurrent, _share(offers.rent)) or None,
        buy=rounded(buy.numerator, buy.denominator) or None,
    )


def _share(percent: float) -> Fraction:
    return Fraction(str(percent))


def _part(minor: int, percent: Fraction) -> int:
    part = minor * percent / 100
    return rounded(part.numerator, part.denominator)
