"""Metrics from the shell and for scripts: the same numbers as the reports', as plain rows and values.

Each query names its parameters, as a report does; times are ISO 8601 UTC with seconds, people and machines
are pseudonyms. `process-meter query METRIC -p name=value` is the face of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.report_parameters import Parameter, check_parameters, nearest
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.capacity import capacity_by_day
from warehouse.metrics.concurrency import KEYS, intervals, peak, witnesses
from warehouse.metrics.states import BASES, states
from warehouse.metrics.utilization import daily_usage
from warehouse.periods import day_bounds, zone_of

Values = Mapping[str, Any]
Answer = dict[str, Any] | list[dict[str, Any]]


@dataclass(frozen=True)
class Query:
    """One question that a script may ask: what it answers, with which parameters."""

    name: str
    about: str
    parameters: tuple[Parameter, ...]
    run: Callable[[Engine, Values], Answer]


@dataclass(frozen=True)
class Evidence:
    """What a query looks at: whole sessions of a window, with their states."""

    start: datetime
    end: datetime
    sessions: pl.LazyFrame
    stated: pl.LazyFrame


def query(engine: Engine, name: str, given: Mapping[str, object] | None = None) -> Answer:
    """Answer one query.

    Parameters
    ----------
    given
        Values by name of parameter; text is converted.

    Returns
    -------
    dict or list of dict
        Plain values: numbers, text, lists; no instant is anything but text.

    Raises
    ------
    Problem
        An unknown query, parameter, application, key, basis or zone; a date that is none; no evidence.
    """
    if name not in QUERIES:
        raise Problem(f"there is no metric {name!r}", nearest(name, QUERIES, "the metrics are"))
    asked = QUERIES[name]
    values = check_parameters(f"Metric {name}", asked.parameters, given or {})
    return asked.run(engine, {**{each.name: each.default for each in asked.parameters}, **values})


# --- What is looked at -------------------------------------------------------------------------------------


def _evidence(engine: Engine, values: Values, zone: str) -> Evidence:
    """Read the window, whole days of the zone, and the states of what is in it."""
    start, end = _window(engine, values, zone)
    applications = _application(engine, values["application"])
    stated = states(frames.segments(engine, start, end, applications), frames.policy(engine, "license"))
    sessions = frames.sessions(engine, start, end, applications)
    return Evidence(start, end, sessions.collect().lazy(), stated.collect().lazy())


def _window(engine: Engine, values: Values, zone: str) -> tuple[datetime, datetime]:
    """Return the days asked for; those left out are the first and the last one with evidence."""
    known = frames.span(engine)
    if known is None:
        raise Problem("the warehouse holds no session yet", "import a log or let agents deliver first")
    local = zone_of(zone)
    first = _day(values["start"], "start") or known[0].astimezone(local).date()
    last = (known[1] - timedelta(milliseconds=1)).astimezone(local).date()
    end = _day(values["end"], "end") or last + timedelta(days=1)
    if first >= end:
        raise Problem(f"the end {end} is not after the start {first}", "the end is the first day left out")
    return day_bounds(zone, first)[0], day_bounds(zone, end)[0]


def _day(text: str, name: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Problem(f"{name} cannot be {text!r}", "write a day as 2026-10-01") from None


def _application(engine: Engine, code: str) -> list[str] | None:
    """Return the application asked for, as a list for the frames; None: all of them."""
    if not code:
        return None
    known = frames.applications(engine).collect()["application"].to_list()
    if code not in known:
        raise Problem(f"there is no application {code!r}", nearest(code, known, "there are"))
    return [code]


def _zone(engine: Engine, values: Values) -> str:
    zone = values["zone"] or frames.home_zone(engine) or "UTC"
    zone_of(zone)
    return zone


def instant(moment: datetime | None) -> str | None:
    """Write an instant as ISO 8601 UTC with seconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# --- The queries -------------------------------------------------------------------------------------------


def _daily_usage(engine: Engine, values: Values) -> Answer:
    zone = _zone(engine, values)
    seen = _evidence(engine, values, zone)
    readings = frames.capacity_readings(engine)
    if values["application"]:
        readings = readings.filter(pl.col("application") == values["application"])
    capacity = capacity_by_day(readings, zone, seen.start, seen.end)
    days = daily_usage(seen.stated, seen.sessions, zone, seen.start, seen.end, capacity)
    columns = ("session_hours", "unit_hours", "sessions", "active_users", "sessions_ended", "utilization")
    # Polars multiplies by the reciprocal: 16 hours would read 15.999999999999998.
    exact = days.with_columns(pl.col(pl.Float64).round(12))
    return exact.select(pl.col("day").dt.to_string("iso"), *columns).collect().to_dicts()


def _peak_concurrency(engine: Engine, values: Values) -> Answer:
    if not values["application"]:
        raise Problem("peak_concurrency asks for one application", "add -p application=CODE")
    _word("key", values["key"], KEYS)
    _word("basis", values["basis"], tuple(BASES))
    seen = _evidence(engine, values, "UTC")
    used = intervals(
        seen.stated,
        seen.sessions,
        values["key"],
        values["basis"],
        seen.start,
        seen.end,
        weights=frames.applications(engine),
    )
    highest = peak(used).collect()
    first = highest["first_reached"].item() if highest.height else None
    return {
        **{name: values[name] for name in ("application", "key", "basis")},
        "peak": highest["peak"].item() if highest.height else 0,
        "first_reached": instant(first),
        "minutes_at_peak": highest["minutes_at_peak"].item() if highest.height else 0.0,
        "witnesses": _witnesses(engine, seen, values["basis"], first) if first else [],
    }


def _witnesses(engine: Engine, seen: Evidence, basis: str, at: datetime) -> list[dict[str, Any]]:
    """Who, where, on which project and since when, at an instant; longest first."""
    now = (pl.col("start") <= at) & (pl.col("end").is_null() | (pl.col("end") > at))
    entered = frames.project_entries(engine, seen.start, seen.end).filter(now)
    project = entered.group_by("session").agg(pl.col("project").sort_by("entry").last())
    units = seen.stated.filter(now).select("session", "units")
    rows = (
        witnesses(seen.stated, seen.sessions, basis, at)
        .join(project, on="session", how="left", maintain_order="left")
        .join(units, on="session", how="left", maintain_order="left")
        .select(
            "session",
            "host",
            "device",
            "office",
            "project",
            "state",
            "units",
            "since",
            person=pl.coalesce("person", "account"),
        )
    )
    return [{**row, "since": instant(row["since"])} for row in rows.collect().to_dicts()]


def _word(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise Problem(f"{name} cannot be {given!r}", nearest(given, known, "give one of"))


_WINDOW = (
    Parameter("start", "str", "", "first day, e.g. 2026-10-01; left out: the first one with evidence"),
    Parameter("end", "str", "", "first day after the window; left out: the day after the last with evidence"),
)
_APPLICATION = Parameter("application", "str", "", "code of an application; left out: all of them")
QUERIES = {
    each.name: each
    for each in (
        Query(
            "daily_usage",
            "Hours, units, sessions, users and utilization by local day.",
            (
                Parameter("zone", "str", "", "zone of the days; left out: the organization's, else UTC"),
                _APPLICATION,
                *_WINDOW,
            ),
            _daily_usage,
        ),
        Query(
            "peak_concurrency",
            "The highest demand for an application: how much, when first, for how long, and who was there.",
            (
                Parameter("application", "str", "", "code of the application"),
                Parameter("key", "str", "user", f"what counts once: {', '.join(KEYS)}"),
                Parameter("basis", "str", "run", f"which time counts: {', '.join(BASES)}"),
                *_WINDOW,
            ),
            _peak_concurrency,
        ),
    )
}
"""All queries by name."""
