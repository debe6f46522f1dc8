"""Turn evidence into states: which segments are active, pause, idle, suspended, held or unknown.

The agent records evidence, never a verdict; the policy in force decides here, so that last quarter can be
judged again without any new data. States are decided on whole gaps, before any cut by day, period or project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args

import polars as pl

from warehouse.errors import Problem

State = Literal["active", "pause", "idle", "suspended", "held", "unknown"]
Signal = Literal["input", "input+cpu", "focus", "presenting"]

STATES: tuple[State, ...] = get_args(State)
SIGNALS: tuple[Signal, ...] = get_args(Signal)
BASES: dict[str, tuple[State, ...]] = {
    "run": ("active", "pause", "idle", "held"),
    "busy": ("active", "pause"),
    "active": ("active",),
}
"""The states that count for each basis."""

StateEnum = pl.Enum(STATES)
"""Polars data type of the column `state`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts as activity, and how long a gap may be before it is idle.

    Parameters
    ----------
    idle_timeout_ms
        T: a gap shorter than this is a pause, any other is idle.
    signal
        One of `SIGNALS`.
    cpu_threshold
        Percent of one core that counts as activity under `input+cpu`.
    held_is_active
        True where a license checked out, or a batch job, is use in itself.
    buffer_ms
        How much of each idle gap is billed; for the billing policy alone.

    Raises
    ------
    Problem
        A value that no rule can have.
    """

    idle_timeout_ms: int = 900_000
    signal: Signal = "input"
    cpu_threshold: float = 5
    held_is_active: bool = False
    buffer_ms: int = 0

    def __post_init__(self) -> None:
        """Refuse a rule that cannot be applied."""
        for name in ("idle_timeout_ms", "buffer_ms"):
            if not _is_number(getattr(self, name), int):
                raise Problem(
                    f"policy: {name} is {getattr(self, name)!r}", "give whole milliseconds, 0 or more"
                )
        if not _is_number(self.cpu_threshold, int | float):
            raise Problem(f"policy: cpu_threshold is {self.cpu_threshold!r}", "give a percentage, 0 or more")
        if self.signal not in SIGNALS:
            raise Problem(f"policy: signal is {self.signal!r}", f"give one of {', '.join(SIGNALS)}")
        if not isinstance(self.held_is_active, bool):
            raise Problem(f"policy: held_is_active is {self.held_is_active!r}", "give true or false")


def _is_number(value: object, kind: Any) -> bool:
    """Whether `value` is a number of `kind`, 0 or more; NaN and truth values are not."""
    return isinstance(value, kind) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of the rules: a default, and what single applications do differently.

    `version` is the number stamped on reports; `applications` is keyed by the application's code.
    """

    version: int = 1
    default: Rule = Rule()
    applications: Mapping[str, Rule] = field(default_factory=dict)

    @classmethod
    def from_document(cls, version: int, document: Mapping[str, Any], *, gap_floor_ms: int = 0) -> Policy:
        """Read a policy from the document stored in the warehouse.

        Parameters
        ----------
        version
            Number of the policy version.
        document
            `{"default": {...}, "applications": {code: {...}}}`, each rule with the fields of `Rule`; what
            a rule leaves out comes from the default rule.
        gap_floor_ms
            The collection policy's gap floor: evidence cannot tell shorter gaps, so no T may be below it.

        Raises
        ------
        Problem
            An unknown key, a value out of range, or T below the gap floor.
        """
        _refuse_unknown(document, ("default", "applications"), "policy")
        default = _rule(document.get("default", {}), Rule(), "default", gap_floor_ms)
        applications = _table(document.get("applications", {}), "applications")
        rules = {code: _rule(rule, default, code, gap_floor_ms) for code, rule in applications.items()}
        return cls(version, default, rules)

    def document(self) -> dict[str, Any]:
        """Write the document that `from_document` reads back as an equal policy."""
        rules = {code: asdict(rule) for code, rule in self.applications.items()}
        return {"default": asdict(self.default), "applications": rules}


def _rule(given: object, default: Rule, place: str, gap_floor_ms: int) -> Rule:
    table = _table(given, place)
    _refuse_unknown(table, [item.name for item in fields(Rule)], f"policy, {place}")
    rule = Rule(**{**asdict(default), **table})
    if rule.idle_timeout_ms < gap_floor_ms:
        raise Problem(
            f"policy, {place}: idle_timeout_ms {rule.idle_timeout_ms} is below the gap floor {gap_floor_ms}",
            "raise it, or lower the gap floor of the collection policy first",
        )
    return rule


def _table(given: object, place: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise Problem(f"policy, {place}: {given!r} is not a table", "give names and values")
    return given


def _refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...] | list[str], place: str) -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise Problem(f"{place}: unknown key {unknown[0]!r}", f"known keys: {', '.join(known)}")


def states(segments: pl.LazyFrame, policy: Policy, as_of: datetime | None = None) -> pl.LazyFrame:
    """Give every segment its state.

    Parameters
    ----------
    segments
        Whole sessions: at least `session`, `application`, `start`, `end`,
        `attention`, `cpu_percent`, `inhibiting`, `since`. One row per session and stretch of constant
        evidence.
    policy
        The rules in force.
    as_of
        Instant, with its zone, up to which the evidence is complete: a pause at the end of what is known of
        a session may still grow into an idle gap, until T after the segment's end. Without it nothing is
        provisional.

    Returns
    -------
    pl.LazyFrame
        The same rows, those of a session together in order of start (sorted by session and start where they
        were not), with `state` (Enum of `STATES`), `gap_start` and
        `gap_end` (of the whole gap that the segment belongs to; null outside gaps) and `provisional`
        (Boolean).
    """
    judged = _in_order(segments).with_columns(
        _timeout=_rule_column(policy, "idle_timeout_ms", pl.Int64), _is_active=_activity(policy)
    )
    return _with_state(_with_gaps(judged), as_of).select(
        *segments.collect_schema().names(), "state", "gap_start", "gap_end", "provisional"
    )


def _in_order(segments: pl.LazyFrame) -> pl.LazyFrame:
    """Sort by session and start, but only where a session's rows are not together and in order already.

    The frames give sessions month by month: their numbers fall where a session lasts over the end of a month,
    which no figure minds, and to sort everything takes longer than to judge it. The two columns are looked at
    beforehand, so that of the others only those are read that are asked for in the end.
    """
    session, start = pl.col("session"), pl.col("start")
    opens = session.ne_missing(session.shift(1))
    falls = ~opens & (start < start.shift(1))
    looked = segments.select(
        runs=opens.sum(), sessions=session.filter(opens).n_unique(), has_fall=falls.any()
    )
    runs, sessions, has_fall = looked.collect().row(0)
    return segments if runs == sessions and not has_fall else segments.sort("session", "start")


def _rule_column(policy: Policy, name: str, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """Look up the rule's value for each row's application; one literal where all rules agree."""
    default = getattr(policy.default, name)
    values = {code: getattr(rule, name) for code, rule in policy.applications.items()}
    different = {code: value for code, value in values.items() if value != default}
    if not different:
        return pl.lit(default, dtype=kind)
    return pl.col("application").cast(pl.String).replace_strict(different, default=default, return_dtype=kind)


def _activity(policy: Policy) -> pl.Expr:
    """Which segments are activity. A sleeping machine and an unwatched stretch never are.

    Only the signals that a rule names are looked at: evidence that none asks for is not read.
    """
    attention = pl.col("attention")
    signal = _rule_column(policy, "signal", pl.Enum(SIGNALS))
    more = {
        "focus": attention == "no_input",
        "presenting": pl.col("inhibiting"),
        "input+cpu": pl.col("cpu_percent") >= _rule_column(policy, "cpu_threshold", pl.Float64),
    }
    named = {rule.signal for rule in (policy.default, *policy.applications.values())}
    also = [(signal == name) & is_seen for name, is_seen in more.items() if name in named]
    blind = (attention == "suspended") | (attention == "unobserved")
    held = (attention == "held") & _rule_column(policy, "held_is_active", pl.Boolean)
    return (attention == "input") | held | (pl.any_horizontal(pl.lit(value=False), *also) & ~blind)


def _with_gaps(judged: pl.LazyFrame) -> pl.LazyFrame:
    """Add the start and end of each segment's gap, and whether the gap is the last thing known.

    A gap is a run of neighbors, so looking one row back and filling forward finds it: no grouping is needed.
    """
    in_gap = ~pl.col("_is_active") & (pl.col("attention") != "unobserved")
    follows = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(before).shift(1))
        for name, before in (("session", "session"), ("since", "since"), ("start", "end"))
    )
    opens = ~(follows & pl.col("_in_gap") & pl.col("_in_gap").shift(1, fill_value=False))
    closes = opens.shift(-1, fill_value=True)
    is_last = pl.col("session").ne_missing(pl.col("session").shift(-1))
    return (
        judged.with_columns(_in_gap=in_gap)
        .with_columns(
            gap_start=pl.when(opens).then("start").forward_fill(),
            gap_end=pl.when(closes).then("end").backward_fill(),
            _is_open=pl.when(closes).then(is_last).backward_fill(),
        )
        .with_columns(
            pl.when("_in_gap").then("gap_start").alias("gap_start"),
            pl.when("_in_gap").then("gap_end").alias("gap_end"),
        )
    )


def _with_state(gaps: pl.LazyFrame, as_of: datetime | None) -> pl.LazyFrame:
    attention = pl.col("attention")
    length_ms = (pl.col("gap_end") - pl.col("gap_start")).dt.total_milliseconds()
    state = (
        pl.when("_is_active")
        .then(pl.lit("active", dtype=StateEnum))
        .when(attention == "unobserved")
        .then(pl.lit("unknown", dtype=StateEnum))
        .when(attention == "suspended")
        .then(pl.lit("suspended", dtype=StateEnum))
        .when(attention == "held")
        .then(pl.lit("held", dtype=StateEnum))
        .when((attention == "locked") | (attention == "disconnected") | (length_ms >= pl.col("_timeout")))
        .then(pl.lit("idle", dtype=StateEnum))
        .otherwise(pl.lit("pause", dtype=StateEnum))
    )
    settled = pl.col("end") + pl.duration(milliseconds="_timeout", time_unit="ms")
    may_grow = pl.lit(False) if as_of is None else pl.col("_is_open") & (settled > as_of)
    return gaps.with_columns(state=state).with_columns(provisional=(pl.col("state") == "pause") & may_grow)
