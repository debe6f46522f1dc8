"""Copies of a SQLite warehouse to fall back on, taken while others write to it; docs/keeping.md has the rest.

A PostgreSQL server has its own tools, and knows better.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.errors import Problem

STEP_PAGES = 5_000
"""Pages that are copied between two moments at which a signal can come through: 20 MB."""


class Backup(NamedTuple):
    """A copy that has been checked."""

    path: Path
    bytes: int
    digest: str
    """SHA-256 of the file, hexadecimal."""
    rows: Mapping[str, int]
    """Rows by table."""


def backup(engine: Engine, path: Path) -> Backup:
    """Write a whole, checked copy of a SQLite warehouse as one file, as it is at one instant.

    The keys that lie beside a warehouse are not in it: they belong elsewhere.

    Parameters
    ----------
    path
        Of a file that is not there yet; it appears when the copy is whole.

    Raises
    ------
    Problem
        The warehouse is no SQLite file, the path is taken or cannot be written, the copy is damaged or lacks
        rows.
    """
    if engine.dialect.name != "sqlite":
        raise Problem(
            f"{store.place(engine.url)} is no SQLite file", "use pg_dump: docs/keeping.md has the command"
        )
    if path.exists():
        raise Problem(f"{path} is there already", "name a new file")
    draft = path.with_name(f"{path.name}.part")
    try:
        _new_file(draft)
        rows = _copy(engine, draft)
        _check(draft, rows)
        with draft.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        draft.replace(path)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Problem(f"{path} cannot be written: {reason}", "check the folder and its free space") from error
    finally:
        for left in (draft, *(Path(f"{draft}{end}") for end in ("-journal", "-wal", "-shm"))):
            left.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size, digest, rows)


def _new_file(path: Path) -> None:
    """Make an empty file that only its owner can read: it will hold everybody's names."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _copy(engine: Engine, path: Path) -> dict[str, int]:
    """Copy page by page within one reading transaction; return the rows of each table in it."""
    with engine.connect() as connection, closing(sqlite3.connect(path)) as target:
        connection.exec_driver_sql("BEGIN")
        driver: Any = connection.connection.driver_connection
        rows = _counted(connection)  # the first read fixes the instant
        driver.backup(target, pages=STEP_PAGES)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
    return rows


def _counted(connection: Connection) -> dict[str, int]:
    tables = schema.metadata.tables.items()
    count = sa.func.count()
    return {name: connection.scalar(sa.select(count).select_from(table)) or 0 for name, table in tables}


def _check(path: Path, rows: Mapping[str, int]) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
        found = [row[0] for row in copy.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise Problem(f"the copy is damaged: {'; '.join(map(str, found))}", "check the disk, try again")
        for name, expected in rows.items():
            (counted,) = copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()  # noqa: S608  our own tables
            if counted != expected:
                raise Problem(f"the copy has {counted} of {expected} rows of {name}", "try again")
