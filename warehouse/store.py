"""The warehouse's door: from a URL to a checked engine, and whole frames in and out.

SQLite in the user's data folder by default, PostgreSQL where a URL says so; the same tables on both.

Whole frames travel through ADBC (Arrow) on PostgreSQL, through Python's own `sqlite3` on SQLite. Never open
the SQLite file with a second copy of the SQLite library in this process (the drivers of ADBC, connectorx and
DuckDB each bring one): POSIX locks are per process, so the second copy deletes the write-ahead log under the
first one's hands, and what the first then commits is lost without a word.
See docs/decisions/one-sqlite-library.md.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import adbc_driver_manager.dbapi as adbc
import adbc_driver_postgresql.dbapi
import platformdirs
import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from warehouse import schema
from warehouse.errors import Problem

MIGRATIONS = Path(__file__).parent / "migrations"
UPGRADE = "run `process-meter warehouse upgrade`"
BUSY_TIMEOUT_MS = 30_000
CONNECT_TIMEOUT_SECONDS = 10
POSTGRESQL_SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")
UPGRADE_LOCK = 7_306_093  # any number, the same in every process that upgrades

Scalar = str | int | float | bool
Parameters = Mapping[str, Scalar | Sequence[Scalar]]


class WarehouseProblem(Problem):
    """The database cannot be used as it is: wrong URL, absent, unreachable, of another version, refusing."""


# --- From a URL to an engine -------------------------------------------------------------------------------


def default_url() -> str:
    """Return the URL in PROCESS_METER_WAREHOUSE, else that of a SQLite file in the user's data folder."""
    path = platformdirs.user_data_path("process-meter", appauthor=False) / "warehouse.sqlite"
    return os.environ.get("PROCESS_METER_WAREHOUSE") or f"sqlite:///{path}"


def open_warehouse(url: str | None = None) -> Engine:
    """Open an existing warehouse of this program's version.

    Parameters
    ----------
    url
        `sqlite:///FILE`, `postgresql://...` or `postgresql+psycopg://...`; None: `default_url()`.

    Raises
    ------
    WarehouseProblem
        The URL is wrong, nothing is there, or the tables are of an older or a newer version.
    """
    parsed = _parse(url or default_url())
    if _is_sqlite(parsed) and not Path(str(parsed.database)).exists():
        raise WarehouseProblem(f"There is no warehouse at {place(parsed)}", f"{UPGRADE} to create it")
    engine = _engine(parsed)
    try:
        with _located(parsed), engine.connect() as connection:
            _require_current(_revision(connection), parsed)
    except WarehouseProblem:
        engine.dispose()
        raise
    return engine


def upgrade(url: str | None = None) -> Engine:
    """Create the warehouse, or bring its tables to this program's version, whole or not at all.

    Raises
    ------
    WarehouseProblem
        The URL is wrong, the server cannot be reached, or the tables are of a newer version or not ours.
    """
    parsed = _parse(url or default_url())
    engine = _engine(parsed)
    try:
        with _located(parsed):
            if _is_sqlite(parsed):
                Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with writing(engine) as connection:
                _lock_upgrades(connection)
                _require_ours(connection)
                _migrate(connection)
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


def place(url: URL) -> str:
    """Return the URL as people may see it: without any password."""
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        # Whatever it is, it may hold a password.
        shown = re.sub(r"//.*@", "//***@", text)
        raise _bad_url(f"{shown!r} is not a warehouse URL") from None
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return _parse_sqlite(url)
    if url.drivername in POSTGRESQL_SCHEMES:
        if not url.database:
            raise _bad_url(f"The warehouse URL {place(url)} names no database")
        return url.set(drivername="postgresql+psycopg")
    raise _bad_url(f"{place(url)} is neither a SQLite nor a PostgreSQL warehouse")


def _parse_sqlite(url: URL) -> URL:
    if not url.database or url.database == ":memory:" or url.query or url.host:
        raise _bad_url(f"The warehouse URL {place(url)} names no plain file")
    return url.set(drivername="sqlite", database=str(Path(url.database).absolute()))


def _bad_url(message: str) -> WarehouseProblem:
    return WarehouseProblem(message, "write sqlite:///FILE or postgresql://USER@HOST/DATABASE")


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _engine(url: URL) -> Engine:
    if _is_sqlite(url):
        engine = sa.create_engine(url)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        return engine
    timeout = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_TIMEOUT_SECONDS}
    return sa.create_engine(url, connect_args=timeout, pool_pre_ping=True)


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # FULL: what the manager has acknowledged survives a power cut.
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def _located(url: URL) -> Iterator[None]:
    """Turn what a driver or the disk says into one line that names the warehouse."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, adbc.Error, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if url.password:
            reason = reason.replace(str(url.password), "***")
        remedy = "check the path and its permissions" if _is_sqlite(url) else "check the URL and the server"
        raise WarehouseProblem(f"The warehouse {place(url)} cannot be used: {reason}", remedy) from error


# --- Versions of the tables --------------------------------------------------------------------------------


def revisions() -> list[str]:
    """Return the numbers of all migrations, oldest first: a file's first four digits are its revision."""
    return sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
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
    revision, url = _revision(connection), connection.engine.url
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


# --- Whole frames in and out -------------------------------------------------------------------------------


def append(engine: Engine, table: str, frame: pl.DataFrame) -> int:
    """Append a frame to a table in one transaction, all or nothing.

    Parameters
    ----------
    frame
        Columns named as the table's; those left out take their default. Instants are integers, JSON is text.

    Returns
    -------
    int
        The number of rows written.

    Raises
    ------
    WarehouseProblem
        A column or its type does not fit, or the database refuses a row; nothing is written.
    """
    target = schema.metadata.tables[table]
    rows = frame.select(_conform(target, name, dtype) for name, dtype in frame.schema.items())
    if rows.is_empty():
        return 0
    with _located(engine.url):
        if _is_sqlite(engine.url):
            _append_to_sqlite(engine, table, rows)
        else:
            _append_to_postgresql(engine, table, rows)
    return rows.height


def _append_to_sqlite(engine: Engine, table: str, rows: pl.DataFrame) -> None:
    columns = ", ".join(f'"{name}"' for name in rows.columns)
    marks = ", ".join("?" * rows.width)
    with writing(engine) as connection, closing(_driver(connection).cursor()) as cursor:
        # The names are those of schema.py, checked above.
        cursor.executemany(f'INSERT INTO "{table}" ({columns}) VALUES ({marks})', rows.iter_rows())  # noqa: S608


def _append_to_postgresql(engine: Engine, table: str, rows: pl.DataFrame) -> None:
    with _adbc(engine.url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest(table, rows, mode="append")
        if rows.schema.get("id", pl.Null()).is_integer():
            cursor.execute(_ADVANCE_SEQUENCE.format(table=table)).fetch_polars()
        connection.commit()


# Ids that a frame brings along do not move PostgreSQL's own counter: the next insert would collide.
_ADVANCE_SEQUENCE = """
SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM "{table}"))
"""


def _conform(table: sa.Table, name: str, dtype: pl.DataType) -> pl.Expr:
    if name not in table.columns:
        raise WarehouseProblem(f"The table {table.name} has no column {name}", "rename or drop it")
    kind = table.columns[name].type
    wanted, fits = _arrow_type(kind, dtype)
    if not (fits or dtype == pl.Null):
        raise WarehouseProblem(f"{table.name}.{name} takes {kind}, not {dtype}", "cast the column first")
    return pl.col(name).cast(wanted)


def _arrow_type(kind: sa.types.TypeEngine[object], given: pl.DataType) -> tuple[pl.DataType, bool]:
    """Return the Polars type that a column is written as, and whether the given one fits without loss."""
    if isinstance(kind, sa.Boolean):
        return pl.Boolean(), given == pl.Boolean
    if isinstance(kind, sa.SmallInteger):
        return pl.Int16(), given.is_integer()
    if isinstance(kind, sa.BigInteger):
        return pl.Int64(), given.is_integer()
    if isinstance(kind, sa.Integer):
        return pl.Int32(), given.is_integer()
    if isinstance(kind, sa.Double):
        return pl.Float64(), given.is_numeric()
    return pl.String(), given in (pl.String, pl.Enum, pl.Categorical)


def read(engine: Engine, sql: str, parameters: Parameters | None = None) -> pl.DataFrame:
    """Run one SELECT and return its rows as a frame, typed as the database's driver sees them.

    Parameters
    ----------
    sql
        The same text for both databases, with `:name` where a value belongs; write CAST, not `::`.
    parameters
        The values; a sequence stands for the list after IN, as in `code IN :codes`.
    """
    sqlite = _is_sqlite(engine.url)
    text, values = positional(sql, parameters or {}, numbered=not sqlite)
    with _located(engine.url):
        return _read_sqlite(engine, text, values) if sqlite else _read_postgresql(engine, text, values)


def _read_sqlite(engine: Engine, sql: str, values: Sequence[Scalar]) -> pl.DataFrame:
    with sqlite_rows(engine, sql, values) as cursor:
        names = [column[0] for column in cursor.description]
        columns = list(zip(*cursor, strict=True)) or [()] * len(names)
    return pl.DataFrame(dict(zip(names, columns, strict=True)))


def _read_postgresql(engine: Engine, sql: str, values: Sequence[Scalar]) -> pl.DataFrame:
    bound = pl.DataFrame({str(place): [value] for place, value in enumerate(values)})
    with _adbc(engine.url) as connection, connection.cursor() as cursor:
        cursor.execute(sql, bound if values else None)
        return cursor.fetch_polars()


@contextmanager
def sqlite_rows(engine: Engine, sql: str, values: Sequence[Scalar]) -> Iterator[sqlite3.Cursor]:
    """Run a SELECT with `?` marks on a SQLite warehouse and give the driver's own cursor over tuples."""
    with engine.connect() as connection, closing(_driver(connection).cursor()) as cursor:
        cursor.execute(sql, values)
        yield cursor


def positional(sql: str, parameters: Parameters, *, numbered: bool) -> tuple[str, list[Scalar]]:
    """Replace each `:name` by the driver's own marks; return the values in the order of the marks."""
    values: list[Scalar] = []

    def mark(value: Scalar) -> str:
        values.append(value)
        return f"${len(values)}" if numbered else "?"

    def marks(found: re.Match[str]) -> str:
        value = parameters[found[1]]
        if isinstance(value, str) or not isinstance(value, Sequence):
            return mark(value)
        return f"({', '.join(map(mark, value)) or 'NULL'})"

    return re.sub(r"(?<!:):([a-z_]+)", marks, sql), values


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101
    return driver


def _adbc(url: URL) -> adbc.Connection:
    uri = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection: adbc.Connection = adbc_driver_postgresql.dbapi.connect(uri)
    return connection


# --- Looking at it -----------------------------------------------------------------------------------------


def status(engine: Engine) -> dict[str, object]:
    """Return what `process-meter warehouse status` shows: place, version and counts; instants in UTC ms."""
    counted = ("session", "segment", "host", "agent", "person", "project", "quarantine")
    tables = schema.metadata.tables
    started = tables["session"].columns["started_ms"]
    with _located(engine.url), engine.connect() as connection:
        first, last = connection.execute(sa.select(sa.func.min(started), sa.func.max(started))).one()
        return {
            "warehouse": place(engine.url),
            "database": engine.dialect.name,
            "revision": _revision(connection),
            "newest_revision": revisions()[-1],
            "first_session_started_ms": first,
            "last_session_started_ms": last,
            "rows": {name: connection.scalar(_count(tables[name])) for name in counted},
        }


def _count(table: sa.Table) -> sa.Select[int]:
    return sa.select(sa.func.count()).select_from(table)
