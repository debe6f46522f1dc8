"""One PostgreSQL warehouse for all tests of a file, where each leaves what it found."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
import small_warehouse
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import store


@pytest.fixture(scope="module")
def small_engine(postgres_server: str, empty_database: str) -> Iterator[Engine]:
    """The small week, with its closed run."""
    name = f"test_{uuid4().hex[:12]}"
    server = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {empty_database}")
    engine = store.open_warehouse(server.url.set(database=name).render_as_string(hide_password=False))
    small_warehouse.fill(engine)
    yield engine
    engine.dispose()
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()
