"""Bring the mirror up to date: what landed is taken in month by month, and every month is checked.

A month is one file of all its segments and up to eight smaller ones of what landed since; then they become
one again. Whatever does not agree with SQL, in bytes, count or content, is read from SQL anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
from sqlalchemy import Engine

from warehouse import landing, store
from warehouse.errors import Problem
from warehouse.mirror import content, stored, tail
from warehouse.mirror.folder import leave, one_at_a_time, sweep, write
from warehouse.mirror.manifest import (
    Manifest,
    MirrorFile,
    Unusable,
    application_codes,
    digest_of,
    folder_of,
    identity,
    landed_under,
    load,
    require_ours,
    save,
    scan,
)
from warehouse.mirror.months import bounds, month_of

MOST_FILES = 8
STARTED_IN = "session.started_ms >= :from_ms AND session.started_ms < :to_ms"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What an update did.

    `months` are those that it wrote; `rebuilt` says why everything was read anew, and is None where only what
    landed was taken in; `segments` and `files` are those of the whole mirror.
    """

    folder: Path
    landed_through: int
    segments: int
    files: int
    months: tuple[str, ...]
    rebuilt: str | None


def update(engine: Engine, *, thorough: bool = False) -> Mirrored:
    """Take in what landed since the last update.

    Parameters
    ----------
    thorough
        Also read every file, compare it with its digest, and every month's sums with those of SQL.

    Raises
    ------
    Problem
        The folder cannot be written, or SQL itself has segments that cannot be.
    """
    folder = folder_of(engine)
    with one_at_a_time(folder):
        through = landing.newest(engine)
        with store.snapshot(engine) as now:
            before, reason = _trusted(now, folder)
            work = _Update(now, folder, before, thorough)
            return _finished(work, through, reason)


def rebuild(engine: Engine) -> Mirrored:
    """Make the mirror anew from SQL alone."""
    folder = folder_of(engine)
    with one_at_a_time(folder):
        through = landing.newest(engine)
        with store.snapshot(engine) as now:
            return _finished(_Update(now, folder, None, thorough=False), through, "as asked")


def _trusted(now: store.Snapshot, folder: Path) -> tuple[Manifest | None, str | None]:
    try:
        found = load(folder)
        require_ours(now, found, folder)
    except FileNotFoundError:
        return None, "there was none"
    except Unusable as problem:
        return None, problem.message
    return found, None


def _finished(work: _Update, through: int, reason: str | None) -> Mirrored:
    before = {file.name: file for file in work.before.files} if work.before else {}
    files = tuple(work.files())
    after = Manifest(
        warehouse=identity(work.now),
        landed_through=through,
        landed=landed_under(work.now, through),
        applications=application_codes(work.now),
        files=files,
    )
    names = {file.name for file in files}
    if after != work.before:
        save(work.folder, after)
        leave(work.folder, before.keys() - names)
    sweep(work.folder, names)
    months = tuple(sorted({file.month for file in set(files) ^ set(before.values())}))
    return Mirrored(work.folder, through, sum(file.rows for file in files), len(files), months, reason)


@dataclass
class _Update:
    """One update under way; without `before` everything is read from SQL."""

    now: store.Snapshot
    folder: Path
    before: Manifest | None
    thorough: bool
    applications: dict[str, int] = field(init=False)
    """Id by code."""

    def __post_init__(self) -> None:
        self.applications = {code: int(number) for number, code in application_codes(self.now).items()}

    def files(self) -> list[MirrorFile]:
        """Write what has to be written; give the files of the mirror afterwards, in order of months."""
        if self.before is None:
            months = self._all_from_sql()
        else:
            months = self._taken_in(self.before)
            for month in self._wrong(months) if self.thorough else ():
                months[month] = self._from_sql(month)
        return [file for month in sorted(months) for file in months[month]]

    def _all_from_sql(self) -> dict[str, list[MirrorFile]]:
        """Read each month while the one before it is written."""
        found: dict[str, list[MirrorFile]] = {}
        written: dict[str, Future[list[MirrorFile]]] = {}
        with ThreadPoolExecutor(1, "mirror") as apart:
            for month in self._months_in_sql():
                segments = self._read(month)
                found |= {name: self._sure(name, files.result()) for name, files in written.items()}
                written = {month: apart.submit(self._written, month, segments)}
                del segments
        return found | {name: self._sure(name, files.result()) for name, files in written.items()}

    def _taken_in(self, before: Manifest) -> dict[str, list[MirrorFile]]:
        known = before.months()
        landed = tail.landed(self.now, before.landed_through).partition_by("month", as_dict=True)
        touched = {str(key[0]): frame for key, frame in landed.items()}
        newest = max({*known, *touched}, default="")
        return {
            month: self._month(month, known.get(month, []), touched.get(month), is_newest=month == newest)
            for month in sorted({*known, *touched})
        }

    def _wrong(self, months: dict[str, list[MirrorFile]]) -> list[str]:
        """Return the months of which SQL has something else than their files."""
        found = content.stored_by_month(self.now)
        stored_sums = {row[0]: row[1:] for row in found.iter_rows()}
        filed_sums = {month: _sums(files) for month, files in months.items() if files}
        return sorted(month for month, _ in stored_sums.items() ^ filed_sums.items())

    def _months_in_sql(self) -> Iterator[str]:
        sql = "SELECT min(started_ms) AS next_ms FROM session WHERE started_ms >= :from_ms"
        from_ms = tail.FLOOR
        while (found := self.now.read(sql, {"from_ms": from_ms}).cast(pl.Int64)).item() is not None:
            month = found.select(month_of("next_ms")).item()
            yield month
            from_ms = bounds(month)[1]

    # --- One month -------------------------------------------------------------------------------------

    def _month(
        self, month: str, files: list[MirrorFile], stretches: pl.DataFrame | None, *, is_newest: bool
    ) -> list[MirrorFile]:
        # What trickles in late makes small files; a month that has come to rest is one again.
        rests = stretches is None and (is_newest or len(files) < 2)
        sound = [self._seen(file, read=self.thorough or not rests) for file in files]
        if None in sound or not files:
            return self._from_sql(month)
        files = [file for file in sound if file is not None]
        if rests:
            return files
        return (
            self._one_file(month, files, None)
            if stretches is None
            else self._take_in(month, files, stretches)
        )

    def _seen(self, file: MirrorFile, *, read: bool) -> MirrorFile | None:
        """Return the file as it lies there; None where it is not what was written."""
        if file.is_in(self.folder) and not read:
            return file
        try:
            path = self.folder / file.name
            if digest_of(path.read_bytes()) != file.digest:
                return None
            return replace(file, modified_ns=path.stat().st_mtime_ns)
        except OSError:
            return None

    def _take_in(self, month: str, files: list[MirrorFile], stretches: pl.DataFrame) -> list[MirrorFile]:
        is_replaced = (stretches["lower"] == tail.FLOOR).any()
        if is_replaced or len(files) >= MOST_FILES:
            return self._one_file(month, files, stretches)
        found = self._tail_rows(month)
        there = self._scan(files).filter(pl.col("session").is_in(stretches["session"].to_list()))
        new = found.join(there.select("session", "start").collect(), on=["session", "start"], how="anti")
        small = sum(file.rows for file in files[1:]) + new.height
        if small > files[0].rows // 2:
            return self._one_file(month, files, stretches)
        files = [*files, *self._written(month, new)]
        same = self._are(files, month, stretches["session"].to_list())
        return files if same else self._from_sql(month)

    def _one_file(
        self, month: str, files: list[MirrorFile], stretches: pl.DataFrame | None
    ) -> list[MirrorFile]:
        kept = self._scan(files)
        if stretches is not None:
            kept = pl.concat([tail.without(kept, stretches), self._tail_rows(month).lazy()])
        written = self._written(month, kept.sort("session", "start", maintain_order=True).collect())
        return written if self._are(written, month) else self._from_sql(month)

    def _from_sql(self, month: str) -> list[MirrorFile]:
        return self._sure(month, self._written(month, self._read(month)))

    def _read(self, month: str) -> pl.DataFrame:
        return stored.of_sessions(self.now, STARTED_IN, self._started_in(month)).drop("started_ms")

    def _sure(self, month: str, files: list[MirrorFile]) -> list[MirrorFile]:
        if not self._are(files, month):
            raise Problem(
                f"The segments of {month} cannot be mirrored: they are not as segments can be",
                "run `process-meter warehouse check`",
            )
        return files

    # --- Rows and sums ---------------------------------------------------------------------------------

    def _started_in(self, month: str) -> dict[str, int]:
        from_ms, to_ms = bounds(month)
        return {"from_ms": from_ms, "to_ms": to_ms}

    def _tail_rows(self, month: str) -> pl.DataFrame:
        assert self.before  # noqa: S101 - without it nothing is a tail
        through = self.before.landed_through
        return tail.rows(self.now, through, STARTED_IN, self._started_in(month)).drop("started_ms")

    def _scan(self, files: list[MirrorFile]) -> pl.LazyFrame:
        if not files:
            return pl.LazyFrame(schema=stored.SEGMENTS)
        return scan(self.folder, (file.name for file in files))

    def _written(self, month: str, segments: pl.DataFrame) -> list[MirrorFile]:
        return [] if segments.is_empty() else [write(self.folder, month, segments, self.applications)]

    def _are(self, files: list[MirrorFile], month: str, sessions: list[int] | None = None) -> bool:
        """Say whether files are what SQL has of a month, or of the sessions of the tail in it."""
        where, parameters = STARTED_IN, self._started_in(month)
        if sessions is None:
            return _sums(files) == content.stored(self.now, where, parameters).row(0)
        assert self.before  # noqa: S101
        parameters = {**parameters, "number": self.before.landed_through}
        filed = content.filed(
            self._scan(files).filter(pl.col("session").is_in(sessions)), self.applications
        ).collect()
        return filed.row(0) == content.stored(self.now, f"{where} AND {tail.IN_TAIL}", parameters).row(0)


def _sums(files: list[MirrorFile]) -> tuple[int, ...]:
    return tuple(sum(getattr(file, name) for file in files) for name in content.SUMS)
