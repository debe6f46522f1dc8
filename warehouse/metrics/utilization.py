"""How much applications are used, by whom and when, and how much of that was seen.

Segments are cut at every UTC quarter of an hour, so a segment belongs to one local hour of any zone: that of
its start. Times are in whole milliseconds; the parts sum to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.states import BASES, STATES
from warehouse.periods import (
    business_days,
    check_window,
    clip,
    covered_before,
    local_days,
    union,
    zone_of,
)

HOUR_MS = 3_600_000

SESSION_GROUPS = (
    "application",
    "version",
    "product",
    "office",
    "department",
    "cost_center",
    "source",
    "person",
    "account",
    "host",
    "device",
    "session",
)
"""Columns of sessions by which use may be grouped."""

TIME_GROUPS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "month": lambda local: local.dt.date().dt.month_start(),
    "day": lambda local: local.dt.date(),
    "weekday": lambda local: local.dt.weekday(),
    "hour": lambda local: local.dt.hour(),
}
"""Local times by which use may be grouped: first day of the month, day, ISO weekday 1-7, hour 0-23."""

PRIVATE_GROUPS = ("person", "account", "host", "device", "session")
"""Grouped by one of these, idle time would say something about one person."""

PRIVATE_COLUMNS = ("run_ms", "idle_ms", "suspended_ms", "unit_ms")
"""What tells idle time, or gives it by subtracting busy and held time."""

BLIND = {"run": ("unknown",), "busy": ("unknown", "held"), "active": ("unknown", "held")}
"""States that hide whether a basis was met."""


def usage(  # noqa: PLR0913, PLR0917 - a figure names its grouping, window and zone
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    by: Sequence[str],
    start: datetime,
    end: datetime,
    zone: str = "UTC",
) -> pl.LazyFrame:
    """Sum use by any grouping.

    Parameters
    ----------
    stated
        What `states` gives.
    sessions
        `session`, `started`, `ended`, `person`, `account` and the columns of `by`; also of sessions without
        segments.
    by
        Columns of `SESSION_GROUPS` and `TIME_GROUPS`; none: one row for all.
    start, end
        The window, [start, end).
    zone
        IANA zone of the local times in `by`.

    Returns
    -------
    pl.LazyFrame
        `by...`; `sessions` (seen open), `people` (with one open; an account without a person counts as one),
        `launches`, `ends` (UInt32); `run_ms`, `active_ms`, `pause_ms`, `busy_ms`, `idle_ms`, `held_ms`,
        `suspended_ms`, `unknown_ms`, `unit_ms` (units x run time), Int64. One row per group that has any of
        it, in order of `by`. A session of zero length counts as session, person, launch and end, never in
        times. Grouped by one of `PRIVATE_GROUPS`, the `PRIVATE_COLUMNS` are left out.

    Raises
    ------
    Problem
        An unknown grouping or zone, or an end that is not after the start.
    """
    check_window(start, end)
    zone_of(zone)
    _check_groups(by)
    local = pl.col("_at").dt.convert_time_zone(zone)
    times = [TIME_GROUPS[name](local).alias(name) for name in by if name in TIME_GROUPS]
    marks = pl.concat([_pieces(stated, start, end), _events(sessions, start, end)], how="diagonal")
    by_session = marks.group_by("session", *times).agg(_sums())
    attributes = [name for name in by if name in SESSION_GROUPS and name != "session"]
    known = sessions.select("session", *attributes, _who=pl.coalesce("person", "account"))
    found = _totals(by_session.join(known, on="session"), by)
    return found.drop(PRIVATE_COLUMNS) if set(by) & set(PRIVATE_GROUPS) else found


def _check_groups(by: Sequence[str]) -> None:
    for name in by:
        if name not in SESSION_GROUPS and name not in TIME_GROUPS:
            known = ", ".join((*SESSION_GROUPS, *TIME_GROUPS))
            raise Problem(f"use cannot be grouped by {name!r}", f"give one of {known}")


def _pieces(stated: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Milliseconds by state of every segment in the window."""
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    state, runs = pl.col("state"), pl.col("state").is_in(BASES["run"])
    return clip(stated, start, end).select(
        "session",
        pl.lit(value=True).alias("_seen"),
        pl.col("start").alias("_at"),
        *(pl.when(state == name).then(length_ms).otherwise(0).alias(f"{name}_ms") for name in STATES),
        pl.when(runs).then(length_ms * pl.col("units").cast(pl.Int64)).otherwise(0).alias("unit_ms"),
    )


def _events(sessions: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """List launches and ends in the window; a session is seen at its launch, but no longer at its end."""
    events = [
        sessions.select("session", _seen=pl.lit(seen), _at=pl.col(column), **{count: pl.lit(1, pl.UInt32)})
        for column, count, seen in (("started", "launches", True), ("ended", "ends", False))
    ]
    return pl.concat(events, how="diagonal").filter(pl.col("_at") >= start, pl.col("_at") < end)


def _sums() -> list[pl.Expr]:
    """Add up the marks of one session."""
    times = [f"{name}_ms" for name in STATES]
    return [pl.col("_seen").any(), pl.col(*times, "unit_ms", "launches", "ends").sum()]


def _totals(by_session: pl.LazyFrame, by: Sequence[str]) -> pl.LazyFrame:
    """Add up and count the groups."""
    measures = [
        pl.col("session").filter("_seen").n_unique().alias("sessions"),
        pl.col("_who").filter("_seen").n_unique().alias("people"),
        pl.col("launches", "ends", *(f"{name}_ms" for name in STATES), "unit_ms").sum(),
    ]
    grouped = by_session.group_by(by).agg(measures).sort(by) if by else by_session.select(measures)
    totals = {
        f"{basis}_ms": pl.sum_horizontal(f"{name}_ms" for name in BASES[basis]) for basis in ("run", "busy")
    }
    order = ("run", "active", "pause", "busy", "idle", "held", "suspended", "unknown", "unit")
    return grouped.with_columns(**totals).select(
        *by, "sessions", "people", "launches", "ends", *(f"{name}_ms" for name in order)
    )


def daily_usage(  # noqa: PLR0913, PLR0917 - a figure names its zone, window and capacity
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    zone: str,
    start: datetime,
    end: datetime,
    capacity: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Sum use by local day, in the measures of an accounting system.

    Parameters
    ----------
    stated, sessions
        As for `usage`.
    zone
        IANA zone whose days are meant.
    start, end
        The window, [start, end).
    capacity
        What `capacity.capacity_by_day` gives for the same zone and window; None: unknown.

    Returns
    -------
    pl.LazyFrame
        `day` (Date), `session_hours` (run time), `unit_hours` (units x run time), `sessions` (seen open),
        `active_users` (people with one), `sessions_ended`, `utilization` (unit hours / capacity, 0-1; above 1
        where demand exceeds capacity, null where capacity is unknown). One row per local day, days without
        use included.

    Raises
    ------
    Problem
        Unknown zone, or an end that is not after the start.
    """
    days = local_days(zone, start, end)
    used = usage(stated, sessions, ["day"], start, end, zone)
    none = pl.LazyFrame(schema={"day": pl.Date, "capacity_ms": pl.Int64})
    return (
        days.join(used, on="day", how="left", maintain_order="left")
        .join(none if capacity is None else capacity, on="day", how="left", maintain_order="left")
        .with_columns(pl.col("sessions", "people", "ends", "run_ms", "unit_ms").fill_null(0))
        .select(
            "day",
            "sessions",
            active_users="people",
            sessions_ended="ends",
            session_hours=pl.col("run_ms") / HOUR_MS,
            unit_hours=pl.col("unit_ms") / HOUR_MS,
            utilization=pl.col("unit_ms") / pl.col("capacity_ms"),
        )
    )


def session_coverage(
    stated: pl.LazyFrame, basis: str, start: datetime | None = None, end: datetime | None = None
) -> float:
    """Give the share of session time whose state is known for a basis, 0-1.

    Parameters
    ----------
    stated
        What `states` gives.
    basis
        One of `states.BASES`: for `run` unknown time is missing, for `busy` and `active` held time too.
    start, end
        The window, [start, end); without it all of `stated` counts.

    Raises
    ------
    Problem
        Unknown basis, or no session time to cover.
    """
    if basis not in BLIND:
        raise Problem(f"unknown basis {basis!r}", f"give one of {', '.join(BLIND)}")
    if start is not None and end is not None:
        check_window(start, end)
        stated = clip(stated, start, end)
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    known = length_ms.filter(~pl.col("state").is_in(BLIND[basis]))
    known_ms, all_ms = (
        stated.select(known.sum().alias("known"), length_ms.sum().alias("all")).collect().row(0)
    )
    if not all_ms:
        raise Problem("no session in the window, so its coverage cannot be told", "choose another window")
    return float(known_ms / all_ms)


@dataclass(frozen=True)
class FleetCoverage:
    """How much of the fleet was watched.

    Attributes
    ----------
    by_host
        `host`, `observed_workdays`, `workdays` (UInt32): one row per host of the directory with a workday in
        the window.
    share
        Observed host-workdays / host-workdays, 0-1.
    """

    by_host: pl.LazyFrame
    share: float


def fleet_coverage(  # noqa: PLR0913, PLR0917 - watches, and the four frames that say what there was to watch
    watches: pl.LazyFrame,
    hosts: pl.LazyFrame,
    offices: pl.LazyFrame,
    holidays: pl.LazyFrame,
    start: datetime,
    end: datetime,
) -> FleetCoverage:
    """Measure on how many of their workdays the hosts of the directory were watched.

    A host-workday is a business day of the host's office on which the host was in the directory; it is
    observed when at least half of its business hours were watched. A host never heard from counts as 0. A
    host without an office has Monday to Friday, 8 to 18 in its own zone.

    Parameters
    ----------
    watches
        `host`, `start`, `end`.
    hosts
        `host`, `office`, `zone`, `in_directory`, `valid_from`, `valid_to` (Date, null: open).
    offices, holidays
        As for `periods.business_days`.
    start, end
        The window, [start, end).

    Raises
    ------
    Problem
        An end that is not after the start, or no host-workday in the window.
    """
    days = host_workdays(watches, hosts, offices, holidays, start, end)
    by_host = (
        days.lazy()
        .group_by("host")
        .agg(observed_workdays=pl.col("is_observed").sum().cast(pl.UInt32), workdays=pl.len().cast(pl.UInt32))
        .sort("host")
        .collect()
    )
    if by_host.is_empty():
        raise Problem(
            "no host of the directory has a workday in the window", "import hosts, or widen the window"
        )
    observed, workdays_in_all = by_host.select(pl.col("observed_workdays", "workdays").sum()).row(0)
    return FleetCoverage(by_host.lazy(), float(observed / workdays_in_all))


def host_workdays(  # noqa: PLR0913, PLR0917 - as `fleet_coverage`
    watches: pl.LazyFrame,
    hosts: pl.LazyFrame,
    offices: pl.LazyFrame,
    holidays: pl.LazyFrame,
    start: datetime,
    end: datetime,
) -> pl.DataFrame:
    """List the host-workdays of a window, each with whether it was observed.

    Parameters
    ----------
    watches, hosts, offices, holidays, start, end
        As for `fleet_coverage`.

    Returns
    -------
    pl.DataFrame
        `host`, `day` (Date, of the office), `start`, `end` (the business hours), `is_observed` (Boolean): one
        row per host of the directory and business day, by host and start.
    """
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    watched = _watched_ms(_host_workdays(hosts, offices, holidays, start, end), watches)
    return watched.select(
        "host", "day", "start", "end", is_observed=2 * pl.col("watched_ms") >= length_ms
    ).collect()


def _host_workdays(
    hosts: pl.LazyFrame, offices: pl.LazyFrame, holidays: pl.LazyFrame, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Give `host`, `day`, `start`, `end`: one row per host of the directory and business day."""
    listed = hosts.filter("in_directory").with_columns(
        office=pl.coalesce("office", pl.concat_str(pl.lit("in "), "zone"))
    )
    calendar = ("office", "zone", "opens_minute", "closes_minute", "business_weekdays")
    homeless = (
        listed.join(offices, on="office", how="anti")
        .select("office", "zone", opens_minute=480, closes_minute=1080, business_weekdays=pl.lit("12345"))
        .unique("office")
    )
    everywhere = pl.concat([offices.select(calendar), homeless.select(calendar)], how="vertical_relaxed")
    days = business_days(everywhere, holidays, start, end)
    here = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("day"))) & (
        pl.col("valid_to").is_null() | (pl.col("valid_to") > pl.col("day"))
    )
    return (
        listed.join(days, on="office")
        .filter(here)
        .select("host", "day", "start", "end")
        .sort("host", "start")
    )


def _watched_ms(workdays: pl.LazyFrame, watches: pl.LazyFrame) -> pl.LazyFrame:
    """Add how much of each host-workday was watched, by any agent of the host."""
    seen = union(watches.select("host", "start", "end"), ["host"])
    from_start = covered_before(workdays, "start", seen, "host").rename({"covered_ms": "_before"})
    to_end = covered_before(from_start, "end", seen, "host")
    return to_end.with_columns(watched_ms=pl.col("covered_ms") - pl.col("_before"))
