"""Leases: what one process at a time may do, on whatever machine it runs.

A holder that dies gives nothing back; what it held is free when the lease has run out. The clocks of the
machines have to agree to well within a lease's length.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.evidence.inserting import insert_new

_lease = schema.lease


class Lease(NamedTuple):
    """Who holds what until when, UTC in ms."""

    name: str
    holder: str
    until_ms: int


def take(engine: Engine, name: str, holder: str, now_ms: int, lasts_ms: int) -> bool:
    """Take a lease that is free, has run out, or is the holder's own; return whether the holder has it now.

    Parameters
    ----------
    name
        What is leased, as `schedule`.
    holder
        Names one process on one machine.
    now_ms, lasts_ms
        Now, UTC in ms, and how long the lease is for.
    """
    is_free = (_lease.c.until_ms <= now_ms) | (_lease.c.holder == holder)
    values = {"holder": holder, "until_ms": now_ms + lasts_ms}
    with store.writing(engine) as connection:
        change = sa.update(_lease).where((_lease.c.name == name) & is_free).values(**values)
        if connection.execute(change).rowcount:
            return True
        insert_new(connection, _lease, [{"name": name, **values}])
        found = sa.select(_lease.c.holder).where(_lease.c.name == name)
        return bool(connection.scalar(found) == holder)


def give_back(engine: Engine, name: str, holder: str) -> None:
    """Give a lease back before it runs out; one that another holds by now stays his."""
    with store.writing(engine) as connection:
        connection.execute(sa.delete(_lease).where((_lease.c.name == name) & (_lease.c.holder == holder)))


def held(engine: Engine, name: str) -> Lease | None:
    """Return who has or last had a lease; None: it was given back, or nobody ever took it."""
    query = sa.select(_lease.c.name, _lease.c.holder, _lease.c.until_ms).where(_lease.c.name == name)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Lease(*row) if row else None
