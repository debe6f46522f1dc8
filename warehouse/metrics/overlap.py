"""Overlap policies: whose a moment is that several sessions of one person claim.

Pieces in, pieces out; what a policy takes away is the run's overlap. Pieces never cross a quarter of an hour,
so that the pieces which meet at one moment are few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from warehouse.errors import Problem

PRECEDENCE = ("kind", "since_ms", "session")
"""Active beats pause beats buffer, then the latest last input, then the lower session id."""

_DESCENDING = (False, True, False)


def without_overlap(pieces: pl.DataFrame, policy: str) -> pl.DataFrame:
    """Apply an overlap policy.

    Parameters
    ----------
    pieces
        One row per stretch of one session: `session`, `person_id`, `application`, `start_ms`, `end_ms`,
        `kind` (0 active, 1 pause, 2 buffer), `since_ms`, `focused`, and whatever else is to be carried
        along. The pieces of one session do not overlap.
    policy
        One of `POLICIES`.

    Returns
    -------
    pl.DataFrame
        The same columns: what is left of each piece.

    Raises
    ------
    Problem
        No such policy.
    """
    if policy not in POLICIES:
        raise Problem(f"unknown overlap policy {policy!r}", f"use one of {', '.join(POLICIES)}")
    return POLICIES[policy](pieces)


def _union(pieces: pl.DataFrame) -> pl.DataFrame:
    """One person, one application, one moment counts once."""
    return _resolved(pieces, ("person_id", "application"), _first)


def _full(pieces: pl.DataFrame) -> pl.DataFrame:
    """Each session counts, whatever else runs."""
    return pieces


def _foreground(pieces: pl.DataFrame) -> pl.DataFrame:
    """Only the focused application of a person counts, and a person has one focus at a time."""
    return _resolved(pieces.filter("focused"), ("person_id",), _first)


def _equal_split(pieces: pl.DataFrame) -> pl.DataFrame:
    """Each moment is divided among the sessions that claim it, to the millisecond."""
    return _resolved(pieces, ("person_id", "application"), _slices)


POLICIES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "union": _union,
    "full": _full,
    "foreground": _foreground,
    "equal_split": _equal_split,
}


def _resolved(
    pieces: pl.DataFrame, keys: Sequence[str], choose: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Cut the pieces of one key at each other's edges, and let `choose` settle each span."""
    meets = pl.col("session").is_in(_sessions_that_meet(pieces, keys).implode())
    clusters = _clusters(pieces.filter(meets), keys)
    is_contested = pl.len().over("cluster") > 1
    settled = choose(_claims(clusters.filter(is_contested)))
    parts = (pieces.filter(~meets), clusters.filter(~is_contested), settled)
    return pl.concat([part.select(pieces.columns) for part in parts])


def _sessions_that_meet(pieces: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """Find the sessions that share any time with another one of their key: most never do."""
    extents = pieces.group_by("session").agg(
        pl.col(keys).first(), pl.col("start_ms").min(), pl.col("end_ms").max()
    )
    return _clusters(extents, keys).filter(pl.len().over("cluster") > 1)["session"]


def _clusters(spans: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Give one number to the spans that hang together within one key."""
    reach = pl.col("end_ms").cum_max().shift(1).over(keys)
    opens = reach.is_null() | (pl.col("start_ms") >= reach)
    return spans.sort(*keys, "start_ms", "session").with_columns(cluster=opens.cum_sum())


def _claims(contested: pl.DataFrame) -> pl.DataFrame:
    """List who claims each span between two neighboring edges of a cluster: `at`, `until` and the piece."""
    edges = pl.concat(
        [contested.select("cluster", at="start_ms"), contested.select("cluster", at="end_ms")]
    ).unique()
    spans = edges.sort("cluster", "at").with_columns(until=pl.col("at").shift(-1).over("cluster"))
    claims = spans.drop_nulls("until").join(contested, on="cluster")
    return claims.filter((pl.col("start_ms") <= pl.col("at")) & (pl.col("until") <= pl.col("end_ms"))).sort(
        "cluster", "at", *PRECEDENCE, descending=[False, False, *_DESCENDING]
    )


def _first(claims: pl.DataFrame) -> pl.DataFrame:
    """Give each span to its best claim."""
    best = claims.unique(["cluster", "at"], keep="first", maintain_order=True)
    return best.with_columns(start_ms="at", end_ms="until")


def _slices(claims: pl.DataFrame) -> pl.DataFrame:
    """Cut each span into as many parts as it has claims; the better claims take the odd milliseconds."""
    place = pl.int_range(pl.len()).over("cluster", "at")
    length = pl.col("until") - pl.col("at")
    numbered = claims.with_columns(place=place, count=pl.len().cast(pl.Int64).over("cluster", "at"))
    before = pl.col("place") * (length // pl.col("count")) + pl.min_horizontal(
        "place", length % pl.col("count")
    )
    after = before.shift(-1).over("cluster", "at").fill_null(length)
    cut = numbered.with_columns(start_ms=pl.col("at") + before, end_ms=pl.col("at") + after)
    return cut.filter(pl.col("start_ms") < pl.col("end_ms"))
