"""Groups of at least five: what an executive sees of a few people, they do not see of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

SMALLEST = 5
"""No figure is shown of a group with fewer people."""

GRAINS = ("1d", "1w", "1mo")


def at_least_five(frame: pl.DataFrame, sums: Sequence[str], *, other: str) -> pl.DataFrame:
    """Fold the rows of fewer than five people into one, so that neither it nor what is left out tells of few.

    Parameters
    ----------
    frame
        One row per group: `name`, `people`, `sums`...; anything else is left out.
    sums
        Columns that add up.
    other
        The `name` of the row of all that is folded.

    Returns
    -------
    pl.DataFrame
        `name`, `people`, `sums`...: the rows of five or more in the frame's order, then the folded ones,
        whose `people` is null: one person may be in several. The smallest group of five is folded with them,
        because those alone could be fewer. Empty, when no group has five.
    """
    shown = frame.select("name", pl.col("people").cast(pl.Int64), *sums)
    small = shown.filter(pl.col("people") < SMALLEST)
    if small.is_empty():
        return shown
    large = shown.filter(pl.col("people") >= SMALLEST)
    if large.is_empty():
        return large
    # At least as many people as its largest group are in the fold; only a group of five makes sure of five.
    least = large["people"].arg_min()
    kept = large.with_row_index("_row").filter(pl.col("_row") != least).drop("_row")
    folded = pl.concat([small, large.slice(least or 0, 1)])
    row = folded.select(
        pl.lit(other).alias("name"), pl.lit(None, pl.Int64).alias("people"), pl.col(*sums).sum()
    )
    return pl.concat([kept, row])


def over_time(by_day: pl.DataFrame, sums: Sequence[str], first_day: date) -> tuple[str, pl.DataFrame] | None:
    """Add up days, weeks or months: the finest grain at which every stretch with use has five people or more.

    Parameters
    ----------
    by_day
        One row per local day: `day`, `people`, `sums`...
    sums
        Columns that add up.
    first_day
        First day of the window; weeks are counted from it, so that none is cut short at the start.

    Returns
    -------
    tuple[str, pl.DataFrame] or None
        "day", "week" or "month", and one row per stretch: `start` (Date), `people` (at least so many),
        `sums`...; None when even a month has fewer than five.
    """
    for every, grain in zip(GRAINS, ("day", "week", "month"), strict=True):
        stretches = _stretches(by_day, sums, every, first_day)
        used = stretches.filter(pl.col("people") > 0)
        if not used.is_empty() and used.select((pl.col("people") >= SMALLEST).all()).item():
            return grain, stretches
    return None


def _stretches(by_day: pl.DataFrame, sums: Sequence[str], every: str, first_day: date) -> pl.DataFrame:
    # Whoever was there on one day was there in the week: the largest day is what is certain.
    grouped = (
        by_day.sort("day")
        .group_by_dynamic("day", every=every, start_by="datapoint" if every != "1mo" else "window")
        .agg(pl.col("people").max(), pl.col(*sums).sum())
    )
    return grouped.rename({"day": "start"}).with_columns(pl.max_horizontal("start", pl.lit(first_day)))
