"""Writing what was derived of a stretch in the place of what was there of it."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.metrics.concurrency import KEYS
from warehouse.metrics.states import BASES
from warehouse.rollups.numbers import IN_NUMBERS, as_text
from warehouse.rollups.stretches import Stretch
from warehouse.store.bulk import insert


def replace_rows(connection: Connection, stretch: Stretch, uses: pl.DataFrame, demand: pl.DataFrame) -> None:
    """Delete the rows of a stretch, and write those that were derived."""
    _delete_uses(connection, stretch)
    _delete_demand(connection, stretch)
    insert(connection, schema.use_hour, uses)
    insert(connection, schema.demand_hour, demand)


def _delete_uses(connection: Connection, stretch: Stretch) -> None:
    sql, values = f"DELETE FROM use_hour WHERE {_INSIDE}", _window(stretch)  # noqa: S608  a constant
    if stretch.sessions is not None:
        sql = f"{sql} AND session_id {IN_NUMBERS[connection.dialect.name]}"
        values["numbers"] = as_text(stretch.sessions)
    connection.execute(sa.text(sql), values)


def _delete_demand(connection: Connection, stretch: Stretch) -> None:
    # The whole primary key, so that no other hour is looked at.
    sql = f"""
        DELETE FROM demand_hour
        WHERE {_INSIDE} AND application_id = :application AND key = :key AND basis = :basis
    """  # noqa: S608  a constant
    applications = stretch.applications
    if applications is None:
        applications = list(connection.scalars(sa.select(schema.application.c.id)))
    rows = [
        {**_window(stretch), "application": application, "key": key, "basis": basis}
        for application in applications
        for key in KEYS
        for basis in BASES
    ]
    if rows:
        connection.execute(sa.text(sql), rows)


_INSIDE = "hour_ms >= :from_ms AND hour_ms < :to_ms"


def _window(stretch: Stretch) -> dict[str, int | str]:
    return {"from_ms": stretch.from_ms, "to_ms": stretch.to_ms}
