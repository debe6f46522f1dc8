"""What time that nobody pays for would have come to, at the rates that were in force."""

from __future__ import annotations

import polars as pl

from warehouse.metrics.pricing import with_rate
from warehouse.money import HOUR_MS, amount_minor_expr, rounded_expr

QUANTUM_PER_HOUR = 1000
"""The value is an estimate in thousandths of an hour: no line is made of it."""


def value_at_rate(time: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Find what time would have come to, had it been billed without any increment.

    Parameters
    ----------
    time
        `day`, `application`, `office`, `project` (String, null: none), `person_id` (Int64, null: nobody),
        `currency` (in which it would be billed), `milliseconds` (Int64), and whatever else.
    rates
        The frame `rates` of warehouse/frames.py.

    Returns
    -------
    pl.DataFrame
        The rows, in no order, with `value_minor` (Int64): milliseconds in thousandths of an hour x the most
        special rate of the day, half away from zero; null where no rate fits.

    Raises
    ------
    Problem
        Two rates of one scope are valid on the same day.
    """
    quantity = rounded_expr(pl.col("milliseconds"), HOUR_MS // QUANTUM_PER_HOUR)
    value = amount_minor_expr(quantity, QUANTUM_PER_HOUR, pl.col("rate_scaled"), pl.col("currency"))
    return with_rate(time, rates).with_columns(value_minor=value).select(*time.columns, "value_minor")
