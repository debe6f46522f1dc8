"""Exceptions of a run: which keep it from being approved, and how they are dealt with."""

from __future__ import annotations

from typing import Any

import pytest
from billing_cases import session
from billing_warehouse import hour, on, use
from drafted_run import NOW, PERIOD, RUN, change, events
from sqlalchemy import Engine

from pipelines import billing, settling
from warehouse.errors import Problem

AGAIN = NOW + 3_600_000


def told(engine: Engine, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in billing.exceptions(engine, RUN)]


def test_an_exception_is_listed_with_what_it_does_and_whose_it_is(drafted: Engine) -> None:
    (row,) = billing.exceptions(drafted, RUN)
    assert row["person"].startswith("P-")
    assert row | {"person": ""} == {
        "number": 1, "kind": "unassigned", "session": 4, "person": "", "milliseconds": 3_600_000,
        "detail": "no project was set", "blocks": True,
        "why": "nobody pays for this time until it has a project", "state": "open", "by": None,
        "reason": None, "at": None,
    }  # fmt: skip


def test_an_open_exception_blocks_the_approval_until_it_is_waived_with_a_reason(drafted: Engine) -> None:
    with pytest.raises(Problem, match="run 2026-09/1 has open exceptions: 1 unassigned; see them: "):
        billing.approve(drafted, RUN, "ann", NOW)
    assert billing.waive(drafted, RUN, "sue", " too little to ask for ", NOW, number=1) == 1
    assert told(drafted, "state", "by", "reason", "at") == [
        ("waived", "sue", "too little to ask for", "2026-10-02T13:00:00+00:00")
    ]
    assert billing.show(drafted, RUN)["blocking"] == {}
    assert billing.show(drafted, RUN)["exceptions_by_state"]["waived"] == {"unassigned": 1}
    assert events(drafted)[-1] == ("sue", "billing waive")


def test_to_settle_is_as_good_as_to_waive(drafted: Engine) -> None:
    assert billing.settle(drafted, RUN, "sue", "entered in accounting", NOW, kind="unassigned") == 1
    assert told(drafted, "state") == [("settled",)]
    assert billing.show(drafted, RUN)["blocking"] == {}


def test_what_is_dealt_with_stays_as_it_was_dealt_with(drafted: Engine) -> None:
    billing.waive(drafted, RUN, "sue", "small", NOW, kind="unassigned")
    before = events(drafted)
    assert billing.settle(drafted, RUN, "ann", "otherwise", NOW, number=1) == 0
    assert billing.waive(drafted, RUN, "ann", "otherwise", NOW, kind="unassigned") == 0
    assert told(drafted, "state", "by") == [("waived", "sue")]
    assert events(drafted) == before


@pytest.mark.parametrize(
    ("which", "reason", "says"),
    [
        ({"kind": "unassigned"}, " ", "to settle or waive an exception needs a reason"),
        ({}, "why", "say which exceptions; give either --kind KIND or --exception NUMBER"),
        ({"kind": "unassigned", "number": 1}, "why", "say which exceptions"),
        ({"kind": "no_rate"}, "why", "run 2026-09/1 has no exception of kind 'no_rate'"),
        ({"number": 2}, "why", "run 2026-09/1 has no exception 2; see them"),
    ],
)
def test_what_is_no_waiver_is_refused(drafted: Engine, which: dict[str, Any], reason: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        billing.waive(drafted, RUN, "sue", reason, NOW, **which)
    assert told(drafted, "state") == [("open",)]


def test_what_informs_does_not_block(drafted: Engine) -> None:
    change(drafted, "UPDATE session SET clock_stepped = TRUE WHERE id = 1")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert told(drafted, "kind", "blocks") == [("unassigned", True), ("clock", False)]
    assert billing.show(drafted, RUN)["blocking"] == {"unassigned": 1}


def test_a_kind_that_nobody_knows_blocks(drafted: Engine) -> None:
    change(drafted, "UPDATE billing_exception SET kind = 'moonlight'")
    assert told(drafted, "blocks", "why") == [(True, "nobody has said yet that it may pass")]


def test_every_kind_has_a_reason_why_it_blocks_or_does_not() -> None:
    assert all(kind.why and not kind.why.endswith(".") for kind in settling.KINDS.values())
    assert {name for name, kind in settling.KINDS.items() if not kind.blocks} == {
        "over_budget", "late", "clock", "preset", "cap", "below_minimum",
    }  # fmt: skip


# --- From one draft to the next ----------------------------------------------------------------------------


def test_a_waiver_stays_with_an_exception_that_stays(drafted: Engine) -> None:
    billing.waive(drafted, RUN, "sue", "small", NOW, kind="unassigned")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert told(drafted, "state", "by", "at") == [("waived", "sue", "2026-10-02T13:00:00+00:00")]


def test_a_waiver_goes_with_an_exception_that_is_gone_and_the_auditor_is_told(drafted: Engine) -> None:
    billing.waive(drafted, RUN, "sue", "small", NOW, kind="unassigned")
    on(drafted, 4, "A", at_="2026-09-10 09:00", entry=50, created="2026-10-02 13:30")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert told(drafted, "kind") == []
    with drafted.connect() as connection:
        detail = connection.exec_driver_sql("SELECT detail FROM audit_event ORDER BY id DESC").scalar()
    assert '"settlements_dropped": ["waived by sue: small"]' in str(detail)


def test_nobody_has_waived_what_came_since(drafted: Engine) -> None:
    billing.waive(drafted, RUN, "sue", "small", NOW, kind="unassigned")
    use(drafted, hour(5, "2026-09-11", person=2), received="2026-10-02 13:30")
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert told(drafted, "session", "state") == [(4, "waived"), (5, "open")]


def test_nobody_has_waived_what_an_exception_has_grown_by(drafted: Engine) -> None:
    use(drafted, session(5, ("2026-09-11 09:00", "2026-09-11 09:30", "input"), person=2),
        received="2026-10-02 12:30")  # fmt: skip
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    billing.waive(drafted, RUN, "sue", "small", AGAIN, kind="unassigned")
    change(
        drafted,
        "INSERT INTO segment SELECT session_id, start_ms + 1800000, end_ms + 1800000, attention, "
        "cpu_percent, units, inhibiting, instance, since_ms + 1800000, policy_version, received_ms "
        "FROM segment WHERE session_id = 5",
        "UPDATE session SET ended_ms = ended_ms + 1800000 WHERE id = 5",
    )
    billing.draft(drafted, PERIOD, "generic", "pat", AGAIN)
    assert told(drafted, "session", "milliseconds", "state") == [
        (4, 3_600_000, "waived"),
        (5, 3_600_000, "open"),
    ]
