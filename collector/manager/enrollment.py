"""Who may send: one-time tokens for new agents, the list of agents, revoking one."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta

import polars as pl
from sqlalchemy import Engine

from collector import protocol
from collector.manager import policies, signing
from collector.manager.refusals import Refused
from collector.manager.validation import zones
from warehouse import directory, evidence, frames
from warehouse.errors import Problem
from warehouse.ledger import record_event
from warehouse.store import writing

MOST_USES = 100_000
LONGEST_LIFE = timedelta(days=366)
_LIFETIME = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def lifetime(text: str) -> timedelta:
    """Read how long a token lives: `30m`, `24h`, `7d`.

    Raises
    ------
    Problem
        Anything else, nothing, or more than a year.
    """
    match = _LIFETIME.fullmatch(text.strip())
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not timedelta() < length <= LONGEST_LIFE:
        raise Problem(
            f"{text!r} is no lifetime of a token", "give minutes, hours or days, as in 30m, 24h, 7d"
        )
    return length


def new_token(engine: Engine, uses: int, expires: timedelta, actor: str, now_ms: int) -> str:
    """Make an enrollment token; its text is returned here and kept nowhere.

    Parameters
    ----------
    uses
        How many agents may enroll with it, 1 or more.
    expires
        How long it lives.
    actor
        Who made it.
    """
    if not 1 <= uses <= MOST_USES:
        raise Problem(f"A token cannot have {uses} uses", f"give a number from 1 to {MOST_USES}")
    if not timedelta() < expires <= LONGEST_LIFE:
        raise Problem(f"A token cannot live {expires}", "give a lifetime of up to a year")
    token = secrets.token_urlsafe(32)
    expires_ms = now_ms + expires // timedelta(milliseconds=1)
    with writing(engine) as connection:
        evidence.add_token(connection, evidence.TokenRow(_digest(token), uses, expires_ms, actor, now_ms))
        detail = {"uses": uses, "expires_ms": expires_ms}
        record_event(connection, actor, "manager token", "a new enrollment token", detail, now_ms)
    return token


def enroll(
    engine: Engine, master: bytes, request: protocol.EnrollmentRequest, now_ms: int
) -> protocol.Enrollment:
    """Use a token up and make an agent of the host that sent it.

    A host that enrolls again gets a new agent; the old one stays, for its evidence.

    Raises
    ------
    Refused
        403 for a token that is unknown, used up or expired; 422 for a zone that is none.
    """
    host = request.host.strip()
    if not host:
        raise Refused(422, "host is empty", "send the host's name")
    if request.zone not in zones():
        raise Refused(422, f"zone {request.zone!r} is not an IANA time zone", "set the host's time zone")
    agent = secrets.token_hex(16)
    with writing(engine) as connection:
        if not evidence.use_token(connection, _digest(request.token), now_ms):
            raise Refused(
                403,
                "The token is unknown, used up or expired",
                "ask for a new one: `process-meter manager token new`",
            )
        host_id = directory.ensure_host(connection, host, request.zone)
        row = evidence.AgentRow(agent, host_id, request.agent_version, request.system, now_ms)
        evidence.add_agent(connection, row)
    return protocol.Enrollment(
        agent=agent, key=signing.agent_key(master, agent), policy=policies.collection_policy(engine)
    )


def agents(engine: Engine) -> pl.DataFrame:
    """Return one row per agent, as `warehouse.frames.agents` describes it."""
    return frames.agents(engine).collect()


def revoke(engine: Engine, agent: str, actor: str, now_ms: int) -> None:
    """Take an agent's right to send away; what it sent stays.

    Raises
    ------
    Problem
        No agent in force has this id.
    """
    with writing(engine) as connection:
        if not evidence.revoke_agent(connection, agent, now_ms):
            raise Problem(
                f"No agent in force has the id {agent}", "see `process-meter manager agents` for their ids"
            )
        record_event(connection, actor, "manager revoke", agent, {}, now_ms)


def _digest(token: str) -> str:
    return hashlib.sha256(token.strip().encode()).hexdigest()
