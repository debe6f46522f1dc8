"""How much time a line bills: the rate's increment, direction and minimum at its level, then the quantum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from warehouse import money

if TYPE_CHECKING:
    from warehouse.metrics.tracing import Trace

KINDS_MS = ("active_ms", "pause_ms", "buffer_ms")
WORK_KEYS = ("day", "person_id", "application", "office", "project", "phase", "task")
LINE_KEYS = (*WORK_KEYS, "rate_id")
_MONTH_KEYS = tuple(key for key in LINE_KEYS if key not in ("day", "office"))

TERMS = (
    "rate_scaled", "cost_rate_scaled", "increment_ms", "direction", "level", "minimum_ms", "tier_kind",
    "free_ms", "daily_cap_minor", "monthly_cap_minor",
)  # fmt: skip
"""What a line takes from its rate version."""


def usage(work: pl.DataFrame, trace: Trace, quantum_per_hour: int) -> pl.DataFrame:
    """Add `raw_ms`, `rounded_ms` and `quantity` to lines.

    Parameters
    ----------
    work
        `place`, the columns of `KINDS_MS`, `chargeable` and `TERMS`.
    trace
        Their sessions: a rate of level `session` rounds each of them.
    """
    raw = work.with_columns(
        raw_ms=pl.sum_horizontal(KINDS_MS),
        rate_scaled=pl.col("rate_scaled").fill_null(0),
        kind=pl.lit("usage"),
    )
    level = pl.col("level")
    by_session = _by_session(raw.filter(level == "session"), trace)
    rounded = raw.join(by_session, on="place", how="left", maintain_order="left").with_columns(
        rounded_ms=pl.when(level == "line").then(rounded_up("raw_ms"))
        .when(level == "session").then("by_session_ms").otherwise("raw_ms")
    )  # fmt: skip
    return _quantified(rounded.drop("by_session_ms"), quantum_per_hour)


def _by_session(lines: pl.DataFrame, trace: Trace) -> pl.DataFrame:
    """Round each session's share of a line, and sum them: `place`, `by_session_ms`."""
    shares = trace.of(lines.select("place", "increment_ms", "direction", "minimum_ms")).with_columns(
        raw_ms=pl.sum_horizontal(KINDS_MS)
    )
    return shares.group_by("place").agg(by_session_ms=rounded_up("raw_ms").sum())


def rounded_up(column: str) -> pl.Expr:
    """Round time to the rate's increment in its direction, and raise it to its minimum.

    Without an increment nothing is rounded; a minimum counts after the rounding, and only where there is
    time.
    """
    ms, step = pl.col(column), pl.max_horizontal("increment_ms", pl.lit(1))
    added = (
        pl.when(pl.col("direction") == "up")
        .then(step - 1)
        .when(pl.col("direction") == "nearest")
        .then(step // 2)
        .otherwise(0)
    )
    return pl.max_horizontal((ms + added) // step * step, pl.when(ms > 0).then("minimum_ms"))


def _quantified(lines: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    quantum_ms = money.HOUR_MS // quantum_per_hour
    return lines.with_columns(quantity=money.rounded_expr(pl.col("rounded_ms"), quantum_ms))


def month_rounding(usage: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Make the one further line that brings a month's lines to the rounded month, where it takes one.

    It is dated the last day used, has that day's office and price, and no time of its own.
    """
    monthly = usage.filter(pl.col("chargeable") & (pl.col("level") == "month")).sort("day", "office")
    terms = [name for name in usage.columns if name not in (*_MONTH_KEYS, "raw_ms", "quantity")]
    summed = monthly.group_by(_MONTH_KEYS).agg(pl.col("raw_ms", "quantity").sum(), pl.col(terms).last())
    month = summed.with_columns(rounded_ms=rounded_up("raw_ms"), billed=pl.col("quantity"))
    rest = _quantified(month, quantum_per_hour).with_columns(
        pl.col("quantity") - pl.col("billed"),
        *(pl.lit(0, pl.Int64).alias(name) for name in (*KINDS_MS, "raw_ms", "session_count")),
        kind=pl.lit("month_rounding"),
        place=-pl.col("place") - 1,
    )
    return rest.filter(pl.col("quantity") != 0).drop("billed")


def raised(usage: pl.DataFrame) -> pl.DataFrame:
    """Tell which rate versions billed a minimum: kind, session, milliseconds (added by it), detail.

    Of a rate of level `month` nothing is told: its one further line says so.
    """
    ms = pl.col("rounded_ms") - pl.col("raw_ms")
    is_raised = (pl.col("level") == "line") & (pl.col("raw_ms") < pl.col("minimum_ms"))
    found = (
        usage.filter(is_raised)
        .group_by("rate_id", "application")
        .agg(milliseconds=ms.sum(), count=pl.len(), minimum_ms=pl.col("minimum_ms").first())
    )
    return found.sort("rate_id", "application").select(
        pl.lit("below_minimum").alias("kind"), pl.lit(None, pl.Int64).alias("session"), "milliseconds",
        pl.format(
            "the minimum of rate version {} raised {} lines of {}", "rate_id", "count", "application"
        ).alias("detail"),
    )  # fmt: skip
