"""The mirror's manifest: which files are the mirror, of which warehouse, and how far it has come.

manifest.json   replaced as a whole; what it does not name is not of the mirror
2026-10-5f0c5e1d7a9b4c3e.parquet   closed segments of sessions that started in a month; never changed
update.lock     held by the one who updates
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs
import polars as pl
from sqlalchemy import Engine

from warehouse import landing, store
from warehouse.errors import Problem

FORMAT = 1
NAME = "manifest.json"
REMEDY = "run `process-meter warehouse mirror`"


class Unusable(Problem):
    """The mirror must not be read; whoever updates it makes it anew."""


@dataclass(frozen=True, slots=True)
class MirrorFile:
    """One Parquet file, ordered by session and start."""

    month: str
    name: str
    rows: int
    length_ms: int
    content: int
    """As `warehouse.mirror.content` counts it."""
    first_ms: int
    last_ms: int
    """The earliest and the latest start of a segment in it."""
    first_session: int
    size: int
    digest: str
    modified_ns: int
    """When it was written; one of another size or time is another file, until its digest says otherwise."""

    def is_in(self, folder: Path) -> bool:
        """Say whether the file lies there as it was written, as far as can be seen without reading it."""
        try:
            found = (folder / self.name).stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.modified_ns)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the mirror is: everything that landed up to a number, in these files."""

    warehouse: str
    landed_through: int
    landed: str
    """What landed under that number: after a restored backup it is something else."""
    applications: Mapping[str, str]
    """Code by id of every application in the files."""
    files: tuple[MirrorFile, ...]

    def months(self) -> dict[str, list[MirrorFile]]:
        """Return the files of each month, in order of months."""
        found: dict[str, list[MirrorFile]] = {}
        for file in sorted(self.files, key=lambda file: file.month):
            found.setdefault(file.month, []).append(file)
        return found


def folder_of(engine: Engine) -> Path:
    """Return where the mirror of a warehouse is, or would be."""
    named = os.environ.get("PROCESS_METER_MIRROR")
    if named:
        return Path(named)
    if engine.dialect.name == "sqlite":
        return Path(f"{engine.url.database}.mirror")
    name = f"mirror-{landing.identity(engine)}"
    return platformdirs.user_data_path("process-meter", appauthor=False) / name


def scan(folder: Path, names: Iterable[str]) -> pl.LazyFrame:
    """Return the rows of files, one after the other; a folder may have any name."""
    return pl.scan_parquet([folder / name for name in names], glob=False, hive_partitioning=False)


def load(folder: Path) -> Manifest:
    """Read the manifest.

    Raises
    ------
    FileNotFoundError
        There is no mirror.
    Unusable
        It cannot be read, or is not as it was written, or is of another version of this program.
    """
    try:
        document = json.loads((folder / NAME).read_bytes())
        found, digest = document["format"], document.pop("digest")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise Unusable(f"The mirror's manifest in {folder} cannot be read", REMEDY) from None
    if found != FORMAT:
        raise Unusable(f"The mirror in {folder} is of format {found}, this program reads {FORMAT}", REMEDY)
    if digest != _digest(document):
        raise Unusable(f"The mirror's manifest in {folder} is not as it was written", REMEDY)
    del document["format"]
    try:
        return Manifest(**{**document, "files": tuple(MirrorFile(**file) for file in document["files"])})
    except (TypeError, KeyError):  # written by a program of the same format that says other things of a file
        what = f"The mirror's manifest in {folder} has other fields than this program's"
        raise Unusable(what, REMEDY) from None


def save(folder: Path, manifest: Manifest) -> None:
    """Put the manifest in the place of the one before: from then on its files are the mirror."""
    files = [asdict(file) for file in manifest.files]
    document: dict[str, Any] = {"format": FORMAT, **asdict(manifest), "files": files}
    document["digest"] = _digest(document)
    put(folder / NAME, json.dumps(document, indent=1).encode())


def _digest(document: Mapping[str, Any]) -> str:
    return digest_of(json.dumps(document, sort_keys=True).encode())


def digest_of(data: bytes) -> str:
    """Return what tells this content from every other."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def put(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole, or not at all, also after a power cut."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


# --- Is it the mirror of this warehouse? -------------------------------------------------------------------


def require_ours(now: store.Snapshot, manifest: Manifest, folder: Path) -> None:
    """Refuse the mirror of another warehouse, of a later or another past of it, or of other names."""
    if manifest.warehouse != identity(now):
        raise Unusable(f"The mirror in {folder} is of another warehouse", REMEDY)
    if manifest.landed != landed_under(now, manifest.landed_through):
        raise Unusable(f"The mirror in {folder} does not continue into what the warehouse keeps", REMEDY)
    codes = application_codes(now)
    if any(codes.get(number) != code for number, code in manifest.applications.items()):
        raise Unusable(f"The mirror in {folder} has older names of applications", REMEDY)


def identity(now: store.Snapshot) -> str:
    """Return what tells this warehouse from every other one."""
    return str(now.read("SELECT value FROM mark WHERE name = 'identity'").item())


def landed_under(now: store.Snapshot, number: int) -> str:
    """Return what landed under a number; under 0 nothing did, but what was kept at first may be gone."""
    sql = "SELECT session_id, from_ms, to_ms, at_ms FROM landing WHERE id = :number"
    if number == 0:
        sql = "SELECT value FROM mark WHERE name = 'landings_from' AND :number = 0"
    found = now.read(sql, {"number": number})
    return "/".join(str(value) for value in found.row(0)) if found.height else ""


def application_codes(now: store.Snapshot) -> dict[str, str]:
    """Return the code of every application by its id as text, as the manifest has it."""
    rows = now.read("SELECT id, code FROM application")
    return {str(number): str(code) for number, code in rows.cast({"id": pl.Int64}).iter_rows()}
