"""The cheapest mix of named, concurrent and token licenses that meets a service level over real demand.

A person with a named seat leaves the shared pool. What is left draws on the concurrent licenses of its
product, then on tokens, by weight, from one pool for all its products. At each instant a mix is *short* by

    max(0, sum over products of weight x max(0, demand without seats - concurrent) - tokens)

and the service level limits the sum of shortage x time, counted license by license: two people without a
license for ten minutes are 20 minutes. Without tokens the weight is 1.

Shortage is convex and piecewise linear in the numbers of licenses, so that the program needs neither a row
nor a binary per instant: it starts without any, and wherever its solution is short of more than allowed, one
linear cut says so (W. K. Klein Haneveld and M. H. van der Vlerk, "Integrated chance constraints: reduced
forms and an algorithm", Computational Management Science 3, 2006). A cut asks for no more than the service
level does, so that when the solution of the program meets the service level in all slices of the year, it is
the optimum. docs/decisions/license-mix.md says what else was tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.mix_demand import MixDemand, Numbers, mix_demand
from warehouse.metrics.mix_program import Costs, Mix, Program

SECONDS = 10.0
"""How long HiGHS may take for one mix, unless told otherwise."""

FRACTIONAL_ROUNDS, SETTLED_ROUNDS, SETTLED = 200, 8, 2e-4
"""Cuts are first gathered in fractions, which is quick: for so many rounds, or until cost rises by less than
a share of `SETTLED` in `SETTLED_ROUNDS` of them."""

ZERO_SLICES = 60
"""Where nothing may be short, the slices that are short of most get a row each, so many a round."""


@dataclass(frozen=True)
class Prices:
    """What one license of a product costs for the whole window, in minor units; None: it is not sold so.

    Attributes
    ----------
    named
        A seat of one person.
    concurrent
        A license that one person uses after the other.
    rented
        A concurrent license for one period of the window alone.
    weight
        Tokens that one use draws from the pool.
    """

    named: int | None = None
    concurrent: int | None = None
    rented: int | None = None
    weight: int = 1


@dataclass(frozen=True)
class Service:
    """How much may be short: `share_of_use` (0-1, of the window), or `minutes_a_period`; one of the two.

    Minutes are counted license by license, in a pool of tokens token by token. As a shortage at an instant is
    at least one license, at most m minutes so counted are at most m minutes of the calendar with any
    shortage.
    """

    share_of_use: Fraction | None = None
    minutes_a_period: int | None = None

    def budgets(self, demand_ms: list[int]) -> list[tuple[list[int], int]]:
        """Give the periods that share a budget, and the budget in milliseconds."""
        if self.minutes_a_period is not None:
            return [([number], self.minutes_a_period * 60_000) for number in range(len(demand_ms))]
        unserved = 1 - (self.share_of_use if self.share_of_use is not None else Fraction(1))
        return [(list(range(len(demand_ms))), int(sum(demand_ms) * unserved))]


@dataclass(frozen=True)
class CheapestMix:
    """The cheapest licenses for one product, or for several that share a pool of tokens.

    Attributes
    ----------
    products
        One row per product: product, named, concurrent (Int64), rented (Int64: license-periods), people (with
        any use), peak (Int64, of all use).
    rented
        One row per product and period with a rented license: product, period, licenses (Int64).
    seats
        One row per person who gets a seat: product, person.
    tokens
        Size of the token pool.
    cost_minor
        Of the window.
    bound_minor
        No mix that meets the service level costs less. Equal to the cost: the optimum, proven.
    shortage_minutes
        License by license, and in a pool of tokens token by token.
    minutes_short
        Of the calendar, with any shortage.
    rounds
        How often the program was solved.
    """

    products: pl.DataFrame
    rented: pl.DataFrame
    seats: pl.DataFrame
    tokens: int
    cost_minor: int
    bound_minor: int
    shortage_minutes: float
    minutes_short: float
    rounds: int

    @property
    def is_optimal(self) -> bool:
        """Tell whether the cost is proven to be the least."""
        return self.bound_minor == self.cost_minor


def cheapest_mix(  # noqa: PLR0913 - use, what is sold, the service level, and time
    uses: pl.LazyFrame,
    periods: pl.LazyFrame,
    prices: Mapping[str, Prices],
    service: Service,
    *,
    token_minor: int | None = None,
    seconds: float = SECONDS,
) -> CheapestMix:
    """Find the cheapest mix of licenses for a product, or for several that share a pool of tokens.

    Parameters
    ----------
    uses
        `product`, `person` (null: nobody known, who never gets a seat), `start`, `end`, `units`: what
        `concurrency.intervals` gives by person for licenses that count people. What overlaps adds up.
    periods
        `period` (String), `start`, `end`: disjoint stretches, such as months; use outside is left out.
    prices
        By product; use of other products is left out.
    service
        What may be short.
    token_minor
        What a token costs for the whole window, in minor units; None: there are none, and there is one
        product.
    seconds
        How long HiGHS may take; when that is not enough, `bound_minor` says how far off the mix may be.

    Raises
    ------
    Problem
        A negative price, weight or service level; several products without tokens; a product that is not
        sold.
    """
    _check(prices, service, token_minor)
    weights = {name: price.weight if token_minor is not None else 1 for name, price in prices.items()}
    demand = mix_demand(uses, periods, weights)
    costs = _costs(demand, prices, token_minor)
    budgets = service.budgets([int(ms) for ms in demand.demand_ms()])
    return _Search(demand, costs, budgets, seconds).run()


def _check(prices: Mapping[str, Prices], service: Service, token_minor: int | None) -> None:
    if token_minor is None and len(prices) != 1:
        raise Problem(f"{len(prices)} products without a pool of tokens", "ask for the mix of each by itself")
    _check_service(service)
    for name, price in prices.items():
        given = [price.named, price.concurrent, price.rented, token_minor]
        if any(minor is not None and minor < 0 for minor in given) or price.weight < 1:
            raise Problem(f"{name} has a negative price, or a weight below 1", "give prices of 0 or more")
        if all(minor is None for minor in given):
            raise Problem(
                f"{name} is sold in no way", "give the price of a seat, a concurrent license or a token"
            )


def _check_service(service: Service) -> None:
    share, minutes = service.share_of_use, service.minutes_a_period
    if (share is None) == (minutes is None):
        raise Problem("a service level is a share of use or minutes a period", "give one of the two")
    if (share is not None and not 0 <= share <= 1) or (minutes is not None and minutes < 0):
        raise Problem(
            f"a service level of {share if minutes is None else minutes}", "give 0 to 100 %, or minutes"
        )


def _costs(demand: MixDemand, prices: Mapping[str, Prices], token_minor: int | None) -> Costs:
    listed = [prices[name] for name in demand.products]
    product = (
        demand.candidates["product"]
        .replace_strict({name: number for number, name in enumerate(demand.products)}, return_dtype=pl.Int64)
        .to_numpy()
    )
    known = demand.candidates["person"].is_not_null().to_numpy()
    highest = demand.highest()
    named, owned, rented = (
        np.array([getattr(price, kind) or 0 for price in listed], dtype=np.float64)
        for kind in ("named", "concurrent", "rented")
    )
    sold = {
        kind: np.array([getattr(price, kind) is not None for price in listed])
        for kind in ("named", "concurrent", "rented")
    }
    return Costs(
        seats=named[product],
        most_seats=(sold["named"][product] & known).astype(np.float64),
        owned=owned,
        most_owned=np.where(sold["concurrent"], highest.max(axis=1, initial=0), 0),
        rented=np.repeat(rented[:, None], highest.shape[1], axis=1),
        most_rented=np.where(sold["rented"][:, None], highest, 0),
        token=float(token_minor or 0),
        most_tokens=demand.most_tokens() if token_minor is not None else 0.0,
    )


class _Search:
    """Solve, cut and solve again, keeping the cheapest mix that meets the service level."""

    def __init__(
        self, demand: MixDemand, costs: Costs, budgets: list[tuple[list[int], int]], seconds: float
    ) -> None:
        self.demand, self.costs, self.budgets, self.seconds = demand, costs, budgets, seconds
        self.program = Program(costs, [budget for _, budget in budgets])
        self.budget_of = np.repeat(np.arange(len(budgets)), [len(periods) for periods, _ in budgets])
        self.allows_none = not any(budget for _, budget in budgets)
        self.rounds = 0
        self.bound = 0
        self.best = self._most()

    def run(self) -> CheapestMix:
        """Find the cheapest mix, or the best within the time."""
        if not self._serves(self.best):
            raise Problem(
                "what is sold cannot serve the people without a name in the directory",
                "give the price of a concurrent license or a token, or lower the service level",
            )
        self._in_fractions()
        self.program.in_whole_numbers()
        while self.bound < self._cost(self.best) and self._left() > 0:
            if not self._round():
                break
        return self._result()

    def _most(self) -> Mix:
        """Buy one of the ways in which all demand can be met, the cheapest by itself."""
        costs, none = self.costs, np.zeros_like
        no_seats, no_owned, no_rented = none(costs.seats), none(costs.owned), none(costs.rented)
        ways = [
            Mix(no_seats, no_owned, no_rented, 0.0),
            Mix(costs.most_seats, no_owned, no_rented, 0.0),
            Mix(no_seats, costs.most_owned, no_rented, 0.0),
            Mix(no_seats, no_owned, costs.most_rented, 0.0),
            Mix(no_seats, no_owned, no_rented, costs.most_tokens),
            Mix(costs.most_seats, costs.most_owned, costs.most_rented, costs.most_tokens),
        ]
        serving = [way for way in ways if self._serves(way)]
        return min(serving, key=self._cost, default=ways[0])

    def _in_fractions(self) -> None:
        """Gather cuts while fractions are allowed."""
        costs: list[float] = []
        while len(costs) < FRACTIONAL_ROUNDS and self._left() > 0 and self.program.solve(self._left()):
            self.rounds += 1
            costs.append(self.program.bound(whole=False))
            mix = self.program.mix(whole=False)
            earlier = costs[-SETTLED_ROUNDS] if len(costs) >= SETTLED_ROUNDS else -1.0
            if mix is None or costs[-1] - earlier <= SETTLED * costs[-1] or not self._cut(mix):
                break
        self.bound = self._up(max(costs, default=0.0))
        self.program.forget_loose()

    def _round(self) -> bool:
        """Solve in whole numbers; cut where the mix is short. False: nothing can be gained any more."""
        self.program.start_from(self.best)
        solved = self.program.solve(self._left())
        self.rounds += 1
        self.bound = max(self.bound, min(self._up(self.program.bound(whole=True)), self._cost(self.best)))
        mix = self.program.mix(whole=True)
        if mix is None:
            return False
        self._keep(self._mended(mix))
        return solved and not self._serves(mix) and self._cut(mix)

    def _cut(self, mix: Mix) -> bool:
        cuts = self.demand.cuts(mix.point(), self.budget_of, slices=ZERO_SLICES if self.allows_none else 0)
        self.program.add(cuts)
        return len(cuts.budget) > 0

    def _serves(self, mix: Mix) -> bool:
        short = self.demand.shortage_ms(mix.point())
        return all(short[periods].sum() <= budget for periods, budget in self.budgets)

    def _mended(self, mix: Mix) -> Mix:
        """Add licenses one by one, each the one that serves most for its price, until all is served."""
        costs, most = np.maximum(self.costs.all(), 1), self.costs.most()
        while not self._serves(mix) and self._cost(mix) < self._cost(self.best):
            values = mix.values()
            gain = np.where(values < most, self._gains(mix) / costs, 0)
            if not gain.any():
                return self.best
            values[np.argmax(gain)] += 1
            mix = Mix.of(values, self.costs)
        return mix

    def _gains(self, mix: Mix) -> Numbers:
        """Say by how much one more of each would shorten the shortage of the budgets that are overdrawn."""
        short = self.demand.shortage_ms(mix.point())
        over = [
            number for number, (periods, budget) in enumerate(self.budgets) if short[periods].sum() > budget
        ]
        cuts = self.demand.cuts(mix.point(), self.budget_of)
        gains: Numbers = cuts.columns()[np.isin(cuts.budget, over)].sum(axis=0)
        return gains

    def _keep(self, mix: Mix) -> None:
        if self._cost(mix) < self._cost(self.best):
            self.best = mix

    def _cost(self, mix: Mix) -> int:
        return int(self.costs.all() @ mix.values())

    def _up(self, bound: float) -> int:
        """Round a bound up to what a mix can cost, with some grace for HiGHS's own rounding."""
        step = self.costs.step()
        return ceil((bound - 1e-6 * max(abs(bound), 1.0)) / step) * step

    def _left(self) -> float:
        return self.seconds - self.program.seconds()

    def _result(self) -> CheapestMix:
        demand, best = self.demand, self.best
        has_seat = pl.Series(best.seats > 0)
        seats = demand.candidates.filter(has_seat)
        rented = [
            (product, period, int(best.rented[row, column]))
            for row, product in enumerate(demand.products)
            for column, period in enumerate(demand.periods)
            if best.rented[row, column]
        ]
        point = best.point()
        return CheapestMix(
            products=self._by_product(seats),
            rented=pl.DataFrame(
                rented, {"product": pl.String, "period": pl.String, "licenses": pl.Int64}, orient="row"
            ),
            seats=seats,
            tokens=int(best.tokens),
            cost_minor=self._cost(best),
            bound_minor=self.bound,
            shortage_minutes=float(demand.shortage_ms(point).sum()) / 60_000,
            minutes_short=demand.minutes_short(point),
            rounds=self.rounds,
        )

    def _by_product(self, seats: pl.DataFrame) -> pl.DataFrame:
        demand, best = self.demand, self.best
        frame = pl.DataFrame(
            {
                "product": demand.products,
                "concurrent": best.owned.astype(np.int64),
                "rented": best.rented.sum(axis=1).astype(np.int64),
                "peak": demand.highest().max(axis=1, initial=0).astype(np.int64),
            }
        )
        people = demand.candidates.group_by("product").agg(
            people=pl.col("person").drop_nulls().len().cast(pl.Int64)
        )
        named = seats.group_by("product").agg(named=pl.len().cast(pl.Int64))
        return (
            frame.join(named, on="product", how="left")
            .join(people, on="product", how="left")
            .with_columns(pl.col("named", "people").fill_null(0))
            .select("product", "named", "concurrent", "rented", "people", "peak")
            .sort("product")
        )
