"""States by gaps and islands: neighbors that belong together get one number, and the number says how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoLazyFrameT

from warehouse.portable.instants import ms_of

BASES = {
    "run": ("active", "pause", "idle", "held"),
    "busy": ("active", "pause"),
    "active": ("active",),
}
"""The states that count for each basis."""


class Rule(Protocol):
    """What counts as activity, and how long a gap may be before it is idle: `metrics.states.Rule`."""

    @property
    def idle_timeout_ms(self) -> int:
        """A gap shorter than this is a pause, any other is idle."""
        ...

    @property
    def signal(self) -> str:
        """One of `input`, `input+cpu`, `focus` and `presenting`."""
        ...

    @property
    def cpu_threshold(self) -> float:
        """Percent of one core that counts as activity under `input+cpu`."""
        ...

    @property
    def held_is_active(self) -> bool:
        """Whether a license that is checked out is use in itself."""
        ...


class Policy(Protocol):
    """A default rule, and the rules of single applications, by code: `metrics.states.Policy`."""

    @property
    def default(self) -> Rule:
        """The rule of every application that has none of its own."""
        ...

    @property
    def applications(self) -> Mapping[str, Rule]:
        """Rules by the application's code."""
        ...


def states(segments: IntoLazyFrameT, policy: Policy, as_of: datetime | None = None) -> IntoLazyFrameT:
    """Give every segment its state.

    Parameters
    ----------
    segments
        Whole sessions: at least `session` (Int64), `application` (String), `start`, `end`, `since` (Int64,
        milliseconds), `attention` (String), `cpu_percent` (Float64) and `inhibiting` (Boolean). One row per
        session and stretch of constant evidence.
    policy
        The rules in force.
    as_of
        Instant, with its zone, up to which the evidence is complete; None: nothing is provisional.

    Returns
    -------
    IntoLazyFrameT
        The same rows with `state` (String), `gap_start` and `gap_end` (Int64; of the whole gap that the
        segment belongs to; null outside gaps) and `provisional` (Boolean: a pause that may still grow).
    """
    frame = nw.from_native(segments)
    words = frame.with_columns(nw.col("application", "attention").cast(nw.String))
    judged = words.with_columns(
        _active=_by_rule(policy, _activity),
        _timeout=_by_rule(policy, lambda rule: nw.lit(rule.idle_timeout_ms, nw.Int64)),
    ).with_columns(_gap=~nw.col("_active") & (nw.col("attention") != "unobserved"))
    stated = _with_spans(_with_islands(judged)).with_columns(state=_state())
    return stated.select(*frame.columns, "state", *_gap_edges(), _provisional(as_of)).to_native()


def _by_rule(policy: Policy, told: Callable[[Rule], nw.Expr]) -> nw.Expr:
    """Ask the rule of each row's application; applications under one rule are asked at once."""
    codes: dict[Rule, list[str]] = {}
    for code, rule in policy.applications.items():
        codes.setdefault(rule, []).append(code)
    found = told(policy.default)
    for rule, applications in codes.items():
        found = nw.when(nw.col("application").is_in(applications)).then(told(rule)).otherwise(found)
    return found


def _activity(rule: Rule) -> nw.Expr:
    """Say which segments are activity under a rule; none is while the machine sleeps or nobody watches."""
    attention = nw.col("attention")
    signals = {
        "input": attention == "input",
        "focus": attention == "no_input",
        "presenting": nw.col("inhibiting"),
        "input+cpu": nw.col("cpu_percent") >= rule.cpu_threshold,
    }
    always = ["input", "held"] if rule.held_is_active else ["input"]
    return attention.is_in(always) | (~attention.is_in(["suspended", "unobserved"]) & signals[rule.signal])


def _with_islands(judged: nw.LazyFrame[IntoLazyFrameT]) -> nw.LazyFrame[IntoLazyFrameT]:
    """Count the islands of each session: a row that does not go on where the one before ended opens one."""

    def before(name: str) -> nw.Expr:
        return nw.col(name).shift(1).over("session", order_by="start")

    seen = judged.with_columns(
        _end_before=before("end"), _since_before=before("since"), _gap_before=before("_gap")
    )
    goes_on = (
        (nw.col("_end_before") == nw.col("start"))
        & ((nw.col("_since_before") == nw.col("since")) | _both_null("_since_before", "since"))
        & nw.col("_gap_before")
        & nw.col("_gap")
    )
    opens = nw.when(goes_on).then(nw.lit(0)).otherwise(nw.lit(1))
    return seen.with_columns(_opens=opens).with_columns(
        _island=nw.col("_opens").cum_sum().over("session", order_by="start")
    )


def _both_null(one: str, other: str) -> nw.Expr:
    return nw.col(one).is_null() & nw.col(other).is_null()


def _with_spans(islands: nw.LazyFrame[IntoLazyFrameT]) -> nw.LazyFrame[IntoLazyFrameT]:
    """Add from when to when each island lasts, and when what is known of the session ends."""
    return islands.with_columns(
        _from=nw.col("start").min().over("session", "_island"),
        _to=nw.col("end").max().over("session", "_island"),
        _last=nw.col("end").max().over("session"),
    )


def _state() -> nw.Expr:
    """Decide the state; the first condition that holds counts."""
    attention = nw.col("attention")
    is_long = nw.col("_to") - nw.col("_from") >= nw.col("_timeout")
    conditions = (
        (nw.col("_active"), "active"),
        (attention == "unobserved", "unknown"),
        (attention == "suspended", "suspended"),
        (attention == "held", "held"),
        (attention.is_in(["locked", "disconnected"]) | is_long, "idle"),
    )
    state = nw.lit("pause")
    for condition, word in reversed(conditions):
        state = nw.when(condition).then(nw.lit(word)).otherwise(state)
    return state


def _gap_edges() -> tuple[nw.Expr, nw.Expr]:
    in_gap = nw.when(nw.col("_gap"))
    return in_gap.then(nw.col("_from")).alias("gap_start"), in_gap.then(nw.col("_to")).alias("gap_end")


def _provisional(as_of: datetime | None) -> nw.Expr:
    """Say which pauses may still turn out to be idle: the last thing known, and T not over yet."""
    if as_of is None:
        return nw.lit(value=False).alias("provisional")
    is_last = nw.col("_to") == nw.col("_last")
    may_grow = is_last & (nw.col("end") + nw.col("_timeout") > ms_of(as_of))
    return ((nw.col("state") == "pause") & may_grow).alias("provisional")
