"""What landed after the mirror was last updated: which sessions, and their rows in SQL.

Where segments of a session landed, everything that the warehouse has of it in that stretch is read from SQL,
and everything that the mirror has in it is left out. A session that was replaced is one whole stretch. So
nothing is doubled and nothing is missed, in whatever order and however often it is taken in.
"""

from __future__ import annotations

import polars as pl

from warehouse import store
from warehouse.mirror import stored
from warehouse.mirror.months import month_of

FLOOR, CEILING = -(2**60), 2**60

_LOWER = f"min(CASE WHEN landing.replaced THEN {FLOOR} ELSE landing.from_ms END) AS lower"
_UPPER = f"max(CASE WHEN landing.replaced THEN {CEILING} ELSE landing.to_ms END) AS upper"
_LANDED = f"""
    SELECT landing.session_id AS session, landing.started_ms AS left_ms, {_LOWER}, {_UPPER},
           min(session.started_ms) AS started_ms, min(landing.from_ms) AS from_ms
    FROM landing LEFT JOIN session ON session.id = landing.session_id
    WHERE landing.id > :number GROUP BY landing.session_id, landing.started_ms
"""  # noqa: S608 - our own texts
# CROSS JOIN keeps SQLite from starting at the segments.
_ROWS = f"""
    (SELECT landing.session_id, {_LOWER}, {_UPPER} FROM landing WHERE landing.id > :number
     GROUP BY landing.session_id) AS tail CROSS JOIN session CROSS JOIN segment
    WHERE session.id = tail.session_id AND segment.session_id = tail.session_id
      AND segment.start_ms >= tail.lower AND segment.start_ms < tail.upper AND {{sessions}}
"""  # noqa: S608 - our own texts
IN_TAIL = "session.id IN (SELECT landing.session_id FROM landing WHERE landing.id > :number)"

"""The condition on `session` for those in which something landed."""

LANDED = {"session": pl.Int64, "month": pl.String, "lower": pl.Int64, "upper": pl.Int64}
"""Stretches [lower, upper), in milliseconds, that SQL alone has whole."""


def landed(now: store.Snapshot, number: int) -> pl.DataFrame:
    """Return one row of `LANDED` per session with landings after a number, and month it is or was in."""
    known = now.read(_LANDED, {"number": number}).cast(pl.Int64)
    lost = known.filter(pl.col("started_ms").is_null() & pl.col("left_ms").is_null())
    # The id of an erased session may live again in another month: it is taken out of both.
    starts = pl.concat(
        frame.select("session", start_ms=pl.col(name))
        for frame, name in ((known, "started_ms"), (known, "left_ms"), (lost, "from_ms"))
    )
    months = starts.drop_nulls().select("session", month=month_of("start_ms")).unique()
    stretches = known.group_by("session").agg(pl.col("lower").min(), pl.col("upper").max())
    return stretches.join(months, on="session").select(
        pl.col(name).cast(dtype) for name, dtype in LANDED.items()
    )


def rows(
    now: store.Snapshot, number: int, sessions: str, parameters: store.Parameters | None = None
) -> pl.DataFrame:
    """Return the segments in those stretches, with `started_ms`, of sessions that a condition holds for."""
    known = {**(parameters or {}), "number": number}
    found = stored.read(now, _ROWS.format(sessions=sessions), f"{IN_TAIL} AND {sessions}", known)
    # SQL would put them into a tree; most are in order already, which this sort sees.
    return found.sort("session", "start", maintain_order=True)


def without(segments: pl.LazyFrame, stretches: pl.DataFrame) -> pl.LazyFrame:
    """Leave out of segments of the mirror what lies in stretches of `LANDED`, and keep the order."""
    start = pl.col("start").cast(pl.Int64)
    outside = pl.col("lower").is_null() | (start < pl.col("lower")) | (start >= pl.col("upper"))
    cut = stretches.lazy().select("session", "lower", "upper")
    return (
        segments.join(cut, on="session", how="left", maintain_order="left")
        .filter(outside)
        .drop("lower", "upper")
    )
