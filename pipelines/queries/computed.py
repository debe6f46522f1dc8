"""Queries on an engine that is asked for by name: the same answers as without, from `pipelines.engines`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine

from pipelines.engines import Place, engine_frames, engine_named
from pipelines.queries.asking import (
    Answer,
    Evidence,
    Values,
    application,
    counting,
    one_application,
    rows,
    window,
    word,
    zone,
)
from pipelines.queries.demand import peak_answer
from pipelines.queries.usage import in_hours
from pipelines.report_parameters import nearest
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS
from warehouse.metrics.states import BASES, states
from warehouse.metrics.usage_hours import GROUPS
from warehouse.periods import zone_of


def answer(warehouse: Engine, name: str, values: Values, compute_on: str, master: str) -> Answer:
    """Answer a query on an engine.

    Raises
    ------
    Problem
        The engine cannot be had, or cannot compute this.
    """
    if name not in ON_ENGINES:
        raise Problem(f"{name} is not computed on other engines", nearest(name, ON_ENGINES, "they compute"))
    with engine_named(compute_on, warehouse, master) as place:
        return ON_ENGINES[name](place, values)


def _peak_concurrency(place: Place, values: Values) -> Answer:
    one_application("peak_concurrency", values)
    word("key", values["key"], KEYS)
    word("basis", values["basis"], BASES)
    local = zone(place.warehouse, values)
    start, end = window(place.warehouse, values, local)
    codes, counted = counting(place.warehouse, values, zone_of(local), end)
    found = engine_frames(place, frames.policy(place.warehouse, "license"), start, end, codes)
    weights = frames.applications(place.warehouse).select("application", "token_weight")
    highest = found.peak(values["key"], values["basis"], start, end, weights=weights, **counted).collect()
    at = highest["first_reached"].item() if highest.height else start
    return peak_answer(place.warehouse, _evidence_at(place.warehouse, at, codes), values, highest)


def _evidence_at(warehouse: Engine, at: datetime, codes: list[str] | None) -> Evidence:
    """Read the sessions that were open at an instant, whole: these are few, and read here."""
    end = at + timedelta(milliseconds=1)
    stated = states(frames.segments(warehouse, at, end, codes), frames.policy(warehouse, "license"))
    return Evidence(at, end, frames.sessions(warehouse, at, end, codes), stated.collect().lazy())


def _usage_hours(place: Place, values: Values) -> Answer:
    word("by", values["by"], GROUPS)
    if values["by"] == "project":
        raise Problem(
            "use by project is not computed on other engines", "leave --engine out, or ask by application"
        )
    start, end = window(place.warehouse, values, zone(place.warehouse, values))
    codes = application(place.warehouse, values["application"])
    found = engine_frames(place, frames.policy(place.warehouse, "license"), start, end, codes)
    return rows(in_hours(found.usage_hours(values["by"], start, end)))


ON_ENGINES: dict[str, Callable[[Place, Values], Answer]] = {
    "peak_concurrency": _peak_concurrency,
    "usage_hours": _usage_hours,
}
