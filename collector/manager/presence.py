"""What is going on now: one row per open session, and counts for those who may see no more.

Presence is overwritten and never billed. It has no CPU and no keep-awake request, and the length of a gap is
taken from the last input alone, so the state of a running gap is provisional.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import polars as pl
from sqlalchemy import Engine

from collector import protocol
from collector.manager import policies
from warehouse import frames
from warehouse.metrics.states import Policy, Rule, StateEnum

ATTENTIONS: tuple[str, ...] = get_args(protocol.Attention)
MISSED_REPORTS = 3
"""Presence that was not renewed for so many intervals is stale."""


def live(engine: Engine, policy: Policy, now: datetime) -> pl.DataFrame:
    """Return what each open session is doing.

    Parameters
    ----------
    policy
        The license policy; it decides what is idle.
    now
        The moment to judge at, with its zone.

    Returns
    -------
    pl.DataFrame
        One row per open session: `application` (code), `name`, `pseudonym`, `office`, `attention`, `state`
        (Enum of `warehouse.metrics.states.STATES`), `since` (UTC; when the state began, as far as presence
        tells; null while idle, since nobody's idle time is shown), `provisional` and `stale` (Boolean),
        `started`, `heard` (UTC). A stale row is in the state `unknown` since it was last heard of.
    """
    interval = timedelta(milliseconds=policies.collection_policy(engine).presence_ms)
    return judged(frames.presence(engine), policy, now, interval).collect()


def judged(presence: pl.LazyFrame, policy: Policy, now: datetime, interval: timedelta) -> pl.LazyFrame:
    """Give each row of `warehouse.frames.presence` its state now, as `live` describes it. Pure."""
    moment = pl.lit(now).cast(pl.Datetime("ms", "UTC"))
    return (
        presence.join(_rules(policy), on="application", how="left")
        .with_columns(pl.col(name).fill_null(value) for name, value in _columns(policy.default).items())
        .with_columns(
            stale=moment - pl.col("heard") > MISSED_REPORTS * interval,
            is_long=moment - pl.col("since") >= pl.duration(milliseconds="idle_timeout_ms"),
        )
        .with_columns(state=_state())
        .with_columns(since=_since(), provisional=_is_provisional())
        .rename({"person": "pseudonym"})
        .select(COLUMNS)
        .sort("application", "pseudonym", "started", nulls_last=True)
    )


COLUMNS = (
    "application",
    "name",
    "pseudonym",
    "office",
    "attention",
    "state",
    "since",
    "provisional",
    "stale",
    "started",
    "heard",
)


def counts(sessions: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of `live` for those who may see no more than that.

    Returns
    -------
    pl.DataFrame
        One row per application: `application`, `name`, `sessions`, one column for each word of
        `protocol.Attention` (fresh sessions only), `stale`, and `pseudonyms` (list, each once, in order).
    """
    fresh = ~pl.col("stale")
    return (
        sessions.group_by("application", "name")
        .agg(
            pl.len().cast(pl.Int64).alias("sessions"),
            *(
                ((pl.col("attention") == word) & fresh).sum().cast(pl.Int64).alias(word)
                for word in ATTENTIONS
            ),
            pl.col("stale").sum().cast(pl.Int64),
            pl.col("pseudonym").drop_nulls().unique().sort().alias("pseudonyms"),
        )
        .sort("application")
    )


def _columns(rule: Rule) -> dict[str, Any]:
    return {
        "idle_timeout_ms": rule.idle_timeout_ms,
        "signal": rule.signal,
        "held_is_active": rule.held_is_active,
    }


def _rules(policy: Policy) -> pl.LazyFrame:
    rows = [{"application": code, **_columns(rule)} for code, rule in policy.applications.items()]
    kinds = {
        "application": pl.String,
        "idle_timeout_ms": pl.Int64,
        "signal": pl.String,
        "held_is_active": pl.Boolean,
    }
    return pl.LazyFrame(rows, schema=kinds)


def _state() -> pl.Expr:
    attention = pl.col("attention").cast(pl.String)
    looks_on = (attention == "no_input") & (pl.col("signal") == "focus")
    is_active = (attention == "input") | looks_on | ((attention == "held") & pl.col("held_is_active"))
    is_away = attention.is_in(["locked", "disconnected"])
    state = (
        pl.when(pl.col("stale") | (attention == "unobserved"))
        .then(pl.lit("unknown"))
        .when(is_active)
        .then(pl.lit("active"))
        .when(attention.is_in(["suspended", "held"]))
        .then(attention)
        .when(is_away | pl.col("is_long"))
        .then(pl.lit("idle"))
        .otherwise(pl.lit("pause"))
    )
    return state.cast(StateEnum)


def _since() -> pl.Expr:
    # A gap is back-dated to the last input; how long a person has been idle is nobody's business.
    return (
        pl.when("stale")
        .then("heard")
        .when(pl.col("state") == "pause")
        .then("since")
        .when(pl.col("state") != "idle")
        .then("attention_since")
    )


def _is_provisional() -> pl.Expr:
    # CPU and keep-awake requests, which presence does not carry, may yet make a gap active.
    is_gap = pl.col("state").is_in(["pause", "idle"])
    return (pl.col("state") == "pause") | (is_gap & pl.col("signal").is_in(["input+cpu", "presenting"]))
