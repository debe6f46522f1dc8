"""The folder of the mirror: one writer at a time, files that are there whole, and none that nobody needs."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from pathlib import Path

import polars as pl

from warehouse.errors import Problem
from warehouse.mirror import content
from warehouse.mirror.manifest import NAME, MirrorFile, digest_of, put

LOCK = "update.lock"
WAIT_SECONDS = 600
KEPT_NS = 3_600_000_000_000
"""A file stays for an hour after the manifest gave it up: older frames may still be collected."""
_OURS = re.compile(r"\d{4,}-\d\d-[0-9a-f]{16}\.parquet(\.\d+\.part)?|manifest\.json\.\d+\.part")


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Make the folder, and keep every other process that writes there waiting; a crash lets go.

    Raises
    ------
    Problem
        The folder cannot be written, or somebody else has been writing for ten minutes.
    """
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # An empty SQLite file is a lock on every system that waits, and dies with its process.
    with closing(sqlite3.connect(folder / LOCK, timeout=WAIT_SECONDS, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise Problem(f"The mirror in {folder} cannot be updated: {error}", "try again later") from error
        yield


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """Turn what the disk says into one line that names the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "free space there, or name another folder in PROCESS_METER_MIRROR"
        raise Problem(f"The mirror in {folder} cannot be written: {reason}", remedy) from error


def write(folder: Path, month: str, segments: pl.DataFrame, applications: dict[str, int]) -> MirrorFile:
    """Write segments, in their order, as one more file, and count what is in it by reading it."""
    buffer = BytesIO()
    segments.write_parquet(buffer)
    data = buffer.getvalue()
    rows = pl.read_parquet(BytesIO(data))
    sums = content.filed(rows.lazy(), applications).collect().row(0, named=True)
    digest = digest_of(data)
    path = folder / f"{month}-{digest[:16]}.parquet"
    with written(folder):
        if not (path.exists() and path.read_bytes() == data):  # else a reader's manifest may name it already
            put(path, data)
        found = path.stat()
    starts = rows["start"].cast(pl.Int64)
    return MirrorFile(
        month=month,
        name=path.name,
        **sums,
        first_ms=int(starts.min()),  # type: ignore[arg-type]  # milliseconds
        last_ms=int(starts.max()),  # type: ignore[arg-type]
        first_session=int(rows["session"][0]),
        size=found.st_size,
        digest=digest,
        modified_ns=found.st_mtime_ns,
    )


def leave(folder: Path, names: Iterable[str]) -> None:
    """Let the hour of files begin that the manifest does not name any more."""
    for name in names:
        with suppress(OSError):
            os.utime(folder / name)


def sweep(folder: Path, named: Iterable[str]) -> int:
    """Delete files of the mirror that no manifest has named for an hour; return how many."""
    kept = set(named)
    before_ns = (folder / NAME).stat().st_mtime_ns - KEPT_NS
    gone = 0
    for path in folder.iterdir():
        if path.name not in kept and _OURS.fullmatch(path.name):
            with suppress(OSError):  # on Windows an open file cannot be deleted: the next sweep will
                if path.stat().st_mtime_ns < before_ns:
                    path.unlink()
                    gone += 1
    return gone
