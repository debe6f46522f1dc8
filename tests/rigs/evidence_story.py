"""Sessions that land, grow, are replaced and are erased, in a warehouse of two applications."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import landing, schema, store

Stretches = list[tuple[int, int]]
QUARTER_MS = 900_000
DAY_MS = 86_400_000
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


def land(connection: Connection, number: int, stretches: Stretches, **changes: Any) -> None:
    """Write segments of a session, each with other evidence, and say so."""
    _add_segments(connection, number, stretches, changes)
    landed = landing.Landed(number, min(stretches)[0], max(end for _, end in stretches))
    landing.land(connection, [landed], at_ms=0)


def replace(connection: Connection, number: int, stretches: Stretches, **changes: Any) -> None:
    """Put segments in the place of all that a session had, and say so."""
    segment = schema.segment
    connection.execute(sa.delete(segment).where(segment.c.session_id == number))
    _add_segments(connection, number, stretches, changes)
    landed = landing.Landed(number, min(stretches)[0], max(end for _, end in stretches), replaced=True)
    landing.land(connection, [landed], at_ms=0)


def erase(connection: Connection, number: int) -> None:
    """Take a session away with all its segments, and say so."""
    session, segment = schema.session, schema.segment
    started_ms = connection.scalar(sa.select(session.c.started_ms).where(session.c.id == number))
    assert started_ms is not None
    connection.execute(sa.delete(segment).where(segment.c.session_id == number))
    connection.execute(sa.delete(session).where(session.c.id == number))
    gone = landing.Landed(number, started_ms, started_ms + 1, replaced=True, started_ms=started_ms)
    landing.land(connection, [gone], at_ms=0)


def end_session(connection: Connection, number: int, end_ms: int | None) -> None:
    """Write when a session ended."""
    session = schema.session
    connection.execute(sa.update(session).where(session.c.id == number).values(ended_ms=end_ms))


def whole_session(engine: Engine, number: int, start_ms: int, end_ms: int, application: int = 1) -> None:
    """Write a session and all its segments in one transaction."""
    with store.writing(engine) as connection:
        add_session(connection, number, start_ms, end_ms, application)
        land(connection, number, quarters(start_ms, end_ms))


def quarters(start_ms: int, end_ms: int) -> Stretches:
    """Cut a stretch at every quarter of an hour."""
    edges = range(start_ms - start_ms % QUARTER_MS + QUARTER_MS, end_ms, QUARTER_MS)
    return list(zip([start_ms, *edges], [*edges, end_ms], strict=True))


def _add_segments(connection: Connection, number: int, stretches: Stretches, changes: dict[str, Any]) -> None:
    rows = [
        {
            "session_id": number,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "attention": (number + start_ms // 1000) % 8,
            "cpu_percent": (start_ms // 1000) % 1601 / 7,
            "units": 1 + start_ms // 1000 % 3,
            "inhibiting": start_ms // 1000 % 4 == 0,
            "instance": None if start_ms // 1000 % 5 == 0 else 2**31 - 1 - number,
            "since_ms": start_ms - number,
            "policy_version": 1 + number % 2,
            "received_ms": end_ms + 60_000,
            **changes,
        }
        for start_ms, end_ms in stretches
    ]
    connection.execute(schema.segment.insert(), rows)
