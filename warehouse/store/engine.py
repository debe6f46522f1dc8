"""From a URL to a checked engine, and its transactions; bringing the tables up to date."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from warehouse import schema
from warehouse.store.months import make_months_ahead
from warehouse.store.url import WarehouseProblem, default_url, is_sqlite, located, parse, place

MIGRATIONS = Path(__file__).parents[1] / "migrations"
UPGRADE = "run `process-meter warehouse upgrade`"
BUSY_TIMEOUT_MS = 30_000
CONNECT_DEFAULTS = {"connect_timeout": 10, "fallback_application_name": "process-meter"}
"""Seconds, and what the server's list of connections shows; the URL may say otherwise."""
POOL_SIZE, POOL_OVERFLOW = 5, 10
"""Connections that one process keeps, and so many more while it needs them."""
POOL_RECYCLE_SECONDS = 1_800
"""A connection is made anew after that: no firewall between has forgotten it by then."""
UPGRADE_LOCK = 7_306_093  # any number, the same in every process that upgrades

READ_ONLY = "PROCESS_METER_READ_ONLY"
"""Environment variable that makes every connection of a process read and never write: analysts' kernels."""

_LENT: ContextVar[Engine | None] = ContextVar("_LENT", default=None)


def open_warehouse(url: str | None = None, *, read_only: bool | None = None) -> Engine:
    """Open an existing warehouse of this program's version.

    Parameters
    ----------
    url
        `sqlite:///FILE`, `postgresql://...` or `postgresql+psycopg://...`; None: what is lent, else
        `default_url()`.
    read_only
        Whether the database refuses what would write; None: as the environment variable `READ_ONLY` says.

    Raises
    ------
    WarehouseProblem
        The URL is wrong, nothing is there, or the tables are of an older or a newer version.
    """
    lent = _LENT.get()
    if url is None and lent is not None:
        return lent
    parsed = parse(url or default_url())
    if is_sqlite(parsed) and not Path(str(parsed.database)).exists():
        raise WarehouseProblem(f"There is no warehouse at {place(parsed)}", f"{UPGRADE} to create it")
    engine = _engine(parsed, read_only=os.environ.get(READ_ONLY) == "1" if read_only is None else read_only)
    try:
        with located(parsed), engine.connect() as connection:
            _require_current(revision_of(connection), parsed)
    except WarehouseProblem:
        engine.dispose()
        raise
    return engine


@contextmanager
def lending(engine: Engine) -> Iterator[None]:
    """Let an open warehouse be what `open_warehouse` gives to whoever names none, in this thread."""
    token = _LENT.set(engine)
    try:
        yield
    finally:
        _LENT.reset(token)


def upgrade(url: str | None = None) -> Engine:
    """Create the warehouse, or bring its tables to this program's version, whole or not at all.

    Raises
    ------
    WarehouseProblem
        The URL is wrong, the server cannot be reached, or the tables are of a newer version or not ours.
    """
    parsed = parse(url or default_url())
    engine = _engine(parsed)
    try:
        with located(parsed):
            if is_sqlite(parsed):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with writing(engine) as connection:
                _lock_upgrades(connection)
                _require_ours(connection)
                _migrate(connection)
                make_months_ahead(connection, datetime.now(UTC))
    except WarehouseProblem:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that reads and then writes, and commit it at the end.

    On SQLite it takes the write lock at the start: a transaction that begins by reading would fail at once,
    without waiting, when another writer came in between.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def may_write(engine: Engine) -> bool:
    """Tell whether whoever is signed in writes at all: a reading role of PostgreSQL does not."""
    asked = "PRAGMA query_only" if is_sqlite(engine.url) else "SHOW transaction_read_only"
    with engine.connect() as connection:
        return connection.exec_driver_sql(asked).scalar() in (0, "off")


def _engine(url: URL, *, read_only: bool = False) -> Engine:
    if is_sqlite(url):
        engine = sa.create_engine(url)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        if read_only:
            sa.event.listen(engine, "connect", _write_nothing)
        return engine
    if read_only:
        url = _reading_only(url)
    return sa.create_engine(
        url,
        connect_args={name: value for name, value in CONNECT_DEFAULTS.items() if name not in url.query},
        pool_pre_ping=True,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_recycle=POOL_RECYCLE_SECONDS,
    )


def _reading_only(url: URL) -> URL:
    said = url.query.get("options", "")
    options = said if isinstance(said, str) else " ".join(said)
    return url.update_query_dict({"options": f"{options} -c default_transaction_read_only=on".strip()})


def _write_nothing(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    _journal_ahead(cursor)
    # FULL: what the manager has acknowledged survives a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _journal_ahead(cursor: DBAPICursor) -> None:
    """Switch to the write-ahead log; while another makes the file, SQLite fails at once and does not wait."""
    give_up_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return


def revisions() -> list[str]:
    """Return the numbers of all migrations, oldest first: a file's first four digits are its revision."""
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the tables; None where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _require_current(revision: str | None, url: URL) -> None:
    known = revisions()
    if revision is None:
        raise WarehouseProblem(f"{place(url)} has no warehouse tables", f"{UPGRADE} to create them")
    if revision not in known:
        raise _newer(revision, url)
    if revision != known[-1]:
        raise WarehouseProblem(
            f"The tables of {place(url)} are of version {revision}, this program needs {known[-1]}", UPGRADE
        )


def _newer(revision: str, url: URL) -> WarehouseProblem:
    return WarehouseProblem(
        f"The tables of {place(url)} are of version {revision}, newer than this program knows",
        "update Process Meter on this machine",
    )


def _require_ours(connection: Connection) -> None:
    revision, url = revision_of(connection), connection.engine.url
    if revision is not None and revision not in revisions():
        raise _newer(revision, url)
    foreign = set(sa.inspect(connection).get_table_names()) & set(schema.metadata.tables)
    if revision is None and foreign:
        raise WarehouseProblem(
            f"{place(url)} already has tables of another program ({min(foreign)})",
            "name an empty database or a new file",
        )


def _lock_upgrades(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # on SQLite the transaction is the lock
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415  a fifth of a second that only an upgrade should pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
