"""An engine that reads the mirror's files itself, less what landed since, has what the frames have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from evidence_story import (
    DAY_MS,
    NEW_YEAR_MS,
    QUARTER_MS,
    add_session,
    end_session,
    erase,
    furnish,
    land,
    quarters,
    replace,
    whole_session,
)
from sqlalchemy import Engine

from warehouse import frames, mirror, store
from warehouse.mirror import Unusable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _put_together(engine: Engine, start: datetime, end: datetime, applications: list[str] | None) -> Any:
    found = mirror.parts(engine, frames.segments_question(start, end, applications))
    empty = pl.LazyFrame(schema=mirror.SEGMENTS)
    filed = pl.scan_parquet(found.files).select(*mirror.SEGMENTS) if found.files else empty
    begins = pl.col("start").cast(pl.Int64)
    outside = pl.col("lower").is_null() | (begins < pl.col("lower")) | (begins >= pl.col("upper"))
    kept = filed.join(found.landed.lazy(), on="session", how="left").filter(outside).select(*mirror.SEGMENTS)
    asked = frames.sessions(engine, start, end, applications).select("session")
    both = pl.concat([kept, found.rows.lazy()]).join(asked, on="session", how="semi")
    return both.sort("session", "start").collect().rows()


def _require_equal(engine: Engine) -> None:
    edges = [EPOCH + timedelta(milliseconds=NEW_YEAR_MS + day * DAY_MS) for day in (0, 27, 79)]
    for start in edges:
        for end in edges:
            for applications in (None, ["solve"]):
                if start < end:
                    expected = frames.segments(engine, start, end, applications).collect()
                    rows = expected.sort("session", "start").rows()
                    assert _put_together(engine, start, end, applications) == rows


def test_files_less_what_landed_since_and_what_sql_has_of_it_are_the_segments(engine: Engine) -> None:
    furnish(engine)
    for number in range(1, 7):
        start_ms = NEW_YEAR_MS + number * 13 * DAY_MS
        whole_session(engine, number, start_ms, start_ms + DAY_MS, 1 + number % 2)
    mirror.update(engine)
    _require_equal(engine)
    with store.writing(engine) as connection:
        start_ms = NEW_YEAR_MS + 26 * DAY_MS
        replace(connection, 2, quarters(start_ms, start_ms + 3 * QUARTER_MS), units=9)
        end_session(connection, 2, start_ms + 3 * QUARTER_MS)
        erase(connection, 3)
        add_session(connection, 8, start_ms, None)
        land(connection, 8, quarters(start_ms, start_ms + DAY_MS))
    _require_equal(engine)
    with store.writing(engine) as connection:  # the number of an erased session, in another month
        add_session(connection, 3, start_ms, start_ms + DAY_MS)
        land(connection, 3, quarters(start_ms, start_ms + DAY_MS))
    _require_equal(engine)


def test_without_a_mirror_there_are_no_parts(engine: Engine) -> None:
    question = frames.segments_question(EPOCH, EPOCH + timedelta(days=1))
    with pytest.raises(Unusable, match="There is no mirror in"):
        mirror.parts(engine, question)
