"""The license server of one short product: what it refused, and how many licenses it said it had."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.sample.plan import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Plan, instant_ms
from pipelines.sample.products import APPLICATION_ID

APPLICATION = "culvert"
SEATS = 3
SERVER = "lic-muc-01"
READ_EVERY_MS = 4 * HOUR_MS

FULL = "Licensed number of users already reached. (-4,342)"
EXCLUDED = "User/host on EXCLUDE list for feature. (-38,348)"
UNKNOWN_FEATURE = "License server system does not support this feature. (-18,327)"

WAIT_SHARE, MOST_TRIES = 0.6, 3
"""How often a launch beyond the seats was refused at first, and how many times."""
GIVE_UP_SHARE = 0.18
"""How often somebody else asked while all seats were taken, and did not ask again."""
RULE_SHARE = 0.012
ALONE_MS = 45 * MINUTE_MS
"""Who gave up has no session of their own this long before and after."""

Instants = npt.NDArray[np.int64]


def tables(plan: Plan, sessions: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return the rows of `denial` and `capacity_reading`.

    Parameters
    ----------
    sessions
        Rows of `session`.
    """
    uses = _uses(plan, sessions)
    return {"denial": _denials(plan, uses), "capacity_reading": _readings(plan, uses)}


def _uses(plan: Plan, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the product's sessions since everybody is metered, each with how many `others` were open."""
    uses = sessions.filter(
        pl.col("application_id") == APPLICATION_ID[APPLICATION],
        pl.col("started_ms") >= instant_ms(plan.rollout),
    ).select(
        *("account_id", "host_id"), start="started_ms", end=pl.col("ended_ms").fill_null(plan.horizon_ms)
    )
    start, end, account = (uses[name].to_numpy() for name in ("start", "end", "account_id"))
    open_then = (start[None, :] <= start[:, None]) & (end[None, :] > start[:, None])
    others = (open_then & (account[None, :] != account[:, None])).sum(axis=1)
    return uses.with_columns(others=pl.Series(others, dtype=pl.Int64))


def _denials(plan: Plan, uses: pl.DataFrame) -> pl.DataFrame:
    random = plan.random("denials")
    asked = pl.concat([_waits(random, uses), _given_up(random, uses), _refused_by_rule(random, uses)])
    rows = asked.filter(pl.col("at_ms") < plan.horizon_ms - DAY_MS).sort("at_ms", "account_id", "reason")
    return rows.select(
        id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        key=pl.format("sample-denial-{}", pl.int_range(1, pl.len() + 1)),
        source=pl.lit("flexnet"),
        server=pl.lit(SERVER),
        kind="kind",
        application_id=pl.lit(APPLICATION_ID[APPLICATION], pl.Int64),
        account_id="account_id",
        host_id="host_id",
        at_ms="at_ms",
        units=pl.lit(1, pl.Int64),
        reason="reason",
        received_ms=(pl.col("at_ms") // DAY_MS + 1) * DAY_MS,  # the log is read every night
    )


def _waits(random: np.random.Generator, uses: pl.DataFrame) -> pl.DataFrame:
    """Refuse launches that found all seats taken, once or more, some minutes before they succeeded."""
    late = uses.filter(pl.col("others") >= SEATS, pl.Series(random.random(uses.height) < WAIT_SHARE))
    tries = random.integers(1, MOST_TRIES + 1, late.height)
    rows = late[np.repeat(np.arange(late.height), tries)]
    turn = np.concatenate([np.arange(1, number + 1) for number in tries]) if late.height else np.empty(0)
    before = turn * random.uniform(1.0, 5.0, rows.height) * MINUTE_MS
    return _asked(rows, rows["start"].to_numpy() - before.astype(np.int64), "denied", FULL)


def _given_up(random: np.random.Generator, uses: pl.DataFrame) -> pl.DataFrame:
    """Refuse somebody who had no session then, nor soon before or after."""
    full = uses.filter(pl.col("others") >= SEATS - 1, pl.Series(random.random(uses.height) < GIVE_UP_SHARE))
    at = full["start"].to_numpy() + (random.uniform(0.5, 6, full.height) * MINUTE_MS).astype(np.int64)
    who = uses.unique("account_id", keep="last", maintain_order=True).select("account_id", "host_id")
    drawn = random.integers(0, max(who.height, 1), full.height)
    rows = who[drawn] if who.height else who
    taken = _own_session_near(uses, rows["account_id"].to_numpy(), at)
    return _asked(rows, at, "denied", FULL).filter(~pl.Series(taken, dtype=pl.Boolean))


def _own_session_near(uses: pl.DataFrame, account: Instants, at: Instants) -> npt.NDArray[np.bool_]:
    start, end, whose = (uses[name].to_numpy() for name in ("start", "end", "account_id"))
    near = (start[None, :] <= at[:, None] + ALONE_MS) & (end[None, :] >= at[:, None] - ALONE_MS)
    return np.asarray((near & (whose[None, :] == account[:, None])).any(axis=1))


def _refused_by_rule(random: np.random.Generator, uses: pl.DataFrame) -> pl.DataFrame:
    """Refuse what more licenses would not have changed."""
    rows = uses.filter(pl.Series(random.random(uses.height) < RULE_SHARE))
    at = rows["start"].to_numpy() - (random.uniform(20, 90, rows.height) * MINUTE_MS).astype(np.int64)
    excluded = random.random(rows.height) < 0.6
    kind = np.where(excluded, "denied", "unsupported")
    return _asked(rows, at, kind, np.where(excluded, EXCLUDED, UNKNOWN_FEATURE))


def _asked(rows: pl.DataFrame, at: Instants, kind: Any, reason: Any) -> pl.DataFrame:
    """Write requests as a log does: to the second."""
    count = rows.height
    return rows.select("account_id", "host_id").with_columns(
        at_ms=pl.Series(at // SECOND_MS * SECOND_MS, dtype=pl.Int64),
        kind=pl.Series(np.broadcast_to(kind, count), dtype=pl.String),
        reason=pl.Series(np.broadcast_to(reason, count), dtype=pl.String),
    )


def _readings(plan: Plan, uses: pl.DataFrame) -> pl.DataFrame:
    """Read the server every few hours."""
    at = np.arange(instant_ms(plan.rollout), plan.horizon_ms, READ_EVERY_MS, dtype=np.int64)
    start, end = (uses[name].to_numpy() for name in ("start", "end"))
    opened = np.searchsorted(np.sort(start), at, "right") - np.searchsorted(np.sort(end), at, "right")
    return pl.DataFrame({"at_ms": at, "in_use": np.minimum(opened, SEATS)}).select(
        id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        key=pl.format("sample-reading-{}", pl.int_range(1, pl.len() + 1)),
        source=pl.lit("lmstat"),
        server=pl.lit(SERVER),
        application_id=pl.lit(APPLICATION_ID[APPLICATION], pl.Int64),
        at_ms="at_ms",
        issued=pl.lit(SEATS, pl.Int64),
        in_use=pl.col("in_use").cast(pl.Int64),
        received_ms="at_ms",
    )
