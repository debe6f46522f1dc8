"""From worked time to priced lines: rate version, increment, quantum, amount; integers throughout.

Quantity first: milliseconds are rounded by the rate's increment at the rate's level, then to the run's
quantum, and only the rounded quantity is multiplied by the rate. So whoever multiplies the two again gets the
same cents.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from warehouse import money
from warehouse.errors import Problem

SCOPES = ("person_id", "project", "office", "application")
"""What a rate may be limited to; the earlier, the more it counts."""

KINDS_MS = ("active_ms", "pause_ms", "buffer_ms")

WORK_KEYS = ("day", "person_id", "application", "office", "project", "phase", "task")
LINE_KEYS = (*WORK_KEYS, "rate_id")
_MONTH_KEYS = tuple(key for key in LINE_KEYS if key not in ("day", "office"))


def with_rate(work: pl.DataFrame, rates: pl.DataFrame, newest: int | None = None) -> pl.DataFrame:
    """Find the rate version of each row: the most special one that is valid on its day, in its currency.

    Precedence: person-project, project-application, office-application, application, default.

    Parameters
    ----------
    work
        `day`, the columns of `SCOPES`, `currency` (the payer's), ...
    rates
        The frame `rates` of warehouse/frames.py; null in a scope means any.
    newest
        The newest rate version known when the period was billed: what came later counts only where none of
        those fits. None: all count alike.

    Returns
    -------
    pl.DataFrame
        The rows with `rate_id`, `rate_scaled`, `increment_ms`, `direction`, `level`; null where no rate fits.

    Raises
    ------
    Problem
        Two rates of the same scope are valid on the same day: naming both.
    """
    wanted = work.select("day", *SCOPES, "currency").unique()
    found = pl.concat(
        [_fitting(wanted, _of_scope(rates, scope), scope) for scope in _scopes(rates)]
        or [wanted.clear().with_columns(rate_id=pl.lit(None, pl.Int64), weight=pl.lit(0, pl.Int32))]
    )
    if newest is not None:
        is_old = pl.col("rate_id") <= newest
        found = found.with_columns(
            weight=pl.when(is_old).then(pl.col("weight") + 2 ** len(SCOPES)).otherwise("weight")
        )
    best = found.filter(pl.col("weight") == pl.col("weight").max().over("day", *SCOPES, "currency"))
    _refuse_two(best)
    terms = rates.select("rate_id", "rate_scaled", "increment_ms", "direction", "level")
    priced = best.drop("weight").join(terms, on="rate_id", how="left")
    return work.join(priced, on=["day", *SCOPES, "currency"], how="left", nulls_equal=True)


def _scopes(rates: pl.DataFrame) -> list[tuple[str, ...]]:
    """List the combinations of scopes that the rates use, in a fixed order."""
    used = rates.select(pl.col(name).is_not_null() for name in SCOPES).unique().sort(SCOPES).rows()
    return [tuple(name for name, is_set in zip(SCOPES, row, strict=True) if is_set) for row in used]


def _of_scope(rates: pl.DataFrame, scope: Sequence[str]) -> pl.DataFrame:
    return rates.filter(
        pl.col(name).is_not_null() if name in scope else pl.col(name).is_null() for name in SCOPES
    )


def _fitting(wanted: pl.DataFrame, rates: pl.DataFrame, scope: Sequence[str]) -> pl.DataFrame:
    """Join each wanted price with every rate of one scope that is valid on its day."""
    days = rates.select("rate_id", "valid_from", "valid_to", "currency", *scope)
    is_valid = (pl.col("valid_from") <= pl.col("day")) & (
        pl.col("valid_to").is_null() | (pl.col("day") < pl.col("valid_to"))
    )
    weight = sum(2 ** (len(SCOPES) - 1 - SCOPES.index(name)) for name in scope)
    fits = wanted.join(days, on=["currency", *scope]).filter(is_valid)
    return fits.select(*wanted.columns, "rate_id", weight=pl.lit(weight, pl.Int32))


def _refuse_two(best: pl.DataFrame) -> None:
    double = best.filter(pl.len().over("day", *SCOPES, "currency") > 1).sort("day", "rate_id")
    if not double.is_empty():
        first, second = double["rate_id"].unique().sort().to_list()[:2]
        raise Problem(
            f"rate versions {first} and {second} are both valid on {double['day'][0]} for the same scope",
            "end the one before the other begins",
        )


def lines(work: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Make charge lines of worked time.

    Parameters
    ----------
    work
        One row per session and line: `WORK_KEYS`, `session`, the columns of `KINDS_MS`, `currency`,
        `tax_code`, `chargeable` and what `with_rate` adds. Rows that are chargeable have a rate.
    quantum_per_hour
        Quanta of the run's target in an hour.

    Returns
    -------
    pl.DataFrame
        One row per line: `line` (1, 2, ... ordered by project, phase, task, day, person and application, by
        code point), `kind` (usage, month_rounding), `LINE_KEYS`, `billable`, `KINDS_MS`, `quantity`,
        `rate_scaled`, `currency`, `amount_minor`, `tax_code`, `session_count`, `unit` (hour; each: a fixed
        amount, once), `rate_currency` and `conversion_scaled` (1/100,000,000; null where the rate is in the
        line's own currency), `cost_minor` (null: not known).
    """
    usage = _quantified(_summed(work), quantum_per_hour)
    both = pl.concat([usage, _month_rounding(usage, quantum_per_hour)], how="diagonal")
    amount = money.amount_minor_expr(
        pl.col("quantity"), quantum_per_hour, pl.col("rate_scaled"), pl.col("currency")
    )
    ordered = both.sort(
        "project", "phase", "task", "day", "person_id", "application", "office", "rate_id", "kind",
        descending=[False] * 8 + [True],
    )  # fmt: skip
    return ordered.with_columns(amount_minor=amount).select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"),
        "kind",
        *LINE_KEYS,
        pl.col("chargeable").alias("billable"),
        *KINDS_MS,
        "quantity",
        "rate_scaled",
        "currency",
        "amount_minor",
        "tax_code",
        "session_count",
        unit=pl.lit("hour"),
        rate_currency=pl.lit(None, pl.String),
        conversion_scaled=pl.lit(None, pl.Int64),
        cost_minor=pl.lit(None, pl.Int64),
    )


def _summed(work: pl.DataFrame) -> pl.DataFrame:
    """Sum the sessions of each line, rounding each session's share first where the rate says so."""
    shares = work.with_columns(raw_ms=pl.sum_horizontal(KINDS_MS))
    rounded = pl.when(pl.col("level") == "session").then(_by_increment("raw_ms")).otherwise("raw_ms")
    terms = ["chargeable", "rate_scaled", "currency", "tax_code", "increment_ms", "direction", "level"]
    summed = shares.with_columns(rounded_ms=rounded).group_by(LINE_KEYS).agg(
        pl.col(*KINDS_MS, "raw_ms", "rounded_ms").sum(),
        pl.len().cast(pl.Int64).alias("session_count"),
        pl.col(terms).first(),
    )  # fmt: skip
    is_line = pl.col("level") == "line"
    return summed.with_columns(
        rounded_ms=pl.when(is_line).then(_by_increment("raw_ms")).otherwise("rounded_ms"),
        rate_scaled=pl.col("rate_scaled").fill_null(0),
        kind=pl.lit("usage"),
    )


def _by_increment(column: str) -> pl.Expr:
    """Round milliseconds to the rate's increment, in its direction; without an increment not at all."""
    ms, step = pl.col(column), pl.max_horizontal("increment_ms", pl.lit(1))
    added = (
        pl.when(pl.col("direction") == "up")
        .then(step - 1)
        .when(pl.col("direction") == "nearest")
        .then(step // 2)
        .otherwise(0)
    )
    return (ms + added) // step * step


def _quantified(lines: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    quantum_ms = money.HOUR_MS // quantum_per_hour
    return lines.with_columns(quantity=money.rounded_expr(pl.col("rounded_ms"), quantum_ms))


def _month_rounding(usage: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Make the one further line that brings a month's lines to the rounded month, where it takes one."""
    monthly = usage.filter(pl.col("chargeable") & (pl.col("level") == "month")).sort("day", "office")
    terms = ["office", "chargeable", "rate_scaled", "currency", "tax_code", "increment_ms", "direction"]
    summed = monthly.group_by(_MONTH_KEYS).agg(
        pl.col("raw_ms", "quantity").sum(), pl.col("day", *terms).last()
    )
    month = summed.with_columns(rounded_ms=_by_increment("raw_ms"), billed=pl.col("quantity"))
    rest = _quantified(month, quantum_per_hour).with_columns(
        pl.col("quantity") - pl.col("billed"),
        *(pl.lit(0, pl.Int64).alias(name) for name in (*KINDS_MS, "session_count")),
        kind=pl.lit("month_rounding"),
    )
    return rest.filter(pl.col("quantity") != 0)
