"""The audited events of one run: what its workbook shows of the chain."""

from __future__ import annotations

import json

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema
from warehouse.frames.reading import Columns
from warehouse.ledger.runs import Run
from warehouse.periods import INSTANT

_event = schema.audit_event

EVENTS: Columns = {
    "event": pl.Int64,
    "at": INSTANT,
    "actor": pl.String,
    "action": pl.String,
    "detail": pl.String,
    "previous_digest": pl.String,
    "digest": pl.String,
}


def events_of(engine: Engine, run: Run) -> pl.DataFrame:
    """Return the events of a run, oldest first; those of a closed run end with its close.

    Whose names were shown is one event per person, under pseudonyms, in the chain alone; the event that they
    belong to is among these.

    Returns
    -------
    pl.DataFrame
        One row per event: its place in the chain of all events, when (UTC), who (an account), what; detail is
        JSON with sorted keys; digest is SHA-256 of the event and of previous_digest, see `audit`.
    """
    is_mine = _event.c.subject == run.number
    close = sa.select(sa.func.max(_event.c.id)).where(is_mine & (_event.c.action == "billing close"))
    # PostgreSQL leaves numbers out where a transaction failed: only the place in the chain says the same.
    place = sa.func.row_number().over(order_by=_event.c.id).label("place")
    placed = sa.select(_event.c.id, place).subquery()
    columns = (placed.c.place, _event.c.at_ms, *(_event.c[name] for name in list(EVENTS)[2:]))
    query = sa.select(*columns).join(placed, placed.c.id == _event.c.id).where(is_mine).order_by(_event.c.id)
    if run.status == "closed":
        query = query.where(_event.c.id <= close.scalar_subquery())
    with engine.connect() as connection:
        rows = [
            (*first, json.dumps(detail, ensure_ascii=False, sort_keys=True), previous, digest)
            for *first, detail, previous, digest in connection.execute(query)
        ]
    written = pl.DataFrame(rows, schema={**EVENTS, "at": pl.Int64}, orient="row")
    return written.with_columns(pl.col("at").cast(INSTANT))
