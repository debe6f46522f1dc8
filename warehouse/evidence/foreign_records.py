"""What foreign logs say beside sessions: capacity, denials, installations; what of them was set aside."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.evidence.batches import QuarantineRow
from warehouse.evidence.foreign_lists import rows_among
from warehouse.evidence.inserting import append, dialect_insert

_reading, _installation = schema.capacity_reading, schema.installation


class ReadingRow(NamedTuple):
    """One row of `capacity_reading`."""

    key: str
    source: str
    server: str
    application_id: int | None
    at_ms: int
    issued: int | None
    in_use: int | None
    reserved: int | None
    queued: int | None
    users: int | None
    received_ms: int


class DenialRow(NamedTuple):
    """One row of `denial`."""

    key: str
    source: str
    server: str
    kind: str
    application_id: int
    account_id: int | None
    host_id: int | None
    at_ms: int
    units: int
    reason: str | None
    received_ms: int


class CountRow(NamedTuple):
    """One row of `vendor_count`."""

    product_id: int
    source: str
    unit: str
    start_ms: int
    end_ms: int
    number: int
    received_ms: int


def add_keyed(
    connection: Connection, rows: Sequence[ReadingRow] | Sequence[DenialRow], table: sa.Table
) -> int:
    """Store readings or denials that are not stored yet; return how many those were."""
    by_key = {row.key: row for row in rows}
    select = f"SELECT key FROM {table.name}"  # noqa: S608 - a name of schema.py
    known = {row[0] for row in rows_among(connection, select, "key", by_key.keys())}
    new = [row for key, row in by_key.items() if key not in known]
    if new:
        append(connection, table, new[0]._fields, new)
    return len(new)


def add_readings(connection: Connection, rows: Sequence[ReadingRow]) -> int:
    """Store readings that are not stored yet; return how many those were."""
    return add_keyed(connection, rows, _reading)


def add_denials(connection: Connection, rows: Sequence[DenialRow]) -> int:
    """Store denials that are not stored yet; return how many those were."""
    return add_keyed(connection, rows, schema.denial)


def state_capacity(connection: Connection, row: ReadingRow) -> bool:
    """Store a capacity that a person stated, unless what is stored says the same; return whether it changed.

    A statement that only repeats the one before it says nothing; one that the next one repeats takes its
    place. So parts of a log, in any order, leave what the whole leaves.
    """
    before, after = _neighbor(connection, row, later=False), _neighbor(connection, row, later=True)
    if before and before.issued == row.issued:
        return False
    if after and after.issued == row.issued:
        where = _reading.c.id == after.id
        connection.execute(sa.update(_reading).where(where).values(key=row.key, at_ms=row.at_ms))
        return True
    connection.execute(sa.insert(_reading).values(row._asdict()))
    return True


def _neighbor(connection: Connection, row: ReadingRow, *, later: bool) -> Any:
    column = _reading.c
    is_later = column.at_ms > row.at_ms if later else column.at_ms <= row.at_ms
    query = sa.select(column.id, column.issued).where(
        column.source == row.source,
        column.server == row.server,
        column.application_id.is_not_distinct_from(row.application_id),
        is_later,
    )
    return connection.execute(
        query.order_by(column.at_ms if later else column.at_ms.desc()).limit(1)
    ).one_or_none()


class Seen(NamedTuple):
    """A program installed on a host, and from which day to which it was seen there (ISO, both included)."""

    host_id: int
    program: str
    version: str
    application_id: int | None
    first_on: str
    last_on: str


def add_installations(connection: Connection, seen: Iterable[Seen]) -> int:
    """Store installations, or widen the stretch in which they were seen; return how many rows are new."""
    rows = list(seen)
    hosts = {row.host_id for row in rows}
    stored = {row[:3]: row[3:] for row in rows_among(connection, _INSTALLED, "host_id", hosts)}
    new = [row for row in rows if row[:3] not in stored]
    append(
        connection,
        _installation,
        ["host_id", "program", "version", "application_id", "valid_from_on", "valid_to_on"],
        [(*row[:5], _day_after(row.last_on)) for row in new],
    )
    for row in rows:
        if row[:3] in stored:
            _widen(connection, row, *stored[row[:3]])
    return len(new)


_INSTALLED = "SELECT host_id, program, version, id, valid_from_on, valid_to_on FROM installation"


def _widen(connection: Connection, row: Seen, number: int, first_on: str, end_on: str | None) -> None:
    first, end = min(first_on, row.first_on), end_on and max(end_on, _day_after(row.last_on))
    if (first, end) != (first_on, end_on):
        where = _installation.c.id == number
        connection.execute(sa.update(_installation).where(where).values(valid_from_on=first, valid_to_on=end))


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def set_aside(connection: Connection, rows: Sequence[QuarantineRow]) -> int:
    """Keep records that could not be used; the same one again is no other. Return how many are new."""
    if not rows:
        return 0
    table = schema.quarantine
    count = sa.select(sa.func.count()).where(table.c.agent_id == rows[0].agent_id)
    before = connection.scalar(count) or 0
    insert = dialect_insert(connection, table).on_conflict_do_nothing()
    connection.execute(insert, [row._asdict() for row in rows])
    return (connection.scalar(count) or 0) - before


class ImportRunRow(NamedTuple):
    """One row of `import_run`."""

    source: str
    digest: str
    actor: str
    at_ms: int
    counts: Mapping[str, Any]


def add_import_runs(connection: Connection, rows: Sequence[ImportRunRow]) -> None:
    """Note that files were read."""
    columns = ImportRunRow._fields
    append(connection, schema.import_run, columns, [(*row[:4], json.dumps(row.counts)) for row in rows])


def imports_of(
    connection: Connection, source: str, digests: Collection[str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Return digest and counts of every import of these files that is on record, oldest first."""
    rows = rows_among(connection, _IMPORTS, "digest", digests)
    return [(row[2], json.loads(row[3])) for row in sorted(rows, key=itemgetter(0)) if row[1] == source]


_IMPORTS = "SELECT id, source, digest, CAST(counts AS text) FROM import_run"


def open_sessions(connection: Connection, source: str) -> int:
    """Return how many sessions of a source have no known end."""
    table = schema.session
    where = (table.c.source == source, table.c.ended_ms.is_(None))
    return int(connection.scalar(sa.select(sa.func.count()).where(*where)) or 0)


def products_by_name(connection: Connection) -> dict[str, int]:
    """Return the id of each product by code and by name, in lower case; a name of two products is none."""
    product = schema.product
    found: dict[str, set[int]] = {}
    for number, *names in connection.execute(sa.select(product.c.id, product.c.code, product.c.name)):
        for name in names:
            found.setdefault(str(name).lower(), set()).add(int(number))
    return {name: numbers.pop() for name, numbers in found.items() if len(numbers) == 1}


_COUNT = ("product_id", "source", "unit", "start_ms", "end_ms", "count", "received_ms")


def put_vendor_counts(connection: Connection, rows: Sequence[CountRow]) -> int:
    """Store what vendors counted; return how many were stored just so before.

    A count that is stored otherwise is corrected: vendors correct their exports.
    """
    table = schema.vendor_count
    last = {row[:4]: row for row in rows}
    key = (table.c.product_id, table.c.source, table.c.unit, table.c.start_ms)
    mine = table.c.product_id.in_({row.product_id for row in last.values()})
    query = sa.select(*key, table.c.end_ms, table.c.count).where(mine) if last else None
    stored = (
        {tuple(row[:4]): tuple(row[4:]) for row in connection.execute(query)} if query is not None else {}
    )
    append(connection, table, _COUNT, [row for row in last.values() if row[:4] not in stored])
    known = 0
    for place, row in last.items():
        if stored.get(place) == (row.end_ms, row.number):
            known += 1
        elif place in stored:
            same = [column == value for column, value in zip(key, place, strict=True)]
            values = {"end_ms": row.end_ms, "count": row.number, "received_ms": row.received_ms}
            connection.execute(sa.update(table).where(*same).values(values))
    return known + len(rows) - len(last)
