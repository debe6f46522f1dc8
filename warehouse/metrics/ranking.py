"""Which applications are used most: for how long, by how many, on how many days, and when last."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from warehouse.metrics.concurrency import check
from warehouse.metrics.states import BASES
from warehouse.periods import check_window, clip, zone_of


def ranking(  # noqa: PLR0913, PLR0917 - a figure names its basis, window and zone
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    basis: str,
    start: datetime,
    end: datetime,
    zone: str = "UTC",
) -> pl.LazyFrame:
    """Rank applications by their use.

    Parameters
    ----------
    stated
        What `states` gives.
    sessions
        `session`, `application`, `person`, `account`, `started`; also of sessions without segments.
    basis
        One of `states.BASES`: which time is use.
    start, end
        The window, [start, end).
    zone
        IANA zone whose days are counted.

    Returns
    -------
    pl.LazyFrame
        `application` (String), `sessions` (seen open in the window), `people` (different ones in use; an
        account without a person counts as one), `use_ms`, `days_used` (local days with any use), Int64, and
        `last_used` (Datetime: end of the last use; null: none). One row per application with a session in
        the window, most use first, then by application.

    Raises
    ------
    Problem
        An unknown basis or zone, or an end that is not after the start.
    """
    check_window(start, end)
    check("basis", basis, list(BASES))
    who = pl.coalesce("person", "account").cast(pl.String).alias("_who")
    known = sessions.select("session", pl.col("application").cast(pl.String), "started", who)
    pieces = clip(stated, start, end).select("session", "start", "end", "state")
    seen = pl.concat(
        [
            pieces.select("session"),
            known.filter(pl.col("started") >= start, pl.col("started") < end).select("session"),
        ]
    ).unique()
    opened = (
        known.join(seen, on="session", how="semi").group_by("application").agg(sessions=_count("session"))
    )
    used = (
        pieces.filter(pl.col("state").is_in(BASES[basis]))
        .join(known, on="session")
        .group_by("application")
        .agg(
            people=_count("_who"),
            use_ms=(pl.col("end") - pl.col("start")).dt.total_milliseconds().sum(),
            # A segment lies in one quarter of an hour, so in one local day.
            days_used=_count(pl.col("start").dt.convert_time_zone(str(zone_of(zone))).dt.date()),
            last_used=pl.col("end").max(),
        )
    )
    return (
        opened.join(used, on="application", how="left")
        .with_columns(pl.col("people", "use_ms", "days_used").fill_null(0))
        .select("application", "sessions", "people", "use_ms", "days_used", "last_used")
        .sort("use_ms", "application", descending=[True, False])
    )


def _count(what: str | pl.Expr) -> pl.Expr:
    return (pl.col(what) if isinstance(what, str) else what).n_unique().cast(pl.Int64)
