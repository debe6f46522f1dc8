"""A warehouse of three applications whose evidence lands piece by piece, and may be replaced or erased.

Time is told in minutes after 00:00 UTC on Monday, 5 October 2026. Application 1 (`cad`) weighs 2 tokens,
2 (`bim`) has no product, 3 (`fem`) weighs 3. Accounts 1 and 2 are person 1's, 3 is person 2's, 4 is nobody's
yet and 5 is shared; persons 1 and 2 sit in Berlin and New York.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.evidence import ATTENTION_PLACE, SegmentRow, add_segments
from warehouse.landing import Landed, land

MORNING_MS = 1_791_158_400_000
MINUTE, HOUR, QUARTER = 60_000, 3_600_000, 900_000


def at(minutes: float) -> int:
    return MORNING_MS + round(minutes * MINUTE)


def fill(engine: Engine) -> None:
    """Write the organization, without any evidence."""
    since = {"valid_from_on": "2026-01-01"}
    office = {"currency": "EUR", "business_weekdays": "12345"}
    for table, rows in {
        "office": [{"id": 1, "code": "BER", "name": "Berlin", "zone": "Europe/Berlin", **office},
                   {"id": 2, "code": "NYC", "name": "New York", "zone": "America/New_York", **office}],
        "person": [{"id": n, "code": f"p{n}", "name": f"P{n}", "employment": "employee", **since}
                   for n in (1, 2)],
        "placement": [{"id": n, "person_id": n, "office_id": n, **since} for n in (1, 2)],
        "account": [{"id": n, "name": f"a{n}", "person_id": person, "shared": n == 5}
                    for n, person in enumerate([1, 1, 2, None, 1], 1)],
        "host": [{"id": n, "name": f"h{n}", "kind": "workstation", "zone": "UTC", **since} for n in (1, 2)],
        "client_device": [{"id": 1, "name": "thin"}],
        "product": [{"id": 1, "code": "draw", "name": "Draw", "vendor": "v", "token_weight": 2},
                    {"id": 2, "code": "solve", "name": "Solve", "vendor": "v", "token_weight": 3}],
        "application": [{"id": n, "code": code, "name": code, "product_id": product}
                        for n, (code, product) in enumerate([("cad", 1), ("bim", None), ("fem", 2)], 1)],
        "policy": [{"id": 1, "name": "license", "purpose": "license"}],
    }.items():  # fmt: skip
        insert(engine, table, *rows)


def insert(engine: Engine, table: str, *rows: dict[str, Any]) -> None:
    with store.writing(engine) as connection:
        connection.execute(schema.metadata.tables[table].insert(), list(rows))


class Part(NamedTuple):
    """Evidence of one kind, from one minute to another."""

    start: float
    end: float
    attention: str = "input"
    units: int = 1
    instance: int | None = None


def session(engine: Engine, number: int, start: float, end: float | None, **facts: Any) -> None:
    """Open a session, of which no evidence has landed yet."""
    usual = {"application_id": 1, "account_id": 1, "host_id": 1, "source": "agent", "logon_session": "1"}
    times = {"started_ms": at(start), "ended_ms": None if end is None else at(end), "received_ms": 0}
    row = {"id": number, "key": f"s{number}", "zone": "UTC", **usual, **times, **facts}
    insert(engine, "session", row)


def segments(number: int, parts: Sequence[Part]) -> list[SegmentRow]:
    """Cut parts, which follow one another, at every UTC quarter of an hour."""
    rows, since = [], None
    for part in parts:
        for start, end in _quarters(at(part.start), at(part.end)):
            since = start if since is None or part.attention == "input" else since
            place, instance = ATTENTION_PLACE[part.attention], part.instance
            rows.append(SegmentRow(number, start, end, place, 0.0, part.units, False, instance, since, 1, 0))
            since = end if part.attention == "input" else since
    return rows


def _quarters(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        cut = min(end, (start // QUARTER + 1) * QUARTER)
        yield start, cut
        start = cut


def arrive(engine: Engine, rows: Sequence[SegmentRow]) -> None:
    """Let segments land."""
    with store.writing(engine) as connection:
        add_segments(connection, rows)


def whole(engine: Engine, number: int, *parts: Part, **facts: Any) -> None:
    """Open a session and let all of it land."""
    session(engine, number, parts[0].start, parts[-1].end, **facts)
    arrive(engine, segments(number, parts))


def replace(engine: Engine, number: int, *parts: Part, **facts: Any) -> None:
    """Put other evidence of a session in the place of what was there."""
    rows = segments(number, parts)
    row, segment = schema.session.c, schema.segment
    with store.writing(engine) as connection:
        times = {"started_ms": at(parts[0].start), "ended_ms": at(parts[-1].end)}
        connection.execute(schema.session.update().where(row.id == number).values(**times, **facts))
        connection.execute(segment.delete().where(segment.c.session_id == number))
        connection.execute(segment.insert(), [each._asdict() for each in rows])
        land(connection, [Landed(number, rows[0].start_ms, rows[-1].end_ms, replaced=True)], 0)


def erase(engine: Engine, number: int) -> None:
    """Take a session away, with all that was derived of it."""
    with store.writing(engine) as connection:
        found = connection.execute(schema.session.select().where(schema.session.c.id == number)).one()
        for table in (schema.use_hour, schema.segment, schema.project_entry):
            connection.execute(table.delete().where(table.c.session_id == number))
        connection.execute(schema.session.delete().where(schema.session.c.id == number))
        gone = Landed(number, found.started_ms, found.ended_ms, replaced=True, started_ms=found.started_ms)
        land(connection, [gone], 0)


def enter(
    engine: Engine, number: int, project: str, start: float, end: float | None = None, **facts: Any
) -> None:
    """Say which project a session is for, from a minute on."""
    times = {"from_ms": at(start), "to_ms": None if end is None else at(end), "created_ms": 0}
    row = {"session_id": number, "project_number": project, "author": "me", "reason": "", **times, **facts}
    insert(engine, "project_entry", row)
