"""The dated layer of project entries: which one is in force at each millisecond of a session.

Entries are never edited: a correction is a new one, and of the entries that cover a moment the highest id
counts. An entry may be for one instance of a session; time goes to the instance with the focus, then to the
one that had it last.
"""

from __future__ import annotations

import polars as pl

NO_INSTANCE = -1
"""Lane of a session in which no instance has had the focus yet: any entry fits."""

ALL_INSTANCES = -2
"""Lane of a session without entries for single instances."""


def lanes(stated: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Add `lane` (Int32): the instance whose entries count for a segment.

    Parameters
    ----------
    stated
        Whole sessions, ordered by session and start: `session`, `instance`.
    entries
        `session`, `instance`.
    """
    single = entries.drop_nulls("instance").select("session").unique()
    if single.is_empty():
        return stated.with_columns(lane=pl.lit(ALL_INSTANCES, dtype=pl.Int32))
    last = pl.col("instance").forward_fill().over("session").fill_null(NO_INSTANCE).cast(pl.Int32)
    has_single = pl.col("session").is_in(single["session"].implode())
    return stated.with_columns(lane=pl.when(has_single).then(last).otherwise(ALL_INSTANCES))


def in_force(pieces: pl.DataFrame, entries: pl.DataFrame) -> pl.DataFrame:
    """Add `entry` (Int64, null where none is in force), cutting the pieces where it changes.

    Parameters
    ----------
    pieces
        `session`, `lane`, `start_ms`, `end_ms`, ...; ordered by session and start, without overlap within a
        session.
    entries
        `entry`, `session`, `instance` (null: all), `start_ms`, `end_ms` (null: open).

    Returns
    -------
    pl.DataFrame
        In no particular order.
    """
    extents = pieces.group_by("session", "lane").agg(
        pl.col("start_ms").min().alias("first_ms"), pl.col("end_ms").max().alias("last_ms")
    )
    changes = _changes(entries, extents.select("session", "lane"))
    cut = _cut(pieces, changes.join(extents, on=["session", "lane"]))
    parts = [
        part.join_asof(
            changes, left_on="start_ms", right_on="at_ms", by=["session", "lane"], check_sortedness=False
        ).drop("at_ms", strict=False)
        for part in cut
    ]
    return pl.concat(parts)


def _changes(entries: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """List from when on which entry is in force: `session`, `lane`, `at_ms`, `entry`; ordered by time.

    `known` lists the lanes of each session.
    """
    fits = pl.col("instance").is_null() | pl.col("lane").is_in([NO_INSTANCE, ALL_INSTANCES])
    mine = known.join(entries, on="session").filter(fits | (pl.col("instance") == pl.col("lane")))
    edges = pl.concat(
        [
            mine.select("session", "lane", at_ms="start_ms"),
            mine.select("session", "lane", at_ms="end_ms").drop_nulls("at_ms"),
        ]
    ).unique()
    covering = edges.join(mine, on=["session", "lane"]).filter(
        (pl.col("start_ms") <= pl.col("at_ms"))
        & (pl.col("end_ms").is_null() | (pl.col("at_ms") < pl.col("end_ms")))
    )
    winners = covering.group_by("session", "lane", "at_ms").agg(pl.col("entry").max())
    return edges.join(winners, on=["session", "lane", "at_ms"], how="left").sort("at_ms")


def _cut(pieces: pl.DataFrame, changes: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut the pieces at the changes strictly inside them; return those left whole, and the parts.

    Most sessions know one project from their start on: only the few others are looked at closely.
    """
    inside = (pl.col("first_ms") < pl.col("at_ms")) & (pl.col("at_ms") < pl.col("last_ms"))
    close = changes.filter(inside).select("session", "lane", "at_ms").sort("at_ms")
    if close.is_empty():
        return [pieces]
    numbered = pieces.with_row_index("piece")
    near = numbered.join(close, on=["session", "lane"], how="semi", maintain_order="left")
    met = close.join_asof(
        near, left_on="at_ms", right_on="start_ms", by=["session", "lane"], check_sortedness=False
    ).filter((pl.col("start_ms") < pl.col("at_ms")) & (pl.col("at_ms") < pl.col("end_ms")))
    is_met = pl.col("piece").is_in(met["piece"].implode())
    tails = met.with_columns(start_ms="at_ms").select(near.columns)
    until = pl.col("start_ms").shift(-1).over("piece").fill_null(pl.col("end_ms"))
    parts = pl.concat([near.filter(is_met), tails]).sort("piece", "start_ms").with_columns(end_ms=until)
    return [numbered.filter(~is_met).drop("piece"), parts.drop("piece")]
