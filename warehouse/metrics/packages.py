"""Hours sold in packages: a fixed amount for each package that was begun, divided among the projects."""

from __future__ import annotations

import polars as pl

from warehouse import money
from warehouse.metrics.conversion import converted_rate
from warehouse.metrics.quantities import KINDS_MS
from warehouse.metrics.tiers import ACCOUNT, USED, steps

CODES = ("project", "phase", "task")


def lines(packaged: pl.DataFrame, rates: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Make one line per account and codes: their part of the packages of a person, application and rate.

    A package is begun by its first quantum beyond the allowance, and costs `package_ms` at the rate of the
    tier in which it begins, to the minor unit. The amount of all is divided by use, by the largest remainder.

    Parameters
    ----------
    packaged
        Hours of rates of kind package: see `tiers.Split`.
    rates
        The frame `rates`.

    Returns
    -------
    pl.DataFrame
        Lines of kind package, unit each; dated the last day on which their codes were used.
    """
    ordered = packaged.sort(USED).join(rates.select("rate_id", "package_ms"), on="rate_id")
    # What belongs to the period is converted by the factor of its first day: it holds on each line's day.
    first = ordered.with_columns(pl.col("conversion_scaled").first().over(ACCOUNT))
    cost = _cost(first, rates, quantum_per_hour)
    kept = ("day", "office", "tax_code", "chargeable", "rate_currency", "conversion_scaled",
            "monthly_cap_minor")  # fmt: skip
    by_codes = first.group_by(*ACCOUNT, *CODES).agg(pl.col("paid").sum().clip(0), pl.col(kept).last())
    bought = by_codes.join(cost, on=ACCOUNT)
    parts = money.spread_over(bought, "whole_minor", "paid", ACCOUNT, CODES).filter(pl.col("part") > 0)
    nothing = (*KINDS_MS, "session_count")
    return parts.select(
        *ACCOUNT, *CODES, *kept, "note", *(pl.lit(0, pl.Int64).alias(name) for name in nothing),
        kind=pl.lit("package"), unit=pl.lit("each"), quantity=pl.lit(quantum_per_hour, pl.Int64),
        amount_minor="part", rate_scaled=pl.col("part") * money.rate_units_expr(pl.col("currency")),
    )  # fmt: skip


def _cost(hours: pl.DataFrame, rates: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Price the packages of each account: whole_minor, note; accounts that need none are left out."""
    size = pl.col("package_ms") // (money.HOUR_MS // quantum_per_hour)
    used = hours.group_by(ACCOUNT).agg(
        pl.col("paid").sum(), pl.col("package_ms", "conversion_scaled").first()
    ).filter(pl.col("paid") > 0)  # fmt: skip
    counted = used.with_columns(size=size).with_columns(count=-(-pl.col("paid") // pl.col("size")))
    tiered = counted.join(steps(rates), on="rate_id")
    # Packages are numbered from 0; a package belongs to the tier in which it begins.
    first, last = (-(-pl.col(edge) // pl.col("package_ms")) for edge in ("from_ms", "until_ms"))
    in_tier = pl.min_horizontal("count", last) - pl.min_horizontal("count", first)
    price = money.amount_minor_expr(
        pl.col("size"), quantum_per_hour, converted_rate(pl.col("step_scaled")), pl.col("currency")
    )
    summed = tiered.group_by(ACCOUNT).agg(
        whole_minor=(in_tier * price).sum(),
        **{name: pl.col(name).first() for name in ("count", "package_ms")},
    )
    whole = pl.format("{} h", pl.col("package_ms") // money.HOUR_MS)
    is_whole = pl.col("package_ms") % money.HOUR_MS == 0
    length = pl.when(is_whole).then(whole).otherwise(
        pl.format("{} min", pl.col("package_ms") // 60_000)
    )  # fmt: skip
    return summed.with_columns(note=pl.format("{} packages of {}", "count", length)).drop(
        "count", "package_ms"
    )
