"""From evidence to charge lines: billable pieces, project in force, overlap, local days, payer, lines, price.

Each step is one function; what a step takes away is counted, so that the tie-out can be struck: run time -
idle beyond the buffer - overlap - held - non-chargeable - not assigned - without a rate +/- rounding =
billed, to the millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics import assignment, pricing, tie_out
from warehouse.metrics.assignment import CODES
from warehouse.metrics.local_days import DAY, PLACED, in_ms, session_days
from warehouse.metrics.overlap import without_overlap
from warehouse.metrics.pricing import KINDS_MS, WORK_KEYS
from warehouse.metrics.project_layer import in_force, lanes
from warehouse.metrics.states import Policy, Rule
from warehouse.metrics.tariff import Tariff, Terms
from warehouse.metrics.tracing import Trace
from warehouse.money import HOUR_MS
from warehouse.periods import INSTANT

__all__ = ["Billable", "Charges", "Evidence", "Rated", "Tariff", "Terms", "Used", "billable", "charge",
           "rate_work", "used", "with_buffer"]  # fmt: skip

QUARTER_MS = 900_000

PLACE_KEYS = (*WORK_KEYS, "department", "cost_center", "unfit")
"""What a price depends on, before a project is sought for time that has none, and entries are judged."""

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
        session, person_id, application, office, department, cost_center, zone: the last four are the
        person's at its start.
    placements
        person_id, office, department, cost_center, zone, valid_from: the frame `people`.
    entries
        entry, session, instance, start, end, project, phase, task: the frame `project_entries`; fields, where
        the organization has some.
    """

    stated: pl.DataFrame
    sessions: pl.DataFrame
    placements: pl.DataFrame
    entries: pl.DataFrame


@dataclass(frozen=True)
class Charges:
    """What a period comes to.

    Attributes
    ----------
    lines
        One row per charge line: see `pricing.Lines`.
    shares
        One row per line and session: line, session, active_ms, pause_ms, buffer_ms.
    unbilled
        One row per session, kind and reason of time that is on no line: kind (unknown_person, unassigned,
        invalid_project, closed_project, not_a_member, invalid_field, no_account, no_rate, no_conversion),
        session, milliseconds, detail.
    notices
        What somebody should know of the lines: kind (cap, below_minimum, preset), session (null),
        milliseconds, detail.
    tie_out_ms
        The terms of the tie-out in milliseconds, and `billed`: see `tie_out.SIGNS`.
    not_assigned_ms
        What its term "not assigned" is made of, by kind.
    outside_ms
        suspended, unknown and provisional time of the period: in no term.
    billable
        What they were made of, to charge it in other ways: see `Billable.charged`.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame
    unbilled: pl.DataFrame
    notices: pl.DataFrame
    tie_out_ms: dict[str, int]
    not_assigned_ms: dict[str, int]
    outside_ms: dict[str, int]
    billable: Billable


def charge(evidence: Evidence, tariff: Tariff, policy: Policy, terms: Terms) -> Charges:
    """Rate the usage of one period.

    Raises
    ------
    Problem
        A segment crosses a quarter of an hour, two rates or presets collide, the overlap policy or whom to
        charge is unknown, or the tie-out fails.
    """
    return billable(used(evidence, terms), policy, terms).charged(tariff, terms)


@dataclass(frozen=True)
class Used:
    """The usage of a period, whatever its buffer, overlap policy or price.

    Attributes
    ----------
    days
        See `session_days`.
    usage
        See `on_local_days`.
    entries
        The project entries of the evidence.
    """

    days: pl.DataFrame
    usage: pl.DataFrame
    entries: pl.DataFrame


def used(evidence: Evidence, terms: Terms) -> Used:
    """Place the segments of a period on local days: what every way to charge it has in common."""
    days = session_days(_observed(evidence), evidence.placements, terms.starts_on, terms.ends_on)
    return Used(days, on_local_days(evidence, days, terms), evidence.entries)


@dataclass(frozen=True)
class Billable:
    """What of the usage can be billed, whatever the overlap policy.

    Attributes
    ----------
    used
        What it is of.
    pieces
        See `billable_pieces`.
    entered
        The pieces whose person is known, cut where the project changes: see `in_force`.
    """

    used: Used
    pieces: pl.DataFrame
    entered: pl.DataFrame

    def charged(self, tariff: Tariff, terms: Terms) -> Charges:
        """Charge what can be billed under the run's overlap policy; raises what `charge` does."""
        counted = without_overlap(self.entered, terms.overlap)
        entries = assignment.with_unfit(self.used.entries, tariff)
        rated = rate_work(work(counted, self.used.days, entries), tariff, terms)
        unbilled = pl.concat([_unknown_people(self.pieces), rated.unbilled])
        by_state = tie_out.state_ms(self.used.usage)
        tied = tie_out.evidence_terms(by_state, self.pieces, counted) | tie_out.line_terms(
            rated.lines, unbilled, HOUR_MS // terms.quantum_per_hour
        )
        if not terms.is_unknown_busy:
            tie_out.check(tied)
        not_assigned = {kind: tie_out.of_kind_ms(unbilled, kind) for kind in tie_out.NOT_ASSIGNED}
        outside = {name: by_state[name] for name in ("suspended", "unknown", "provisional")}
        return Charges(rated.lines, rated.shares, unbilled, rated.notices, tied, not_assigned, outside, self)


def billable(found: Used, policy: Policy, terms: Terms) -> Billable:
    """Keep what can be billed under a policy's buffer, and say which project entry is in force."""
    pieces = billable_pieces(found.usage, policy, is_unknown_busy=terms.is_unknown_busy)
    known = pieces.filter(pl.col("person_id").is_not_null())
    return Billable(found, pieces, in_force(known, _entry_spans(found.entries)))


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
    return evidence.sessions.select("session", "person_id", "application", *PLACED).join(
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
        `PLACE_KEYS`, session, active_ms, pause_ms, buffer_ms; `project` is null where none was set, `unfit`
        where nothing is wrong with an entry's fields: see `assignment.with_unfit`.
    """
    length = pl.col("end_ms") - pl.col("start_ms")
    sums = [
        length.filter(pl.col("kind") == kind).sum().alias(name)
        for kind, name in zip((ACTIVE, PAUSE, BUFFER), KINDS_MS, strict=True)
    ]
    by_entry = pieces.group_by("stay", "entry").agg(sums)
    coded = by_entry.join(entries.select("entry", *CODES, "unfit"), on="entry", how="left")
    known = coded.join(days.drop("from_ms", "to_ms"), on="stay")
    return known.group_by("session", *PLACE_KEYS).agg(pl.col(KINDS_MS).sum())


# --- Rating ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rated:
    """Worked time as lines: `lines`, `shares` and `notices` of `pricing.Lines`, `unbilled` of `Charges`."""

    lines: pl.DataFrame
    shares: pl.DataFrame
    notices: pl.DataFrame
    unbilled: pl.DataFrame


def rate_work(worked: pl.DataFrame, tariff: Tariff, terms: Terms) -> Rated:
    """Say who pays for worked time, at which rate, and make lines of it.

    Parameters
    ----------
    worked
        What `work` gives: one row per session and `PLACE_KEYS`.

    Raises
    ------
    Problem
        Two rates or presets collide, or whom to charge is unknown.
    """
    worked = worked if worked["session"].is_sorted() else worked.sort("session")
    # All that follows depends on the place alone: sessions come in again where a rate rounds them.
    places = worked.with_row_index("row").group_by(PLACE_KEYS).agg(pl.col(KINDS_MS).sum(), pl.col("row"))
    judged = assignment.judged(assignment.assigned(places, tariff, terms), tariff)
    priced = pricing.with_price(judged, tariff, terms.newest_rate)
    is_free = ~pl.col("chargeable")
    is_line = pl.col("fault").is_null() & (is_free | pl.col("rate_id").is_not_null())
    lines = _lines_of(priced.filter(is_line))
    trace = Trace(worked.select("session", *KINDS_MS), lines["row"], lines["count"] > 1)
    counted = lines.drop("row", "count").with_columns(session_count=trace.counts())
    made = pricing.lines(counted, trace, tariff.rates, terms.quantum_per_hour)
    notices = pl.concat([assignment.notices(priced.filter(is_line)), made.notices])
    return Rated(made.lines, made.shares, notices, _unbilled(priced.filter(~is_line), worked))


def _lines_of(places: pl.DataFrame) -> pl.DataFrame:
    """Put places together that are charged alike: one row per `LINE_KEYS`, numbered by `place`."""
    kept = ("currency", "tax_code", "chargeable", "rate_currency", "conversion_scaled")
    columns = [*pricing.LINE_KEYS, *KINDS_MS, *kept, "row", "count"]
    alone = places.with_columns(count=pl.len().over(pricing.LINE_KEYS).cast(pl.UInt32))
    several = alone.filter(pl.col("count") > 1).group_by(pricing.LINE_KEYS).agg(
        pl.col(KINDS_MS).sum(), pl.col(*kept, "count").first(), pl.col("row").explode()
    )  # fmt: skip
    lines = pl.concat([alone.filter(pl.col("count") == 1).select(columns), several.select(columns)])
    return lines.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64))


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


def _unbilled(places: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    """List by session the time of places whose project, account, rate or conversion is missing."""
    no_rate = pl.format("no rate in {} for {} on project {}", "currency", "application", "project")
    no_conversion = pl.format(
        "no conversion of {} to {} on {} for {} on project {}",
        "rate_currency", "currency", "day", "application", "project",
    )  # fmt: skip
    is_foreign = pl.col("rate_currency").is_not_null()
    lacking = pl.when(is_foreign).then(pl.lit("no_conversion")).otherwise(pl.lit("no_rate"))
    named = places.select(
        "row", kind=pl.coalesce("fault", lacking),
        detail=pl.coalesce("reason", pl.when(is_foreign).then(no_conversion).otherwise(no_rate)),
    ).explode("row")  # fmt: skip
    mine = worked.select("session", milliseconds=pl.sum_horizontal(KINDS_MS))[named["row"]]
    grouped = named.hstack(mine).group_by("kind", "session", "detail").agg(pl.col("milliseconds").sum())
    return grouped.select("kind", "session", "milliseconds", "detail").sort("kind", "session", "detail")
