"""Storing what was good in a batch, and setting aside what was not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import directory, schema
from warehouse.evidence.inserting import append, dialect_insert, insert_new, pairs
from warehouse.landing import Landed, land, let_readers_wait

ATTENTION_PLACE = {word: place for place, word in enumerate(schema.ATTENTIONS)}
"""What the tables hold for each word of `protocol.Attention`."""


class NewSession(NamedTuple):
    """A session that was not stored before; text where the table has ids of accounts and devices."""

    key: str
    application_id: int
    account: str
    client_device: str | None
    logon_session: str
    zone: str
    started_ms: int
    ended_ms: int | None
    end_uncertainty_ms: int
    instance_count: int
    application_version: str | None
    clock_stepped: bool
    clock_offset_ms: int
    prompt: str | None = None


class ChangedSession(NamedTuple):
    """What may still change of a stored session."""

    id: int
    ended_ms: int | None
    end_uncertainty_ms: int
    instance_count: int
    application_version: str | None
    clock_stepped: bool
    prompt: str | None = None


class SegmentRow(NamedTuple):
    """One row of `segment`."""

    session_id: int
    start_ms: int
    end_ms: int
    attention: int
    cpu_percent: float
    units: int
    inhibiting: bool
    instance: int | None
    since_ms: int
    policy_version: int
    received_ms: int


class WatchRow(NamedTuple):
    """One row of `watch_interval`."""

    host_id: int
    agent_id: str
    start_ms: int
    end_ms: int
    sees_focus: bool
    sees_input: bool
    sees_lock: bool


class ProjectEntryRow(NamedTuple):
    """One row of `project_entry`."""

    session_id: int
    instance: int | None
    from_ms: int
    to_ms: int | None
    project_number: str
    phase_number: str | None
    task_number: str | None
    fields: str
    author: str
    reason: str
    created_ms: int


class QuarantineRow(NamedTuple):
    """One row of `quarantine`."""

    agent_id: str
    epoch: str
    sequence: int
    reason: str
    record: str
    received_ms: int


class PresenceRow(NamedTuple):
    """One row of `presence`; the account by name."""

    session_key: str
    application_id: int
    account: str
    attention: int
    attention_since_ms: int
    since_ms: int
    started_ms: int
    heard_ms: int


def add_sessions(
    connection: Connection, agent: str, host_id: int, rows: Sequence[NewSession], received_ms: int
) -> dict[str, int]:
    """Store new sessions of an agent and return their ids by key."""
    if not rows:
        return {}
    accounts = account_ids(connection, {row.account for row in rows})
    devices = _device_ids(connection, {row.client_device for row in rows if row.client_device})
    table = schema.session
    connection.execute(
        sa.insert(table),
        [
            {
                **{name: value for name, value in row._asdict().items() if name in table.c},
                "account_id": accounts[row.account],
                "client_device_id": devices.get(row.client_device or ""),
                "source": "agent",
                "host_id": host_id,
                "agent_id": agent,
                "received_ms": received_ms,
            }
            for row in sorted(rows)
        ],
    )
    keys = [row.key for row in rows]
    found = connection.execute(sa.select(table.c.key, table.c.id).where(table.c.key.in_(keys)))
    return pairs(found)


def account_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the id of each account, storing those that are new."""
    return {name: directory.ensure_account(connection, name) for name in sorted(names, key=str.lower)}


def _device_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    device = schema.client_device
    insert_new(connection, device, [{"name": name} for name in sorted(names)])
    rows = connection.execute(sa.select(device.c.name, device.c.id).where(device.c.name.in_(names)))
    return pairs(rows)


def change_sessions(connection: Connection, rows: Sequence[ChangedSession]) -> None:
    """Write what changed of stored sessions."""
    if not rows:
        return
    table = schema.session
    names = [name for name in ChangedSession._fields if name != "id"]
    connection.execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("session"))
        .values({name: sa.bindparam(name) for name in names}),
        [{"session": row.id, **{name: getattr(row, name) for name in names}} for row in sorted(rows)],
    )


def add_segments(connection: Connection, rows: Sequence[SegmentRow]) -> None:
    """Store closed segments."""
    append(connection, schema.segment, SegmentRow._fields, rows)
    spans: dict[int, Landed] = {}
    for row in rows:
        known = spans.get(row.session_id, Landed(row.session_id, row.start_ms, row.end_ms))
        spans[row.session_id] = known._replace(
            from_ms=min(known.from_ms, row.start_ms), to_ms=max(known.to_ms, row.end_ms)
        )
    land(connection, spans.values(), max((row.received_ms for row in rows), default=0))


def add_project_entries(connection: Connection, rows: Sequence[ProjectEntryRow]) -> None:
    """Store statements of which project a session belongs to."""
    if rows:
        let_readers_wait(connection)
    append(connection, schema.project_entry, ProjectEntryRow._fields, rows)


def add_quarantine(connection: Connection, rows: Sequence[QuarantineRow]) -> None:
    """Set bad records aside, each with its reason."""
    append(connection, schema.quarantine, QuarantineRow._fields, rows)


def add_watches(connection: Connection, rows: Sequence[WatchRow]) -> None:
    """Store watch intervals; of two that an agent sent with one start, the longer end counts."""
    if not rows:
        return
    table = schema.watch_interval
    insert = dialect_insert(connection, table)
    longer = sa.case((insert.excluded.end_ms > table.c.end_ms, insert.excluded.end_ms), else_=table.c.end_ms)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["host_id", "agent_id", "start_ms"], set_={"end_ms": longer}
        ),
        [row._asdict() for row in rows],
    )


def replace_presence(connection: Connection, agent: str, host_id: int, rows: Sequence[PresenceRow]) -> None:
    """Overwrite what an agent's open sessions are doing."""
    table = schema.presence
    connection.execute(sa.delete(table).where(table.c.agent_id == agent))
    if not rows:
        return
    accounts = account_ids(connection, {row.account for row in rows})
    connection.execute(
        sa.insert(table),
        [
            {
                **{name: value for name, value in row._asdict().items() if name != "account"},
                "agent_id": agent,
                "host_id": host_id,
                "account_id": accounts[row.account],
            }
            for row in rows
        ],
    )


def set_last_sequence(
    connection: Connection, agent: str, epoch: str, sequence: int, received_ms: int
) -> None:
    """Write how far a spool is stored."""
    insert = dialect_insert(connection, schema.delivery).values(
        agent_id=agent, epoch=epoch, last_sequence=sequence, received_ms=received_ms
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["agent_id", "epoch"],
            set_={"last_sequence": insert.excluded.last_sequence, "received_ms": insert.excluded.received_ms},
        )
    )
