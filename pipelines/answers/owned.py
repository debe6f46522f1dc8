"""What is owned: one row per license pool, that is one product's rights of one metric in force on a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
from sqlalchemy import Engine

from warehouse import frames

KEY_OF_METRIC = {
    "named_user": "user",
    "subscription": "user",
    "concurrent": "user",
    "device": "device",
    "token": "token",
}
"""What a license counts, in the words of concurrency.KEYS."""

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
        One row per pool: pool, name, product, metric, key, owned (Int64); and one per application in use that
        no right covers: its code and name, metric and owned null, key "user".
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
    return pl.concat_str(pl.col("product").cast(pl.String), pl.lit(":"), "metric")


def _pools(rights: pl.DataFrame) -> pl.DataFrame:
    """Add up the rights of each product and metric; only a product of several metrics names them."""
    metric = pl.col("metric").cast(pl.String)
    several = metric.n_unique().over("product") > 1
    words = pl.concat_str("product_name", pl.lit(", by "), metric.str.replace("_", " "))
    return (
        rights.with_columns(pool=_pool(), name=pl.when(several).then(words).otherwise("product_name"))
        .group_by("pool", maintain_order=True)
        .agg(
            pl.col("name").first(),
            pl.col("product").first().cast(pl.String),
            metric.first(),
            key=metric.first().replace_strict(KEY_OF_METRIC),
            owned=pl.col("quantity").cast(pl.Int64).sum(),
        )
    )
