from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import ledger, store
from warehouse.ledger.events import broken_events, read_events
from warehouse.ledger.links import within


def test_events_are_chained(both_engines: Engine) -> None:
    with store.writing(both_engines) as connection:
        first = ledger.record_event(connection, "ann", "billing draft", "2026-10/1", {"lines": 2}, 1)
        second = ledger.record_event(connection, "bob", "billing approve", "2026-10/1", {}, 2)
    with both_engines.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT actor, action, subject, previous_digest, digest FROM audit_event ORDER BY id")
        ).all()
        assert list(broken_events(read_events(within(connection)))) == []
        assert ledger.head(connection) == second
    assert [tuple(row) for row in rows] == [
        ("ann", "billing draft", "2026-10/1", None, first),
        ("bob", "billing approve", "2026-10/1", first, second),
    ]
    assert len(first) == 64


def test_the_digest_is_the_same_on_every_database(engine: Engine, postgres_engine: Engine) -> None:
    digests = set()
    for each in (engine, postgres_engine):
        with store.writing(each) as connection:
            digests.add(
                ledger.record_event(connection, "ännchen", "sign", "x", {"b": [1, None], "a": "ü"}, 5)
            )
    assert len(digests) == 1


@pytest.mark.parametrize("begin", [store.writing, Engine.begin])
def test_many_writers_at_once_make_one_chain(both_engines: Engine, begin: object) -> None:
    def write(number: int) -> None:
        with begin(both_engines) as connection:
            ledger.record_event(connection, f"user{number}", "act", "thing", {"n": number}, number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(24)))
    with both_engines.connect() as connection:
        assert list(broken_events(read_events(within(connection)))) == []
        assert connection.execute(sa.text("SELECT count(*) FROM audit_event")).scalar() == 24


def test_an_event_of_a_transaction_that_fails_is_not_there(both_engines: Engine) -> None:
    with pytest.raises(ValueError, match="stop"):
        _write_and_fail(both_engines)
    with both_engines.connect() as connection:
        assert ledger.head(connection) is None


def _write_and_fail(engine: Engine) -> None:
    with store.writing(engine) as connection:
        ledger.record_event(connection, "ann", "act", "thing", {}, 1)
        raise ValueError("stop")
