"""Store and forward on disk: records until the manager has acknowledged them, and the meter's state.

Both are written in one transaction, so that a kill at any instant neither loses nor doubles what was decided.
One connection writes; whoever only reads opens the file read-only. A small ballast file is given up at the
first full disk, so that acknowledged records can still be deleted and room be made.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from collector.agent.errors import AgentProblem, SpoolFull
from collector.agent.home import set_aside
from collector.protocol import Record, plain

BALLAST_BYTES = 64 * 1024
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""Primary codes of a disk that takes no more; a file size limit shows as an I/O error."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_TABLES = """
CREATE TABLE IF NOT EXISTS record (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (number INTEGER PRIMARY KEY, body TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class Spooled(NamedTuple):
    """One record as it waits: its place in the epoch, and its JSON text."""

    sequence: int
    body: str


class Spool:
    """The one writing connection to a spool file; safe to use from several threads.

    Parameters
    ----------
    path
        The file; made when absent. A damaged one is set aside under another name, and a new epoch begins.

    Raises
    ------
    AgentProblem
        The file can neither be opened nor made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ballast = path.with_name("ballast")
        self._lock = threading.Lock()
        self.set_aside: Path | None = None
        """Where a damaged spool went, if there was one."""
        try:
            self._connection = self._open()
        except sqlite3.Error as error:
            if not _is(error, _DAMAGED):
                raise AgentProblem(
                    f"{path}: the spool cannot be opened: {error}", "make its folder writable"
                ) from error
            self.set_aside = set_aside(path, "damaged")
            self._connection = self._open()
        self.epoch = self._epoch()
        self._make_ballast()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # --- The meter's side ----------------------------------------------------------------------------------

    def commit(self, records: Sequence[Record], state: Mapping[str, Any]) -> None:
        """Store what the meter decided, and its state, or nothing of it.

        Raises
        ------
        SpoolFull
            The disk takes no more; the ballast is given up, so that the next attempt may succeed.
        """
        bodies = [(json.dumps(plain(record), separators=(",", ":")),) for record in records]
        text = json.dumps(state, separators=(",", ":"))
        with self._writing():
            self._connection.executemany("INSERT INTO record (body) VALUES (?)", bodies)
            self._keep("state", text)

    def state(self) -> dict[str, Any] | None:
        """Return the meter's state as last stored; None in a new spool."""
        text = self._kept("state")
        return dict(json.loads(text)) if text else None

    # --- The delivery's side -------------------------------------------------------------------------------

    def peek(self, count: int, size: int) -> list[Spooled]:
        """Return the oldest records, at most `count`, and at most `size` characters after the first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT sequence, body FROM record ORDER BY sequence LIMIT ?", (count,)
            )
            found: list[Spooled] = []
            for sequence, body in rows:
                size -= len(body)
                if found and size < 0:
                    break
                found.append(Spooled(sequence, body))
            return found

    def acknowledge(self, sequence: int) -> None:
        """Forget every record up to and with `sequence`."""
        with self._writing():
            self._connection.execute("DELETE FROM record WHERE sequence <= ?", (sequence,))
        self._make_ballast()

    def last_sequence(self) -> int:
        """Return the highest number given in this epoch; 0 when there was none."""
        with self._lock:
            row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").fetchone()
        return int(row[0]) if row else 0

    def refuse(self, sequence: int, reason: str) -> None:
        """Set the first record aside, which the manager will not take; the others go on in a new epoch."""
        with self._writing():
            self._connection.execute(
                "INSERT INTO refused (body, reason) SELECT body, ? FROM record WHERE sequence = ?",
                (reason, sequence),
            )
            self._connection.execute("DELETE FROM record WHERE sequence = ?", (sequence,))
            epoch = self._renew()
        self.epoch = epoch

    def renew_epoch(self) -> None:
        """Give the waiting records new numbers, from 1 in a new epoch.

        For a manager, or a spool, that was set back to an earlier day: the numbers no longer fit each other.
        """
        with self._writing():
            epoch = self._renew()
        self.epoch = epoch

    def _renew(self) -> str:
        bodies = self._connection.execute("SELECT body FROM record ORDER BY sequence").fetchall()
        self._connection.execute("DELETE FROM record")
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'record'")
        self._connection.executemany("INSERT INTO record (body) VALUES (?)", bodies)
        epoch = _draw_epoch()
        self._keep("epoch", epoch)
        return epoch

    def backlog(self) -> int:
        """Return how many records wait."""
        with self._lock:
            (count,) = self._connection.execute("SELECT count(*) FROM record").fetchone()
        return int(count)

    # --- SQLite --------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # A small log: what is acknowledged makes room soon, also on a disk that is full.
            connection.execute("PRAGMA wal_autocheckpoint = 32")
            connection.execute("PRAGMA cache_size = -256")
            connection.executescript(_TABLES)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction; when the disk is full, the ballast makes room for the next one."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if not _is(error, _FULL):
                    raise AgentProblem(f"{self._path}: {error}", "look after its disk") from error
                self._ballast.unlink(missing_ok=True)
                raise SpoolFull(f"{self._path}: the disk takes no more", "make room on it") from error

    def _epoch(self) -> str:
        known = self._kept("epoch")
        if known:
            return known
        drawn = _draw_epoch()
        with self._writing():
            self._keep("epoch", drawn)
        return drawn

    def _kept(self, name: str) -> str | None:
        with self._lock:
            row = self._connection.execute("SELECT value FROM kept WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _keep(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))

    def _make_ballast(self) -> None:
        if self._ballast.exists():
            return
        try:
            self._ballast.write_bytes(os.urandom(BALLAST_BYTES))
        except OSError:
            self._ballast.unlink(missing_ok=True)


class SpoolReader:
    """A read-only look at a spool, for the command line; works beside a running agent.

    Raises
    ------
    AgentProblem
        There is no spool.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise AgentProblem(f"{path}: there is no spool yet", "start the agent with `run`")
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)

    def records(self) -> Iterator[tuple[int, dict[str, Any], str]]:
        """Yield every record held: sequence, fields, and the reason why the manager refused it, if it did."""
        rows = self._connection.execute(
            "SELECT sequence, body, '' FROM record UNION ALL SELECT number, body, reason FROM refused"
        )
        for sequence, body, reason in rows:
            yield sequence, json.loads(body), reason

    def counts(self) -> tuple[int, int]:
        """Return how many records wait, and how many were refused."""
        row = self._connection.execute("SELECT (SELECT count(*) FROM record), (SELECT count(*) FROM refused)")
        waiting, refused = row.fetchone()
        return int(waiting), int(refused)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions that are open, as the meter last wrote them down."""
        row = self._connection.execute("SELECT value FROM kept WHERE name = 'state'").fetchone()
        return list(json.loads(row[0])["sessions"]) if row else []

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _is(error: sqlite3.Error, codes: tuple[int, ...]) -> bool:
    # The low byte of an extended code is the primary one (SQLITE_IOERR_WRITE is an SQLITE_IOERR).
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in codes


def _draw_epoch() -> str:
    return os.urandom(16).hex()
