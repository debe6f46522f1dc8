"""The projects that take time, for those who choose one: on the desk, before the fact."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from warehouse import schema

_project, _phase, _task = schema.project, schema.phase, schema.task
ZONE_SLACK = timedelta(days=1)
"""The day of a desk and that of the warehouse differ by this much at most."""


class OpenPhase(NamedTuple):
    """A phase (WBS2) that is not closed, with its tasks (WBS3): number and name each."""

    number: str
    name: str
    chargeable: bool
    opened_on: str | None
    closed_on: str | None
    tasks: tuple[tuple[str, str], ...]


class OpenProject(NamedTuple):
    """A project that is not closed.

    Attributes
    ----------
    payer
        Name of the client or cost center; None where nobody is named.
    kind
        project, client or cost_center.
    members
        Ids of the persons who may charge to it now; None: everybody may.
    """

    number: str
    name: str
    payer: str | None
    kind: str
    chargeable: bool
    opened_on: str | None
    closed_on: str | None
    phases: tuple[OpenPhase, ...]
    members: frozenset[int] | None


def open_projects(connection: Connection, day: date) -> list[OpenProject]:
    """Return the projects that are not closed on a day, or were open until the day before, by number.

    Those that open later are among them, with the day. Closed phases are left out.
    """
    first = (day - ZONE_SLACK).isoformat()
    tasks = _tasks(connection)
    phases: dict[int, list[OpenPhase]] = defaultdict(list)
    for row in connection.execute(_not_closed(_phase, first).order_by(_phase.c.id)):
        phases[row.project_id].append(
            OpenPhase(
                row.number, row.name, row.chargeable, row.opened_on, row.closed_on, tuple(tasks[row.id])
            )
        )
    members = _members(connection, day)
    payer = sa.func.coalesce(schema.client.c.name, schema.cost_center.c.name).label("payer")
    query = _not_closed(_project, first).add_columns(payer)
    joined = query.select_from(_project.outerjoin(schema.client).outerjoin(schema.cost_center))
    found = [_open_project(row, phases, members) for row in connection.execute(joined)]
    # By code point, whatever the database's collation.
    return sorted(found, key=lambda project: project.number)


def person_of(connection: Connection, account: str) -> int | None:
    """Return the person to whom an account belongs; None where it is nobody's, shared, or unknown."""
    table = schema.account.c
    query = sa.select(table.person_id).where(table.name == account.lower(), sa.not_(table.shared))
    found = connection.scalar(query)
    return None if found is None else int(found)


def _open_project(
    row: Row[Any], phases: dict[int, list[OpenPhase]], members: dict[int, frozenset[int]]
) -> OpenProject:
    return OpenProject(
        number=row.number,
        name=row.name,
        payer=row.payer,
        kind=row.kind,
        chargeable=row.chargeable,
        opened_on=row.opened_on,
        closed_on=row.closed_on,
        phases=tuple(phases.get(row.id, ())),
        members=members.get(row.id),
    )


def _not_closed(table: sa.Table, first: str) -> sa.Select[Any]:
    return sa.select(table).where(sa.or_(table.c.closed_on.is_(None), table.c.closed_on > first))


def _tasks(connection: Connection) -> dict[int, list[tuple[str, str]]]:
    tasks: dict[int, list[tuple[str, str]]] = defaultdict(list)
    query = sa.select(_task.c.phase_id, _task.c.number, _task.c.name).order_by(_task.c.id)
    for phase, number, name in connection.execute(query):
        tasks[phase].append((number, name))
    return tasks


def _members(connection: Connection, day: date) -> dict[int, frozenset[int]]:
    """Return who may charge now, by project; a project whose members have all left is nobody's."""
    table = schema.project_member.c
    now = sa.and_(
        table.valid_from_on <= (day + ZONE_SLACK).isoformat(),
        sa.or_(table.valid_to_on.is_(None), table.valid_to_on > (day - ZONE_SLACK).isoformat()),
    )
    members: dict[int, set[int]] = defaultdict(set)
    query = sa.select(table.project_id, table.person_id, now.label("is_now"))
    for project, person, is_now in connection.execute(query):
        members[project] |= {person} if is_now else set()
    return {project: frozenset(people) for project, people in members.items()}
