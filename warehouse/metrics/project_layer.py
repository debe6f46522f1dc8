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
    """
    changes = _changes(entries, pieces.select("session", "lane").unique())
    cut = _cut(pieces, changes)
    placed = cut.join_asof(
        changes, left_on="start_ms", right_on="at_ms", by=["session", "lane"], check_sortedness=False
    )
    return placed.drop("at_ms", strict=False)


def _changes(entries: pl.DataFrame, lanes_: pl.DataFrame) -> pl.DataFrame:
    """List from when on which entry is in force: `session`, `lane`, `at_ms`, `entry`; ordered by time."""
    fits = pl.col("instance").is_null() | pl.col("lane").is_in([NO_INSTANCE, ALL_INSTANCES])
    mine = lanes_.join(entries, on="session").filter(fits | (pl.col("instance") == pl.col("lane")))
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


def _cut(pieces: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """Cut the pieces at the changes strictly inside them: only those that have one are touched."""
    near = pieces.join(changes, on=["session", "lane"], how="semi", maintain_order="left")
    inside = changes.select("session", "lane", "at_ms").join_asof(
        near, left_on="at_ms", right_on="start_ms", by=["session", "lane"], check_sortedness=False
    )
    inside = inside.filter((pl.col("start_ms") < pl.col("at_ms")) & (pl.col("at_ms") < pl.col("end_ms")))
    if inside.is_empty():
        return pieces
    touched = ["session", "start_ms"]
    whole = pieces.join(inside, on=touched, how="anti", maintain_order="left")
    heads = pieces.join(inside, on=touched, how="semi", maintain_order="left")
    tails = inside.with_columns(start_ms="at_ms").select(pieces.columns)
    until = pl.min_horizontal("end_ms", pl.col("start_ms").shift(-1).over("session"))
    parts = pl.concat([heads, tails]).sort(touched).with_columns(end_ms=until)
    return pl.concat([whole, parts]).sort(touched)
