"""What another definition of idle would have said of the same evidence: peaks, seats, hours side by side.

Evidence is judged once per activity signal, with gaps of any length taken for pauses; what a timeout changes
is then only which gaps are too long. So a year is looked at under sixteen definitions in the time of a few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.concurrency import intervals, peak
from warehouse.metrics.states import Policy, Rule, Signal, StateEnum, states
from warehouse.periods import check_window, clip, collapse

NEVER_MS = 2**62
"""A timeout that no gap reaches."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One definition of idle, for every application alike.

    Parameters
    ----------
    idle_timeout_ms
        T: a gap shorter than this is a pause, any other is idle; None: as the policy says, by application.
    signal
        What counts as activity, one of `states.SIGNALS`; None: as the policy says, by application.
    """

    idle_timeout_ms: int | None
    signal: Signal | None = "input"

    def of(self, policy: Policy) -> Policy:
        """Put this definition into every rule of a policy; thresholds and what is held stay as they are."""
        timeout_ms, signal = self.idle_timeout_ms, self.signal

        def defined(rule: Rule) -> Rule:
            return replace(
                rule,
                idle_timeout_ms=rule.idle_timeout_ms if timeout_ms is None else timeout_ms,
                signal=rule.signal if signal is None else signal,
            )

        rules = {code: defined(rule) for code, rule in policy.applications.items()}
        return replace(policy, default=defined(policy.default), applications=rules)


IN_FORCE = Definition(None, None)
"""The policy as it is."""


def idle_definitions(  # noqa: PLR0913, PLR0917 - evidence, definitions, window, and how demand is counted
    segments: pl.LazyFrame,
    sessions: pl.LazyFrame,
    policy: Policy,
    definitions: Sequence[Definition],
    start: datetime,
    end: datetime,
    *,
    key: str = "user",
    weights: pl.LazyFrame | None = None,
    group: str = "application",
    suites: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Measure the same use under several definitions of idle.

    Parameters
    ----------
    segments
        Evidence of whole sessions, as for `states`, and `units`.
    sessions
        `session`, `application`, `product`, `person`, `device`.
    policy
        The policy in force: what a definition does not name stays as it says.
    definitions
        The definitions, in the order to list them.
    start, end
        The window, [start, end).
    key, weights, group, suites
        As for `concurrency.intervals`.

    Returns
    -------
    pl.LazyFrame
        `signal` (String), `idle_timeout_ms` (Int64; where null: as the policy says), `group...` (String);
        `peak` (Int64) of busy use by the key, `first_reached` (Datetime), `in_use` (UInt32: different people
        with busy time; a session of nobody known counts as one), `busy_ms`, `idle_ms` (Int64, every
        session's; locked and disconnected time is idle under each definition). One row per definition and
        group with any session time, in the order of `definitions`, then of the group. Where a group was never
        busy `peak` is 0.

    Raises
    ------
    Problem
        No definition, one given twice, a signal or timeout that cannot be; as `concurrency.intervals`.
    """
    check_window(start, end)
    _check(definitions)
    grouped = _grouped(sessions, group, suites)
    found: dict[Definition, pl.DataFrame] = {}
    for signal in dict.fromkeys(each.signal for each in definitions):
        blocks = _blocks(segments, Definition(NEVER_MS, signal).of(policy))
        for each in (each for each in definitions if each.signal == signal):
            stated = _judged(segments, blocks, each, policy)
            used = intervals(
                stated, sessions, key, "busy", start, end, weights=weights, group=group, suites=suites
            )
            found[each] = _measured(stated, used, grouped, group, (start, end)).with_columns(
                signal=pl.lit(each.signal, pl.String),
                idle_timeout_ms=pl.lit(each.idle_timeout_ms, pl.Int64),
            )
    columns = ("signal", "idle_timeout_ms", group, "peak", "first_reached", "in_use", "busy_ms", "idle_ms")
    return pl.concat(found[each] for each in definitions).select(columns).lazy()


def _check(definitions: Sequence[Definition]) -> None:
    if not definitions:
        raise Problem("there is no definition of idle to compare", "give one timeout or more")
    if len(set(definitions)) < len(definitions):
        raise Problem("a definition of idle is given twice", "give each timeout and signal once")
    for each in definitions:
        each.of(Policy())  # refuses what no rule can have


def _grouped(sessions: pl.LazyFrame, group: str, suites: pl.LazyFrame | None) -> pl.DataFrame:
    """Give `session`, the group or groups it counts for, and `_who` has it."""
    if group == "entitlement" and suites is not None:
        sessions = sessions.join(suites.select("entitlement", "application"), on="application")
    elif group == "product":
        sessions = sessions.with_columns(product=pl.coalesce("product", "application"))
    who = pl.coalesce("person", pl.format("session {}", "session"))
    return sessions.select("session", pl.col(group).cast(pl.String), _who=who).collect()


def _blocks(segments: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Turn the segments of one unbroken activity, gap or other state into one row, with its `gap_ms`."""
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1)) for name in ("session", "state", "units", "gap_start")
    )
    follows = same & (pl.col("start") == pl.col("end").shift(1))
    return (
        states(segments, policy)
        .select("session", "start", "end", "units", "state", "gap_start", "gap_end")
        .pipe(collapse, ~follows.fill_null(value=False))
        .with_columns(gap_ms=(pl.col("gap_end") - pl.col("gap_start")).dt.total_milliseconds())
        .drop("gap_start", "gap_end")
        .collect()
        .lazy()
    )


def _judged(
    segments: pl.LazyFrame, blocks: pl.LazyFrame, definition: Definition, policy: Policy
) -> pl.LazyFrame:
    """Take the pauses that are too long for idle; where each application has its own timeout, judge anew."""
    if definition.idle_timeout_ms is None:
        return _blocks(segments, definition.of(policy))
    is_long = (pl.col("state") == "pause") & (pl.col("gap_ms") >= definition.idle_timeout_ms)
    return blocks.with_columns(state=pl.when(is_long).then(pl.lit("idle", StateEnum)).otherwise("state"))


def _measured(
    stated: pl.LazyFrame,
    used: pl.LazyFrame,
    grouped: pl.DataFrame,
    group: str,
    window: tuple[datetime, datetime],
) -> pl.DataFrame:
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    state = pl.col("state")
    by_session = (
        clip(stated, *window)
        .group_by("session")
        .agg(
            busy_ms=length_ms.filter((state == "active") | (state == "pause")).sum(),
            idle_ms=length_ms.filter(state == "idle").sum(),
        )
    )
    return (
        by_session.join(grouped.lazy(), on="session")
        .group_by(group)
        .agg(
            pl.col("busy_ms", "idle_ms").sum(),
            in_use=pl.col("_who").filter(pl.col("busy_ms") > 0).n_unique(),
        )
        .join(peak(used).drop("minutes_at_peak"), on=group, how="left")
        .with_columns(pl.col("peak").fill_null(0))
        .sort(group)
        .collect()
    )
