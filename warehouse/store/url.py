"""Where a warehouse is: its URL, checked, and shown without its password."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
import polars as pl
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from warehouse.errors import Problem

# Polars speaks up when the server gives up in the middle of an answer.
_TROUBLES = (SQLAlchemyError, sqlite3.Error, pl.exceptions.ComputeError, OSError)
POSTGRESQL_SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")


class WarehouseProblem(Problem):
    """The database cannot be used as it is: wrong URL, absent, unreachable, of another version, refusing."""


def default_url() -> str:
    """Return the URL in PROCESS_METER_WAREHOUSE, else that of a SQLite file in the user's data folder."""
    path = platformdirs.user_data_path("process-meter", appauthor=False) / "warehouse.sqlite"
    return os.environ.get("PROCESS_METER_WAREHOUSE") or f"sqlite:///{path}"


def place(url: URL) -> str:
    """Return the URL as people may see it: without any password."""
    return url.difference_update_query(["password"]).render_as_string(hide_password=True)


def parse(text: str) -> URL:
    """Read a warehouse URL; refuse one that names neither a SQLite file nor a PostgreSQL database."""
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


def is_sqlite(url: URL) -> bool:
    """Say whether the warehouse is a SQLite file."""
    return url.get_backend_name() == "sqlite"


@contextmanager
def located(url: URL) -> Iterator[None]:
    """Turn what a driver or the disk says into one line that names the warehouse."""
    try:
        yield
    except _troubles(url) as error:  # asked for only where something was raised
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        if url.password:
            reason = reason.replace(str(url.password), "***")
        remedy = "check the path and its permissions" if is_sqlite(url) else "check the URL and the server"
        raise WarehouseProblem(f"The warehouse {place(url)} cannot be used: {reason}", remedy) from error


def _troubles(url: URL) -> tuple[type[Exception], ...]:
    """Return what a warehouse's drivers raise; PostgreSQL's take 60 ms that SQLite need not wait for."""
    if is_sqlite(url):
        return _TROUBLES
    import adbc_driver_manager.dbapi as adbc  # noqa: PLC0415
    import psycopg  # noqa: PLC0415

    return *_TROUBLES, psycopg.Error, adbc.Error
