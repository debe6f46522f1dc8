"""Export batches: which closed run went to which accounting target, so that nobody imports it twice."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.errors import Problem

_batch = schema.export_batch


class Batch(NamedTuple):
    """One issue of a run for a target; `digest` is that of its files, instants are UTC in ms."""

    run_id: int
    target: str
    batch: str
    digest: str
    row_count: int
    actor: str
    at_ms: int
    voided_by: str | None = None
    voided_ms: int | None = None
    void_reason: str | None = None


def batches_of(connection: Connection, run_id: int) -> list[Batch]:
    """Return the batches of a run, oldest first, those that were voided among them."""
    columns = [_batch.c.billing_run_id, *(_batch.c[name] for name in Batch._fields[1:])]
    query = sa.select(*columns).where(_batch.c.billing_run_id == run_id).order_by(_batch.c.id)
    return [Batch(*row) for row in connection.execute(query)]


def add_batch(connection: Connection, batch: Batch) -> None:
    """Record a batch, in the caller's transaction, which is alone with the ledger."""
    values = batch._asdict()
    connection.execute(sa.insert(_batch).values(billing_run_id=values.pop("run_id"), **values))


def void_batch(connection: Connection, batch: str, actor: str, reason: str, at_ms: int) -> None:
    """Void a batch, unless somebody else has just done so.

    Raises
    ------
    Problem
        It is void by now.
    """
    change = (
        sa.update(_batch)
        .where((_batch.c.batch == batch) & _batch.c.voided_ms.is_(None))
        .values(voided_by=actor, voided_ms=at_ms, void_reason=reason)
    )
    if connection.execute(change).rowcount != 1:
        raise Problem(f"batch {batch} is void by now", "look at it again: `process-meter billing show`")
