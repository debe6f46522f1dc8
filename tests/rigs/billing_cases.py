"""Literal evidence and tariffs for the tests of charges, as short as they can be said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from warehouse.metrics.charges import Evidence, Tariff
from warehouse.metrics.states import Policy, Rule, states
from warehouse.schema import ATTENTIONS

INSTANT = pl.Datetime("ms", "UTC")
QUARTER = timedelta(minutes=15)

SEGMENT = {
    "session": pl.Int64,
    "application": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "attention": pl.Enum(ATTENTIONS),
    "cpu_percent": pl.Float64,
    "units": pl.Int32,
    "inhibiting": pl.Boolean,
    "instance": pl.Int32,
    "since": INSTANT,
}
SESSION = {
    "session": pl.Int64,
    "application": pl.String,
    "person_id": pl.Int64,
    "office": pl.String,
    "department": pl.String,
    "cost_center": pl.String,
    "zone": pl.String,
    "started": INSTANT,
    "ended": INSTANT,
}
PLACEMENT = {
    "person_id": pl.Int64,
    "office": pl.String,
    "department": pl.String,
    "cost_center": pl.String,
    "zone": pl.String,
    "valid_from": pl.Date,
}
ENTRY = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "instance": pl.Int32,
    "start": INSTANT,
    "end": INSTANT,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
}
PROJECT = {
    "project": pl.String,
    "project_id": pl.Int64,
    "currency": pl.String,
    "tax_code": pl.String,
    "chargeable": pl.Boolean,
    "opened_on": pl.Date,
    "closed_on": pl.Date,
    "kind": pl.String,
    "cost_center": pl.String,
}
PHASE = {
    "project": pl.String,
    "phase": pl.String,
    "phase_id": pl.Int64,
    "chargeable": pl.Boolean,
    "opened_on": pl.Date,
    "closed_on": pl.Date,
}
TASK = {"project": pl.String, "phase": pl.String, "task": pl.String, "task_id": pl.Int64}
RATE = {
    "rate_id": pl.Int64,
    "person_id": pl.Int64,
    "project": pl.String,
    "office": pl.String,
    "application": pl.String,
    "rate_scaled": pl.Int64,
    "currency": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "increment_ms": pl.Int64,
    "direction": pl.String,
    "level": pl.String,
    "author": pl.String,
    "cost_rate_scaled": pl.Int64,
    "minimum_ms": pl.Int64,
    "daily_cap_minor": pl.Int64,
    "monthly_cap_minor": pl.Int64,
    "tier_kind": pl.String,
    "tiers": pl.String,
    "package_ms": pl.Int64,
    "free_ms": pl.Int64,
}


def frame(schema: dict[str, Any], rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Build a frame of rows that leave out what is null."""
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def at(text: str) -> datetime:
    """Read `2026-10-05 09:00` (UTC), seconds and milliseconds if given."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def session(
    number: int, *stretches: tuple[str, str, str], person: int | None = 1, **facts: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Tell a session as stretches (start, end, attention), in order and without holes.

    The last input is where the last stretch of input ended. Facts: application, office, zone; instance.
    """
    rows: list[dict[str, Any]] = []
    since = at(stretches[0][0])
    application, instance = facts.get("application", "cad"), facts.get("instance")
    for start, end, attention in stretches:
        for left, right in _quarters(at(start), at(end)):
            since = left if attention == "input" else since
            rows.append(
                {"session": number, "application": application, "start": left, "end": right,
                 "attention": attention, "cpu_percent": 0.0, "units": 1, "inhibiting": False,
                 "instance": instance, "since": since}
            )  # fmt: skip
        since = at(end) if attention == "input" else since
    facts = {"application": application, "office": "BER", "zone": "Europe/Berlin"} | facts
    about = {"session": number, "person_id": person, "started": rows[0]["start"], "ended": rows[-1]["end"]}
    return facts | about, rows


def _quarters(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    while start < end:
        edge = (
            datetime.min.replace(tzinfo=UTC)
            + ((start - datetime.min.replace(tzinfo=UTC)) // QUARTER + 1) * QUARTER
        )
        yield start, min(end, edge)
        start = min(end, edge)


def entry(
    number: int, session: int, project: str, start: str, end: str | None = None, **more: Any
) -> dict[str, Any]:
    """State a project entry. More: phase, task, instance."""
    return {
        "entry": number, "session": session, "project": project, "start": at(start),
        "end": at(end) if end else None, **more,
    }  # fmt: skip


def rate(number: int, scaled: int, **more: Any) -> dict[str, Any]:
    """State a rate: by default in EUR, for anything, since 2026, without increment."""
    return {
        "rate_id": number, "rate_scaled": scaled, "currency": "EUR", "valid_from": date(2026, 1, 1),
        "increment_ms": 0, "direction": "nearest", "level": "line", "author": "rita",
        "minimum_ms": 0, "free_ms": 0, **more, "tiers": json.dumps(more.get("tiers", [])),
    }  # fmt: skip


def evidence(
    *sessions: tuple[dict[str, Any], list[dict[str, Any]]],
    entries: Sequence[dict[str, Any]] = (),
    placements: Sequence[dict[str, Any]] = (),
    policy: Policy | None = None,
) -> Evidence:
    """Put sessions and entries together, with the states of a policy (T = 300 s)."""
    segments = frame(SEGMENT, [row for _, rows in sessions for row in rows])
    stated = states(segments.lazy(), policy or Policy(1, Rule(idle_timeout_ms=300_000))).collect()
    return Evidence(
        stated,
        frame(SESSION, [facts for facts, _ in sessions]),
        frame(PLACEMENT, placements),
        frame(ENTRY, entries),
    )


def tariff(*rates: dict[str, Any]) -> Tariff:
    """Two open projects in EUR (A, B with phase 01 and task X), one closed, one of leave, one in USD."""
    project = {"currency": "EUR", "tax_code": "V19", "chargeable": True, "kind": "project"}
    projects = [
        project | {"project": "A", "project_id": 1},
        project | {"project": "B", "project_id": 2},
        project | {"project": "CLOSED", "project_id": 3, "closed_on": date(2026, 10, 1)},
        project | {"project": "LEAVE", "project_id": 4, "chargeable": False},
        project | {"project": "US", "project_id": 5, "currency": "USD"},
    ]
    phase = {"project": "B", "phase": "01", "phase_id": 1, "chargeable": True}
    task = {"project": "B", "phase": "01", "task": "X", "task_id": 1}
    return Tariff(frame(PROJECT, projects), frame(PHASE, [phase]), frame(TASK, [task]), frame(RATE, rates))
