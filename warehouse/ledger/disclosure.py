"""The one place where pseudonyms are lifted: names for project accounting, each view on record."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import directory, schema
from warehouse.ledger.audit import Event, record_events

PEOPLE = pl.Schema({"person_id": pl.Int64, "employee_number": pl.String, "person": pl.String})


def named_people(  # noqa: PLR0913, PLR0917 - a view is of whom, by whom, for what, why and when
    connection: Connection, people: list[int], actor: str, subject: str, reason: str, at_ms: int
) -> pl.DataFrame:
    """Return the names and employee numbers of people, and record for each of them that they were shown.

    Parameters
    ----------
    connection
        Open transaction; best of `store.writing`.
    subject
        What the names are shown in, as `workbook of run 2026-10/1`.
    at_ms
        Now, UTC, in milliseconds.

    Returns
    -------
    pl.DataFrame
        One row per person: person_id, employee_number (null where unknown), person (the name).
    """
    table = schema.person
    rows = connection.execute(sa.select(table.c.id, table.c.employee_number, table.c.name)).all()
    known = pl.DataFrame([tuple(row) for row in rows], schema=PEOPLE, orient="row")
    shown = known.filter(pl.col("person_id").is_in(people)).sort("person_id")
    key = directory.pseudonym_key(connection.engine.url)
    detail = {"in": subject, "reason": reason}
    events = [
        Event("name shown", directory.pseudonym("P", number, key), detail) for number in shown["person_id"]
    ]
    record_events(connection, actor, events, at_ms)
    return shown


def pseudonymous_people(connection: Connection, people: list[int]) -> pl.DataFrame:
    """Return people under pseudonyms: where nothing was billed, nobody's name is shown.

    Returns
    -------
    pl.DataFrame
        As `named_people`; employee_number is null.
    """
    key = directory.pseudonym_key(connection.engine.url)
    rows = [(number, None, directory.pseudonym("P", number, key)) for number in sorted(people)]
    return pl.DataFrame(rows, schema=PEOPLE, orient="row")
