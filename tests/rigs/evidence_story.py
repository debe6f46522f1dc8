"""Sessions that land, grow, are replaced and are erased, in a warehouse of two applications."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine

from warehouse import landing, schema, store

Stretches = list[tuple[int, int]]
QUARTER_MS = 900_000
NEW_YEAR_MS = 1_767_225_600_000  # 2026-01-01


def furnish(engine: Engine) -> None:
    """Write the applications `draw` and `solve`, an account and a host."""
    host = {"id": 1, "name": "desk", "kind": "workstation", "zone": "UTC", "valid_from_on": "2026-01-01"}
    with store.writing(engine) as connection:
        for number, code in ((1, "draw"), (2, "solve")):
            row = {"id": number, "code": code, "name": code.title()}
            connection.execute(schema.application.insert().values(row))
        connection.execute(schema.account.insert().values(id=1, name="ada"))
        connection.execute(schema.host.insert().values(host))


def add_session(
    connection: Connection, number: int, start_ms: int, end_ms: int | None, application: int = 1
) -> None:
    """Write a session without segments."""
    row: dict[str, Any] = {
        "id": number,
        "key": f"session {number}",
        "source": "agent",
        "application_id": application,
        "account_id": 1,
        "host_id": 1,
        "logon_session": "1",
        "zone": "UTC",
        "started_ms": start_ms,
        "ended_ms": end_ms,
        "received_ms": start_ms,
    }
    connection.execute(schema.session.insert().values(row))


def add_segments(connection: Connection, number: int, stretches: Stretches, **changes: Any) -> None:
    """Write segments of a session, without a landing."""
    for place, (start_ms, end_ms) in enumerate(stretches):
        row: dict[str, Any] = {
            "session_id": number,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "attention": (number + place) % 8,
            "cpu_percent": (start_ms // 1000) % 1601 / 7,
            "units": 1 + place % 3,
            "inhibiting": place % 4 == 0,
            "instance": None if place % 3 == 0 else 2**31 - 1 - place,
            "since_ms": start_ms - place,
            "policy_version": 1 + place % 2,
            "received_ms": end_ms + 60_000,
            **changes,
        }
        connection.execute(schema.segment.insert().values(row))


def land_segments(connection: Connection, number: int, stretches: Stretches, **changes: Any) -> None:
    """Write segments of a session, and say so."""
    add_segments(connection, number, stretches, **changes)
    landed = landing.Landed(number, min(stretches)[0], max(end for _, end in stretches))
    landing.land(connection, [landed], at_ms=0)


def quarters(start_ms: int, end_ms: int) -> Stretches:
    """Cut a stretch at every quarter of an hour."""
    edges = range(start_ms - start_ms % QUARTER_MS + QUARTER_MS, end_ms, QUARTER_MS)
    return list(zip([start_ms, *edges], [*edges, end_ms], strict=True))
