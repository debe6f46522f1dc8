"""A period before its draft: who is still to be heard, what is unknown, and what it comes to so far."""

from __future__ import annotations

import json
from typing import Any

import pytest
from billing_cases import session
from billing_warehouse import hour, ms, on, organize, price, use
from drafted_run import NOW, PERIOD, RUN, change, make_approvable
from sqlalchemy import Engine

from pipelines import billing
from warehouse.errors import Problem

TENTH = ms("2026-09-10 12:00")
"""In the middle of the period, at noon."""


def agents(engine: Engine, *rows: tuple[str, str, str | None, int]) -> None:
    """Enroll agents: id, since when, last heard, backlog."""
    change(
        engine,
        *(
            "INSERT INTO agent (id, host_id, version, system, enrolled_ms, last_heard_ms, backlog) VALUES "
            f"('{name}', 1, '1', 'Linux', {ms(since)}, {ms(heard) if heard else 'NULL'}, {backlog})"
            for name, since, heard, backlog in rows
        ),
    )


@pytest.fixture
def collected(engine: Engine) -> Engine:
    """Until noon of the tenth: two hours of A, one of nobody's, six minutes unknown; a session is open."""
    organize(engine)
    price(engine, 1, 900_000)
    unseen = session(2, ("2026-09-08 09:00", "2026-09-08 09:54", "input"),
                     ("2026-09-08 09:54", "2026-09-08 10:00", "unobserved"))  # fmt: skip
    use(engine, hour(1, "2026-09-07"), unseen, hour(3, "2026-09-09", person=2), hour(4, "2026-09-10"))
    for number in (1, 2, 4):
        on(engine, number, "A", at_=f"2026-09-{number + 6:02} 09:00")
    change(engine, "UPDATE session SET ended_ms = NULL WHERE id = 4")
    return engine


def test_a_period_is_looked_at_before_it_is_over(collected: Engine) -> None:
    found = billing.collecting(collected, PERIOD, TENTH)
    json.dumps(found)
    assert {name: found[name] for name in ("period", "status", "run", "is_over", "over_at", "as_of")} == {
        "period": "2026-09", "status": "collecting", "run": None, "is_over": False,
        "over_at": "2026-10-01T04:00:00+00:00", "as_of": "2026-09-10T12:00:00+00:00",
    }  # fmt: skip
    assert found["sessions"] == {"all": 4, "open": 1, "provisional": 0}
    assert (found["unknown_hours"], found["held_hours"]) == (0.1, 0.0)
    assert found["lower_bound"] == {"billed_ms": 10_440_000, "amount_minor": {"EUR": 26_100}}
    assert found["upper_bound"] == {"billed_ms": 10_800_000, "amount_minor": {"EUR": 27_000}}
    assert found["exceptions"] == [
        {"kind": "unassigned", "count": 1, "milliseconds": 3_600_000, "blocks": True}
    ]
    assert found["session_coverage"] == 0.975
    assert billing.show(collected) == {"runs": []}


def test_what_arrives_later_is_not_there_yet(collected: Engine) -> None:
    use(collected, hour(11, "2026-09-08"), received="2026-09-10 12:00:00.001")
    on(collected, 11, "A", at_="2026-09-08 09:00")
    assert billing.collecting(collected, PERIOD, TENTH)["sessions"]["all"] == 4
    assert billing.collecting(collected, PERIOD, TENTH + 1)["sessions"]["all"] == 5


@pytest.mark.parametrize(
    ("now", "out"),
    [
        (TENTH, ["never", "silent"]),
        (ms("2026-09-14 12:00"), ["never", "silent", "behind", "well"]),
        # Once it is over, who was heard after its end has told all there was.
        (ms("2026-10-03 12:00"), ["never", "silent", "behind", "well"]),
    ],
)
def test_agents_are_out_that_were_not_heard_in_time(collected: Engine, now: int, out: list[str]) -> None:
    agents(
        collected,
        ("never", "2026-09-01 00:00", None, 0),
        ("silent", "2026-08-01 00:00", "2026-09-05 12:00", 0),
        ("behind", "2026-08-01 00:00", "2026-09-10 11:00", 7),
        ("well", "2026-08-01 00:00", "2026-09-10 11:59", 0),
        ("after", "2026-08-01 00:00", "2026-10-01 04:30", 0),
        ("late", "2026-10-02 00:00", None, 0),
    )
    change(collected, "UPDATE agent SET revoked_ms = 1 WHERE id = 'late'")
    found = billing.collecting(collected, PERIOD, now)["agents"]
    assert [row["agent"] for row in found["listed"] if row["is_out"]] == out
    assert {name: found[name] for name in ("in_force", "out", "with_backlog")} == {
        "in_force": 5, "out": len(out), "with_backlog": 1,
    }  # fmt: skip
    assert {row["agent"] for row in found["listed"]} == {*out, "behind"}
    assert all(row["host"].startswith("H-") for row in found["listed"])


def test_silent_machines_are_in_the_upper_bound_at_their_own_mean(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 900_000)
    # Watched on three workdays, of ten business hours each, with an hour of use on each: then silence.
    days = ["2026-09-07", "2026-09-08", "2026-09-09"]
    use(engine, *(hour(number, day) for number, day in enumerate(days, 1)))
    for number, day in enumerate(days, 1):
        on(engine, number, "A", at_=f"{day} 09:00")
    change(
        engine,
        *(
            "INSERT INTO watch_interval (host_id, start_ms, end_ms, sees_focus, sees_input, sees_lock) "
            f"VALUES (1, {ms(f'{day} 06:00')}, {ms(f'{day} 16:00')}, TRUE, TRUE, TRUE)"
            for day in days
        ),
        "UPDATE host SET valid_from_on = '2026-09-07'",
    )
    # By the evening of the 11th two workdays are missing: two hours, at 90 EUR.
    found = billing.collecting(engine, PERIOD, ms("2026-09-11 22:00"))
    assert (found["silent_hours"], found["silent_minor"]) == (2.0, {"EUR": 18_000})
    assert found["lower_bound"]["amount_minor"] == {"EUR": 27_000}
    assert found["upper_bound"]["amount_minor"] == {"EUR": 45_000}
    assert found["fleet_coverage"] == 0.6


def test_a_period_with_a_run_says_how_far_it_is(drafted: Engine) -> None:
    def standing() -> tuple[Any, ...]:
        found = billing.collecting(drafted, PERIOD, NOW)
        return found["status"], found["run"], found["is_over"]

    assert standing() == ("draft", RUN, True)
    make_approvable(drafted)
    billing.approve(drafted, RUN, "ann", NOW)
    assert standing() == ("approved", RUN, True)
    billing.void(drafted, RUN, "ann", "anew", NOW)
    assert standing() == ("collecting", None, True)


def test_a_period_without_any_use_comes_to_nothing(engine: Engine) -> None:
    organize(engine)
    change(engine, "DELETE FROM policy_version")
    found = billing.collecting(engine, PERIOD, TENTH)
    assert (found["lower_bound"]["amount_minor"], found["upper_bound"]["amount_minor"]) == ({}, {})
    assert (found["session_coverage"], found["exceptions"]) == (None, [])


@pytest.mark.parametrize(
    ("period", "says"),
    [
        ("2026-13", "there is no fiscal period '2026-13'"),
        ("2026-11", "period 2026-11 has not begun yet; ask on or after 2026-11-01"),
    ],
)
def test_what_cannot_be_looked_at_is_named(engine: Engine, period: str, says: str) -> None:
    organize(engine)
    with pytest.raises(Problem, match=says):
        billing.collecting(engine, period, TENTH)
