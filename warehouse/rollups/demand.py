"""Hourly demand of each application: for each key and basis its exact peak, and the time at each level."""

from __future__ import annotations

import polars as pl

from warehouse.metrics.concurrency import KEYS, curve, intervals
from warehouse.metrics.states import BASES
from warehouse.money import HOUR_MS
from warehouse.rollups.evidence import Evidence
from warehouse.rollups.stretches import Stretch

_HOUR = ("application", "key", "basis", "hour_ms")


def demand_hours(evidence: Evidence, stretch: Stretch) -> pl.DataFrame:
    """Find demand in the hours of a stretch, as rows of the table `demand_hour`; without demand, no row."""
    weights = evidence.sessions.select("application", "token_weight").unique()
    kept = {basis: evidence.stated.filter(pl.col("state").is_in(states)) for basis, states in BASES.items()}
    levels = [
        _levels(
            curve(
                intervals(
                    stated.lazy(),
                    evidence.sessions.lazy(),
                    key,
                    basis,
                    stretch.start,
                    stretch.end,
                    weights=weights.lazy(),
                )
            ).collect()
        ).with_columns(key=pl.lit(key), basis=pl.lit(basis))
        for basis, stated in kept.items()
        if stated.height
        for key in KEYS
    ]
    ids = evidence.sessions.select("application", "application_id").unique()
    return _hours(pl.concat([_NONE, *levels])).join(ids, on="application").drop("application")


_NONE = pl.DataFrame(
    schema={
        "application": pl.String,
        "demand": pl.Int64,
        "at_ms": pl.Int64,
        "ms": pl.Int64,
        "hour_ms": pl.Int64,
        "key": pl.String,
        "basis": pl.String,
    }
)


def _levels(swept: pl.DataFrame) -> pl.DataFrame:
    """Cut a curve at every hour: one row per application, stay at a level above 0 and hour."""
    # The last row of an application has demand 0, so no row looks past its application.
    stays = swept.with_columns(
        at_ms=pl.col("at").cast(pl.Int64), until_ms=pl.col("at").shift(-1).cast(pl.Int64)
    ).filter(pl.col("demand") > 0)
    hours = pl.int_ranges(pl.col("at_ms") // HOUR_MS, (pl.col("until_ms") - 1) // HOUR_MS + 1)
    cut = stays.with_columns(hour_ms=hours).explode("hour_ms").with_columns(pl.col("hour_ms") * HOUR_MS)
    return (
        cut.with_columns(
            pl.max_horizontal("at_ms", "hour_ms"),
            until_ms=pl.min_horizontal("until_ms", pl.col("hour_ms") + HOUR_MS),
        )
        .with_columns(ms=pl.col("until_ms") - pl.col("at_ms"))
        .select("application", "demand", "at_ms", "ms", "hour_ms")
    )


def _hours(levels: pl.DataFrame) -> pl.DataFrame:
    """Gather the stays of each hour: its peak, when it was first reached, and the time at each level."""
    each = levels.group_by(*_HOUR, "demand").agg(pl.col("at_ms").min(), pl.col("ms").sum())
    text = pl.format("[{},{}]", "demand", "ms")
    unused = pl.format("[[0,{}],", HOUR_MS - pl.col("ms").sum())
    return (
        each.sort(*_HOUR, "demand")
        .group_by(_HOUR, maintain_order=True)
        .agg(
            peak=pl.col("demand").last(),
            peak_at_ms=pl.col("at_ms").last(),
            levels=pl.concat_str(unused, text.str.join(","), pl.lit("]")),
        )
    )
