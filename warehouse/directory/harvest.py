"""Taking unused seats back: who proposed it, what the holder said, who approved it; an append-only ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.errors import Problem
from warehouse.periods import zone_of

STEPS = ("propose", "notice", "keep", "release", "approve", "reclaim")
AFTER = {
    "propose": (None, "keep", "reclaim"),
    "notice": ("propose",),
    "keep": ("notice",),
    "release": ("notice",),
    "approve": ("release", "notice"),
    "reclaim": ("approve",),
}
"""Which step may follow which; None: the seat has none yet. Approval without an answer rests on a reason."""

_event, _seat = schema.harvest_event, schema.assignment


class Noted(NamedTuple):
    """A step that was written down."""

    seat: int
    step: str
    ended_on: str | None
    """First day without the seat; None: it is still held."""

    def __str__(self) -> str:
        ended = f"; the seat ends on {self.ended_on}" if self.ended_on else ""
        return f"seat {self.seat}: {self.step}{ended}"


def note(  # noqa: PLR0913, PLR0917 - an event is who, what, to what, why and when
    engine: Engine, seat: int, step: str, actor: str, reason: str, at_ms: int
) -> Noted:
    """Write down one step of a seat's way back, audited; `reclaim` ends the seat on that local day.

    Parameters
    ----------
    seat
        Number of the assignment.
    step
        One of `STEPS`.
    actor, reason
        Who says so, and why.
    at_ms
        UTC.

    Raises
    ------
    Problem
        No such seat, or one that is not held; an unknown step, one out of order, no reason, or an approver
        who proposed it.
    """
    from warehouse.ledger import record_event  # noqa: PLC0415  the ledger reads pseudonyms from this package

    if step not in STEPS:
        raise Problem(f"unknown step {step!r}", f"give one of {', '.join(STEPS)}")
    if not reason.strip():
        raise Problem("the reason is empty", "say in a few words why")
    with store.writing(engine) as connection:
        today = _today(connection, at_ms)
        held = _held(connection, seat, today)
        _check_order(_case(connection, seat), seat, step, actor)
        row = {"assignment_id": seat, "step": step, "actor": actor, "reason": reason.strip(), "at_ms": at_ms}
        connection.execute(_event.insert().values(row))
        ended_on = None
        if step == "reclaim":
            ended_on = today.isoformat()
            connection.execute(_seat.update().where(_seat.c.id == seat).values(valid_to_on=ended_on))
        detail = {"step": step, "entitlement": held, "reason": reason.strip()}
        record_event(connection, actor, "harvest", f"seat {seat}", detail, at_ms)
    return Noted(seat, step, ended_on)


def _today(connection: Connection, at_ms: int) -> date:
    organization = schema.organization
    zone = connection.scalar(sa.select(organization.c.zone).order_by(organization.c.id).limit(1))
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone_of(zone or "UTC")).date()


def _held(connection: Connection, seat: int, today: date) -> str:
    """Return the entitlement of a seat that is held, and was so yesterday."""
    right = schema.entitlement
    query = sa.select(right.c.code, _seat.c.valid_from_on, _seat.c.valid_to_on).join_from(_seat, right)
    found = connection.execute(query.where(_seat.c.id == seat)).one_or_none()
    if found is None:
        raise Problem(f"there is no seat {seat}", "`process-meter harvest list` names the seats")
    code, first, last = found
    if first >= today.isoformat() or (last is not None and last <= today.isoformat()):
        raise Problem(f"seat {seat} is not held before {today}", "choose a seat that is held")
    return str(code)


def _case(connection: Connection, seat: int) -> list[tuple[str, str]]:
    """Return step and actor of a seat's events, from its newest proposal on."""
    query = sa.select(_event.c.step, _event.c.actor).where(_event.c.assignment_id == seat)
    events = [(step, actor) for step, actor in connection.execute(query.order_by(_event.c.id))]
    starts = [place for place, (step, _) in enumerate(events) if step == "propose"]
    return events[starts[-1] :] if starts else []


def _check_order(case: list[tuple[str, str]], seat: int, step: str, actor: str) -> None:
    last = case[-1][0] if case else None
    if last not in AFTER[step]:
        wanted = [str(each) for each in AFTER[step] if each]
        before = f"after {' or '.join(wanted)}" if wanted else "first"
        stands = f"its last step is {last}" if last else "it has no step yet"
        raise Problem(f"seat {seat}: {step} comes {before}, and {stands}", "take the steps in their order")
    if step == "approve" and actor == case[0][1]:
        raise Problem(f"seat {seat}: {actor} proposed it", "let somebody else approve it")
