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


def keep_names(connection: Connection, run_id: int) -> None:
    """Keep the names and employee numbers of the people on a run's lines, as they are at its close.

    They are no part of the chain: an erasure takes a person's away, and the chain stays whole.

    Parameters
    ----------
    connection
        The transaction that closes the run.
    """
    person, line, kept = schema.person, schema.charge_line, schema.billed_name
    on_lines = sa.select(line.c.person_id).where(line.c.billing_run_id == run_id)
    chosen = sa.select(sa.literal(run_id, kept.c.billing_run_id.type), *(person.c[name] for name in _KEPT))
    people = chosen.where(person.c.id.in_(on_lines)).order_by(person.c.id)
    columns = ["billing_run_id", "person_id", "name", "employee_number"]
    connection.execute(sa.insert(kept).from_select(columns, people))


_KEPT = ("id", "name", "employee_number")


def named_at_close(connection: Connection, run_id: int, people: pl.DataFrame) -> pl.DataFrame:
    """Give people the names that a closed run keeps; whom it keeps none of stays as today.

    That is whoever was erased since, everybody of a run that is not closed, and of one that an earlier
    version closed.

    Parameters
    ----------
    people
        As `named_people` returns them.
    """
    kept = schema.billed_name.c
    chosen = sa.select(kept.person_id, kept.employee_number, kept.name).where(kept.billing_run_id == run_id)
    rows = [tuple(row) for row in connection.execute(chosen)]
    then = pl.DataFrame(rows, schema=PEOPLE, orient="row")
    is_kept = pl.col("person_then").is_not_null()
    return people.join(then, on="person_id", how="left", suffix="_then", maintain_order="left").select(
        "person_id",
        employee_number=pl.when(is_kept).then("employee_number_then").otherwise("employee_number"),
        person=pl.when(is_kept).then("person_then").otherwise("person"),
    )


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
