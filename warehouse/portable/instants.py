"""Instants as integers, and what a window leaves of intervals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoLazyFrameT

_EPOCH = datetime.fromtimestamp(0, UTC)

DAY_MS = 86_400_000
QUARTER_MS = 900_000
"""Segments are cut at every UTC quarter of an hour, and every local hour begins at one."""


def ms_of(instant: datetime) -> int:
    """Return the milliseconds since 1970 of an instant with its zone."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def within(
    intervals: nw.LazyFrame[IntoLazyFrameT], start: datetime, end: datetime
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Cut intervals to [start, end) and leave out what lies outside; `began` is where each began, uncut."""
    from_ms, to_ms = ms_of(start), ms_of(end)
    return intervals.filter(nw.col("start") < to_ms, nw.col("end") > from_ms).with_columns(
        began=nw.col("start"),
        start=nw.max_horizontal(nw.col("start"), nw.lit(from_ms)),
        end=nw.min_horizontal(nw.col("end"), nw.lit(to_ms)),
    )
