"""Unused seats: of persons and of hosts, judged by their use and by how much of it was seen."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoLazyFrameT

from warehouse.errors import Problem
from warehouse.periods import check_window, zone_of
from warehouse.portable.instants import ms_of, within
from warehouse.portable.states import BASES

GRACE_DAYS = 30
"""A seat held for less than this, and less than the window, is too new to be judged: it is kept."""

HOLDERS = ("person", "host")


def unused(  # noqa: PLR0913, PLR0917 - seats, their use, and how much of it was seen
    assignments: IntoLazyFrameT,
    entitlement_applications: IntoLazyFrameT,
    stated: IntoLazyFrameT,
    sessions: IntoLazyFrameT,
    workdays_by_host: IntoLazyFrameT,
    fleet_share: float,
    start: datetime,
    end: datetime,
    zone: str = "UTC",
    *,
    threshold_ms: int = 0,
    minimum_coverage: float = 0.8,
) -> IntoLazyFrameT:
    """Judge every assigned seat by its use, and only where enough was seen.

    Parameters
    ----------
    assignments
        `entitlement`, `person`, `host` (String), `valid_from`, `valid_to` (Date): seats of persons or hosts.
    entitlement_applications
        `entitlement`, `application` (String).
    stated
        What `states` gives: `session` (Int64), `start`, `end` (Int64, milliseconds), `state` (String).
    sessions
        `session` (Int64), `application`, `person`, `host` (String); of every application.
    workdays_by_host, fleet_share
        `by_host` (`host`, `observed_workdays`, `workdays`) and `share` of
        `metrics.utilization.fleet_coverage` for the same window.
    start, end
        The window, [start, end), with zones.
    zone
        IANA zone of the reporting office: seats are judged that are assigned on the window's last local day.
    threshold_ms
        Less busy time than this, though some, is under-used.
    minimum_coverage
        Share of the holder's host-workdays that must have been observed before anything is proposed, 0-1.

    Returns
    -------
    IntoLazyFrameT
        `entitlement`, `person`, `host` (String; one of the two is null), `last_active` (Int64, milliseconds;
        null: never), `busy_ms` (Int64), `coverage` (Float64, 0-1; null: no host is known), `fleet_coverage`
        (Float64, 0-1) and `proposal` (String: `keep`, `not observed enough`, `reclaim` or `under-used`). One
        row per entitlement and holder.

    Raises
    ------
    Problem
        A window, zone, threshold or coverage that cannot be.
    """
    check_window(start, end)
    if threshold_ms < 0 or not 0 <= minimum_coverage <= 1:
        raise Problem(
            f"a threshold of {threshold_ms} ms with a coverage of {minimum_coverage}",
            "give milliseconds of 0 or more, and a share from 0 to 1",
        )
    last_day = (end - timedelta(milliseconds=1)).astimezone(zone_of(zone)).date()
    new_after = max(start.astimezone(zone_of(zone)).date(), last_day - timedelta(days=GRACE_DAYS - 1))
    who = nw.from_native(sessions).select("session", "application", *HOLDERS)
    used = _used(nw.from_native(stated), start, end).join(who, on="session")
    covered = used.join(nw.from_native(entitlement_applications), on="application")
    workdays = nw.from_native(workdays_by_host)
    held = _held_on(nw.from_native(assignments), last_day)
    seats: nw.LazyFrame[IntoLazyFrameT] = nw.concat(
        [_seats(held, holder, covered, _coverage(who, workdays, holder)) for holder in HOLDERS]
    )
    return (
        seats.with_columns(nw.col("busy_ms").fill_null(0), fleet_coverage=nw.lit(fleet_share))
        .with_columns(proposal=_proposal(new_after, threshold_ms, minimum_coverage))
        .select(
            *("entitlement", "person", "host", "last_active", "busy_ms"),
            *("coverage", "fleet_coverage", "proposal"),
        )
        .to_native()
    )


def _used(
    stated: nw.LazyFrame[IntoLazyFrameT], start: datetime, end: datetime
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Give `session`, `busy_ms` in the window and `last_active` before its end, where there is either."""
    state, none = nw.col("state").cast(nw.String), nw.lit(0, nw.Int64)
    busy = within(stated.filter(state.is_in(BASES["busy"])), start, end).select(
        "session", busy_ms=nw.col("end") - nw.col("start"), last_active=nw.lit(None, nw.Int64)
    )
    ended = nw.min_horizontal(nw.col("end"), nw.lit(ms_of(end)))
    active = stated.filter(state == "active", nw.col("start") < ms_of(end)).select(
        "session", busy_ms=none, last_active=ended
    )
    marks = nw.concat([busy, active])
    return marks.group_by("session").agg(nw.col("busy_ms").sum(), nw.col("last_active").max())


def _held_on(assignments: nw.LazyFrame[IntoLazyFrameT], day: date) -> nw.LazyFrame[IntoLazyFrameT]:
    starts, ends = nw.col("valid_from"), nw.col("valid_to")
    return assignments.filter(starts.is_null() | (starts <= day), ends.is_null() | (ends > day))


def _coverage(
    sessions: nw.LazyFrame[IntoLazyFrameT], workdays: nw.LazyFrame[IntoLazyFrameT], holder: str
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Give the holder and `coverage`: of all hosts where a person had a session, or of the host itself."""
    days = ("observed_workdays", "workdays")
    counted = workdays.select("host", nw.col(*days).cast(nw.Int64))
    if holder == "person":
        counted = sessions.select("person", "host").unique().join(counted, on="host")
    sums = counted.group_by(holder).agg(nw.col(*days).sum())
    return sums.select(holder, coverage=nw.col("observed_workdays") / nw.col("workdays"))


def _seats(
    held: nw.LazyFrame[IntoLazyFrameT],
    holder: str,
    covered: nw.LazyFrame[IntoLazyFrameT],
    coverage: nw.LazyFrame[IntoLazyFrameT],
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Seats of persons, or of hosts, with their use and coverage."""
    seat = ["entitlement", holder]
    use = covered.group_by(*seat).agg(nw.col("busy_ms").sum(), nw.col("last_active").max())
    seats = held.filter(~nw.col(holder).is_null()).group_by(*seat).agg(nw.col("valid_from").min())
    nobody = {other: nw.lit(None, nw.String) for other in HOLDERS if other != holder}
    return (
        seats.join(use, on=seat, how="left")
        .join(coverage, on=holder, how="left")
        .with_columns(**nobody)
        .select("entitlement", *HOLDERS, "valid_from", "last_active", "busy_ms", "coverage")
    )


def _proposal(new_after: date, threshold_ms: int, minimum_coverage: float) -> nw.Expr:
    busy_ms, coverage = nw.col("busy_ms"), nw.col("coverage")
    is_new = (nw.col("valid_from") > new_after).fill_null(value=False)
    is_used = (busy_ms > 0) & (busy_ms >= threshold_ms)
    is_seen = (coverage >= minimum_coverage).fill_null(value=False)
    conditions = (
        (is_new | is_used, "keep"),
        (~is_seen, "not observed enough"),
        (busy_ms == 0, "reclaim"),
    )
    proposal = nw.lit("under-used")
    for condition, word in reversed(conditions):
        proposal = nw.when(condition).then(nw.lit(word)).otherwise(proposal)
    return proposal
