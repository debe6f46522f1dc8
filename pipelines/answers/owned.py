"""What is owned: one row per license pool, that is one product's rights in force on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
from sqlalchemy import Engine

from warehouse import frames
from warehouse.metrics.consumption import KEY_OF_METRIC

TOKENS = ":token"
"""Ends the name of a pool of tokens."""

SHARED_METRICS = ("concurrent", "token")
"""Licenses that one person may use after the other: their peak is the need. A seat cannot be shared."""

UNITS = {
    "user": "people",
    "device": "devices",
    "user_device": "pairs",
    "session": "sessions",
    "token": "tokens",
}


@dataclass(frozen=True)
class Owned:
    """The license pools of an organization on a day.

    Attributes
    ----------
    pools
        One row per pool: pool, name, product, metric (of the right that is consumed first), key, owned
        (Int64); and one per application that no right covers: its code and name, metric and owned null, key
        "user".
    members
        One row per pool and application: entitlement (the pool), application. A suite has several.
    """

    pools: pl.DataFrame
    members: pl.DataFrame


def owned_on(engine: Engine, day: date) -> Owned:
    """Find what is owned on a day, and what is used without."""
    rights = frames.entitlements(engine).filter(_in_force(day)).collect()
    covers = frames.entitlement_applications(engine).collect()
    pools = _pools(rights)
    members = (
        rights.select("entitlement", pool=_pool())
        .join(covers, on="entitlement")
        .select(entitlement="pool", application=pl.col("application").cast(pl.String))
        .unique()
    )
    bare = (
        frames.applications(engine)
        .select(pl.col("application").cast(pl.String), "name", "product")
        .collect()
        .join(members, on="application", how="anti")
    )
    without = bare.select(
        pool="application", name="name", product="product", metric=pl.lit(None, pl.String),
        key=pl.lit("user"), owned=pl.lit(None, pl.Int64),
    )  # fmt: skip
    own = bare.select(entitlement="application", application="application")
    return Owned(pl.concat([pools, without]), pl.concat([members, own]).sort("entitlement", "application"))


def _in_force(day: date) -> pl.Expr:
    return (pl.col("valid_from") <= day) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))


def _pool() -> pl.Expr:
    """Name the pool of a right: tokens are no seats, so a product that has both is two pools."""
    return pl.when(pl.col("metric") == "token").then(pl.col("product") + TOKENS).otherwise("product")


def _pools(rights: pl.DataFrame) -> pl.DataFrame:
    """Add up the rights of each pool."""
    first = pl.col("product_name", "product", "metric").first()
    return (
        rights.with_columns(pool=_pool())
        .sort("consumption_order", maintain_order=True)
        .group_by("pool", maintain_order=True)
        .agg(first, owned=pl.col("quantity").sum())
        .select(
            *("pool", pl.col("product_name").alias("name"), "product", "metric"),
            *(pl.col("metric").replace_strict(KEY_OF_METRIC, return_dtype=pl.String).alias("key"), "owned"),
        )
    )
