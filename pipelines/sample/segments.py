"""Tile sessions with segments, by the rules of evidence: no hole, no overlap, none of zero length.

Arithmetic on sorted columns. `session` is the session's id, every instant is UTC milliseconds. A piece is a
stretch of constant attention that has not been cut at quarters yet.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.sample.plan import QUARTER_MS, SECOND_MS
from pipelines.sample.products import APPLICATION_ID, APPLICATIONS, SOLVER

INPUT, NO_INPUT, BACKGROUND, LOCKED, DISCONNECTED, SUSPENDED, HELD, UNOBSERVED = range(8)
"""Positions in the words of `segment.attention`."""

SHIFT = 44
"""Bits that hold an instant in a packed (group, instant) key: enough until the year 2527."""

CPU_SHARE = np.array([1.0, 0.25, 0.08, 0.03, 0.05, 0.0, 0.0, 0.0])
"""By attention: mean use of the processor, as a share of that under input."""

PIECE = {
    "session": pl.Int64,
    "start": pl.Int64,
    "end": pl.Int64,
    "attention": pl.Int16,
    "since": pl.Int64,
    "last_input": pl.Int64,
    "inhibiting": pl.Boolean,
}


def tile(
    sessions: pl.DataFrame,
    focus: pl.DataFrame,
    locks: pl.DataFrame,
    holes: pl.DataFrame,
    random: np.random.Generator,
) -> pl.DataFrame:
    """Return the segments of sessions, as rows of their table.

    Parameters
    ----------
    sessions
        `session`, `person`, `application`, `opens`, `closes`, `remote`, `units`, `instance`, `late_from`,
        `delivered` (evidence from `late_from` on arrives only then; null: at once), `policy_from` (instant
        from which policy version 2 holds); ordered by `session`.
    focus
        Pieces of these sessions in which they have the focus, disjoint; columns of `PIECE`.
    locks
        `person`, `start`, `end`, `attention` (locked or suspended); disjoint, ordered.
    holes
        `person`, `start`, `end` in which nobody watched; disjoint, ordered.
    """
    own = _clipped(sessions, focus)
    local = sessions.filter(~pl.col("remote"))
    locked = _during(local, locks).with_columns(
        since=None, last_input=None, inhibiting=pl.lit(value=False)
    ).select(pl.col(name).cast(kind) for name, kind in PIECE.items())  # fmt: skip
    filled = _filled(sessions, pl.concat([own, locked]))
    seen = _with_holes(_with_since(sessions, filled), _during(local, holes))
    return _as_rows(sessions, _cut_at_quarters(seen), random)


def _clipped(sessions: pl.DataFrame, focus: pl.DataFrame) -> pl.DataFrame:
    return (
        focus.join(sessions.select("session", "closes"), on="session", maintain_order="left")
        .with_columns(end=pl.min_horizontal("end", "closes"))
        .filter(pl.col("end") > pl.col("start"))
        .select(pl.col(name).cast(kind) for name, kind in PIECE.items())
    )


def _packed(group: pl.Series, instant: pl.Series) -> np.ndarray:
    packed: np.ndarray = (group.to_numpy() << SHIFT) | instant.to_numpy()
    return packed


def _during(sessions: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Return, for each session, the person's spans that overlap it, clipped to it; with `session`."""
    first = np.searchsorted(
        _packed(spans["person"], spans["end"]), _packed(sessions["person"], sessions["opens"]), "right"
    )
    behind = np.searchsorted(
        _packed(spans["person"], spans["start"]), _packed(sessions["person"], sessions["closes"]), "left"
    )
    counts = np.maximum(behind - first, 0)
    row = np.repeat(np.arange(sessions.height), counts)
    place = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    whose = sessions[row].select("session", "opens", "closes")
    return pl.concat([spans[place].drop("person"), whose], how="horizontal").with_columns(
        start=pl.max_horizontal("start", "opens"), end=pl.min_horizontal("end", "closes")
    ).drop("opens", "closes")  # fmt: skip


def _filled(sessions: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """Fill what is left of each session with background, and order everything."""
    edges = pl.concat(
        [
            sessions.select("session", begin="opens", until="opens"),
            pieces.select("session", begin="start", until="end"),
            sessions.select("session", begin="closes", until="closes"),
        ]
    ).sort("session", "begin", "until")
    same = pl.col("session") == pl.col("session").shift(-1)
    empty = edges.select(
        "session", start="until", end=pl.when(same).then(pl.col("begin").shift(-1)), attention=BACKGROUND
    ).filter(pl.col("end") > pl.col("start"))
    background = empty.with_columns(since=None, last_input=None, inhibiting=pl.lit(value=False)).select(
        pl.col(name).cast(kind) for name, kind in PIECE.items()
    )
    return pl.concat([pieces, background]).sort("session", "start")


def _with_since(sessions: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """Out of focus, `since` stays at the last input in focus, or at the session's start."""
    opening = pieces.join(sessions.select("session", "opens"), on="session", maintain_order="left")
    is_first = pl.col("session") != pl.col("session").shift(1).fill_null(-1)
    known = pl.when(is_first).then(pl.coalesce("last_input", "opens")).otherwise("last_input")
    return opening.with_columns(last_input=known.forward_fill()).select(
        *(name for name in PIECE if name != "since"), pl.coalesce("since", "last_input").alias("since")
    )


def _with_holes(pieces: pl.DataFrame, holes: pl.DataFrame) -> pl.DataFrame:
    """Cut pieces at the edges of unwatched stretches, and make one unobserved piece of each."""
    if holes.is_empty():
        return pieces
    cuts = pl.concat([holes.select("session", at="start"), holes.select("session", at="end")]).unique()
    place = (
        np.searchsorted(
            _packed(pieces["session"], pieces["start"]), _packed(cuts["session"], cuts["at"]), "right"
        )
        - 1
    )
    copies = pieces[place].with_columns(start=cuts["at"])
    inside = (pl.col("start") < pl.col("end")) & (pl.col("start") > pieces["start"][place])
    following = pl.when(pl.col("session") == pl.col("session").shift(-1)).then(pl.col("start").shift(-1))
    parts = pl.concat([pieces, copies.filter(inside)]).sort("session", "start").with_columns(
        end=pl.coalesce(following, "end")
    )  # fmt: skip
    key = (
        np.searchsorted(
            _packed(holes["session"], holes["start"]), _packed(parts["session"], parts["start"]), "right"
        )
        - 1
    )
    held = holes[np.maximum(key, 0)]
    unseen = (
        (key >= 0)
        & (held["session"] == parts["session"]).to_numpy()
        & (parts["start"] < held["end"]).to_numpy()
    )
    return _one_piece_each(parts.with_columns(unseen=pl.Series(unseen)))


def _one_piece_each(parts: pl.DataFrame) -> pl.DataFrame:
    before = (pl.col("session") == pl.col("session").shift(1)) & pl.col("unseen").shift(1)
    is_start = pl.col("unseen") & ~before.fill_null(value=False)
    run = pl.when("unseen").then(is_start.cum_sum())
    ends = (
        parts.with_columns(run=run)
        .filter("unseen")
        .group_by("run")
        .agg(pl.col("end").max().alias("hole_end"))
    )
    heard = pl.min_horizontal("start", "last_input")
    return (
        parts.with_columns(run=run, is_start=is_start)
        .join(ends, on="run", how="left", maintain_order="left")
        .filter(~pl.col("unseen") | pl.col("is_start"))
        .with_columns(
            attention=pl.when("unseen").then(UNOBSERVED).otherwise("attention").cast(pl.Int16),
            end=pl.coalesce("hole_end", "end"),
            # Input seen again after the hole starts anew; what was typed in it is unknown.
            since=pl.when(pl.col("attention") == INPUT).then(heard).otherwise("since"),
            inhibiting=pl.col("inhibiting") & ~pl.col("unseen"),
        )
        .select(list(PIECE))
    )


def _cut_at_quarters(pieces: pl.DataFrame) -> pl.DataFrame:
    """Cut at every UTC quarter of an hour."""
    start, end = pieces["start"].to_numpy(), pieces["end"].to_numpy()
    first = start // QUARTER_MS
    counts = (end - 1) // QUARTER_MS - first + 1
    row = np.repeat(np.arange(pieces.height), counts)
    number = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
    quarter = (first[row] + number) * QUARTER_MS
    return pieces[row].with_columns(
        start=pl.Series(np.maximum(start[row], quarter)),
        end=pl.Series(np.minimum(end[row], quarter + QUARTER_MS)),
    )


def _as_rows(sessions: pl.DataFrame, cut: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    count = cut.height
    quiet = pl.Series(random.integers(0, 50 * SECOND_MS, count))
    travel = pl.Series(random.integers(15 * SECOND_MS, 70 * SECOND_MS, count))
    typed = pl.min_horizontal(pl.max_horizontal("since", pl.col("start") - quiet), "last_input")
    known = ["session", "application", "remote", "units", "instance", "late_from", "delivered", "policy_from"]
    rows = cut.join(sessions.select(known), on="session", maintain_order="left").with_columns(
        attention=_as_remote().cast(pl.Int16),
        since=pl.when(pl.col("attention") == INPUT).then(typed).otherwise("since"),
    )
    arrival = pl.when(pl.col("start") >= pl.col("late_from")).then("delivered")
    return rows.select(
        session_id="session",
        start_ms="start",
        end_ms="end",
        attention="attention",
        cpu_percent=_cpu_percent(rows, random),
        units=pl.col("units").cast(pl.Int32),
        inhibiting="inhibiting",
        instance=pl.when(pl.col("attention") <= NO_INPUT).then(pl.col("instance").cast(pl.Int32)),
        since_ms="since",
        policy_version=pl.when(pl.col("start") < pl.col("policy_from")).then(1).otherwise(2).cast(pl.Int32),
        received_ms=pl.max_horizontal(pl.col("end") + travel, arrival + travel),
    )


def _as_remote() -> pl.Expr:
    """Detach a remote session that is out of focus, whatever its host's other screens do."""
    away = pl.col("attention").is_in([BACKGROUND, LOCKED, SUSPENDED])
    return pl.when(pl.col("remote") & away).then(DISCONNECTED).otherwise("attention")


def _cpu_percent(rows: pl.DataFrame, random: np.random.Generator) -> pl.Series:
    mean = np.array([application.cpu for application in APPLICATIONS])
    application, attention = rows["application"].to_numpy(), rows["attention"].to_numpy()
    wanted = mean[application - 1] * CPU_SHARE[attention] * random.lognormal(0, 0.35, rows.height)
    solving = np.clip(random.normal(mean[APPLICATION_ID[SOLVER] - 1], 3, rows.height), 78, 99.5)
    runs = (application == APPLICATION_ID[SOLVER]) & (attention < SUSPENDED)
    return pl.Series(np.round(np.where(runs, solving, np.minimum(wanted, 380)), 1))
