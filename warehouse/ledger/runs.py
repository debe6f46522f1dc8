"""Billing runs: their numbers and states, and the chain of those that are closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.errors import Problem

Status = Literal["draft", "review", "approved", "closed", "void"]
OPEN: tuple[Status, ...] = ("draft", "review")

_run, _period = schema.billing_run, schema.fiscal_period
_version = schema.policy_version


@dataclass(frozen=True)
class Run:
    """One billing run, as stored; instants in UTC ms."""

    id: int
    number: str
    period: str
    period_id: int
    starts_on: date
    ends_on: date
    status: Status
    target: str
    quantum_per_hour: int
    overlap_policy: str
    cut_off_ms: int
    policy_version: int
    policy_document: dict[str, Any]
    prepared_by: str
    prepared_ms: int
    approved_by: str | None
    approved_ms: int | None
    closed_by: str | None
    closed_ms: int | None
    input_digest: str
    totals: dict[str, Any]
    previous_digest: str | None
    digest: str | None
    chain_version: int
    showback: bool
    review_until_ms: int | None


def find_run(connection: Connection, number: str) -> Run:
    """Return a run by its number.

    Raises
    ------
    Problem
        There is none.
    """
    for run in _runs(connection, _run.c.number == number):
        return run
    raise Problem(f"there is no billing run {number!r}", "see `process-meter billing show`")


def runs(connection: Connection) -> list[Run]:
    """Return all runs, oldest first."""
    return list(_runs(connection, sa.true()))


def standing_run(connection: Connection, period_id: int) -> Run | None:
    """Return the run of a period that is not void, if any."""
    found = _runs(connection, (_run.c.fiscal_period_id == period_id) & (_run.c.status != "void"))
    return next(found, None)


def closed_runs(connection: Connection) -> list[Run]:
    """Return the closed runs in the order in which they were closed: that of the chain."""
    closed = list(_runs(connection, _run.c.status == "closed"))
    by_previous = {run.previous_digest: run for run in closed}
    chain: list[Run] = []
    while (run := by_previous.get(chain[-1].digest if chain else None)) and run not in chain:
        chain.append(run)
    # What a broken chain does not reach comes last: `verify` names it, nobody loses it.
    return chain + [run for run in closed if run not in chain]


def _runs(connection: Connection, condition: sa.ColumnElement[bool]) -> Iterator[Run]:
    columns = [column for column in _run.c if column.name not in ("fiscal_period_id", "policy_version_id")]
    query = (
        sa.select(
            *columns,
            _period.c.id.label("period_id"),
            _period.c.name.label("period"),
            _period.c.starts_on,
            _period.c.ends_on,
            _version.c.version.label("policy_version"),
            _version.c.document.label("policy_document"),
        )
        .join(_period, _period.c.id == _run.c.fiscal_period_id)
        .join(_version, _version.c.id == _run.c.policy_version_id)
        .where(condition)
        .order_by(_run.c.id)
    )
    for row in connection.execute(query).mappings().all():
        days = {name: date.fromisoformat(row[name]) for name in ("starts_on", "ends_on")}
        yield Run(**{**row, **days})


def new_number(connection: Connection, period: str, period_id: int) -> str:
    """Return the next run number of a period: `2026-10/1`, and `/2` after a void one."""
    count = sa.select(sa.func.count()).select_from(_run).where(_run.c.fiscal_period_id == period_id)
    return f"{period}/{int(connection.scalar(count) or 0) + 1}"


def add_run(connection: Connection, values: Mapping[str, Any]) -> int:
    """Insert a run and return its id; `values` are columns of the table."""
    return int(connection.execute(sa.insert(_run).values(**values).returning(_run.c.id)).scalar_one())


def replace_run(connection: Connection, run_id: int, values: Mapping[str, Any]) -> None:
    """Give an open run new values."""
    connection.execute(sa.update(_run).where(_run.c.id == run_id).values(**values))


def move(connection: Connection, run: Run, to: Status, **values: object) -> None:
    """Change a run's status, unless somebody else has just done so.

    Raises
    ------
    Problem
        The run is no longer in the status it was read in.
    """
    change = (
        sa.update(_run)
        .where((_run.c.id == run.id) & (_run.c.status == run.status))
        .values(status=to, **values)
    )
    if connection.execute(change).rowcount != 1:
        now = find_run(connection, run.number).status
        raise Problem(f"run {run.number} is {now} by now: somebody else was first", "look at it again")


def start_review(connection: Connection, run: Run) -> None:
    """Move a draft on to review, at the first act on it."""
    if run.status == "draft":
        move(connection, run, "review")


def policy_version_id(connection: Connection, version: int) -> int:
    """Return the id of a version of the billing policy."""
    query = (
        sa.select(_version.c.id)
        .join(schema.policy, schema.policy.c.id == _version.c.policy_id)
        .where((schema.policy.c.purpose == "billing") & (_version.c.version == version))
        .order_by(_version.c.created_ms.desc())
        .limit(1)
    )
    return int(connection.execute(query).scalar_one())
