"""A small organization with projects and rates, and days of use told as in `billing_cases`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from billing_cases import at, session
from sqlalchemy import Engine

from pipelines import billing
from warehouse import store
from warehouse.schema import ATTENTIONS

APPLICATIONS = {"cad": 1, "fem": 2, "notes": 3}
PEOPLE = {1: ("0007", "Ada Example"), 2: ("0008", "Ben Sample"), 3: (None, "=Cy()")}
PROJECTS = ("A", "B", "CLOSED", "LEAVE", "US")

Told = tuple[dict[str, Any], list[dict[str, Any]]]


def ms(instant: datetime | str) -> int:
    """Return an instant, or the text of one, as UTC milliseconds."""
    told = at(instant) if isinstance(instant, str) else instant
    return int(told.timestamp() * 1000)


def organize(engine: Engine, policy: dict[str, Any] | None = None) -> None:
    """Fill in everything but use, projects set and rates. Policy: the billing policy's document."""
    document = policy or {"default": {"idle_timeout_ms": 300_000}}
    for table, rows in _master(document):
        store.append(engine, table, pl.DataFrame(rows, infer_schema_length=None))


def _master(document: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    since = "2026-01-01"
    yield "organization", [{"id": 1, "name": "Trial", "zone": "Europe/Berlin", "currency": "EUR"}]
    yield "office", [
        {"id": number, "code": code, "name": code, "zone": zone, "currency": "EUR",
         "business_weekdays": "12345"}
        for number, (code, zone) in enumerate(
            {"BER": "Europe/Berlin", "NYC": "America/New_York"}.items(), 1
        )
    ]  # fmt: skip
    yield "fiscal_period", [
        {"id": month, "name": f"2026-{month:02}", "starts_on": f"2026-{month:02}-01",
         "ends_on": f"2026-{month + 1:02}-01"}
        for month in (8, 9, 10, 11)
    ]  # fmt: skip
    yield "person", [
        {"id": number, "code": f"p{number}", "employee_number": employee, "name": name,
         "employment": "employee", "valid_from_on": since}
        for number, (employee, name) in PEOPLE.items()
    ]  # fmt: skip
    yield (
        "placement",
        [{"id": number, "person_id": number, "office_id": 1, "valid_from_on": since} for number in PEOPLE],
    )
    yield (
        "account",
        [
            *({"id": number, "name": f"user{number}", "person_id": number} for number in PEOPLE),
            {"id": 9, "name": "nobody", "person_id": None},
        ],
    )
    yield "host", [
        {"id": 1, "name": "ws1", "kind": "workstation", "office_id": 1, "zone": "Europe/Berlin",
         "in_directory": True, "valid_from_on": since}
    ]  # fmt: skip
    yield (
        "application",
        [
            {"id": number, "code": code, "name": f"The {code}", "billed": code != "notes"}
            for code, number in APPLICATIONS.items()
        ],
    )
    yield "policy", [{"id": 1, "name": "billing", "purpose": "billing"}]
    yield "policy_version", [
        {"id": 1, "policy_id": 1, "version": 1, "created_ms": 0, "created_by": "admin",
         "document": json.dumps(document)}
    ]  # fmt: skip
    yield "client", [{"id": 1, "code": "PORT", "name": "Port Authority"}]
    yield "project", [
        {"id": number, "number": code, "name": f"Project {code}", "client_id": 1,
         "currency": "USD" if code == "US" else "EUR", "tax_code": "V19", "chargeable": code != "LEAVE",
         "closed_on": "2026-08-01" if code == "CLOSED" else None}
        for number, code in enumerate(PROJECTS, 1)
    ]  # fmt: skip
    yield "phase", [{"id": 1, "project_id": 2, "number": "01", "name": "Design"}]
    yield "task", [{"id": 1, "phase_id": 1, "number": "X", "name": "Drawings"}]


def use(engine: Engine, *told: Told, received: str | None = None) -> None:
    """Store sessions and their segments; received at their end unless said otherwise."""
    sessions, segments = [], []
    for facts, rows in told:
        arrived = ms(received) if received else ms(rows[-1]["end"])
        sessions.append(
            {"id": facts["session"], "key": f"s{facts['session']}", "source": "agent",
             "application_id": APPLICATIONS[facts["application"]], "account_id": facts["person_id"] or 9,
             "host_id": 1, "logon_session": "1", "zone": "Europe/Berlin",
             "started_ms": ms(rows[0]["start"]), "ended_ms": ms(rows[-1]["end"]), "received_ms": arrived,
             "clock_stepped": facts.get("clock_stepped", False)}
        )  # fmt: skip
        segments += [
            {"session_id": row["session"], "start_ms": ms(row["start"]), "end_ms": ms(row["end"]),
             "attention": ATTENTIONS.index(row["attention"]), "cpu_percent": 0.0, "instance": row["instance"],
             "since_ms": ms(row["since"]), "policy_version": 1, "received_ms": arrived}
            for row in rows
        ]  # fmt: skip
    store.append(engine, "session", pl.DataFrame(sessions))
    store.append(engine, "segment", pl.DataFrame(segments, schema_overrides={"instance": pl.Int32}))


def on(
    engine: Engine, number: int, project: str, *, at_: str, created: str | None = None, **more: Any
) -> None:
    """Say from when on a session belongs to a project. More: entry (its id), phase, task, until."""
    entry = {
        "id": more.get("entry", number), "session_id": number, "from_ms": ms(at_), "project_number": project,
        "to_ms": ms(more["until"]) if "until" in more else None, "phase_number": more.get("phase"),
        "task_number": more.get("task"), "author": "ada", "reason": "at launch",
        "created_ms": ms(created or at_),
    }  # fmt: skip
    frame = pl.DataFrame(
        [entry], schema_overrides={"to_ms": pl.Int64, "phase_number": pl.String, "task_number": pl.String}
    )
    store.append(engine, "project_entry", frame)


def price(engine: Engine, number: int, scaled: int, **more: Any) -> None:
    """Set a rate: 1/10,000 EUR an hour for anything since 2026, by default; written by rita."""
    rate = {
        "id": number, "rate_scaled": scaled, "currency": "EUR", "valid_from_on": "2026-01-01",
        "increment_ms": 0, "direction": "nearest", "level": "line", "author": "rita", "created_ms": 0, **more,
    }  # fmt: skip
    store.append(engine, "rate", pl.DataFrame([rate]))


def waive_all(engine: Engine, run: str, now_ms: int) -> None:
    """Let ben waive whatever keeps a draft from being approved."""
    for kind in billing.show(engine, run)["blocking"]:
        billing.waive(engine, run, "ben", "known", now_ms, kind=kind)


def hour(number: int, day: str, *, person: int | None = 1, minutes: int = 60, **facts: Any) -> Told:
    """Tell a session of input from 09:00 UTC on a day."""
    end = f"{day} {9 + minutes // 60:02}:{minutes % 60:02}"
    return session(number, (f"{day} 09:00", end, "input"), person=person, **facts)


def billed_hours(engine: Engine, days: Sequence[str], project: str = "A") -> None:
    """Let person 1 use cad for an hour on each day, on one project at 90 EUR an hour."""
    price(engine, 1, 900_000)
    for number, day in enumerate(days, 1):
        use(engine, hour(number, day))
        on(engine, number, project, at_=f"{day} 09:00")
