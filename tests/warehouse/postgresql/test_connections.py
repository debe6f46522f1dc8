"""Connections that answer in Arrow are kept, given up when broken, and closed with the engine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import store
from warehouse.store import WarehouseProblem

PID = "SELECT pg_backend_pid() AS pid"
STATES = "SELECT state FROM pg_stat_activity WHERE application_name = 'process-meter' AND pid = :pid"


def test_a_connection_is_kept_for_the_next_read_outside_any_transaction(postgres_engine: Engine) -> None:
    pid = store.read(postgres_engine, PID).item()
    assert store.read(postgres_engine, PID).item() == pid
    with postgres_engine.connect() as connection:
        assert connection.scalar(sa.text(STATES), {"pid": pid}) == "idle"


def test_a_snapshot_leaves_no_transaction_behind(postgres_engine: Engine) -> None:
    with store.snapshot(postgres_engine) as snapshot:
        pid = snapshot.read(PID).item()
    with postgres_engine.connect() as connection:
        assert connection.scalar(sa.text(STATES), {"pid": pid}) == "idle"


def test_a_connection_that_the_server_ended_is_made_anew(postgres_engine: Engine) -> None:
    pid = store.read(postgres_engine, PID).item()
    with postgres_engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 60000)"), {"pid": pid})
    assert store.read(postgres_engine, PID).item() != pid


def test_a_connection_on_which_a_read_failed_is_not_lent_again(postgres_engine: Engine) -> None:
    pid = store.read(postgres_engine, PID).item()
    with pytest.raises(WarehouseProblem, match="no_such_table"):
        store.read(postgres_engine, "SELECT * FROM no_such_table")
    assert store.read(postgres_engine, PID).item() != pid


def test_many_readers_at_once_each_get_their_own_answer(postgres_engine: Engine) -> None:
    def ask(number: int) -> int:
        return int(store.read(postgres_engine, "SELECT CAST(:n AS bigint) AS n", {"n": number}).item())

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(200))) == list(range(200))


def test_the_connections_end_with_the_engine(postgres_url: str, postgres_engine: Engine) -> None:
    other = store.open_warehouse(postgres_url)
    pid = store.read(other, PID).item()
    other.dispose()
    end = time.monotonic() + 60
    while _state(postgres_engine, pid) is not None:
        assert time.monotonic() < end, "the server still knows the connection"
        time.sleep(0.02)


def _state(engine: Engine, pid: int) -> str | None:
    """Look in a transaction of its own: what the server says of others stays the same within one."""
    with engine.connect() as connection:
        return connection.scalar(sa.text(STATES), {"pid": pid})
