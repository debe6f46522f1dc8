"""Exceptions of a run one by one: which they are, and who settled or waived them, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

_exception = schema.billing_exception


class Exceptional(NamedTuple):
    """One exception of a run; `number` counts 1, 2, ... in the order in which they were written."""

    id: int
    number: int
    kind: str
    session: int | None
    milliseconds: int
    detail: str
    settlement: str | None
    settled_by: str | None
    settlement_reason: str | None
    settled_ms: int | None

    @property
    def key(self) -> tuple[str, int | None, str]:
        """What makes it the same exception in the next version of a draft."""
        return self.kind, self.session, self.detail


class Settlement(NamedTuple):
    """How an exception was dealt with: `settled` (its cause is) or `waived`; by whom, why and when."""

    settlement: str
    settled_by: str
    settlement_reason: str
    settled_ms: int


def exceptions_in(connection: Connection, run_id: int) -> list[Exceptional]:
    """Return the exceptions of a run in the order written."""
    query = (
        sa.select(
            _exception.c.id, _exception.c.kind, _exception.c.session_id, _exception.c.milliseconds,
            _exception.c.detail, _exception.c.settlement, _exception.c.settled_by,
            _exception.c.settlement_reason, _exception.c.settled_ms,
        )
        .where(_exception.c.billing_run_id == run_id)
        .order_by(_exception.c.id)
    )  # fmt: skip
    return [
        Exceptional(number_in_table, place, *rest)
        for place, (number_in_table, *rest) in enumerate(connection.execute(query), 1)
    ]


def exceptions_of_kinds(
    connection: Connection, run_id: int, kinds: Collection[str]
) -> dict[tuple[str, str], int]:
    """Return the ids of a run's exceptions of some kinds, each by its kind and detail."""
    query = sa.select(_exception.c.kind, _exception.c.detail, _exception.c.id).where(
        (_exception.c.billing_run_id == run_id) & _exception.c.kind.in_(list(kinds))
    )
    return {(kind, detail): number for kind, detail, number in connection.execute(query)}


def settle_exceptions(connection: Connection, settlements: Sequence[tuple[int, Settlement]]) -> None:
    """Write how exceptions were dealt with, by their ids."""
    rows = [{"which": number, **settlement._asdict()} for number, settlement in settlements]
    change = sa.update(_exception).where(_exception.c.id == sa.bindparam("which"))
    if rows:
        names = Settlement._fields
        connection.execute(change.values({name: sa.bindparam(name) for name in names}), rows)


def add_exceptions(connection: Connection, run_id: int, told: Sequence[tuple[str, str]]) -> None:
    """Add exceptions of no session: kind and detail."""
    rows = [{"billing_run_id": run_id, "kind": kind, "detail": detail} for kind, detail in told]
    if rows:
        connection.execute(sa.insert(_exception), rows)


def remove_exceptions(connection: Connection, ids: Collection[int]) -> None:
    """Take exceptions away that are none any more."""
    connection.execute(sa.delete(_exception).where(_exception.c.id.in_(list(ids))))
