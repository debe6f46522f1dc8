"""What the terms of a contract cost over its years: growth, uplift, discount, step-down and true-up.

All in whole minor units and exact fractions: no float holds money. Each year's cost is rounded once, half
away from zero; a total is the sum of its years.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor

import polars as pl

from warehouse.errors import Problem
from warehouse.money import rounded

YEARS = 10
"""No term is longer."""


@dataclass(frozen=True)
class Terms:
    """An offer, and the need that it is to cover. Shares are fractions of 1: a tenth is Fraction(1, 10).

    Attributes
    ----------
    quantity
        Licenses committed to in the first year.
    need
        Licenses needed in the first year.
    list_price_minor
        Of a license and year, in the first year.
    years
        Length of the term, 1 to 10.
    growth
        By how much the need grows a year, compounded and rounded up to whole licenses; negative: it falls.
    uplift
        By how much prices rise a year, compounded.
    discount
        Off the list price, on everything that is committed to or added.
    step_down
        The share of licenses held that may be given back at each anniversary, rounded down.
    true_up
        Surcharge on the discounted price of licenses that are added during the term, in the year they are
        added.
    """

    quantity: int
    need: int
    list_price_minor: int
    years: int = 3
    growth: Fraction = Fraction(0)
    uplift: Fraction = Fraction(0)
    discount: Fraction = Fraction(0)
    step_down: Fraction = Fraction(0)
    true_up: Fraction = Fraction(0)

    def need_in(self, year: int) -> int:
        """Give the licenses needed in a year of the term, from 0."""
        return ceil(self.need * (1 + self.growth) ** year)


def term(terms: Terms) -> pl.LazyFrame:
    """Work out a contract year by year.

    In the first year what is needed beyond the quantity is added as well. At each anniversary the licenses
    held follow the need: up without limit, by true-up; down by no more than the step-down allows.

    Returns
    -------
    pl.LazyFrame
        `year` (from 1), `need`, `held`, `added`, `given_back`, `unused` (held beyond the need), `price_minor`
        (of one, as it is rounded for reading), `cost_minor` (held at the discounted price, and the surcharge
        of what is added), `at_list_minor` (just the need of the year, at list price, without a commitment).
        Int64; one row per year.

    Raises
    ------
    Problem
        A negative quantity, need or price, a share that cannot be, or a term that is not 1 to 10 years.
    """
    _check(terms)
    return pl.LazyFrame(list(_years(terms)), schema=dict.fromkeys(COLUMNS, pl.Int64), orient="row")


def _years(terms: Terms) -> Iterator[tuple[int, ...]]:
    held = terms.quantity
    for year in range(terms.years):
        need = terms.need_in(year)
        fewest = held - (floor(held * terms.step_down) if year else 0)
        before, held = held, max(need, fewest)
        added = max(held - before, 0)
        at_list = terms.list_price_minor * (1 + terms.uplift) ** year
        price = at_list * (1 - terms.discount)
        amounts = (price, price * (held + added * terms.true_up), at_list * need)
        counts = (year + 1, need, held, added, max(before - held, 0), held - need)
        yield (*counts, *(rounded(*Fraction(amount).as_integer_ratio()) for amount in amounts))


COLUMNS = (
    "year", "need", "held", "added", "given_back", "unused", "price_minor", "cost_minor", "at_list_minor",
)  # fmt: skip


def walk_away_quantity(terms: Terms) -> int | None:
    """Find the largest quantity that is worth committing to.

    Beyond it the whole term costs more than buying just what is needed each year at list price, without any
    commitment: then walk away from the offer.

    Returns
    -------
    int or None
        None: no quantity is worth it.

    Raises
    ------
    Problem
        As `term`.
    """
    _check(terms)
    if not terms.list_price_minor or terms.discount == 1:
        raise Problem("an offer that costs nothing", "give the list price, and a discount below 100 %")
    at_list = sum(year[-1] for year in _years(terms))
    first_price = terms.list_price_minor * (1 - terms.discount)
    # Whatever the terms, the first year alone costs as much as all of the alternative from here on.
    most = ceil((at_list + 1) / first_price)
    worth = (quantity for quantity in range(most, -1, -1) if _cost(terms, quantity) <= at_list)
    return next(worth, None)


def _cost(terms: Terms, quantity: int) -> int:
    return sum(year[-2] for year in _years(replace(terms, quantity=quantity)))


def _check(terms: Terms) -> None:
    if min(terms.quantity, terms.need, terms.list_price_minor) < 0:
        raise Problem("a negative quantity, need or price", "give numbers of 0 or more")
    if not 1 <= terms.years <= YEARS:
        raise Problem(f"a term of {terms.years} years", f"give 1 to {YEARS}")
    if not (0 <= terms.discount <= 1 and 0 <= terms.step_down <= 1):
        raise Problem("a discount or step-down outside 0 to 100 %", "give a share of the whole")
    if terms.growth < -1 or terms.uplift < -1 or terms.true_up < 0:
        raise Problem("a growth or uplift below -100 %, or a negative true-up", "give shares such as 5 %")
