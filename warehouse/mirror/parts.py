"""What a question needs of the mirror, not yet put together: for engines that read its files themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.mirror import stored, tail
from warehouse.mirror.manifest import REMEDY, Unusable, folder_of, require_ours
from warehouse.mirror.reading import Question, chosen, sound


@dataclass(frozen=True, slots=True)
class Parts:
    """The segments of a question are those of `files`, without `landed`, and `rows`.

    Attributes
    ----------
    folder
        The mirror's.
    files
        Parquet files in the columns `SEGMENTS`; they hold segments of other sessions, too.
    landed
        `session`, `lower`, `upper` (Int64): segments of a session that start in [lower, upper), in
        milliseconds, do not count in the files, because more of them landed since.
    rows
        What SQL has in those stretches, in the columns `SEGMENTS`.
    """

    folder: Path
    files: tuple[Path, ...]
    landed: pl.DataFrame
    rows: pl.DataFrame


def parts(engine: Engine, question: Question) -> Parts:
    """Find what a question needs; the files are read within the hour.

    Raises
    ------
    Unusable
        There is no mirror, or none that can be trusted.
    """
    folder = folder_of(engine)
    try:
        manifest = sound(folder)
    except FileNotFoundError:
        raise Unusable(f"There is no mirror in {folder}", REMEDY) from None
    number = manifest.landed_through
    with store.snapshot(engine) as now:
        require_ours(now, manifest, folder)
        months = chosen(now, manifest, question)
        landed = tail.landed(now, number)
        rows = tail.rows(now, number, question.overlapping, question.parameters)
    return Parts(
        folder,
        tuple(folder / file.name for month in months for file in month.files),
        landed.select("session", "lower", "upper").unique(),
        rows.select(*stored.SEGMENTS),
    )
