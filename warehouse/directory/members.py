"""Importing who may charge to which project, and when."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.charging_rights import Rights, refuse_others, rights_of
from warehouse.directory.storing import (
    Import,
    Imported,
    Stretch,
    check_days,
    first_day,
    importing,
    put,
    reference,
    refuse_overlaps,
)
from warehouse.errors import Problem
from warehouse.tabular import CLEAR, Row, read_table

MEMBER_COLUMNS = ("project", "person", "valid_from", "valid_to")


def import_members(
    engine: Engine, path: Path | str, actor: str, *, at_ms: int | None = None, on_server: bool = False
) -> Imported:
    """Import members of projects, all or nothing; docs/importing.md has the columns.

    A row with the project, person and first day of a stored membership changes its last day.

    Parameters
    ----------
    actor
        Who imports: one of the billing staff, or the manager of every project of the file.
    at_ms
        When; None: now.
    on_server
        See `charging_rights.rights_of`.

    Raises
    ------
    Problem
        Names file, row and column: an unknown project or person, memberships of one person that overlap,
        a project that is not the actor's.
    """
    rows = read_table(Path(path), MEMBER_COLUMNS[:3], MEMBER_COLUMNS[3:])
    origins: dict[int, Row] = {}
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        rights = rights_of(connection, actor, on_server=on_server)
        for row in rows:
            number, outcome = _put_member(connection, row, rights)
            if number in origins:
                message = f"the same project, person and first day as row {origins[number].number}"
                raise row.problem("valid_from", message, "remove one of them")
            origins[number] = row
            done.add("members", outcome)
        refuse_overlaps("memberships", _stretches(connection), origins)
    return done


def _put_member(connection: Connection, row: Row, rights: Rights) -> tuple[int, str]:
    for column in MEMBER_COLUMNS[:2]:
        if row.required(column) == CLEAR:
            raise row.problem(column, "the cell is empty", "fill it in")
    project = reference(connection, row, "project", by="number")
    person = reference(connection, row, "person")
    try:
        refuse_others(rights, int(project or 0), "say who charges to it")
    except Problem as problem:
        raise row.problem("project", problem.message, problem.remedy) from None
    first = first_day(row)
    key = {"project_id": project, "person_id": person, "valid_from_on": first}
    stored = put(connection, schema.project_member, key, {"valid_to_on": row.day("valid_to")})
    check_days(row, "valid_from", first, "valid_to", stored.row.get("valid_to_on"))
    return stored.id, stored.outcome


def _stretches(connection: Connection) -> list[Stretch]:
    member = schema.project_member.c
    chosen = sa.select(
        member.id, member.valid_from_on, member.valid_to_on, member.project_id, member.person_id
    )
    return [
        Stretch(tuple(scope), first, last, int(number))
        for number, first, last, *scope in connection.execute(chosen)
    ]
