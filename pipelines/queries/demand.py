"""Queries about demand: how many were in use at once, when, for how long, and how many are enough."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.peak_witness import projects_at
from pipelines.queries.asking import (
    BASIS,
    CALENDAR,
    DEMANDED,
    KEY,
    ONE,
    PERCENTILE,
    WINDOW,
    ZONE,
    Answer,
    Evidence,
    Query,
    Values,
    by_application,
    demanded,
    hours,
    instant,
    one_application,
    open_days,
    rows,
    used,
    word,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.averages import average_demand
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.concurrency import KEYS, curve, peak, witnesses
from warehouse.metrics.demand_over import by_day, by_hour_of_week, states_over_time
from warehouse.metrics.percentiles import (
    daily_peak_percentile,
    daily_peaks,
    launch_percentile,
    launches,
    minutes_at_or_above,
    percentile,
    percentiles,
)
from warehouse.periods import local_days

OWNED = Parameter("owned", "int", 0, "licenses to compare with; 0: none")
STEPS = ("1m", "5m", "15m", "1h", "1d")


def _peak_concurrency(engine: Engine, values: Values) -> Answer:
    one_application("peak_concurrency", values)
    seen = demanded(engine, values, zone(engine, values))
    return peak_answer(engine, seen, values, peak(used(engine, seen, values)).collect())


def peak_answer(engine: Engine, seen: Evidence, values: Values, highest: pl.DataFrame) -> Answer:
    """Write a peak with its witnesses; `seen` holds at least the sessions that were open at it."""
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
    units = seen.stated.filter(now).select("session", "units")
    return rows(
        witnesses(seen.stated, seen.sessions, basis, at)
        .join(projects_at(engine, at), on="session", how="left", maintain_order="left")
        .join(units, on="session", how="left", maintain_order="left")
        .select(
            *("session", "host", "device", "office", "project", "state", "units", "since"),
            person=pl.coalesce("person", "account"),
        )
    )


def _percentile_demand(engine: Engine, values: Values) -> Answer:
    one_application("percentile_demand", values)
    seen = demanded(engine, values, zone(engine, values))
    in_use = used(engine, seen, values)
    enough = percentile(curve(in_use), hours(engine, seen, values, in_use), values["percentile"])
    return {"percentile": values["percentile"], "demand": enough, "of": "time"}


def _at(engine: Engine, values: Values) -> Answer:
    one_application("witnesses", values)
    seen = demanded(engine, values, zone(engine, values))
    if values["at"]:
        at = _moment(values["at"])
    else:
        highest = peak(used(engine, seen, values)).collect()
        if highest.is_empty():
            return []
        at = highest["first_reached"].item()
    return _witnesses(engine, seen, values["basis"], at)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Problem(f"at cannot be {text!r}", "write an instant with its zone, as 2026-10-05T08:00:00Z")
    return moment


Measure = Callable[[Engine, Evidence, Values, pl.LazyFrame], pl.LazyFrame]


def _metric(name: str, measure: Measure, *more: Parameter) -> Query:
    """Ask for what is measured of the demand of every application, or of one."""

    def run(engine: Engine, values: Values) -> Answer:
        seen = demanded(engine, values, zone(engine, values))
        in_use = used(engine, seen, values)
        return rows(measure(engine, seen, values, in_use))

    return Query(name, CATALOGUE[name].description, (DEMANDED, KEY, BASIS, *more, *WINDOW, ZONE), run)


def _peak_column(name: str) -> Query:
    return _metric(name, lambda _engine, _seen, _values, in_use: peak(in_use).select("application", name))


def _average(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    return average_demand(curve(in_use), _daily_hours(engine, seen, values, in_use))


def _calendar(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    return hours(engine, seen, values, in_use)


def _need(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    return percentiles(curve(in_use), hours(engine, seen, values, in_use), values["percentile"])


def _use_duration(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    return minutes_at_or_above(curve(in_use), hours(engine, seen, values, in_use))


def _daily_peak(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    return daily_peaks(curve(in_use), zone(engine, values), seen.start, seen.end)


def _demand_of_a_day(engine: Engine, values: Values) -> Answer:
    one_application("demand_of_a_day", values)
    seen, local = demanded(engine, values, zone(engine, values)), zone(engine, values)
    in_use = used(engine, seen, values)
    calendar = _daily_hours(engine, seen, values, in_use)
    owned = values["owned"] or None
    by = by_day(curve(in_use), calendar, owned, local, seen.start, seen.end, values["percentile"])
    return rows(by)


def _daily_hours(engine: Engine, seen: Evidence, values: Values, in_use: pl.LazyFrame) -> pl.LazyFrame:
    """Give the calendar by day: `day`, `start`, `end`; business hours are of the day in their own office."""
    if values["calendar"] == "business":
        return open_days(engine, seen)
    days = local_days(zone(engine, values), seen.start, seen.end).select("day", "start", "end")
    return _common(days, hours(engine, seen, values, in_use).select("start", "end"))


def _common(days: pl.LazyFrame, stretches: pl.LazyFrame) -> pl.LazyFrame:
    """Cut stretches at the edges of days: `day`, `start`, `end`."""
    pairs = days.join(stretches, how="cross", suffix="_open")
    since, until = pl.max_horizontal("start", "start_open"), pl.min_horizontal("end", "end_open")
    return pairs.select("day", start=since, end=until).filter(pl.col("start") < pl.col("end"))


def _demand_of_the_week(engine: Engine, values: Values) -> Answer:
    one_application("demand_of_the_week", values)
    local = zone(engine, values)
    seen = demanded(engine, values, local)
    return rows(by_hour_of_week(curve(used(engine, seen, values)), local, seen.start, seen.end))


def _demand_by_state(engine: Engine, values: Values) -> Answer:
    one_application("demand_by_state", values)
    word("key", values["key"], KEYS)
    word("every", values["every"], STEPS)
    seen = demanded(engine, values, zone(engine, values))
    weights = frames.applications(engine)
    over = states_over_time(
        *(seen.stated, seen.sessions, values["key"], seen.start, seen.end, values["every"]),
        weights=weights,
        **seen.counted,
    )
    return rows(by_application(over))


QUERIES = (
    Query(
        "peak_concurrency",
        "The highest demand for an application: how much, when first, for how long, and who was there.",
        (ONE, KEY, BASIS, *WINDOW, ZONE),
        _peak_concurrency,
    ),
    Query(
        "percentile_demand",
        "How many licenses are enough for so many percent of a calendar's time.",
        (ONE, KEY, BASIS, PERCENTILE, CALENDAR, *WINDOW, ZONE),
        _percentile_demand,
    ),
    *(_peak_column(name) for name in ("peak", "first_reached", "minutes_at_peak")),
    Query(
        "witnesses",
        CATALOGUE["witnesses"].description,
        (
            ONE,
            KEY,
            BASIS,
            Parameter("at", "str", "", "an instant, as 2026-10-05T08:00:00Z; left out: the peak"),
            *WINDOW,
            ZONE,
        ),
        _at,
    ),
    _metric("use_intervals", lambda _engine, _seen, _values, in_use: in_use),
    _metric("demand", lambda _engine, _seen, _values, in_use: curve(in_use)),
    _metric("average_demand", _average, CALENDAR),
    _metric("calendar", _calendar, CALENDAR),
    _metric("need", _need, PERCENTILE, CALENDAR),
    Query(
        "need_of_one",
        CATALOGUE["need_of_one"].description,
        (ONE, KEY, BASIS, PERCENTILE, CALENDAR, *WINDOW, ZONE),
        _percentile_demand,
    ),
    _metric("use_duration", _use_duration, CALENDAR),
    _metric(
        "launch_need",
        lambda _engine, _seen, values, in_use: launch_percentile(in_use, values["percentile"]),
        PERCENTILE,
    ),
    _metric("launch_demand", lambda _engine, _seen, _values, in_use: launches(in_use)),
    _metric("daily_peak", _daily_peak),
    Query(
        "demand_of_a_day",
        CATALOGUE["demand_of_a_day"].description,
        (ONE, KEY, BASIS, PERCENTILE, CALENDAR, OWNED, *WINDOW, ZONE),
        _demand_of_a_day,
    ),
    Query(
        "demand_of_the_week",
        CATALOGUE["demand_of_the_week"].description,
        (ONE, KEY, BASIS, *WINDOW, ZONE),
        _demand_of_the_week,
    ),
    Query(
        "demand_by_state",
        CATALOGUE["demand_by_state"].description,
        (ONE, KEY, Parameter("every", "str", "1h", "the step: 1m, 15m, 1h"), *WINDOW, ZONE),
        _demand_by_state,
    ),
    _metric(
        "daily_peak_need",
        lambda engine, seen, values, in_use: daily_peak_percentile(
            _daily_peak(engine, seen, values, in_use), values["percentile"]
        ),
        PERCENTILE,
    ),
)
"""In the order of `query list`."""
