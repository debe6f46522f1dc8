"""Use by any grouping: marks add up to sessions, sessions to people, people to groups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoLazyFrameT

from warehouse.errors import Problem
from warehouse.periods import check_window
from warehouse.portable.instants import QUARTER_MS, ms_of, within
from warehouse.portable.states import BASES

STATES = ("active", "pause", "idle", "held", "suspended", "unknown")
SESSION_GROUPS = (
    *("application", "version", "product", "office", "department", "cost_center", "source"),
    *("person", "account", "host", "device", "session"),
)
"""Columns of sessions by which use may be grouped."""

TIME_GROUPS = ("month", "day", "weekday", "hour")
"""Local times by which use may be grouped, of `periods.local_quarters`."""

OF_ONE_PERSON = {"person", "account", "host", "device", "session"}
TELLS_IDLE_TIME = ("run_ms", "idle_ms", "suspended_ms", "unit_ms")
"""Left out where a group is one person: it is idle time, or idle time less busy and held time."""

HOURS_BY = {"application": "application", "user": "person", "host": "host"}
"""What hours are summed by, and the column of sessions that it is."""

_COUNTS = ("launches", "ends", *(f"{state}_ms" for state in STATES), "unit_ms")


def usage(  # noqa: PLR0913, PLR0917 - a figure names its grouping, window and zone
    stated: IntoLazyFrameT,
    sessions: IntoLazyFrameT,
    by: Sequence[str],
    start: datetime,
    end: datetime,
    quarters: IntoLazyFrameT | None = None,
) -> IntoLazyFrameT:
    """Sum use by any grouping.

    Parameters
    ----------
    stated
        What `states` gives: at least `session` (Int64), `start`, `end` (Int64, milliseconds), `units` (Int32)
        and `state` (String).
    sessions
        `session` (Int64), `started`, `ended` (Int64, milliseconds), `person`, `account` (String) and the
        columns of `by`; also of sessions without segments.
    by
        Columns of `SESSION_GROUPS` and `TIME_GROUPS`; none: one row for all.
    start, end
        The window, [start, end), with zones.
    quarters
        What `periods.local_quarters` gives for the zone that is meant: for the columns of `TIME_GROUPS`.

    Returns
    -------
    IntoLazyFrameT
        `by...`; `sessions`, `people`, `launches`, `ends`; `run_ms`, `active_ms`, `pause_ms`, `busy_ms`,
        `idle_ms`, `held_ms`, `suspended_ms`, `unknown_ms`, `unit_ms` (units x run time), all Int64. One row
        per group that has any of it; where a group is one person, without `TELLS_IDLE_TIME`.

    Raises
    ------
    Problem
        An unknown grouping, one by local time without `quarters`, an end that is not after the start.
    """
    check_window(start, end)
    times = _times(by, has_quarters=quarters is not None)
    known = nw.from_native(sessions)
    pieces = _pieces(nw.from_native(stated), start, end)
    marks: nw.LazyFrame[IntoLazyFrameT] = nw.concat([pieces, *_events(known, start, end)])
    if times and quarters is not None:
        local = nw.from_native(quarters).select("quarter", *times)
        marks = marks.with_columns(quarter=nw.col("_at") // QUARTER_MS).join(local, on="quarter")
    facts = dict.fromkeys(name for name in by if name in SESSION_GROUPS and name != "session")
    who = known.select("session", *facts, _who=nw.coalesce("person", "account"))
    groups = _groups(marks.join(who, on="session"), by)
    return groups.select(*by, "sessions", "people", "launches", "ends", *_times_of(by)).to_native()


def usage_hours(
    stated: IntoLazyFrameT, sessions: IntoLazyFrameT, by: str, start: datetime, end: datetime
) -> IntoLazyFrameT:
    """Sum use by application, person or host.

    Parameters
    ----------
    stated, sessions
        As for `usage`.
    by
        One of `HOURS_BY`; `user` is the person after accounts are merged.
    start, end
        The window, [start, end), with zones.

    Returns
    -------
    IntoLazyFrameT
        `by` (String; null: nobody known), `sessions` (seen open in the window), `run_ms`, `busy_ms`,
        `unit_ms`, all Int64, and for `application` alone `idle_ms`. One row per group.

    Raises
    ------
    Problem
        An unknown group, or an end that is not after the start.
    """
    check_window(start, end)
    if by not in HOURS_BY:
        raise Problem(f"use cannot be summed by {by!r}", f"give one of {', '.join(HOURS_BY)}")
    known, column = nw.from_native(sessions), HOURS_BY[by]
    pieces = _pieces(nw.from_native(stated), start, end)
    launches = _events(known, start, end)[0]
    marks: nw.LazyFrame[IntoLazyFrameT] = nw.concat([pieces, launches])
    who = known.select("session", nw.col(column).cast(nw.String).alias(by), _who=nw.col("session"))
    measures = ["run_ms", "busy_ms", "unit_ms", *(["idle_ms"] if by == "application" else [])]
    return _groups(marks.join(who, on="session"), [by]).select(by, "sessions", *measures).to_native()


def _times(by: Sequence[str], *, has_quarters: bool) -> list[str]:
    known = (*SESSION_GROUPS, *TIME_GROUPS)
    unknown = [name for name in by if name not in known]
    if unknown:
        raise Problem(f"use cannot be grouped by {unknown[0]!r}", f"give one of {', '.join(known)}")
    times = [name for name in by if name in TIME_GROUPS]
    if times and not has_quarters:
        raise Problem(f"use by {times[0]} needs `quarters`", "pass the local quarters of a zone")
    return times


def _pieces(
    stated: nw.LazyFrame[IntoLazyFrameT], start: datetime, end: datetime
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Mark every segment in the window with its milliseconds by state."""
    length_ms, state = nw.col("end") - nw.col("start"), nw.col("state").cast(nw.String)
    none = nw.lit(0, nw.Int64)
    of_state = {f"{each}_ms": nw.when(state == each).then(length_ms).otherwise(none) for each in STATES}
    units_ms = length_ms * nw.col("units").cast(nw.Int64)
    return within(stated, start, end).select(
        "session",
        _at=nw.col("start"),
        _seen=nw.lit(1, nw.Int64),
        launches=none,
        ends=none,
        **of_state,
        unit_ms=nw.when(state.is_in(BASES["run"])).then(units_ms).otherwise(none),
    )


def _events(
    sessions: nw.LazyFrame[IntoLazyFrameT], start: datetime, end: datetime
) -> list[nw.LazyFrame[IntoLazyFrameT]]:
    """Mark launches and ends in the window; a session is seen at its launch, but no longer at its end."""
    from_ms, to_ms = ms_of(start), ms_of(end)
    found = []
    for column, count in (("started", "launches"), ("ended", "ends")):
        counts = {name: nw.lit(int(name == count), nw.Int64) for name in _COUNTS}
        seen = nw.lit(int(count == "launches"), nw.Int64)
        inside = sessions.filter(nw.col(column) >= from_ms, nw.col(column) < to_ms)
        found.append(inside.select("session", _at=nw.col(column), _seen=seen, **counts))
    return found


def _groups(marks: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """Add up in three steps, so that in each group a session counts once, and so does a person."""
    apart = list(dict.fromkeys([*by, "session", "_who"]))
    by_session = marks.group_by(*apart).agg(nw.col("_seen").max(), nw.col(*_COUNTS).sum())
    of_person = [name for name in apart if name != "session" or name in by]
    by_person = by_session.group_by(*of_person).agg(
        nw.col(*_COUNTS).sum(), sessions=nw.col("_seen").sum(), people=nw.col("_seen").max()
    )
    sums = nw.col("sessions", "people", *_COUNTS).sum()
    # Nothing adds up to null on some engines.
    groups = by_person.group_by(*by).agg(sums) if by else by_person.select(sums.fill_null(0))
    totals = {
        f"{basis}_ms": nw.sum_horizontal(*(f"{state}_ms" for state in BASES[basis]))
        for basis in ("run", "busy")
    }
    return groups.with_columns(**totals)


def _times_of(by: Sequence[str]) -> list[str]:
    order = ("run", "active", "pause", "busy", "idle", "held", "suspended", "unknown", "unit")
    times = [f"{name}_ms" for name in order]
    return [name for name in times if not OF_ONE_PERSON & set(by) or name not in TELLS_IDLE_TIME]
