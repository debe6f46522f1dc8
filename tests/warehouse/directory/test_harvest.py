"""A seat goes back step by step: in order, by two people, audited, and ended on the day of its reclaim."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import small_warehouse
from sqlalchemy import Engine

from warehouse import frames
from warehouse.directory.harvest import Noted, note
from warehouse.errors import Problem
from warehouse.ledger.events import broken_events, read_events
from warehouse.ledger.links import within
from warehouse.store import read

# Half past midnight in Berlin: the local day is the 4th.
LATE_MS = round(datetime(2026, 11, 3, 23, 30, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def stocked(both_engines: Engine) -> Engine:
    for table in (*small_warehouse.ORGANIZATION, *small_warehouse.LICENSES):
        small_warehouse.put(both_engines, table)
    return both_engines


def steps(engine: Engine, *said: tuple[str, str], seat: int = 2) -> list[Noted]:
    return [note(engine, seat, step, actor, f"{step} it", LATE_MS) for step, actor in said]


WAY = (("propose", "ann"), ("notice", "ann"), ("release", "ann"), ("approve", "ben"), ("reclaim", "ann"))


def test_a_seat_is_reclaimed_step_by_step_and_ends_that_local_day(stocked: Engine) -> None:
    noted = steps(stocked, *WAY)
    assert str(noted[0]) == "seat 2: propose"
    assert str(noted[-1]) == "seat 2: reclaim; the seat ends on 2026-11-04"
    ends = dict(frames.assignments(stocked).select("seat", "valid_to").collect().iter_rows())
    assert ends == {1: None, 2: date(2026, 11, 4), 3: None}
    told = frames.harvest_events(stocked).select("seat", "entitlement", "step", "actor").collect().rows()
    assert told == [(2, "LT-1", step, actor) for step, actor in WAY]
    with stocked.connect() as connection:
        assert list(broken_events(read_events(within(connection)))) == []
    assert (
        read(stocked, "SELECT action, subject FROM audit_event ORDER BY id").rows()
        == [("harvest", "seat 2")] * 5
    )


def test_a_holder_may_keep_the_seat_and_it_may_be_proposed_again(stocked: Engine) -> None:
    steps(
        stocked, ("propose", "ann"), ("notice", "ann"), ("keep", "ann"), ("propose", "ben"), ("notice", "ben")
    )
    # No answer came; now ben proposed it, so ann may approve.
    assert steps(stocked, ("approve", "ann"))[0].step == "approve"


@pytest.mark.parametrize(
    ("before", "step", "actor", "message"),
    [
        (0, "notice", "ann", "seat 2: notice comes after propose, and it has no step yet"),
        (1, "propose", "ann", "seat 2: propose comes after keep or reclaim, and its last step is propose"),
        (2, "reclaim", "ann", "seat 2: reclaim comes after approve, and its last step is notice"),
        (3, "keep", "ann", "seat 2: keep comes after notice, and its last step is release"),
        (3, "approve", "ann", "seat 2: ann proposed it"),
        (5, "propose", "ann", "seat 2 is not held before 2026-11-04"),
        (0, "steal", "ann", "unknown step 'steal'"),
    ],
)
def test_steps_come_in_order_and_nobody_approves_the_own_proposal(
    stocked: Engine, before: int, step: str, actor: str, message: str
) -> None:
    steps(stocked, *WAY[:before])
    with pytest.raises(Problem) as told:
        steps(stocked, (step, actor))
    assert told.value.message == message
    assert frames.harvest_events(stocked).collect().height == before


def test_no_reason_and_no_such_seat_are_refused(stocked: Engine) -> None:
    with pytest.raises(Problem, match="the reason is empty"):
        note(stocked, 2, "propose", "ann", "  ", LATE_MS)
    with pytest.raises(Problem, match="there is no seat 99"):
        steps(stocked, ("propose", "ann"), seat=99)
