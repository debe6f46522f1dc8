"""Bring up to date what is derived from evidence, whenever evidence may have landed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import directory, landing, mirror, rollups, schema, store
from warehouse.mirror import Mirrored
from warehouse.rollups import RolledUp

KEPT_MS = 7 * 86_400_000
"""Landings stay for a week after everybody here took them in: another machine's mirror may need them."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What it did; `forgotten` is a number of landings."""

    mirrored: Mirrored
    rolled_up: RolledUp
    forgotten: int


def upkeep(engine: Engine, *, now_ms: int | None = None) -> Upkeep:
    """Link new accounts to their people, update the mirror, then the rollups; forget what both have taken in.

    Raises
    ------
    Problem
        The folder of the mirror cannot be written.
    """
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    with store.writing(engine) as connection:
        directory.link_accounts(connection)
    mirrored = mirror.update(engine)
    rolled_up = rollups.update(engine)
    through = 0 if rolled_up.is_overtaken else min(mirrored.landed_through, rolled_up.through)
    return Upkeep(mirrored, rolled_up, _forget(engine, through, now_ms - KEPT_MS))


def _forget(engine: Engine, through: int, before_ms: int) -> int:
    """Delete old landings; the last one taken in stays, because it tells the mirror where it stands.

    Only those before the first that is young enough to stay: what is left has no holes.
    """
    table = schema.landing
    with store.writing(engine) as connection:
        young = connection.scalar(sa.select(sa.func.min(table.c.id)).where(table.c.at_ms >= before_ms))
        last = min(through, young if young is not None else through) - 1
        old = sa.select(sa.func.count()).select_from(table).where(table.c.id <= last)
        count = int(connection.scalar(old) or 0)
        if count:
            landing.forget(connection, last, before_ms)
    return count
