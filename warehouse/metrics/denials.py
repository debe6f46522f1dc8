"""What a refused request for a license means: real want, a retry that succeeded, or a rule that said no.

Denials are kept raw; a class is a verdict by parameters, and other parameters sort the same denials anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.concurrency import group_of
from warehouse.periods import INSTANT

DenialClass = Literal["real", "retried", "policy"]

CLASSES: tuple[DenialClass, ...] = get_args(DenialClass)
ClassEnum = pl.Enum(CLASSES)
"""Polars data type of the column `class`."""

POLICY_REASONS = (
    "exclude list",
    "include list",
    "exceeds max",
    "reserved for others",
    "rejected by vendor-defined",
    "has expired",
    "start date is in the future",
    "no such feature",
    "does not support this version",
    "clock difference",
    "duplicate selection mismatch",
    "removed during lmreread",
)
"""Parts of a license server's words that tell of a rule, not of want: more licenses would not have helped.

From Flexera's table of reasons for denials: FlexNet Manager for Engineering Applications 2021 R1, Concept
Guide, "License Denials".
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """By what denials are told apart.

    Parameters
    ----------
    retry_window_ms
        A request of the same person for the same application within this time is the same attempt; a session
        that starts within it is the attempt's success.
    lasting_ms
        A session that was shorter is no success: a program that finds no license closes soon.
    policy_reasons
        Parts of the server's words, in any case, that tell of a rule.

    Raises
    ------
    Problem
        A negative time, or an empty part of words, which every reason would contain.
    """

    retry_window_ms: int = 900_000
    lasting_ms: int = 60_000
    policy_reasons: Sequence[str] = POLICY_REASONS

    def __post_init__(self) -> None:
        """Refuse rules that cannot be applied."""
        for name in ("retry_window_ms", "lasting_ms"):
            if getattr(self, name) < 0:
                raise Problem(f"{name} is {getattr(self, name)}", "give a time of 0 or more")
        if not all(part.strip() for part in self.policy_reasons):
            raise Problem("a reason of policy is empty", "give a part of the license server's words")


_DEFAULT = Rules()


def classified(denials: pl.LazyFrame, sessions: pl.LazyFrame, rules: Rules = _DEFAULT) -> pl.LazyFrame:
    """Sort denials into real ones, those retried with success, and those of policy.

    Parameters
    ----------
    denials
        `application`, `kind` (`denied`, `unsupported`, `queued`), `person`, `account`, `at`, `reason` (null:
        not said), and whatever else they carry.
    sessions
        `application`, `person`, `account`, `started`, `ended` (null: open): those that may have followed.
    rules
        By what they are told apart.

    Returns
    -------
    pl.LazyFrame
        The denials by time, each with

        - `attempt` (Int64): denials of one attempt share a number. An attempt is a run of requests of one
          person (an account, where nobody is known) for one application, none later than the retry window
          after the one before; a denial of nobody is an attempt of its own.
        - `class` (`ClassEnum`): `policy` where the kind is `unsupported` or the words tell of a rule;
          `retried` where a session of the same person and application that lasted began within the retry
          window after this denial, or after a later one of its attempt; else `real`.
        - `served` (Datetime, null unless `retried`): when that session began.
    """
    asked = denials.with_columns(
        _who=pl.coalesce("person", "account"), _is_policy=_is_policy(rules), _place=pl.int_range(pl.len())
    ).sort("at", "_place")
    attempts = _with_attempt(_with_launch(asked, sessions, rules), rules)
    own = ["_who", "_is_policy", "_place"]
    served = pl.col("_launch").backward_fill().over("attempt", order_by=["at", "_place"])
    word = pl.when("_is_policy").then(pl.lit("policy")).when(served.is_not_null()).then(pl.lit("retried"))
    return (
        attempts.with_columns(word.otherwise(pl.lit("real")).cast(ClassEnum).alias("class"))
        .with_columns(served=pl.when(pl.col("class") == "retried").then(served))
        .sort("at", "_place")
        .drop(*own, "_launch")
    )


def _is_policy(rules: Rules) -> pl.Expr:
    words = pl.col("reason").str.to_lowercase()
    tells = (words.str.contains(part.lower(), literal=True) for part in rules.policy_reasons)
    said = pl.any_horizontal(pl.lit(False), *tells).fill_null(value=False)
    return (pl.col("kind") == "unsupported") | said


def _with_launch(asked: pl.LazyFrame, sessions: pl.LazyFrame, rules: Rules) -> pl.LazyFrame:
    """Add `_launch`: when a session that lasted followed within the window; null: none did."""
    lasts_ms = (pl.col("ended") - pl.col("started")).dt.total_milliseconds()
    lasting = sessions.filter(pl.col("ended").is_null() | (lasts_ms >= rules.lasting_ms)).select(
        pl.col("application").cast(pl.String),
        _who=pl.coalesce("person", "account"),
        _launch=pl.col("started").cast(INSTANT),
    )
    following = lasting.filter(pl.col("_who").is_not_null()).sort("_launch")
    found = asked.join_asof(
        following,
        left_on="at",
        right_on="_launch",
        by=["application", "_who"],
        strategy="forward",
        coalesce=False,
        check_sortedness=False,
    )
    waited_ms = (pl.col("_launch") - pl.col("at")).dt.total_milliseconds()
    near = pl.col("_who").is_not_null() & (waited_ms <= rules.retry_window_ms)
    return found.with_columns(_launch=pl.when(near).then("_launch"))


def _with_attempt(asked: pl.LazyFrame, rules: Rules) -> pl.LazyFrame:
    """Give each attempt a number, in the order of their first requests."""
    alike = ["application", "_who", "_is_policy"]
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in alike)  # null: nobody's
    soon = (pl.col("at") - pl.col("at").shift(1)).dt.total_milliseconds() <= rules.retry_window_ms
    opens = ~(same & soon).fill_null(value=False)
    runs = asked.sort(*alike, "at", "_place").with_columns(_run=opens.cum_sum())
    first = pl.struct("at", "_place").first().over("_run", order_by=["at", "_place"])
    return runs.with_columns(attempt=first.rank("dense").cast(pl.Int64)).drop("_run")


def with_free(denials: pl.LazyFrame, demand: pl.LazyFrame, capacity: pl.LazyFrame) -> pl.LazyFrame:
    """Add how many licenses were free in the moment before each denial.

    Parameters
    ----------
    denials
        `group...` and `at`, and whatever else they carry.
    demand
        What `concurrency.curve` gives for the basis `run`: whoever has an application open holds a license.
    capacity
        `group...`, `start`, `end`, `units` (Int64): what there was to be used; the stretches of one group are
        disjoint.

    Returns
    -------
    pl.LazyFrame
        The denials, in their order, with `free` (Int64): units less demand just before `at`; below 0 where
        more were in use than there are, null where the capacity is not known.
    """
    group = group_of(demand.head(0).collect())
    numbered = denials.with_columns(_place=pl.int_range(pl.len())).sort("at")
    before = demand.select(group, _at="at", _demand="demand").sort("_at")
    stretches = capacity.select(group, _from="start", _until="end", _units="units").sort("_from")
    known = pl.when(pl.col("at") < pl.col("_until")).then("_units")
    return (
        numbered.join_asof(
            before,
            left_on="at",
            right_on="_at",
            by=group,
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .join_asof(stretches, left_on="at", right_on="_from", by=group, check_sortedness=False)
        .with_columns(free=known - pl.col("_demand").fill_null(0))
        .sort("_place")
        .drop("_place", "_at", "_demand", "_from", "_until", "_units", strict=False)
    )
