"""Whether the lines of a closed run agree with their shares, their rates, and the totals of the run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import polars as pl

from warehouse.errors import Problem
from warehouse.ledger.links import Batch, Read
from warehouse.ledger.prices import Prices
from warehouse.ledger.runs import Run
from warehouse.metrics import tie_out
from warehouse.metrics.pricing import KINDS_MS
from warehouse.money import QUANTA_PER_HOUR, amount_minor_expr

_CURRENCY = r"^[A-Z]{3}$"
_PRICED = [
    "unit", "billable", "rate_id", "rate_scaled", "day_on", "currency", "rate_currency", "conversion_scaled",
]  # fmt: skip
_NUMBER = pl.Schema({"line_number": pl.Int64})
_WRONG_REVERSALS = """
    SELECT line.line_number
    FROM charge_line AS line
    JOIN billing_run AS run ON run.id = line.billing_run_id
    LEFT JOIN charge_line AS original ON original.id = line.original_line_id
    LEFT JOIN billing_run AS other ON other.id = original.billing_run_id
    WHERE line.billing_run_id = :run AND line.kind = 'reversal' AND NOT coalesce(
        line.amount_minor = -original.amount_minor
        AND line.quantity * other.quantum_per_hour = -original.quantity * run.quantum_per_hour
        AND line.active_ms = -original.active_ms AND line.pause_ms = -original.pause_ms
        AND line.buffer_ms = -original.buffer_ms AND line.rate_scaled = original.rate_scaled
        AND line.currency = original.currency, FALSE)
    ORDER BY line.line_number
"""


class Agreement:
    """Checks lines a batch at a time, and their sums at the end.

    Parameters
    ----------
    read
        Reads the rates.
    run
        A closed run.
    """

    def __init__(self, read: Read, run: Run) -> None:
        self._run = run
        self._prices = Prices(read)
        self._reversals = partial(read, _WRONG_REVERSALS, _NUMBER, {"run": run.id})
        self._amounts: dict[str, int] = {}
        self._seen = 0

    def of(self, batch: Batch) -> Iterator[str]:
        """Check the next lines; give one sentence per line and fault."""
        lines = batch.lines.with_columns(is_billable=pl.col("billable") != 0)
        yield from self._unpriced(lines)
        yield from self._untraced(lines, batch.shares)
        yield from self._strangely_rated(lines)
        sums = lines.filter("is_billable").group_by("currency").agg(pl.col("amount_minor").sum())
        for currency, amount in sums.iter_rows():
            self._amounts[str(currency)] = self._amounts.get(str(currency), 0) + amount
        self._seen += lines.height

    def end(self) -> Iterator[str]:
        """Check the reversals, the sums and the tie-out."""
        for number in self._reversals()["line_number"]:
            yield f"run {self._run.number}, line {number}: it does not undo the line that it reverses"
        totals = self._run.totals
        if totals.get("amount_minor") != self._amounts:
            yield f"run {self._run.number}: its lines do not sum to its totals"
        if totals.get("control", {}).get("lines", self._seen) != self._seen:
            yield f"run {self._run.number}: it has {self._seen:,} lines, and its totals count others"
        try:
            tie_out.check(totals["tie_out_ms"])
        except (Problem, KeyError, TypeError) as fault:
            yield f"run {self._run.number}: {fault}" if isinstance(fault, Problem) else self._no_tie_out()

    def _no_tie_out(self) -> str:
        return f"run {self._run.number}: its tie-out is not complete"

    def _unpriced(self, lines: pl.DataFrame) -> Iterator[str]:
        """Check that amount = rate x quantity."""
        if self._run.quantum_per_hour not in QUANTA_PER_HOUR:
            yield f"run {self._run.number}: there are no {self._run.quantum_per_hour} quanta in an hour"
            return
        known = lines.filter(pl.col("currency").str.contains(_CURRENCY))
        priced = amount_minor_expr(
            pl.col("quantity"), self._run.quantum_per_hour, pl.col("rate_scaled"), pl.col("currency")
        )
        wrong = known.filter(pl.col("amount_minor").ne_missing(priced))
        yield from self._named(wrong, "its amount is not rate x quantity")
        strange = lines.join(known, on="id", how="anti", maintain_order="left")
        yield from self._named(strange, "it is in no currency")

    def _untraced(self, lines: pl.DataFrame, shares: pl.DataFrame) -> Iterator[str]:
        """Check that each line is the sum of its sessions' shares."""
        sums = shares.group_by("charge_line_id").agg(
            pl.col(name).sum().name.suffix("_shared") for name in KINDS_MS
        )
        traced = lines.join(sums, left_on="id", right_on="charge_line_id", how="left", maintain_order="left")
        differs = [pl.col(name).ne_missing(pl.col(f"{name}_shared").fill_null(0)) for name in KINDS_MS]
        yield from self._named(traced.filter(pl.any_horizontal(differs)), "it is not the sum of its sessions")

    def _strangely_rated(self, lines: pl.DataFrame) -> Iterator[str]:
        """Check that each line's rate version says what the line says, by the conversion that it names."""
        priced = lines.select(_PRICED).unique().sort(_PRICED)
        faults = [self._prices.fault(*row) for row in priced.iter_rows()]
        known = priced.with_columns(fault=pl.Series(faults, dtype=pl.String)).drop_nulls("fault")
        if known.is_empty():
            return
        wrong = lines.join(known, on=_PRICED, nulls_equal=True, maintain_order="left")
        for number, fault in wrong.select("line_number", "fault").iter_rows():
            yield f"run {self._run.number}, line {number}: {fault}"

    def _named(self, lines: pl.DataFrame, what: str) -> Iterator[str]:
        for number in lines["line_number"]:
            yield f"run {self._run.number}, line {number}: {what}"
