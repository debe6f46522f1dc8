"""What a vendor's portal says about user-days: as we count, but for two months and a few days."""

from __future__ import annotations

import polars as pl

from pipelines.sample.plan import DAY_MS, MINUTE_MS, Plan, add_months, instant_ms
from pipelines.sample.products import APPLICATION_ID, PRODUCT_ID

PRODUCT, APPLICATION = "clashlight", "clashlight"
SOURCE = "Clashlight account 4410"
MONTHS = 6
BY_ACCOUNT_MONTH = -3
"""In this month, counted from the current one, the portal counted accounts."""
WITH_SHORT_USES_MONTH = -2
"""In this one it counted uses under five minutes, too."""
UNEXPLAINED_SHARE = 0.03


def vendor_counts(plan: Plan, sessions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Return one row per UTC day with use: people with five minutes or more, as the vendor's portal counts.

    Parameters
    ----------
    sessions
        Rows of `session`.
    accounts
        Rows of `account`: whose each account is.
    """
    used = _by_day(plan, sessions, accounts)
    long = pl.col("ms") >= 5 * MINUTE_MS
    by_person = used.group_by("day_ms", "person").agg(pl.col("ms").sum())
    by_account = used.group_by("day_ms", "account_id").agg(pl.col("ms").sum())
    counts = {
        "people": by_person.filter(long).group_by("day_ms").len("people"),
        "accounts": by_account.filter(long).group_by("day_ms").len("accounts"),
        "anybody": by_person.group_by("day_ms").len("anybody"),
    }
    days = used.select(pl.col("day_ms").unique().sort())
    for counted in counts.values():
        days = days.join(counted, on="day_ms", how="left", maintain_order="left")
    random = plan.random("vendor counts")
    odd = pl.Series(random.random(days.height) < UNEXPLAINED_SHARE)
    more = pl.Series(random.integers(4, 9, days.height))
    said = (
        pl.when(_in_month(plan, BY_ACCOUNT_MONTH)).then("accounts")
        .when(_in_month(plan, WITH_SHORT_USES_MONTH)).then("anybody")
        .otherwise("people")
        .fill_null(0)
    )  # fmt: skip
    return days.select(
        product_id=pl.lit(PRODUCT_ID[PRODUCT]),
        source=pl.lit(SOURCE),
        unit=pl.lit("user_days"),
        start_ms="day_ms",
        end_ms=pl.col("day_ms") + DAY_MS,
        count=said.cast(pl.Int64) + pl.when(odd).then(more).otherwise(0),
        received_ms=pl.lit(plan.horizon_ms),
    ).with_columns(id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def _in_month(plan: Plan, month: int) -> pl.Expr:
    first, last = (instant_ms(add_months(plan.month, number)) for number in (month, month + 1))
    return (pl.col("day_ms") >= first) & (pl.col("day_ms") < last)


def _by_day(plan: Plan, sessions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Cut the sessions of the product at UTC midnights: `day_ms`, `account_id`, `person`, `ms`."""
    first, last = instant_ms(add_months(plan.month, -MONTHS)), instant_ms(plan.month)
    mine = sessions.filter(pl.col("application_id") == APPLICATION_ID[APPLICATION]).drop_nulls("ended_ms")
    persons = accounts.select(account_id="id", person="person_id")
    days = pl.int_ranges(pl.col("started_ms") // DAY_MS, (pl.col("ended_ms") - 1) // DAY_MS + 1)
    inside = pl.min_horizontal("ended_ms", pl.col("day_ms") + DAY_MS) - pl.max_horizontal(
        "started_ms", "day_ms"
    )
    return (
        mine.filter(pl.col("ended_ms") > pl.col("started_ms"))
        .join(persons, on="account_id", how="left")
        .with_columns(day_ms=days)
        .explode("day_ms")
        .with_columns(day_ms=pl.col("day_ms") * DAY_MS)
        .filter(pl.col("day_ms") >= first, pl.col("day_ms") < last)
        .select("day_ms", "account_id", person=pl.coalesce("person", -pl.col("account_id")), ms=inside)
    )
