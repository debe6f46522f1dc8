"""What agents and the manager write: enrollments, policy versions, batches of evidence, presence, quarantine.

Every function takes an open connection of `warehouse.store.writing`, so that one batch is one transaction.
A transaction takes its locks in one order: the agent (or the token), then accounts and client devices by
name, then sessions by key; no two can wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from warehouse import directory, schema

QUARTER_MS = 900_000
"""No segment crosses a UTC quarter of an hour."""
ATTENTION_PLACE = {word: place for place, word in enumerate(schema.ATTENTIONS)}
"""What the tables hold for each word of `protocol.Attention`."""

# --- Tokens and agents -------------------------------------------------------------------------------------


class TokenRow(NamedTuple):
    """One enrollment token; only its SHA-256 is kept."""

    digest: str
    uses_left: int
    expires_ms: int
    created_by: str
    created_ms: int


class AgentRow(NamedTuple):
    """One enrollment of an agent on a host."""

    id: str
    host_id: int
    version: str
    system: str
    enrolled_ms: int


def add_token(connection: Connection, token: TokenRow) -> None:
    """Store a new enrollment token."""
    connection.execute(sa.insert(schema.enrollment_token).values(token._asdict()))


def use_token(connection: Connection, digest: str, now_ms: int) -> bool:
    """Take one use of a token, and say whether there was one left; two at once never share the last one."""
    token = schema.enrollment_token.c
    used = connection.execute(
        sa.update(schema.enrollment_token)
        .where(token.digest == digest, token.uses_left > 0, token.expires_ms > now_ms)
        .values(uses_left=token.uses_left - 1)
    )
    return used.rowcount == 1


def add_agent(connection: Connection, agent: AgentRow) -> None:
    """Store a new agent."""
    connection.execute(sa.insert(schema.agent).values(agent._asdict()))


def revoke_agent(connection: Connection, agent: str, now_ms: int) -> bool:
    """Revoke an agent and end its presence; return whether there was an agent in force with that id."""
    row = schema.agent.c
    revoked = connection.execute(
        sa.update(schema.agent).where(row.id == agent, row.revoked_ms.is_(None)).values(revoked_ms=now_ms)
    )
    connection.execute(sa.delete(schema.presence).where(schema.presence.c.agent_id == agent))
    return revoked.rowcount == 1


def agent_in_force(connection: Connection, agent: str) -> bool:
    """Whether the agent is enrolled and not revoked."""
    row = schema.agent.c
    return connection.scalar(sa.select(row.id).where(row.id == agent, row.revoked_ms.is_(None))) is not None


class HeardAgent(NamedTuple):
    """What was known of an agent before the batch at hand."""

    host_id: int
    clock_offset_ms: int
    last_heard_ms: int | None


def lock_agent(connection: Connection, agent: str) -> HeardAgent | None:
    """Let one batch of an agent at a time through; None when it is unknown or revoked."""
    row = schema.agent.c
    found = connection.execute(
        sa.select(row.host_id, row.clock_offset_ms, row.last_heard_ms)
        .where(row.id == agent, row.revoked_ms.is_(None))
        .with_for_update(key_share=True)
    ).one_or_none()
    return HeardAgent(*found) if found else None


def update_agent(connection: Connection, agent: str, values: Mapping[str, int | str]) -> None:
    """Write what an agent just said of itself: columns of the table `agent` and their values."""
    connection.execute(sa.update(schema.agent).where(schema.agent.c.id == agent).values(**values))


# --- Policies and applications -----------------------------------------------------------------------------


class PolicyVersion(NamedTuple):
    """One version of a policy, as its purpose defines the document."""

    version: int
    document: dict[str, Any]


def newest_policy(connection: Connection, purpose: str) -> PolicyVersion | None:
    """Return the newest version of a purpose (collection, license, billing); None when there is none."""
    policy, version = schema.policy.c, schema.policy_version.c
    row = connection.execute(
        sa.select(version.version, version.document)
        .join(schema.policy, policy.id == version.policy_id)
        .where(policy.purpose == purpose)
        .order_by(version.version.desc())
        .limit(1)
    ).one_or_none()
    return PolicyVersion(*row) if row else None


def newest_version(connection: Connection, purpose: str) -> int:
    """Return the newest version number of a purpose; 0 when there is none."""
    version = schema.policy_version
    query = (
        sa.select(sa.func.max(version.c.version))
        .select_from(version.join(schema.policy))
        .where(schema.policy.c.purpose == purpose)
    )
    return int(connection.scalar(query) or 0)


def add_policy_version(
    connection: Connection, purpose: str, document: Mapping[str, Any], actor: str, now_ms: int
) -> int:
    """Store the next version of a purpose's policy and return its number."""
    _insert_new(connection, schema.policy, [{"name": purpose, "purpose": purpose}])
    policy_id = connection.scalar(
        sa.select(schema.policy.c.id).where(schema.policy.c.name == purpose).with_for_update()
    )
    number = newest_version(connection, purpose) + 1
    connection.execute(
        sa.insert(schema.policy_version).values(
            policy_id=policy_id, version=number, created_ms=now_ms, created_by=actor, document=dict(document)
        )
    )
    return number


def store_applications(connection: Connection, applications: Sequence[Mapping[str, Any]]) -> None:
    """Make the metered applications those of a collection policy.

    Parameters
    ----------
    applications
        Each with `code`, `name`, `billed`, `signatures`, and perhaps `product`, `version`, `edition`. Others
        keep their evidence, and are metered no more.
    """
    connection.execute(sa.update(schema.application).values(metered=False))
    products = _products(connection, {row["product"] for row in applications if row.get("product")})
    for row in applications:
        _store_application(connection, row, products.get(row.get("product", "")))


def _products(connection: Connection, codes: Collection[str]) -> dict[str, int]:
    _insert_new(
        connection, schema.product, [{"code": code, "name": code, "vendor": ""} for code in sorted(codes)]
    )
    product = schema.product.c
    rows = connection.execute(sa.select(product.code, product.id).where(product.code.in_(codes)))
    return _pairs(rows)


def _store_application(connection: Connection, row: Mapping[str, Any], product_id: int | None) -> None:
    table, signature = schema.application, schema.signature
    values = {
        "name": row["name"],
        "metered": True,
        "billed": row["billed"],
        # What the policy does not say stays as the product list has it.
        **{name: row[name] for name in ("version", "edition") if name in row},
        **({} if product_id is None else {"product_id": product_id}),
    }
    _insert_new(connection, table, [{"code": row["code"], **values}])
    connection.execute(sa.update(table).where(table.c.code == row["code"]).values(**values))
    number = connection.scalar(sa.select(table.c.id).where(table.c.code == row["code"]))
    connection.execute(sa.delete(signature).where(signature.c.application_id == number))
    connection.execute(
        sa.insert(signature),
        [{"application_id": number, **dict.fromkeys(_SIGNATURE), **each} for each in row["signatures"]],
    )


_SIGNATURE = ("executable", "arguments", "window_class", "parent")


def application_ids(connection: Connection) -> dict[str, int]:
    """Return the id of every application, by code."""
    rows = connection.execute(sa.select(schema.application.c.code, schema.application.c.id))
    return _pairs(rows)


# --- What is known before a batch --------------------------------------------------------------------------


@dataclass(slots=True)
class StoredSession:
    """One session as the warehouse has it; times are the manager's."""

    id: int
    agent: str | None
    application: str
    started_ms: int
    ended_ms: int | None
    clock_offset_ms: int


class Stretch(NamedTuple):
    """One stored segment's place in time, [start_ms, end_ms)."""

    start_ms: int
    end_ms: int


def last_sequence(connection: Connection, agent: str, epoch: str) -> int:
    """Return the last sequence stored of a spool; 0 when it is new."""
    row = schema.delivery.c
    query = sa.select(row.last_sequence).where(row.agent_id == agent, row.epoch == epoch)
    return int(connection.scalar(query) or 0)


def stored_sessions(connection: Connection, keys: Collection[str]) -> dict[str, StoredSession]:
    """Return the sessions that are stored under these keys."""
    row = schema.session.c
    columns = (row.key, row.id, row.agent_id, schema.application.c.code, row.started_ms, row.ended_ms)
    query = (
        sa.select(*columns, row.clock_offset_ms)
        .select_from(schema.session.join(schema.application))
        .where(row.key.in_(keys))
    )
    return {key: StoredSession(*rest) for key, *rest in connection.execute(query)} if keys else {}


def last_segment_ends(connection: Connection, sessions: Collection[int]) -> dict[int, int]:
    """Return the end of the last stored segment of each of these sessions that has one."""
    row = schema.segment.c
    if not sessions:
        return {}
    # The last start comes from the primary key alone; a session's segments never overlap.
    last = (
        sa.select(row.session_id, sa.func.max(row.start_ms).label("start_ms"))
        .where(row.session_id.in_(sessions))
        .group_by(row.session_id)
        .subquery()
    )
    query = sa.select(row.session_id, row.end_ms).join(
        last, (last.c.session_id == row.session_id) & (last.c.start_ms == row.start_ms)
    )
    return _pairs(connection.execute(query))


def stretches(connection: Connection, session: int, start_ms: int, end_ms: int) -> list[Stretch]:
    """Return the stored segments of a session that overlap [start_ms, end_ms), in order."""
    row = schema.segment.c
    query = (
        sa.select(row.start_ms, row.end_ms)
        # No segment is longer than a quarter of an hour: the primary key finds them.
        .where(row.session_id == session, row.start_ms > start_ms - QUARTER_MS, row.start_ms < end_ms)
        .where(row.end_ms > start_ms)
        .order_by(row.start_ms)
    )
    return [Stretch(*found) for found in connection.execute(query)]


# --- Storing a batch ---------------------------------------------------------------------------------------


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


class ChangedSession(NamedTuple):
    """What may still change of a stored session."""

    id: int
    ended_ms: int | None
    end_uncertainty_ms: int
    instance_count: int
    application_version: str | None
    clock_stepped: bool


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
    return _pairs(found)


def account_ids(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the id of each account, storing those that are new."""
    return {name: directory.ensure_account(connection, name) for name in sorted(names, key=str.lower)}


def _device_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    device = schema.client_device
    _insert_new(connection, device, [{"name": name} for name in sorted(names)])
    rows = connection.execute(sa.select(device.c.name, device.c.id).where(device.c.name.in_(names)))
    return _pairs(rows)


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
    _append(connection, schema.segment, SegmentRow._fields, rows)


def add_project_entries(connection: Connection, rows: Sequence[ProjectEntryRow]) -> None:
    """Store statements of which project a session belongs to."""
    _append(connection, schema.project_entry, ProjectEntryRow._fields, rows)


def add_quarantine(connection: Connection, rows: Sequence[QuarantineRow]) -> None:
    """Set bad records aside, each with its reason."""
    _append(connection, schema.quarantine, QuarantineRow._fields, rows)


def add_watches(connection: Connection, rows: Sequence[WatchRow]) -> None:
    """Store watch intervals; of two that an agent sent with one start, the longer end counts."""
    if not rows:
        return
    table = schema.watch_interval
    insert = _dialect_insert(connection, table)
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
    insert = _dialect_insert(connection, schema.delivery).values(
        agent_id=agent, epoch=epoch, last_sequence=sequence, received_ms=received_ms
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["agent_id", "epoch"],
            set_={"last_sequence": insert.excluded.last_sequence, "received_ms": insert.excluded.received_ms},
        )
    )


# --- Both databases ----------------------------------------------------------------------------------------


def _dialect_insert(connection: Connection, table: sa.Table) -> Any:
    # Both spell ON CONFLICT alike; SQLAlchemy has one class for each.
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _pairs(rows: Iterable[Any]) -> dict[Any, int]:
    return {row[0]: row[1] for row in rows}


def _insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that are not there yet, judged by the table's own unique constraints."""
    if rows:
        connection.execute(_dialect_insert(connection, table).on_conflict_do_nothing(), list(rows))


def _append(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows in bulk, as the database does it fastest inside an open transaction."""
    if not rows:
        return
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608
