"""The demand that a license mix must meet: time slices of constant use, and how short a mix is in them.

A slice is a longest stretch in which the same people use the same products with as many units; a cell is one
product in use in one slice. Everything is held in whole milliseconds and units, so that a shortage is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from warehouse.errors import Problem

Numbers: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]

EXACT = 2**53
"""Whole numbers up to this are exact in float64."""


@dataclass(frozen=True)
class Point:
    """A mix, or a fractional one on the way to it.

    Attributes
    ----------
    seats
        By candidate (product and person): 1 with a seat of their own, else 0.
    held
        Concurrent licenses by product and period.
    tokens
        Size of the token pool.
    """

    seats: Numbers
    held: Numbers
    tokens: float


@dataclass(frozen=True)
class Cuts:
    """Rows of `shortage >= constant - seats - held - tokens`, each times its coefficients.

    Attributes
    ----------
    budget
        Of each row: which budget its shortage counts against.
    constant, tokens
        By row.
    seats
        By row and candidate.
    held
        By row, product and period.
    """

    budget: Places
    constant: Numbers
    seats: Numbers
    held: Numbers
    tokens: Numbers

    def columns(self) -> Numbers:
        """Give the coefficients by row, in the order of seats, owned, rented and tokens."""
        rented = self.held.reshape(len(self.budget), self.held.shape[1] * self.held.shape[2])
        return np.hstack([self.seats, self.held.sum(axis=2), rented, self.tokens[:, None]])


@dataclass(frozen=True)
class MixDemand:
    """Use, cut into slices and cells; cells are ordered by demand, highest first.

    Attributes
    ----------
    products, periods
        Names, in the order of their numbers.
    candidates
        `product`, `person`: one row per candidate for a seat; those without a person come last, as one
        candidate per product, and never get a seat.
    weight
        Tokens of one unit, by product.
    slice_period, slice_ms
        By slice.
    cell_slice, cell_product, cell_units
        By cell: where it is, and the units in use.
    first
        By cell, and one more: where its parts begin.
    part_candidate, part_units
        By part: a candidate who uses the product of the cell, with how many units.
    """

    products: list[str]
    periods: list[str]
    candidates: pl.DataFrame
    weight: Numbers
    slice_period: Places
    slice_ms: Numbers
    cell_slice: Places
    cell_product: Places
    cell_units: Numbers
    first: Places
    part_candidate: Places
    part_units: Numbers

    def demand_ms(self) -> Numbers:
        """Sum units x weight x time by period."""
        ms = self.cell_units * self.weight[self.cell_product] * self.slice_ms[self.cell_slice]
        return _sums(self.slice_period[self.cell_slice], ms, len(self.periods))

    def highest(self) -> Numbers:
        """Find the most units in use at once, by product and period."""
        found = np.zeros((len(self.products), len(self.periods)))
        np.maximum.at(found, (self.cell_product, self.slice_period[self.cell_slice]), self.cell_units)
        return found

    def most_tokens(self) -> float:
        """Find the most tokens in use at once, if everything drew on the pool."""
        return float(self._by_slice(self.cell_units, len(self.cell_slice)).max(initial=0))

    def shortage_ms(self, point: Point) -> Numbers:
        """Sum the units (weighted) that found nothing x the time for which, by period."""
        _, _, short = self._short(point)
        return _sums(self.slice_period, short * self.slice_ms, len(self.periods))

    def minutes_short(self, point: Point) -> float:
        """Sum the time in which anything found nothing."""
        return float(self.slice_ms[self._short(point)[2] > 0].sum()) / 60_000

    def cuts(self, point: Point, budget_of: Places, *, slices: int = 0) -> Cuts:
        """Say, linearly, how short every mix is where this one is short.

        Where demand is above what a mix holds, the shortage is at least demand - seats - held - tokens,
        whatever the mix; at this point itself it is equal.

        Parameters
        ----------
        budget_of
            By period: the budget that it counts against.
        slices
            0: one row per budget that is touched. Else one row for each of so many slices, those short of
            most.
        """
        cells, over, short = self._short(point)
        budgets = budget_of[self.slice_period]
        lines = _most(short, slices) if slices else np.where(short > 0, budgets, -1)
        used, numbers = np.unique(lines[lines >= 0], return_inverse=True)
        names = np.zeros(len(used), dtype=np.int64)
        names[numbers] = budgets[lines >= 0]
        lines[lines >= 0] = numbers
        at = self.cell_slice[:cells]
        return self._rows(np.flatnonzero((over > 0) & (lines[at] >= 0)), lines, names)

    def _rows(self, cells: Places, lines: Places, names: Places) -> Cuts:
        shape = len(names), self.candidates.height, len(self.products), len(self.periods)
        rows, people, products, periods = shape
        place, product = self.cell_slice[cells], self.cell_product[cells]
        line, ms = lines[place], self.slice_ms[place] * self.weight[product]
        lengths = self.first[cells + 1] - self.first[cells]
        parts = _ranges(self.first[cells], lengths)
        by_part = self.part_units[parts] * np.repeat(ms, lengths)
        seat = np.repeat(line, lengths) * people + self.part_candidate[parts]
        held = (line * products + product) * periods + self.slice_period[place]
        inside = lines >= 0
        return Cuts(
            budget=names,
            constant=_sums(line, ms * self.cell_units[cells], rows),
            seats=_sums(seat, by_part, rows * people).reshape(rows, people),
            held=_sums(held, ms, rows * products * periods).reshape(rows, products, periods),
            tokens=_sums(lines[inside], self.slice_ms[inside], rows),
        )

    def _short(self, point: Point) -> tuple[int, Numbers, Numbers]:
        """Count the cells that may be short, and give by cell what is over, by slice what found nothing."""
        cells = int(np.searchsorted(-self.cell_units, -float(point.held.min(initial=0))))
        parts = int(self.first[cells])
        seated = self.part_units[:parts] * point.seats[self.part_candidate[:parts]]
        sums = np.add.reduceat(seated, self.first[:cells]) if cells else np.zeros(0)
        held = point.held[self.cell_product[:cells], self.slice_period[self.cell_slice[:cells]]]
        over = np.maximum(self.cell_units[:cells] - sums - held, 0)
        return cells, over, np.maximum(self._by_slice(over, cells) - point.tokens, 0)

    def _by_slice(self, units: Numbers, cells: int) -> Numbers:
        weighted = units * self.weight[self.cell_product[:cells]]
        return _sums(self.cell_slice[:cells], weighted, len(self.slice_ms))


def _sums(places: Places, values: Numbers, number: int) -> Numbers:
    """Add up the values of each place from 0 to `number`."""
    # Without any values NumPy counts, and gives whole numbers.
    return np.bincount(places, values, number).astype(np.float64)


def _most(short: Numbers, slices: int) -> Places:
    """Rank the slices that are short of most; -1: not one of them."""
    lines = np.full(len(short), -1)
    chosen = np.argsort(-short, kind="stable")[: min(slices, int((short > 0).sum()))]
    lines[chosen] = np.arange(len(chosen))
    return lines


def _ranges(first: Places, lengths: Places) -> Places:
    """Join the ranges that begin at `first` and are `lengths` long."""
    begins = np.cumsum(lengths) - lengths
    joined: Places = np.arange(int(lengths.sum())) + np.repeat(first - begins, lengths)
    return joined


def mix_demand(uses: pl.LazyFrame, periods: pl.LazyFrame, weights: dict[str, int]) -> MixDemand:
    """Cut use into slices.

    Parameters
    ----------
    uses
        `product`, `person` (null: nobody known), `start`, `end`, `units`. What overlaps adds up.
    periods
        `period` (String), `start`, `end`: disjoint; use outside them is left out.
    weights
        Product -> tokens of one unit; use of other products is left out.

    Raises
    ------
    Problem
        More use than can be added up exactly.
    """
    spans = periods.sort("start").collect()
    used = _numbered(
        uses.filter(pl.col("product").is_in(list(weights)), pl.col("start") < pl.col("end")), spans
    )
    candidates = used.select("product", "person").unique().sort("product", "person", nulls_last=True)
    candidates = pl.concat([candidates.filter(known) for known in _KNOWN_FIRST])
    products = sorted(weights)
    numbered = used.join(candidates.with_row_index("candidate"), on=["product", "person"], nulls_equal=True)
    codes = numbered["product"].replace_strict(
        {name: n for n, name in enumerate(products)}, return_dtype=pl.Int64
    )
    arrays = _slice(numbered.with_columns(product=codes), len(products))
    weight = np.array([weights[name] for name in products], dtype=np.float64)
    found = MixDemand(products, spans["period"].to_list(), candidates, weight, **arrays)
    if found.demand_ms().sum() >= EXACT:
        raise Problem("too much use for one exact sum", "ask for a shorter window or fewer products")
    return found


_KNOWN_FIRST = (pl.col("person").is_not_null(), pl.col("person").is_null())


def _numbered(uses: pl.LazyFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Cut use to the periods: one row per use and period, instants in milliseconds."""
    parts = [
        uses.filter(pl.col("start") < end, pl.col("end") > start).select(
            "product",
            "person",
            pl.lit(number, pl.Int64).alias("period"),
            pl.max_horizontal("start", pl.lit(start)).dt.epoch("ms").alias("start"),
            pl.min_horizontal("end", pl.lit(end)).dt.epoch("ms").alias("end"),
            pl.col("units").cast(pl.Int64),
        )
        for number, (start, end) in enumerate(spans.select("start", "end").iter_rows())
    ]
    return pl.concat(pl.collect_all(parts))


def _slice(uses: pl.DataFrame, products: int) -> dict[str, Any]:
    """Cut at every instant at which anything begins or ends: an element per use and slice that it covers."""
    begins, ends = uses["start"].to_numpy(), uses["end"].to_numpy()
    edges = np.unique(np.concatenate([begins, ends]))
    first = np.searchsorted(edges, begins)
    lengths = np.searchsorted(edges, ends) - first
    place = _ranges(first, lengths)
    row = np.repeat(np.arange(uses.height), lengths)
    cell = place * products + uses["product"].to_numpy()[row]
    order = np.argsort(cell, kind="stable")
    units, candidate = (uses[name].to_numpy()[row][order] for name in ("units", "candidate"))
    keys, counts = np.unique(cell[order], return_counts=True)
    period = np.zeros(len(edges), dtype=np.int64)
    period[place] = uses["period"].to_numpy()[row]
    return _by_demand(keys, counts, units.astype(np.float64), candidate.astype(np.int64), products) | {
        "slice_period": period,
        "slice_ms": np.append(np.diff(edges), 0).astype(np.float64)[: len(edges)],
    }


def _by_demand(
    keys: Places, counts: Places, units: Numbers, candidate: Places, products: int
) -> dict[str, Any]:
    """Put the cells with the highest demand first, each with its parts."""
    begins = np.cumsum(counts) - counts
    totals = np.add.reduceat(units, begins) if len(keys) else np.zeros(0)
    order = np.argsort(-totals, kind="stable")
    parts = _ranges(begins[order], counts[order])
    return {
        "cell_slice": keys[order] // products,
        "cell_product": keys[order] % products,
        "cell_units": totals[order],
        "first": np.concatenate([[0], np.cumsum(counts[order])]),
        "part_candidate": candidate[parts],
        "part_units": units[parts],
    }
