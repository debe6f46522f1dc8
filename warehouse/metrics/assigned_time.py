"""All billable time of a period, session by session: what it is charged to, or why nothing takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from warehouse.metrics import assignment, charges
from warehouse.metrics.assignment import CODES
from warehouse.metrics.charges import Evidence, Tariff, Terms
from warehouse.metrics.overlap import without_overlap
from warehouse.metrics.states import Policy
from warehouse.periods import INSTANT

ASSIGNED: Mapping[str, Any] = {
    "session": pl.Int64,
    "day": pl.Date,
    "person_id": pl.Int64,
    "application": pl.String,
    "office": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "milliseconds": pl.Int64,
    "entry": pl.Int64,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "source": pl.String,
    "chargeable": pl.Boolean,
    "fault": pl.String,
    "reason": pl.String,
}
"""One row per session, local day and project entry in force."""

UNKNOWN_PERSON = "the account belongs to no person of the directory"


def assigned_time(evidence: Evidence, tariff: Tariff, policy: Policy, terms: Terms) -> pl.DataFrame:
    """Say of every billable millisecond of a period what it is charged to, or what is wrong with it.

    It is the time that `charges.charge` puts on lines or tells as unbilled, to the millisecond; what has no
    rate counts as assigned.

    Returns
    -------
    pl.DataFrame
        The columns of `ASSIGNED`, ordered by start and session. [start, end) holds all the billable time of
        the row, and what lies between; `milliseconds` is what counts of it under the overlap policy. `entry`
        is null where nobody entered anything; `project`, `phase` and `task` are what the time is charged to,
        or was to be; `source` is entered, preset, cost_center (where the terms charge it), or null.
        `fault` is null, unassigned, unknown_person, no_account or a `projects.Fault`, and `reason` the
        sentence that goes with it.

    Raises
    ------
    Problem
        What `charges.charge` refuses of the evidence, the presets and the terms.
    """
    found = charges.billable(charges.used(evidence, terms), policy, terms)
    counted = without_overlap(found.entered, terms.overlap)
    entries = assignment.with_unfit(evidence.entries, tariff).select("entry", *CODES, "unfit")
    places = (
        counted.group_by("stay", "entry")
        .agg(*_EXTENT)
        .join(entries, on="entry", how="left")
        .join(found.used.days.drop("from_ms", "to_ms"), on="stay")
    )
    given = assignment.assigned(places, tariff, terms).with_columns(source=_source(terms))
    known = assignment.judged(given, tariff)
    nobody = _of_nobody(found.pieces, found.used.days)
    rows = pl.concat([_typed(known), _typed(nobody)])
    return rows.sort("start", "session", "entry", nulls_last=True)


_EXTENT = (
    pl.col("start_ms").min(),
    pl.col("end_ms").max(),
    (pl.col("end_ms") - pl.col("start_ms")).sum().alias("milliseconds"),
)


def _source(terms: Terms) -> pl.Expr:
    """Say whence the project of a row comes."""
    if terms.charge_to == "cost_center":
        return pl.lit("cost_center")
    preset = pl.when(pl.col("preset").is_not_null()).then(pl.lit("preset"))
    return pl.when(pl.col("entry").is_not_null()).then(pl.lit("entered")).otherwise(preset)


def _of_nobody(pieces: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """List billable time of accounts that belong to nobody."""
    found = pieces.filter(pl.col("person_id").is_null()).group_by("stay").agg(*_EXTENT)
    return found.join(days.drop("from_ms", "to_ms"), on="stay").with_columns(
        fault=pl.lit("unknown_person"), reason=pl.lit(UNKNOWN_PERSON), chargeable=pl.lit(value=False)
    )


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    known = rows.with_columns(start=pl.col("start_ms"), end=pl.col("end_ms"))
    return known.select(
        pl.col(name).cast(dtype) if name in known.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in ASSIGNED.items()
    )
