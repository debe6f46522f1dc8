"""Local days of sessions: the days of the person's home office at the time of use."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from warehouse.periods import INSTANT, day_bounds

DAY = timedelta(days=1)

PLACED = ("office", "department", "cost_center", "zone")
"""Where a person belongs."""


def in_ms(column: str) -> pl.Expr:
    """Read a column of instants as whole milliseconds since 1970, named `<column>_ms`."""
    return pl.col(column).cast(INSTANT).cast(pl.Int64).alias(f"{column}_ms")


def session_days(
    sessions: pl.DataFrame, placements: pl.DataFrame, starts_on: date, ends_on: date
) -> pl.DataFrame:
    """Cut each session, [started, ended), into the local days of its person's home office at the time of use.

    Returns
    -------
    pl.DataFrame
        One row per session, home office and local day of the period: stay (its number), session, person_id,
        application, office, department, cost_center, day, from_ms, to_ms; ordered by session and from_ms.
    """
    stays = _stays(sessions, placements)
    parts = [
        _days_of(stays.filter(pl.col("zone") == zone), zone, starts_on, ends_on)
        for zone in stays["zone"].unique().sort().to_list()
    ]
    order = ("session", "person_id", "application", *PLACED[:3], "day", "from_ms", "to_ms")
    none = stays.clear().with_columns(day=pl.lit(None, pl.Date))
    days = pl.concat([none.select(order), *(part.select(order) for part in parts)])
    return days.sort("session", "from_ms").with_row_index("stay")


def _stays(sessions: pl.DataFrame, placements: pl.DataFrame) -> pl.DataFrame:
    """Say from when to when each session belongs to which office: a person may move while it is open."""
    facts = sessions.select(
        "session", "person_id", "application", *PLACED,
        from_ms=in_ms("started"), ended_ms=in_ms("ended"),
    )  # fmt: skip
    moves = facts.drop(*PLACED, "from_ms").join(
        _placement_starts(placements), on="person_id"
    ).join(facts.select("session", started_ms="from_ms"), on="session")  # fmt: skip
    inside = (pl.col("started_ms") < pl.col("from_ms")) & (pl.col("from_ms") < pl.col("ended_ms"))
    stays = pl.concat([facts, moves.filter(inside).select(facts.columns)]).sort("session", "from_ms")
    until = pl.col("from_ms").shift(-1).over("session").fill_null(pl.col("ended_ms"))
    return stays.with_columns(to_ms=until).drop("ended_ms")


def _placement_starts(placements: pl.DataFrame) -> pl.DataFrame:
    """Turn the first local day of each placement into an instant."""
    starts = {
        (zone, day): int(day_bounds(zone, day)[0].timestamp()) * 1000
        for zone, day in placements.select("zone", "valid_from").unique().iter_rows()
    }
    instants = [starts[pair] for pair in placements.select("zone", "valid_from").iter_rows()]
    return placements.select("person_id", *PLACED, pl.Series("from_ms", instants, dtype=pl.Int64)).drop_nulls(
        "person_id"
    )


def _days_of(stays: pl.DataFrame, zone: str, starts_on: date, ends_on: date) -> pl.DataFrame:
    """Cut stays in one zone at its midnights, clipped to the period."""
    days = [starts_on + DAY * place for place in range((ends_on - starts_on).days)]
    bounds = [int(day_bounds(zone, day)[0].timestamp()) * 1000 for day in (*days, ends_on)]
    midnights = pl.DataFrame(
        {"day": days, "midnight_ms": bounds[:-1], "next_ms": bounds[1:]},
        schema_overrides={"midnight_ms": pl.Int64, "next_ms": pl.Int64},
    ).with_row_index("place")
    starts = midnights["midnight_ms"]
    first = pl.Series(starts.search_sorted(stays["from_ms"], side="right")).cast(pl.Int64) - 1
    last = pl.Series(starts.search_sorted(stays["to_ms"], side="left")).cast(pl.Int64)
    ranges = stays.with_columns(place=pl.int_ranges(first.clip(0), last, dtype=pl.UInt32))
    cut = ranges.explode("place").join(midnights, on="place").with_columns(
        from_ms=pl.max_horizontal("from_ms", "midnight_ms"), to_ms=pl.min_horizontal("to_ms", "next_ms")
    )  # fmt: skip
    return cut.filter(pl.col("from_ms") < pl.col("to_ms"))
