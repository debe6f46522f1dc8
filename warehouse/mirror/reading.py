"""Read segments: closed months from the mirror's files, what landed since from SQL.

A month's question reads a month and the few sessions that straddle into it. Of sessions that start before the
window SQL names those that reach into it; of the others, where a segment starts tells on which side it lies,
because segments lie within their session.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.mirror import stored, tail
from warehouse.mirror.manifest import (
    REMEDY,
    Manifest,
    MirrorFile,
    Unusable,
    folder_of,
    load,
    require_ours,
    scan,
)
from warehouse.mirror.months import bounds, month_of
from warehouse.periods import INSTANT

_log = logging.getLogger(__name__)
_said: set[str] = set()
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Question:
    """Segments of every session that overlaps [start_ms, end_ms).

    `overlapping` is the condition on `session` that says the same in SQL, with its `parameters`.
    """

    start_ms: int
    end_ms: int
    applications: Sequence[str] | None
    overlapping: str
    parameters: store.Parameters


@dataclass(frozen=True, slots=True)
class Part:
    """Which rows of one month's files are wanted; None: all."""

    month: str
    files: tuple[MirrorFile, ...]
    rows: pl.Expr | None


def segments(engine: Engine, question: Question) -> pl.LazyFrame | None:
    """Return the segments in the columns `stored.SEGMENTS`; None where there is no mirror to be trusted.

    They come by the month in which their session starts, then by session and start.
    """
    folder = folder_of(engine)
    try:
        manifest = sound(folder)
        with store.snapshot(engine) as now:
            require_ours(now, manifest, folder)
            parts = chosen(now, manifest, question)
            landed = tail.landed(now, manifest.landed_through)
            rows = tail.rows(now, manifest.landed_through, question.overlapping, question.parameters)
    except FileNotFoundError:
        return None
    except Unusable as problem:
        _say_once(problem)
        return None
    return _frame(folder, parts, landed, rows, question.applications)


def sound(folder: Path) -> Manifest:
    """Return a manifest all of whose files are there; an update may replace it between two looks.

    Raises
    ------
    FileNotFoundError
        There is no mirror.
    Unusable
        A file is missing or changed, or the manifest cannot be read.
    """
    for _ in range(_TRIES):
        manifest = load(folder)
        missing = next((file.name for file in manifest.files if not file.is_in(folder)), None)
        if missing is None:
            return manifest
    raise Unusable(f"The mirror's file {missing} is missing or changed", REMEDY)


def _say_once(problem: Unusable) -> None:
    if problem.message not in _said:
        _said.add(problem.message)
        _log.warning("%s; until then segments are read from SQL, slowly", problem)


# --- Which rows of which files -----------------------------------------------------------------------------


def chosen(now: store.Snapshot, manifest: Manifest, question: Question) -> list[Part]:
    """Return the months whose files have to be read, in their order, and which of their rows."""
    months = manifest.months()
    earlier = [month for month in months if bounds(month)[0] < question.start_ms]
    # From the end each session costs twice as much: its row is somewhere else than those before it.
    by_start = _rows_of(months, earlier) < 2 * _rows_of(months, set(months) - set(earlier))
    into = _straddlers(now, "start_ms", question, by_start=by_start) if earlier else {}
    found = []
    for month, files in months.items():
        from_ms, to_ms = bounds(month)
        if from_ms >= question.end_ms or (to_ms <= question.start_ms and month not in into):
            continue
        found.append(Part(month, tuple(files), _wanted(now, month, files, question, into.get(month, []))))
    return found


def _rows_of(months: Mapping[str, list[MirrorFile]], names: Sequence[str] | set[str]) -> int:
    return sum(file.rows for name in names for file in months[name])


def _wanted(
    now: store.Snapshot, month: str, files: Sequence[MirrorFile], question: Question, into: Sequence[int]
) -> pl.Expr | None:
    to_ms = bounds(month)[1]
    conditions = []
    if to_ms <= question.start_ms:
        conditions.append(pl.col("session").is_in(into))
    elif min(file.first_ms for file in files) < question.start_ms:
        conditions.append((pl.col("start") >= _instant(question.start_ms)) | pl.col("session").is_in(into))
    if to_ms > question.end_ms and max(file.last_ms for file in files) >= question.end_ms:
        beyond = _straddlers(now, "end_ms", question, by_start=True, month=month).get(month, [])
        conditions.append((pl.col("start") < _instant(question.end_ms)) | pl.col("session").is_in(beyond))
    return pl.all_horizontal(conditions) if conditions else None


def _straddlers(
    now: store.Snapshot, edge: str, question: Question, *, by_start: bool, month: str | None = None
) -> dict[str, list[int]]:
    """Return the sessions that start before an edge of the window and reach beyond it, by month of start.

    The plus keeps the database from an index: only we know whether more sessions lie before or after.
    """
    earliest = bounds(month)[0] if month else tail.FLOOR
    by = _BY_START if by_start else _BY_END
    edge_ms = question.start_ms if edge == "start_ms" else question.end_ms
    rows = now.read(by, {"edge_ms": edge_ms, "earliest_ms": earliest}).cast(pl.Int64)
    grouped = rows.group_by(month=month_of("started_ms")).agg("id")
    return {str(name): ids for name, ids in grouped.select("month", "id").iter_rows()}


_BY_START = """
    SELECT id, started_ms FROM session
    WHERE started_ms < :edge_ms AND started_ms >= :earliest_ms AND (+ended_ms > :edge_ms OR +ended_ms IS NULL)
"""
_BY_END = """
    SELECT id, started_ms FROM session
    WHERE ended_ms > :edge_ms AND +started_ms < :edge_ms AND +started_ms >= :earliest_ms
    UNION ALL
    SELECT id, started_ms FROM session
    WHERE ended_ms IS NULL AND +started_ms < :edge_ms AND +started_ms >= :earliest_ms
"""


def _instant(ms: int) -> pl.Expr:
    return pl.lit(ms, dtype=pl.Int64).cast(INSTANT)


# --- One frame ---------------------------------------------------------------------------------------------


def _frame(
    folder: Path,
    parts: Sequence[Part],
    landed: pl.DataFrame,
    rows: pl.DataFrame,
    applications: Sequence[str] | None,
) -> pl.LazyFrame:
    """Put the parts together in order of months; whole files that follow one another are one scan."""
    touched = {str(key[0]): frame for key, frame in landed.partition_by("month", as_dict=True).items()}
    newer = rows.with_columns(month=month_of("started_ms")).partition_by("month", as_dict=True)
    fresh = {str(key[0]): frame.select(*stored.SEGMENTS) for key, frame in newer.items()}
    filed = {part.month: part for part in parts}
    frames: list[pl.LazyFrame] = []
    whole: list[str] = []
    for month in sorted({*filed, *fresh}):
        part = filed.get(month)
        if part and part.rows is None and len(part.files) == 1 and month not in touched | fresh:
            whole.append(part.files[0].name)
            continue
        frames += _scan(folder, whole, applications)
        frames += _month(folder, part, touched.get(month), fresh.get(month), applications)
        whole = []
    frames += _scan(folder, whole, applications)
    return pl.concat(frames) if frames else pl.LazyFrame(schema=stored.SEGMENTS)


def _scan(folder: Path, names: list[str], applications: Sequence[str] | None) -> list[pl.LazyFrame]:
    if not names:
        return []
    found = scan(folder, names)
    return [found if applications is None else found.filter(pl.col("application").is_in(applications))]


def _month(
    folder: Path,
    part: Part | None,
    stretches: pl.DataFrame | None,
    fresh: pl.DataFrame | None,
    applications: Sequence[str] | None,
) -> list[pl.LazyFrame]:
    """Return one month in order: what stands before the first session that is touched needs no sorting."""
    if part is None:
        return [] if fresh is None else [fresh.lazy()]
    wanted = [frame for file in part.files for frame in _scan(folder, [file.name], applications)]
    if part.rows is not None:
        wanted = [frame.filter(part.rows) for frame in wanted]
    if stretches is None and fresh is None and len(wanted) == 1:
        return wanted
    first = _first_touched(part, stretches, fresh)
    before = wanted[0].filter(pl.col("session") < first)
    after = pl.concat([wanted[0].filter(pl.col("session") >= first), *wanted[1:]])
    if stretches is not None:
        after = tail.without(after, stretches)
    if fresh is not None:
        after = pl.concat([after, fresh.lazy()])
    # A stable sort is twice as fast where runs are in order already.
    return [before, after.sort("session", "start", maintain_order=True)]


def _first_touched(part: Part, stretches: pl.DataFrame | None, fresh: pl.DataFrame | None) -> int:
    sessions = [file.first_session for file in part.files[1:]]
    touched = [frame["session"].min() for frame in (stretches, fresh) if frame is not None]
    return min(number for number in (*sessions, *touched) if isinstance(number, int))
