"""Who may send: enrollment tokens and agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema


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
