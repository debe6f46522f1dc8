"""Which days are derived in one go: those that changes overlap, no more at a time than memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

import polars as pl
from sqlalchemy import Engine

from warehouse import frames, store
from warehouse.frames.reading import EPOCH

DAY_MS = 86_400_000
LONGEST_DAYS = 31
MOST_QUARTERS = 400_000
"""Quarter hours of sessions that are derived at a time: each is one segment or several."""


@dataclass(frozen=True)
class Stretch:
    """Days that are derived in one go, in one transaction.

    Attributes
    ----------
    from_ms, to_ms
        Whole UTC days, [from_ms, to_ms).
    applications
        Ids; None: all.
    sessions
        Ids of those whose use is written anew; None: all.
    """

    from_ms: int
    to_ms: int
    applications: list[int] | None = None
    sessions: pl.Series | None = None

    @property
    def start(self) -> datetime:
        """The first instant."""
        return EPOCH + timedelta(milliseconds=self.from_ms)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return EPOCH + timedelta(milliseconds=self.to_ms)


def of_changes(engine: Engine, changes: pl.DataFrame) -> Iterator[Stretch]:
    """Give the days that touched sessions overlap, in order.

    Parameters
    ----------
    changes
        What `touched` gives.
    """
    first, last = pl.col("from_ms") // DAY_MS, (pl.col("to_ms") - 1) // DAY_MS
    days = changes.select(day=pl.int_ranges(first, last + 1)).explode("day").unique().sort("day")
    for from_ms, to_ms in _runs(engine, days):
        inside = changes.filter(pl.col("from_ms") < to_ms, pl.col("to_ms") > from_ms)
        applications = inside["application"].unique().sort()
        yield Stretch(
            from_ms,
            to_ms,
            None if applications.has_nulls() else applications.to_list(),
            inside["session"].unique().sort(),
        )


def everything(engine: Engine) -> Iterator[Stretch]:
    """Give all days of evidence, and of rollups whose evidence is gone."""
    edges = [int(edge) for edge in store.read(engine, _EDGES).row(0) if edge is not None]
    edges += [(instant - EPOCH) // timedelta(milliseconds=1) for instant in frames.span(engine) or ()]
    if edges:
        days = pl.int_range(min(edges) // DAY_MS, max(edges) // DAY_MS + 1, eager=True)
        for from_ms, to_ms in _runs(engine, days.to_frame("day")):
            yield Stretch(from_ms, to_ms)


_EDGES = """
    SELECT (SELECT min(hour_ms) FROM use_hour) AS first_use, (SELECT max(hour_ms) FROM use_hour) AS last_use,
           (SELECT min(hour_ms) FROM demand_hour) AS first_demand,
           (SELECT max(hour_ms) FROM demand_hour) AS last_demand
"""


def _runs(engine: Engine, days: pl.DataFrame) -> Iterator[tuple[int, int]]:
    """Cut days, each there once and in order, at every hole, and into parts that fit into memory."""
    if days.is_empty():
        return
    first, last = int(days["day"][0]), int(days["day"][-1])
    window = {"start_ms": first * DAY_MS, "end_ms": (last + 1) * DAY_MS}
    found = store.read(engine, _QUARTERS, window).cast({"day": pl.Int64, "quarters": pl.Int64})
    weighed = days.join(found, on="day", how="left", maintain_order="left").fill_null(0)
    parts = accumulate(weighed.iter_rows(), _part, initial=(0, first - 2, first - 2, 0))
    cut = pl.DataFrame(list(parts)[1:], schema=["number", "begins", "day", "quarters"], orient="row")
    for begins, day in cut.group_by("number", maintain_order=True).last().select("begins", "day").iter_rows():
        yield begins * DAY_MS, (day + 1) * DAY_MS


def _part(before: tuple[int, int, int, int], row: tuple[int, int]) -> tuple[int, int, int, int]:
    """Put a day into the part of the day before, or begin another: number, first day, day, quarters."""
    number, begins, yesterday, so_far = before
    day, quarters = row
    is_next = day == yesterday + 1
    if is_next and day - begins < LONGEST_DAYS and so_far + quarters <= MOST_QUARTERS:
        return number, begins, day, so_far + quarters
    return number + 1, day, day, quarters


_QUARTERS = """
    SELECT started_ms / 86400000 AS day,
           CAST(sum((coalesce(ended_ms, started_ms) - started_ms) / 900000 + 1) AS BIGINT) AS quarters
    FROM session WHERE started_ms >= :start_ms AND started_ms < :end_ms GROUP BY started_ms / 86400000
"""
