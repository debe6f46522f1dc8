"""The integer program of a license mix, as HiGHS solves it: prices, bounds, and cuts as they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import highspy
import numpy as np

from warehouse.metrics.mix_demand import Cuts, Numbers, Point

TOLERANCE = 1e-9
"""How far HiGHS may violate a row or miss a whole number: the finest that it works with in practice."""


@dataclass(frozen=True)
class Costs:
    """What one of each costs, in minor units of one currency, and how many there may be at most.

    Attributes
    ----------
    seats, most_seats
        By candidate.
    owned, most_owned
        By product: a concurrent license for the whole window.
    rented, most_rented
        By product and period: one for a single period.
    token, most_tokens
        A token of the pool for the whole window.
    """

    seats: Numbers
    most_seats: Numbers
    owned: Numbers
    most_owned: Numbers
    rented: Numbers
    most_rented: Numbers
    token: float
    most_tokens: float

    def all(self) -> Numbers:
        """Give the costs in the order of the program's columns."""
        return np.concatenate([self.seats, self.owned, self.rented.ravel(), [self.token]])

    def most(self) -> Numbers:
        """Give how many there may be, in the same order."""
        return np.concatenate(
            [self.most_seats, self.most_owned, self.most_rented.ravel(), [self.most_tokens]]
        )

    def step(self) -> int:
        """Find the least by which two mixes of different cost can differ."""
        return gcd(*(int(cost) for cost in set(self.all()[self.most() > 0]))) or 1


@dataclass(frozen=True)
class Mix:
    """Whole numbers of licenses: `seats` by candidate (0 or 1), `owned`, `rented`, `tokens` as in `Costs`."""

    seats: Numbers
    owned: Numbers
    rented: Numbers
    tokens: float

    @classmethod
    def of(cls, values: Numbers, costs: Costs) -> Mix:
        """Read the numbers in the order of the program's columns."""
        people, products = len(costs.seats), len(costs.owned)
        seats, owned, rented = np.split(values[:-1], [people, people + products])
        return cls(seats, owned, rented.reshape(costs.rented.shape), float(values[-1]))

    def point(self) -> Point:
        """Give what is held, as a shortage is measured against it."""
        return Point(self.seats, self.owned[:, None] + self.rented, self.tokens)

    def values(self) -> Numbers:
        """Give the numbers in the order of the program's columns."""
        return np.concatenate([self.seats, self.owned, self.rented.ravel(), [self.tokens]])


class Program:
    """Minimize cost, such that no cut's shortage is over its budget.

    Columns: seats, owned, rented (product by product, period by period), tokens.

    Parameters
    ----------
    costs
        Prices and bounds.
    budgets_ms
        How much may be short.
    """

    def __init__(self, costs: Costs, budgets_ms: list[int]) -> None:
        self._costs = costs
        self._budgets_ms = budgets_ms
        self._highs = highspy.Highs()
        # A difference below one step of cost cannot be a better mix, so that closing the gap to it is proof.
        options = {
            "threads": 1,
            "random_seed": 0,
            "mip_rel_gap": 0.0,
            "mip_abs_gap": 0.999 * costs.step(),
            "mip_feasibility_tolerance": TOLERANCE,
            "primal_feasibility_tolerance": TOLERANCE,
        }
        self._highs.silent()
        for name, value in options.items():
            self._highs.setOptionValue(name, value)
        self._add_columns()

    def _add_columns(self) -> None:
        cost, most = self._costs.all(), self._costs.most()
        none = np.zeros(0, dtype=np.int32)
        starts = np.zeros(len(cost), dtype=np.int32)
        self._highs.addCols(len(cost), cost, np.zeros(len(cost)), most, 0, starts, none, np.zeros(0))

    def add(self, cuts: Cuts) -> None:
        """Add a row per cut: what is short by it stays within its budget."""
        for dense, constant, budget in zip(cuts.columns(), cuts.constant, cuts.budget, strict=True):
            # Rows of one size: no coefficient is above 1.
            scale = float(dense.max(initial=1))
            columns = np.flatnonzero((dense > 0) & (self._costs.most() > 0)).astype(np.int32)
            least = (float(constant) - self._budgets_ms[budget]) / scale
            self._highs.addRow(least, highspy.kHighsInf, len(columns), columns, dense[columns] / scale)

    def forget_loose(self) -> None:
        """Drop the cuts that do not touch the present solution; they come back if they are needed."""
        solution, lp = self._highs.getSolution(), self._highs.getLp()
        slack = np.array(solution.row_value) - np.array(lp.row_lower_)
        loose = np.flatnonzero(slack > 1e-6)
        if len(loose):
            self._highs.deleteRows(len(loose), loose.astype(np.int32))

    def in_whole_numbers(self) -> None:
        """Take fractions for an answer no longer."""
        number = len(self._costs.all())
        columns = np.arange(number, dtype=np.int32)
        kinds = np.full(number, highspy.HighsVarType.kInteger.value, dtype=np.uint8)
        self._highs.changeColsIntegrality(number, columns, kinds)

    def start_from(self, mix: Mix) -> None:
        """Tell HiGHS of a mix that is known to be good."""
        solution = highspy.HighsSolution()
        solution.col_value = mix.values()
        self._highs.setSolution(solution)

    def solve(self, seconds: float) -> bool:
        """Run for at most so long; True when solved to the end."""
        self._highs.setOptionValue("time_limit", self.seconds() + max(seconds, 0.0))
        self._highs.run()
        return bool(self._highs.getModelStatus() == highspy.HighsModelStatus.kOptimal)

    def seconds(self) -> float:
        """Say how long HiGHS has worked so far."""
        return float(self._highs.getRunTime())

    def bound(self, *, whole: bool) -> float:
        """Give the cost that no mix can be below, as far as it is proven; nothing costs less than nothing."""
        info = self._highs.getInfo()
        return max(info.mip_dual_bound if whole else info.objective_function_value, 0.0)

    def mix(self, *, whole: bool) -> Mix | None:
        """Give the present solution, rounded where it has to be `whole`; None: there is none yet."""
        if not self._highs.getSolution().value_valid:
            return None
        values = np.array(self._highs.getSolution().col_value)
        values = np.round(values) if whole else np.maximum(values, 0)
        return Mix.of(values, self._costs)
