"""Accounts and hosts that evidence speaks of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine

from warehouse import store
from warehouse.directory import ensure_account, ensure_host


def test_an_account_is_one_whatever_its_case(both_engines: Engine) -> None:
    with store.writing(both_engines) as connection:
        assert ensure_account(connection, "ACME\\Ada") == ensure_account(connection, "acme\\ada")
    assert store.read(both_engines, "SELECT name, person_id, shared FROM account").rows() == [
        ("acme\\ada", None, 0)
    ]


def test_a_host_keeps_what_the_directory_said_of_it(both_engines: Engine) -> None:
    with store.writing(both_engines) as connection:
        first = ensure_host(connection, "DESK-7", "Europe/Berlin", kind="laptop")
        assert ensure_host(connection, "desk-7", "Asia/Tokyo") == first
    found = store.read(both_engines, "SELECT name, zone, kind, in_directory, valid_from_on FROM host")
    assert found.rows() == [("desk-7", "Europe/Berlin", "laptop", 0, "1970-01-01")]


def test_many_that_speak_of_a_new_account_at_once_make_one(both_engines: Engine) -> None:
    def ensure(_: int) -> int:
        with store.writing(both_engines) as connection:
            return ensure_account(connection, "ada")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ensure, range(24)))) == 1
