"""Where a person belonged at an instant: placements are local days, so their edges are local midnights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.reading import Columns
from warehouse.periods import INSTANT, day_bounds

Row = Mapping[str, Any]
PLACED: Columns = {"office": pl.String, "department": pl.String, "cost_center": pl.String, "zone": pl.String}
EDGES: Columns = {"person_id": pl.Int64, "begins": INSTANT, "ceases": INSTANT, **PLACED}


def place_people(engine: Engine, rows: pl.DataFrame, *, at: str, zone: str) -> pl.DataFrame:
    """Add `office`, `department`, `cost_center` and `zone` to rows that hold `person_id`.

    Parameters
    ----------
    at
        Column with the instant, in ms since 1970.
    zone
        Column with the zone of those who belong nowhere.
    """
    placed = _placements(engine)
    moments = rows.with_columns(
        pl.col("person_id").cast(pl.Int64), __at=pl.col(at).cast(pl.Int64).cast(INSTANT)
    ).with_row_index("__row")
    found = moments.sort("__at").join_asof(
        placed, left_on="__at", right_on="begins", by="person_id", check_sortedness=False
    )
    inside = pl.col("ceases").is_null() | (pl.col("__at") < pl.col("ceases"))
    known = found.with_columns(pl.when(inside).then(pl.col(name)).alias(name) for name in PLACED)
    return known.with_columns(zone=pl.coalesce("zone", pl.col(zone).cast(pl.String))).sort("__row")


def _placements(engine: Engine) -> pl.DataFrame:
    """Return placements by instants, sorted: [begins, ceases), `ceases` null where open.

    A placement that ends on the day on which the next one begins lasts until then: between the two midnights
    of two zones nobody is nowhere.
    """
    rows = store.read(engine, _SELECT).rows(named=True)
    edges = [_edge(row, following) for row, following in zip(rows, [*rows[1:], {}], strict=False)]
    return pl.DataFrame(edges, schema=EDGES, orient="row").sort("begins")


def _edge(row: Row, following: Row) -> tuple[object, ...]:
    goes_on = [following.get("person_id"), following.get("valid_from_on")] == [
        row["person_id"],
        row["valid_to_on"],
    ]
    ceases = _midnight((following if goes_on else row)["zone"], row["valid_to_on"])
    begins = _midnight(row["zone"], row["valid_from_on"])
    return row["person_id"], begins, ceases, *(row[name] for name in PLACED)


def _midnight(zone: str, day_on: str | None) -> datetime | None:
    return None if day_on is None else day_bounds(zone, date.fromisoformat(day_on))[0]


_SELECT = """
    SELECT placement.person_id, placement.valid_from_on, placement.valid_to_on, office.zone,
           office.code AS office, department.code AS department, cost_center.code AS cost_center
    FROM placement
    JOIN office ON office.id = placement.office_id
    LEFT JOIN department ON department.id = placement.department_id
    LEFT JOIN cost_center ON cost_center.id = placement.cost_center_id
    ORDER BY placement.person_id, placement.valid_from_on
"""
