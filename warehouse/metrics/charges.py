"""From evidence to charge lines: billable pieces, project in force, overlap, local days, lines, price.

Each step is one function; what a step takes away is counted, so that the tie-out can be struck: run time -
idle beyond the buffer - overlap - held - non-chargeable - not assigned - without a rate +/- rounding =
billed, to the millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics import pricing, tie_out
from warehouse.metrics.local_days import DAY, in_ms, session_days
from warehouse.metrics.overlap import without_overlap
from warehouse.metrics.pricing import KINDS_MS, WORK_KEYS
from warehouse.metrics.project_layer import in_force, lanes
from warehouse.metrics.states import Policy, Rule
from warehouse.money import HOUR_MS
from warehouse.periods import INSTANT
from warehouse.projects import Codes, Master

QUARTER_MS = 900_000

ACTIVE, PAUSE, BUFFER = 0, 1, 2
"""Kinds of billable pieces, in the order in which they outrank each other."""


@dataclass(frozen=True)
class Evidence:
    """What was seen, and who it was.

    Attributes
    ----------
    stated
        `states()` of whole sessions under the billing policy: session, application, start, end, attention,
        state, since, gap_start, instance, provisional. Segments inside a quarter of an hour.
    sessions
        session, person_id, application, office, zone: the last two are the person's at its start.
    placements
        person_id, office, zone, valid_from: the frame `people`.
    entries
        entry, session, instance, start, end, project, phase, task: the frame `project_entries`.
    """

    stated: pl.DataFrame
    sessions: pl.DataFrame
    placements: pl.DataFrame
    entries: pl.DataFrame


@dataclass(frozen=True)
class Tariff:
    """What may be charged, and at which price: the frames projects, phases, tasks and rates."""

    projects: pl.DataFrame
    phases: pl.DataFrame
    tasks: pl.DataFrame
    rates: pl.DataFrame


@dataclass(frozen=True)
class Terms:
    """What a run fixes.

    Attributes
    ----------
    starts_on, ends_on
        The period's local days, [starts_on, ends_on).
    quantum_per_hour
        1000, or 60 for targets that take HH:MM.
    overlap
        union, full, foreground or equal_split.
    is_unknown_busy
        Whether unobserved time counts as busy: for the upper bound of a bill alone.
    newest_rate
        For a period that was billed before: the newest rate version known then, see `pricing.with_rate`.
    """

    starts_on: date
    ends_on: date
    quantum_per_hour: int = 1000
    overlap: str = "union"
    is_unknown_busy: bool = False
    newest_rate: int | None = None


@dataclass(frozen=True)
class Charges:
    """What a period comes to.

    Attributes
    ----------
    lines
        One row per charge line: see `pricing.lines`.
    shares
        One row per line and session: line, session, active_ms, pause_ms, buffer_ms.
    unbilled
        One row per session, kind and reason of time that is on no line: kind (unknown_person, unassigned,
        invalid_project, closed_project, no_rate), session, milliseconds, detail.
    tie_out_ms
        The terms of the tie-out in milliseconds, and `billed`: see `tie_out.SIGNS`.
    not_assigned_ms
        What its term "not assigned" is made of, by kind.
    outside_ms
        suspended, unknown and provisional time of the period: in no term.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame
    unbilled: pl.DataFrame
    tie_out_ms: dict[str, int]
    not_assigned_ms: dict[str, int]
    outside_ms: dict[str, int]


def charge(evidence: Evidence, tariff: Tariff, policy: Policy, terms: Terms) -> Charges:
    """Rate the usage of one period.

    Raises
    ------
    Problem
        A segment crosses a quarter of an hour, two rates collide, the overlap policy is unknown, or the
        tie-out fails.
    """
    days = session_days(_observed(evidence), evidence.placements, terms.starts_on, terms.ends_on)
    usage = on_local_days(evidence, days, terms)
    pieces = billable_pieces(usage, policy, is_unknown_busy=terms.is_unknown_busy)
    known = pieces.filter(pl.col("person_id").is_not_null())
    counted = without_overlap(in_force(known, _entry_spans(evidence.entries)), terms.overlap)
    judged = judge(work(counted, days, evidence.entries), tariff)
    priced = pricing.with_rate(judged, tariff.rates, terms.newest_rate)
    is_billable = pl.col("chargeable") & pl.col("rate_id").is_not_null()
    on_lines = priced.filter(pl.col("fault").is_null() & (is_billable | ~pl.col("chargeable")))
    lines = pricing.lines(_without_rate_of_free_time(on_lines), terms.quantum_per_hour)
    unbilled = pl.concat([_unknown_people(pieces), _unbilled(priced)])
    by_state = tie_out.state_ms(usage)
    tied = tie_out.evidence_terms(by_state, pieces, counted) | tie_out.line_terms(
        lines, unbilled, HOUR_MS // terms.quantum_per_hour
    )
    if not terms.is_unknown_busy:
        tie_out.check(tied)
    not_assigned = {kind: tie_out.of_kind_ms(unbilled, kind) for kind in tie_out.NOT_ASSIGNED}
    outside = {name: by_state[name] for name in ("suspended", "unknown", "provisional")}
    return Charges(lines, shares(on_lines, lines), unbilled, tied, not_assigned, outside)


# --- Local days --------------------------------------------------------------------------------------------


def on_local_days(evidence: Evidence, days: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """Keep the segments of the period, and say to which of the `session_days` each belongs.

    A segment lies inside a quarter of an hour, and so inside one day of any zone: nothing is cut.

    Returns
    -------
    pl.DataFrame
        session, lane, application, start_ms, end_ms, state, attention, since_ms, gap_start_ms, provisional,
        stay, person_id; ordered by session and start.
    """
    first, last = _widest(terms)
    stated = lanes(evidence.stated, evidence.entries).filter(
        (pl.col("end") > first) & (pl.col("start") < last)
    )
    segments = stated.select(
        "session", "lane", "application", in_ms("start"), in_ms("end"), "state", "attention",
        in_ms("since"), in_ms("gap_start"), "provisional",
    )  # fmt: skip
    _refuse_wide(segments)
    bounds = days.select("session", "from_ms", "to_ms", "stay", "person_id")
    placed = segments.join_asof(
        bounds, left_on="start_ms", right_on="from_ms", by="session", check_sortedness=False
    )
    return placed.filter(pl.col("start_ms") < pl.col("to_ms")).drop("to_ms", "from_ms", strict=False)


def _observed(evidence: Evidence) -> pl.DataFrame:
    """Add from when to when there is evidence of each session, whatever is known of its end."""
    extents = evidence.stated.group_by("session").agg(
        pl.col("start").min().alias("started"), pl.col("end").max().alias("ended")
    )
    return evidence.sessions.select("session", "person_id", "application", "office", "zone").join(
        extents, on="session"
    )


def _widest(terms: Terms) -> tuple[pl.Expr, pl.Expr]:
    """Instants that every zone's days of the period lie between: zones reach from UTC-12 to UTC+14."""
    first, last = pl.lit(terms.starts_on - DAY), pl.lit(terms.ends_on + DAY)
    return first.cast(INSTANT), last.cast(INSTANT)


def _refuse_wide(segments: pl.DataFrame) -> None:
    wide = segments.filter(pl.col("start_ms") // QUARTER_MS != (pl.col("end_ms") - 1) // QUARTER_MS)
    if not wide.is_empty():
        raise Problem(
            f"a segment of session {wide['session'][0]} crosses a quarter of an hour",
            "deliver segments cut at every UTC quarter",
        )


# --- Billable pieces ---------------------------------------------------------------------------------------


def billable_pieces(usage: pl.DataFrame, policy: Policy, *, is_unknown_busy: bool = False) -> pl.DataFrame:
    """Keep busy time and the first `buffer` milliseconds of each idle gap.

    Locked and disconnected time is billed only where it is activity; suspended, unknown and held never. The
    buffer runs from the start of the gap, whatever the gap is made of.

    Returns
    -------
    pl.DataFrame
        session, lane, application, stay, person_id, start_ms, end_ms, kind (0 active, 1 pause, 2 buffer),
        since_ms, focused; ordered as given.
    """
    state, attention = pl.col("state"), pl.col("attention")
    unseen = (attention == "locked") | (attention == "disconnected") | (attention == "suspended")
    kind = (
        pl.when(state == "active").then(ACTIVE)
        .when((state == "pause") | ((state == "unknown") & is_unknown_busy)).then(PAUSE)
        .when((state == "idle") & ~unseen).then(BUFFER)
    )  # fmt: skip
    ends = pl.min_horizontal("end_ms", pl.col("gap_start_ms") + _buffer(policy))
    pieces = usage.with_columns(kind=kind.cast(pl.Int8)).with_columns(
        end_ms=pl.when(pl.col("kind") == BUFFER).then(ends).otherwise("end_ms"),
        focused=(attention == "input") | (attention == "no_input"),
    )
    return pieces.filter(pl.col("kind").is_not_null() & (pl.col("start_ms") < pl.col("end_ms"))).select(
        "session", "lane", "application", "stay", "person_id", "start_ms", "end_ms", "kind", "since_ms",
        "focused",
    )  # fmt: skip


def _buffer(policy: Policy) -> pl.Expr:
    buffers = {code: rule.buffer_ms for code, rule in policy.applications.items()}
    application = pl.col("application").cast(pl.String)
    return application.replace_strict(buffers, default=policy.default.buffer_ms, return_dtype=pl.Int64)


def with_buffer(policy: Policy, *, is_whole_timeout: bool) -> Policy:
    """Return the same policy with buffer 0, or with buffer T: a draft prints both totals."""

    def changed(rule: Rule) -> Rule:
        return replace(rule, buffer_ms=rule.idle_timeout_ms if is_whole_timeout else 0)

    rules = {code: changed(rule) for code, rule in policy.applications.items()}
    return replace(policy, default=changed(policy.default), applications=rules)


# --- Work, and what it is charged to -----------------------------------------------------------------------


def _entry_spans(entries: pl.DataFrame) -> pl.DataFrame:
    return entries.select("entry", "session", "instance", in_ms("start"), in_ms("end"))


def work(pieces: pl.DataFrame, days: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Sum the pieces of each session, day and project entry's codes, by kind.

    Returns
    -------
    pl.DataFrame
        `WORK_KEYS`, session, active_ms, pause_ms, buffer_ms; `project` is null where none was set.
    """
    length = pl.col("end_ms") - pl.col("start_ms")
    sums = [
        length.filter(pl.col("kind") == kind).sum().alias(name)
        for kind, name in zip((ACTIVE, PAUSE, BUFFER), KINDS_MS, strict=True)
    ]
    by_entry = pieces.group_by("stay", "entry").agg(sums)
    coded = by_entry.join(entries.select("entry", "project", "phase", "task"), on="entry", how="left")
    known = coded.join(days.drop("from_ms", "to_ms"), on="stay")
    return known.group_by("session", *WORK_KEYS).agg(pl.col(KINDS_MS).sum())


def judge(work: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """Add `fault`, `reason` and `chargeable`, and the project's `currency` and `tax_code`."""
    master = Master.of(tariff.projects, tariff.phases, tariff.tasks)
    places = work.select("project", "phase", "task", "day").drop_nulls("project").unique()
    verdicts = [(*place, *master.judge(Codes(*place[:3]), place[3])) for place in places.iter_rows()]
    known = pl.DataFrame(
        verdicts,
        schema=places.schema | {"fault": pl.String, "reason": pl.String, "chargeable": pl.Boolean},
        orient="row",
    )
    projects = tariff.projects.select("project", "currency", "tax_code")
    unassigned = pl.col("project").is_null()
    return (
        work.join(known, on=list(places.columns), how="left", nulls_equal=True)
        .join(projects, on="project", how="left")
        .with_columns(
            fault=pl.when(unassigned).then(pl.lit("unassigned")).otherwise("fault"),
            reason=pl.when(unassigned).then(pl.lit("no project was set")).otherwise("reason"),
            chargeable=pl.col("chargeable").fill_null(value=False),
        )
    )


def _without_rate_of_free_time(work: pl.DataFrame) -> pl.DataFrame:
    """Non-chargeable time has no rate, even where one would fit."""
    terms = ("rate_id", "rate_scaled", "increment_ms", "direction", "level")
    return work.with_columns(pl.when("chargeable").then(pl.col(name)).alias(name) for name in terms)


def shares(work: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Say which session gave how much to which line: what leads from the cent to the evidence."""
    keys = list(pricing.LINE_KEYS)
    usage = lines.filter(pl.col("kind") == "usage").select("line", *keys)
    mine = _without_rate_of_free_time(work).select(*keys, "session", *KINDS_MS)
    joined = mine.join(usage, on=keys, nulls_equal=True)
    return joined.select("line", "session", *KINDS_MS).sort("line", "session")


def _unknown_people(pieces: pl.DataFrame) -> pl.DataFrame:
    """List billable time of accounts that belong to nobody."""
    nobody = pieces.filter(pl.col("person_id").is_null())
    length = (pl.col("end_ms") - pl.col("start_ms")).sum()
    return nobody.group_by("session").agg(milliseconds=length).sort("session").select(
        pl.lit("unknown_person").alias("kind"),
        "session",
        "milliseconds",
        pl.lit("the account belongs to no person of the directory").alias("detail"),
    )  # fmt: skip


def _unbilled(priced: pl.DataFrame) -> pl.DataFrame:
    """List time whose project or rate is missing."""
    no_rate = pl.col("fault").is_null() & pl.col("chargeable") & pl.col("rate_id").is_null()
    reason = pl.format("no rate in {} for {} on project {}", "currency", "application", "project")
    lacking = priced.with_columns(
        kind=pl.when(no_rate).then(pl.lit("no_rate")).otherwise("fault"),
        detail=pl.when(no_rate).then(reason).otherwise("reason"),
        milliseconds=pl.sum_horizontal(KINDS_MS),
    ).drop_nulls("kind")
    grouped = lacking.group_by("kind", "session", "detail").agg(pl.col("milliseconds").sum())
    return grouped.select("kind", "session", "milliseconds", "detail").sort("kind", "session", "detail")
