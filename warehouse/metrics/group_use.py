"""How each group uses an application, and which part of the application's cost is its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.states import BASES, STATES
from warehouse.money import spread
from warehouse.periods import check_window, clip, zone_of

GROUPS = ("department", "office", "group", "version")
"""What people or sessions are grouped by; `group` is a group of the directory."""

COSTS = {"application": pl.String, "currency": pl.String, "cost_minor": pl.Int64}


def group_use(
    stated: pl.LazyFrame, sessions: pl.LazyFrame, by: Sequence[str], start: datetime, end: datetime
) -> pl.LazyFrame:
    """Sum use by groups and application.

    Parameters
    ----------
    stated
        What `states` gives.
    sessions
        `session`, `application`, `person`, `account`, `started` and the columns of `by`; also of sessions
        without segments. A session that stands in several rows, as `in_groups` gives them, counts in each of
        its groups.
    by
        Columns of `GROUPS`; none: by application alone.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `by...`, `application` (String), `sessions` and `people` (seen open; an account without a person
        counts as one), `run_ms`, `active_ms`, `pause_ms`, `busy_ms`, `idle_ms`, `held_ms`, `suspended_ms`,
        `unknown_ms`, Int64. One row per group and application with a session in the window, in order.

    Raises
    ------
    Problem
        An unknown grouping, or an end that is not after the start.
    """
    check_window(start, end)
    for name in by:
        if name not in GROUPS:
            raise Problem(f"use cannot be grouped by {name!r}", f"give one of {', '.join(GROUPS)}")
    keys = [*by, "application"]
    who = pl.coalesce("person", "account").cast(pl.String).alias("_who")
    known = sessions.select("session", pl.col(keys).cast(pl.String), who).unique()
    launched = sessions.filter(pl.col("started") >= start, pl.col("started") < end).select("session")
    seen = pl.concat([_by_session(stated, start, end), launched.unique()], how="diagonal")
    counts = {"sessions": pl.col("session").n_unique(), "people": pl.col("_who").n_unique()}
    times = [f"{name}_ms" for name in STATES]
    grouped = seen.join(known, on="session").group_by(keys).agg(pl.col(times).sum(), **counts)
    return grouped.select(
        *keys,
        pl.col(*counts).cast(pl.Int64),
        *(pl.sum_horizontal(f"{name}_ms" for name in states).alias(f"{basis}_ms") for basis, states in _SUMS),
    ).sort(keys)


_SUMS = (
    ("run", BASES["run"]),
    ("active", ("active",)),
    ("pause", ("pause",)),
    ("busy", BASES["busy"]),
    *((name, (name,)) for name in ("idle", "held", "suspended", "unknown")),
)


def _by_session(stated: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Add up the milliseconds of each session in the window, state by state."""
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    sums = {f"{name}_ms": length_ms.filter(pl.col("state") == name).sum() for name in STATES}
    return clip(stated, start, end).group_by("session").agg(**sums)


def in_groups(sessions: pl.DataFrame, memberships: pl.DataFrame) -> pl.DataFrame:
    """Give each session the groups that its person was in when it started.

    Parameters
    ----------
    sessions
        `person`, `started`, `zone` (IANA, of the person's home office), ...
    memberships
        `person`, `group`, `valid_from`, `valid_to` (Date, null: open): local days, [from, to).

    Returns
    -------
    pl.DataFrame
        The columns of `sessions`, and `group` (String): a session of a person in two groups stands in two
        rows, one of a person in none has null. Sums over groups may exceed the whole.
    """
    rows = sessions.with_row_index("_row").with_columns(_day=pl.lit(None, pl.Date))
    days = [
        part.with_columns(_day=pl.col("started").dt.convert_time_zone(str(zone_of(zone))).dt.date())
        for (zone,), part in rows.partition_by("zone", as_dict=True).items()
    ]
    local = pl.concat(days or [rows])
    began = pl.col("valid_from") <= pl.col("_day")
    lasts = pl.col("valid_to").is_null() | (pl.col("valid_to") > pl.col("_day"))
    found = (
        local.select("_row", "person", "_day")
        .join(memberships.select("person", "group", "valid_from", "valid_to"), on="person")
        .filter(began & lasts)
        .select("_row", pl.col("group").cast(pl.String))
        .unique()
    )
    return local.drop("_day").join(found, on="_row", how="left").sort("_row", "group").drop("_row")


def cost_shares(
    used: pl.DataFrame,
    rights: pl.DataFrame,
    covers: pl.DataFrame,
    by: Sequence[str],
    weight: str = "active_ms",
) -> pl.LazyFrame:
    """Divide what each right costs a year among the groups that use its applications.

    The cost of a right, quantity x unit cost, is divided by the largest remainder in proportion to use: the
    parts are whole minor units and sum to it. A right that covers several applications is divided over the
    use of all of them. Where nobody used any, nothing is divided.

    Parameters
    ----------
    used
        What `group_use` gives, of every application that a right covers.
    rights
        `entitlement`, `quantity`, `unit_cost_minor` (a year; null: unknown), `currency`: those in force.
    covers
        `entitlement`, `application`.
    by
        As for `group_use`.
    weight
        Column of `used` that measures use: `active_ms`, `busy_ms` or `run_ms`.

    Returns
    -------
    pl.LazyFrame
        `by...`, `application`, `currency` (String), `cost_minor` (Int64, minor units of the currency a year):
        one row per group, application and currency, in order. Two currencies are never added.
    """
    keys = [*by, "application"]
    priced = rights.drop_nulls(["unit_cost_minor", "currency"]).sort("entitlement")
    placed = used.filter(pl.col(weight) > 0).select(*keys, weight).sort(keys)
    parts = [pl.DataFrame(schema={**dict.fromkeys(by, pl.String), **COSTS})]
    for code, quantity, unit_cost, currency in priced.select(
        "entitlement", "quantity", "unit_cost_minor", "currency"
    ).iter_rows():
        covered = covers.filter(pl.col("entitlement") == code)["application"]
        mine = placed.filter(pl.col("application").is_in(covered.cast(pl.String).implode()))
        costs = spread(quantity * unit_cost, mine[weight].to_list())
        parts.append(
            mine.select(
                *keys,
                pl.lit(str(currency)).alias("currency"),
                pl.Series("cost_minor", costs, dtype=pl.Int64),
            )
        )
    summed = pl.concat(parts).lazy().group_by(*keys, "currency").agg(pl.col("cost_minor").sum())
    return summed.sort(*keys, "currency")
