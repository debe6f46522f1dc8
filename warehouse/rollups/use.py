"""Hourly use of each session, by the project in force."""

from __future__ import annotations

import polars as pl

from warehouse.metrics.project_layer import in_force, lanes
from warehouse.metrics.states import BASES
from warehouse.money import HOUR_MS
from warehouse.rollups.evidence import Evidence
from warehouse.rollups.stretches import Stretch

MEASURES = {
    "run_ms": BASES["run"],
    "active_ms": ("active",),
    "pause_ms": ("pause",),
    "held_ms": ("held",),
    "unknown_ms": ("unknown",),
}
"""The states that each one adds up."""


def use_hours(evidence: Evidence, stretch: Stretch) -> pl.DataFrame:
    """Add up the hours of a stretch, as rows of the table `use_hour`; an hour without any of it has none.

    Sessions without evidence in the stretch, and those of no length, have no rows.
    """
    mine = evidence.stated
    if stretch.sessions is not None:
        mine = mine.filter(pl.col("session").is_in(stretch.sessions.implode()))
    spans = mine.with_columns(start_ms=pl.col("start").cast(pl.Int64), end_ms=pl.col("end").cast(pl.Int64))
    length = pl.col("end_ms") - pl.col("start_ms")
    sums = [
        pl.when(pl.col("state").is_in(states)).then(length).otherwise(0).sum().alias(name)
        for name, states in MEASURES.items()
    ]
    runs = pl.col("state").is_in(BASES["run"])
    units = pl.when(runs).then(length * pl.col("units").cast(pl.Int64)).otherwise(0).sum()
    return (
        _with_projects(spans, evidence.entries, stretch)
        .group_by("session", "project_number", hour_ms=pl.col("start_ms") // HOUR_MS * HOUR_MS)
        .agg(*sums, unit_ms=units)
        .filter(pl.any_horizontal(pl.col(*MEASURES) > 0))
        .join(evidence.sessions.select("session", "application_id", "office_id"), on="session")
        .sort("session", "hour_ms", "project_number")
        .rename({"session": "session_id"})
    )


def _with_projects(spans: pl.DataFrame, entries: pl.DataFrame, stretch: Stretch) -> pl.DataFrame:
    """Keep what lies in the stretch, and add `project_number`; no segment crosses an hour."""
    inside = (pl.col("start_ms") >= stretch.from_ms) & (pl.col("start_ms") < stretch.to_ms)
    columns = ["session", "start_ms", "end_ms", "units", "state"]
    has_entry = pl.col("session").is_in(entries["session"].implode())
    without = spans.filter(inside & ~has_entry).select(*columns, project_number=pl.lit(""))
    named = lanes(spans.filter(has_entry), entries).filter(inside).select(*columns, "lane")
    if named.is_empty():
        return without
    of_entry = entries.select("entry", "project_number")
    found = in_force(named, entries).join(of_entry, on="entry", how="left")
    return pl.concat([without, found.select(*columns, pl.col("project_number").fill_null(""))])
