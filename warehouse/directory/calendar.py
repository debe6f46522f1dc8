"""Importing the calendar: holidays of offices, and fiscal periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.charging_rights import refuse_all_but_staff
from warehouse.directory.storing import (
    UNNAMED,
    Import,
    Imported,
    check_days,
    first_day,
    importing,
    put,
    reference,
    stored_row,
)
from warehouse.tabular import Row, read_table

RECORDS = ("holiday", "period")
EVERY_OFFICE = "*"


def import_calendar(
    engine: Engine, path: Path | str, actor: str = UNNAMED, *, at_ms: int | None = None
) -> Imported:
    """Import holidays and fiscal periods, all or nothing; docs/importing.md has the columns.

    Parameters
    ----------
    actor
        Who imports, for the audit; fiscal periods are for the billing staff alone.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names file, row and column: periods that overlap or leave a hole, a change of a billed period, ...;
        or an actor who brings periods and is not of the billing staff.
    """
    rows = read_table(Path(path), ("record", "name"), ("office", "day", "starts_on", "ends_on"))
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        periods = [row for row in rows if _record(row) == "period"]
        if periods:
            refuse_all_but_staff(connection, actor, "import fiscal periods")
        for row in rows:
            if _record(row) == "holiday":
                _put_holiday(connection, row, done)
        _put_periods(connection, periods, done)
    return done


def _record(row: Row) -> str:
    row.required("record")
    return str(row.choice("record", RECORDS))


def _put_holiday(connection: Connection, row: Row, done: Imported) -> None:
    name, day = row.required("name"), first_day(row, "day")
    if row.required("office") == EVERY_OFFICE:
        offices = list(connection.scalars(sa.select(schema.office.c.id).order_by(schema.office.c.id)))
    else:
        offices = [int(str(reference(connection, row, "office")))]
    for office in offices:
        stored = put(connection, schema.holiday, {"office_id": office, "day_on": day}, {"name": name})
        done.add("holidays", stored.outcome)


def _put_periods(connection: Connection, rows: Sequence[Row], done: Imported) -> None:
    """Write periods in two steps, so that edges can move from one to the other under their unique keys."""
    wanted: dict[str, Row] = {}
    for row in rows:
        name = row.required("name")
        if name in wanted:
            raise row.problem("name", f"{name} is already in row {wanted[name].number}", "remove one of them")
        check_days(row, "starts_on", first_day(row, "starts_on"), "ends_on", first_day(row, "ends_on"))
        wanted[name] = row
        _make_way(connection, name, row)
    for name, row in wanted.items():
        done.add("periods", _put_period(connection, name, row))
    _refuse_holes(connection, wanted)


def _make_way(connection: Connection, name: str, row: Row) -> None:
    period = schema.fiscal_period
    stored = stored_row(connection, period, {"name": name})
    if stored is None or (stored["starts_on"], stored["ends_on"]) == (
        row.day("starts_on"),
        row.day("ends_on"),
    ):
        return
    run = schema.billing_run
    billed = connection.execute(
        sa.select(run.c.number, run.c.status)
        .where(run.c.fiscal_period_id == stored["id"], run.c.status != "void")
        .limit(1)
    ).one_or_none()
    if billed is not None:
        message = f"period {name} is {stored['starts_on']} to {stored['ends_on']} in run {billed.number}"
        remedy = "leave its days as they are" + ("" if billed.status == "closed" else ", or void the run")
        raise row.problem("starts_on", message, remedy)
    aside = {"starts_on": f"moving {name}", "ends_on": f"moving {name}"}
    connection.execute(period.update().where(period.c.id == stored["id"]).values(aside))


def _put_period(connection: Connection, name: str, row: Row) -> str:
    days = {"starts_on": row.day("starts_on"), "ends_on": row.day("ends_on")}
    period = schema.fiscal_period
    for column, day in days.items():
        other = connection.scalar(
            sa.select(period.c.name).where(period.c[column] == day, period.c.name != name)
        )
        if other is not None:
            raise row.problem(column, f"period {other} has the same day", "let periods follow each other")
    return put(connection, period, {"name": name}, days).outcome


def _refuse_holes(connection: Connection, wanted: Mapping[str, Row]) -> None:
    period = schema.fiscal_period
    rows = connection.execute(
        sa.select(period.c.name, period.c.starts_on, period.c.ends_on).order_by(period.c.starts_on)
    ).all()
    for earlier, later in pairwise(rows):
        row = wanted.get(later.name) or wanted.get(earlier.name)
        if row is not None and earlier.ends_on != later.starts_on:
            gap = (date.fromisoformat(later.starts_on) - date.fromisoformat(earlier.ends_on)).days
            what = f"leaves {gap} days out after" if gap > 0 else f"overlaps by {-gap} days with"
            message = f"period {later.name} {what} {earlier.name}, which ends on {earlier.ends_on}"
            raise row.problem("starts_on", message, "let each period start on the day the one before ends")
