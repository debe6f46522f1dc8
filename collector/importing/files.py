"""Imports of other programs' logs: all of an import or nothing of it, and again without doubling."""

from __future__ import annotations

import gc
import hashlib
import json
import tomllib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from collector.importers.lines import require_file
from collector.importers.records import Options, Record, Tally
from collector.importing import apart
from collector.importing.content import Placed
from collector.importing.intake import CHUNK, Intake
from collector.importing.report import FileRead, Report
from collector.importing.sources import Source, check_mapping, source
from collector.importing.whole import Target
from warehouse import directory, frames
from warehouse.errors import Problem
from warehouse.evidence.foreign import taking_in
from warehouse.evidence.foreign_names import Names
from warehouse.evidence.foreign_records import ImportRunRow, add_import_runs, imports_of, open_sessions
from warehouse.evidence.foreign_sessions import Origin
from warehouse.periods import zone_of

Tell = Callable[[int], None]
"""Called with the number of lines that were read."""
_TOLD_EACH = 10_000
Read = Callable[[Source, Sequence[Path], Options, Tally], Generator[Placed | Record, None, None]]


def _silent(_lines: int) -> None:
    """Tell nobody."""


def import_files(  # noqa: PLR0913 - what, with which options, by whom, when
    engine: Engine,
    source_name: str,
    files: Sequence[Path],
    options: Options,
    *,
    actor: str,
    at_ms: int,
    tell: Tell = _silent,
) -> Report:
    """Read files of one source into the warehouse, in one transaction.

    Parameters
    ----------
    source_name
        One of `SOURCES`.
    files
        In any order; one that is given twice is read once.
    options
        `zone` None: the source's own, else the organization's, else UTC; the report says which.
    actor
        Who imports, for the record.
    at_ms
        Now: when the evidence was received.
    tell
        Called now and then with the number of lines that were read.

    Raises
    ------
    Problem
        A file, the mapping, the zone or the source cannot be used, a file was imported before as another
        application, or the warehouse refuses; nothing is stored.
    """
    origin = source(source_name)
    is_long = origin.pair is not None and _size(files) >= apart.WORTH_IT_BYTES
    read = apart.read_apart if is_long else _read_here
    return import_from(engine, origin, files, options, actor=actor, at_ms=at_ms, tell=tell, read=read)


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.is_file())


def _read_here(
    origin: Source, files: Sequence[Path], options: Options, tally: Tally
) -> Generator[Placed | Record, None, None]:
    return apart.placed(origin, origin.read(files, options, tally))


def import_from(  # noqa: PLR0913
    engine: Engine,
    origin: Source,
    files: Sequence[Path],
    options: Options,
    *,
    actor: str,
    at_ms: int,
    tell: Tell = _silent,
    chunk: int = CHUNK,
    read: Read = _read_here,
) -> Report:
    """Do what `import_files` does, for an importer that is given, with so many records in memory at once."""
    check_mapping(origin, options)
    zone, note = _zone(engine, origin, options)
    reads = {file.digest: (path, file) for path, file in map(_file, files)}
    report = Report(
        origin.name, [file for _, file in reads.values()], options.application, _digest(options.mapping)
    )
    tally = Tally(notes=[note] if note else [])
    with _without_collector(), taking_in(engine) as connection:
        _require_same_application(connection, report)
        target = Target(
            connection, Origin(origin.name, zone, at_ms), Names(connection, zone), options.application
        )
        intake = Intake(target, origin, report, chunk)
        paths = [path for path, _ in reads.values()]
        with closing(read(origin, paths, replace(options, zone=zone), tally)) as records:
            intake.take(_told(records, tally, tell))
        intake.finish(options.capacity)
        report.read, report.skipped, report.notes = tally.read, tally.skipped, tally.notes
        report.notes += _linked(connection)
        report.open = open_sessions(connection, origin.name)
        runs = [
            ImportRunRow(origin.name, file.digest, actor, at_ms, report.counts()) for file in report.files
        ]
        add_import_runs(connection, runs)
    return report


def _digest(mapping: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(mapping, sort_keys=True, default=str).encode()).hexdigest()


def _require_same_application(connection: Connection, report: Report) -> None:
    """Refuse a file that was read before, in the same way, as another application.

    Of most sources all of it would count twice, of the others nothing would change, and nobody be told.
    Another mapping may read something else of it; imports of versions that did not note theirs are unknown.
    """
    names = {file.digest: file.name for file in report.files}
    for digest, noted in imports_of(connection, report.source, names.keys()):
        if noted.get("mapping") != report.mapping or noted["application"] == report.application:
            continue
        before, how, remedy = noted["application"], "without --application", "leave it out"
        if before is not None:
            how, remedy = f"as application {before}", f"give --application {before}"
        message = f"{names[digest]} was imported before {how}: what it tells counts under one application"
        raise Problem(message, f"{remedy}, as it was then")


def _linked(connection: Connection) -> Iterator[str]:
    """Give accounts that are new to their people by the organization's rule, and say what came of it."""
    linked = directory.link_accounts(connection)
    if linked.given:
        yield f"{linked.given:,} accounts were given to their people by the organization's rule"
    yield from linked.doubts


@contextmanager
def _without_collector() -> Iterator[None]:
    """Leave millions of small records alone: they have no cycles, and are gone with their chunk."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def shipped_mappings() -> list[str]:
    """Return the names of the mappings that are shipped, for vendors' usage exports."""
    return sorted(path.stem for path in _MAPPINGS.glob("*.toml"))


_MAPPINGS = Path(__file__).parent / "mappings"


def mapping_of(path: Path | None) -> Mapping[str, Any]:
    """Read a mapping file, or a shipped one by its name.

    Raises
    ------
    Problem
        It is no TOML file.
    """
    if path is None:
        return {}
    if str(path) in shipped_mappings() and not path.exists():
        path = _MAPPINGS / f"{path}.toml"
    require_file(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path.name} is not a TOML file: {error}", "correct it") from None


def _told(records: Iterable[Placed | Record], tally: Tally, tell: Tell) -> Iterator[Placed | Record]:
    for number, record in enumerate(records, 1):
        yield record
        if number % _TOLD_EACH == 0:
            tell(tally.read)


def _zone(engine: Engine, origin: Source, options: Options) -> tuple[str, str | None]:
    """Return the zone of times that do not say theirs, and a sentence where nobody gave it."""
    if options.zone is not None:
        zone_of(options.zone)
        return options.zone, None
    if "zone" in options.mapping:  # its importer knows what to make of it
        return frames.home_zone(engine) or "UTC", None
    home = frames.home_zone(engine)
    zone, why = (
        (origin.zone, f"as {origin.name} is read") if origin.zone else (home, "the organization's zone")
    )
    if zone is None:
        zone, why = "UTC", "as there is no organization yet"
    return zone, f"times that name no zone are read as {zone}, {why}; --zone names another one"


def _file(path: Path) -> tuple[Path, FileRead]:
    require_file(path)
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    return path, FileRead(path.name, digest.hexdigest(), size)
