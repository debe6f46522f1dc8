"""One at a time, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from warehouse import leases

NOON, MINUTE = 1_791_000_000_000, 60_000


def test_a_lease_is_one_holders_until_it_runs_out(both_engines: Engine) -> None:
    assert leases.held(both_engines, "schedule") is None
    assert leases.take(both_engines, "schedule", "ann", NOON, MINUTE)
    assert not leases.take(both_engines, "schedule", "ben", NOON + MINUTE - 1, MINUTE)
    assert leases.held(both_engines, "schedule") == ("schedule", "ann", NOON + MINUTE)
    assert leases.take(both_engines, "schedule", "ben", NOON + MINUTE, MINUTE)
    assert leases.held(both_engines, "schedule") == ("schedule", "ben", NOON + 2 * MINUTE)


def test_its_holder_makes_it_longer_and_gives_it_back_and_nobody_elses(both_engines: Engine) -> None:
    assert leases.take(both_engines, "schedule", "ann", NOON, MINUTE)
    assert leases.take(both_engines, "schedule", "ann", NOON + 30_000, MINUTE)
    assert not leases.take(both_engines, "schedule", "ben", NOON + MINUTE, MINUTE)
    leases.give_back(both_engines, "schedule", "ben")
    assert leases.held(both_engines, "schedule") == ("schedule", "ann", NOON + 30_000 + MINUTE)
    leases.give_back(both_engines, "schedule", "ann")
    assert leases.held(both_engines, "schedule") is None


def test_two_things_are_leased_apart(engine: Engine) -> None:
    assert leases.take(engine, "schedule", "ann", NOON, MINUTE)
    assert leases.take(engine, "mirror", "ben", NOON, MINUTE)


def test_of_eight_at_once_one_gets_it(both_engines: Engine) -> None:
    def attempt(number: int) -> bool:
        return leases.take(both_engines, "schedule", f"holder {number}", NOON, MINUTE)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]
