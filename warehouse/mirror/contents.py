"""What the mirror's files hold, row by row: for proofs, which trust no manifest's sums."""

from __future__ import annotations

import polars as pl
from polars.exceptions import PolarsError
from sqlalchemy import Engine

from warehouse import store
from warehouse.mirror import content, manifest, stored
from warehouse.mirror.manifest import (
    REMEDY,
    Manifest,
    MirrorFile,
    Unusable,
    application_codes,
    folder_of,
    load,
    require_ours,
)

CONTENTS = {"month": pl.String, **content.SUMS}
"""One row per month of session start: segments, the sum of their lengths, the number of their content."""


def manifest_of(engine: Engine) -> Manifest | None:
    """Return the mirror's manifest; None where there is no mirror.

    Raises
    ------
    Unusable
        It is damaged, or not of this warehouse.
    """
    folder = folder_of(engine)
    try:
        found = load(folder)
    except FileNotFoundError:
        return None
    with store.snapshot(engine) as now:
        require_ours(now, found, folder)
    return found


def scan(engine: Engine, file: MirrorFile) -> pl.LazyFrame:
    """Return every segment of one file, in the columns `SEGMENTS`."""
    return manifest.scan(folder_of(engine), [file.name]).select(*stored.SEGMENTS)


def contents(engine: Engine) -> pl.DataFrame:
    """Count the files' real content, as `CONTENTS`; `stored_contents` is what SQL has of the same.

    Raises
    ------
    Unusable
        There is no mirror, or a file of it cannot be read.
    """
    known = manifest_of(engine)
    if known is None:
        raise Unusable(f"There is no mirror in {folder_of(engine)}", REMEDY)
    with store.snapshot(engine) as now:
        codes = application_codes(now)
    applications = {code: int(number) for number, code in codes.items()}
    sums = [_sums_of(engine, file, applications) for file in known.files]
    found = pl.concat([pl.DataFrame(schema=CONTENTS), *sums])
    return found.group_by("month").sum().sort("month")


def _sums_of(engine: Engine, file: MirrorFile, applications: dict[str, int]) -> pl.DataFrame:
    try:
        sums = content.filed(scan(engine, file), applications).collect()
    except (OSError, PolarsError) as error:
        raise Unusable(f"The mirror's file {file.name} cannot be read: {error}", REMEDY) from error
    return sums.select(pl.lit(file.month).alias("month"), *content.SUMS)


def stored_contents(engine: Engine) -> pl.DataFrame:
    """Count what SQL has, as `CONTENTS`: equal to `contents` right after an update."""
    with store.snapshot(engine) as now:
        return content.stored_by_month(now)
