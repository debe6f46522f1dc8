"""A vendor's counts beside ours by the same rule, and what explains the difference.

A vendor counts a product in stretches of time: days, or intervals. We count the same stretches by the
vendor's rule, and where that differs, by each way in which vendors are known to count otherwise; the first
that gives the vendor's number is the reason. What none gives is not explained, and worth a question to the
vendor.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from warehouse.metrics.concurrency import MINUTE_MS, curve
from warehouse.metrics.counting_rules import MINIMUM_MINUTES

EQUAL, UNEXPLAINED = "equal", "not explained"
COUNTED = {"product": pl.String, "start": pl.Datetime("ms", "UTC"), "count": pl.Int64}


def peak_in(used: pl.LazyFrame, stretches: pl.LazyFrame) -> pl.LazyFrame:
    """Find the most in use at once in each stretch.

    Parameters
    ----------
    used
        What `concurrency.intervals` (or `fixed_intervals` of it) gives by product.
    stretches
        `product`, `start`, `end`; those of a product do not overlap.

    Returns
    -------
    pl.LazyFrame
        `product`, `start`, `count` (Int64; 0 without use): one row per stretch, in order.
    """
    swept = curve(used).sort("at")
    wanted = stretches.select(pl.col("product").cast(pl.String), "start", "end").sort("start")
    opening = wanted.join_asof(
        swept, left_on="start", right_on="at", by="product", check_sortedness=False
    ).select("product", "start", "demand")
    inside = (
        swept.join_asof(wanted.with_columns(at="start"), on="at", by="product", check_sortedness=False)
        .filter(pl.col("at") < pl.col("end"))
        .select("product", "start", "demand")
    )
    highest = pl.col("demand").max().fill_null(0).cast(pl.Int64)
    return (
        pl.concat([opening, inside]).group_by("product", "start").agg(count=highest).sort("product", "start")
    )


def people_in(
    used: pl.LazyFrame, stretches: pl.LazyFrame, minimum_minutes: float = MINIMUM_MINUTES
) -> pl.LazyFrame:
    """Count who used a product for long enough in each stretch: user-days, where stretches are days.

    Parameters
    ----------
    used
        What `concurrency.intervals` gives by product and the key `user`.
    stretches
        As `peak_in`.
    minimum_minutes
        Less use than this, added up over the stretch, does not count.

    Returns
    -------
    pl.LazyFrame
        As `peak_in`.
    """
    wanted = stretches.select("product", _from="start", _to="end").with_columns(
        pl.col("product").cast(pl.String)
    )
    inside = pl.min_horizontal("end", "_to") - pl.max_horizontal("start", "_from")
    own = pl.when(pl.col("key").is_null()).then("_row")
    counted = (
        used.with_row_index("_row")
        .join_where(
            wanted.rename({"product": "_product"}),
            pl.col("product") == pl.col("_product"),
            pl.col("start") < pl.col("_to"),
            pl.col("end") > pl.col("_from"),
        )
        .with_columns(_ms=inside.dt.total_milliseconds(), _own=own)
        .group_by("product", "_from", "key", "_own")
        .agg(pl.col("_ms").sum())
        .filter(pl.col("_ms") >= minimum_minutes * MINUTE_MS)
        .group_by("product", start="_from")
        .agg(count=pl.len().cast(pl.Int64))
    )
    return (
        wanted.select("product", start="_from")
        .join(counted, on=["product", "start"], how="left")
        .with_columns(pl.col("count").fill_null(0))
        .sort("product", "start")
    )


def reconciled(
    counts: pl.LazyFrame, ours: pl.LazyFrame, otherwise: Mapping[str, pl.LazyFrame]
) -> pl.LazyFrame:
    """Set each of a vendor's counts against ours, and say what explains the difference.

    Parameters
    ----------
    counts
        `product`, `start`, `end`, `count`: what the vendor counted; any other columns stay.
    ours
        `product`, `start`, `count`: our count by the vendor's rule.
    otherwise
        Reason in words -> the same, counted as if the reason held; the first that gives the vendor's number
        is the reason.

    Returns
    -------
    pl.LazyFrame
        The columns of `counts` but `count`, `vendor`, `ours`, `difference` (vendor's less ours, Int64) and
        `reason` (`EQUAL`, one of the words given, or `UNEXPLAINED`): one row per count, by product and start.
    """
    found = counts.rename({"count": "vendor"}).join(
        ours.rename({"count": "ours"}), on=["product", "start"], how="left"
    )
    reasons = [pl.when(pl.col("vendor") == pl.col("ours")).then(pl.lit(EQUAL))]
    for place, (words, counted) in enumerate(otherwise.items()):
        found = found.join(counted.rename({"count": f"_{place}"}), on=["product", "start"], how="left")
        reasons.append(pl.when(pl.col("vendor") == pl.col(f"_{place}")).then(pl.lit(words)))
    kept = [name for name in counts.collect_schema() if name != "count"]
    return (
        found.with_columns(pl.col("ours").fill_null(0))
        .with_columns(
            difference=pl.col("vendor") - pl.col("ours"), reason=pl.coalesce(*reasons, pl.lit(UNEXPLAINED))
        )
        .select(*kept, "vendor", "ours", "difference", "reason")
        .sort("product", "start")
    )
