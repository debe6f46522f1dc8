"""The project master, its members and presets as rows of the files that they are imported from.

Whatever is written here, `import_projects`, `import_members` and `import_presets` take without a change.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.members import MEMBER_COLUMNS
from warehouse.directory.presets import PRESET_COLUMNS
from warehouse.directory.projects import PHASE_COLUMNS, PROJECT_COLUMNS, TASK_COLUMNS
from warehouse.money import major

Cell = str | date | Decimal | None
TREE_COLUMNS = ("project", "phase", "task", *PROJECT_COLUMNS, *PHASE_COLUMNS, *TASK_COLUMNS)


class TableFile(NamedTuple):
    """Column names, and rows of as many cells: text, days, amounts in major units; None is empty."""

    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]


def project_file(engine: Engine) -> TableFile:
    """Return one row per project, phase and task, ordered by their numbers, each after what it belongs to."""
    with engine.connect() as connection:
        rows = [*_projects(connection), *_phases(connection), *_tasks(connection)]
    rows.sort(key=lambda row: [str(code or "") for code in row[:3]])
    return TableFile(TREE_COLUMNS, rows)


def _projects(connection: Connection) -> list[tuple[Cell, ...]]:
    project, client, center = schema.project.c, schema.client.c, schema.cost_center.c
    chosen = sa.select(
        project.number, project.name, client.code.label("client"), client.name.label("client_name"),
        center.code.label("cost_center"), schema.office.c.code.label("office"), project.currency,
        project.tax_code, project.chargeable, project.opened_on, project.closed_on, project.kind,
        schema.person.c.code.label("manager"), project.budget_minor, project.not_to_exceed_minor,
    ).select_from(
        schema.project.outerjoin(schema.client).outerjoin(schema.cost_center).outerjoin(schema.office)
        .outerjoin(schema.person, schema.person.c.id == project.manager_id)
    )  # fmt: skip
    return [
        (
            row.number, None, None, row.name, row.client, row.client_name, row.cost_center, row.office,
            row.currency, row.tax_code, _flag(row.chargeable), _day(row.opened_on), _day(row.closed_on),
            row.kind, row.manager, _amount(row.budget_minor, row.currency),
            _amount(row.not_to_exceed_minor, row.currency),
            *[None] * len((*PHASE_COLUMNS, *TASK_COLUMNS)),
        )
        for row in connection.execute(chosen)
    ]  # fmt: skip


def _phases(connection: Connection) -> list[tuple[Cell, ...]]:
    phase, empty = schema.phase.c, [None] * len(PROJECT_COLUMNS)
    chosen = sa.select(
        schema.project.c.number.label("project"), phase.number, phase.name, phase.chargeable,
        phase.opened_on, phase.closed_on,
    ).join_from(schema.phase, schema.project)  # fmt: skip
    return [
        (
            row.project, row.number, None, *empty, row.name, _flag(row.chargeable), _day(row.opened_on),
            _day(row.closed_on), None,
        )
        for row in connection.execute(chosen)
    ]  # fmt: skip


def _tasks(connection: Connection) -> list[tuple[Cell, ...]]:
    empty = [None] * len((*PROJECT_COLUMNS, *PHASE_COLUMNS))
    chosen = sa.select(
        schema.project.c.number.label("project"), schema.phase.c.number.label("phase"),
        schema.task.c.number, schema.task.c.name,
    ).select_from(schema.task.join(schema.phase).join(schema.project))  # fmt: skip
    return [(row.project, row.phase, row.number, *empty, row.name) for row in connection.execute(chosen)]


def member_file(engine: Engine) -> TableFile:
    """Return one row per project, member and stretch of days."""
    member, person = schema.project_member.c, schema.person.c
    # Manager and member are two ways from a project to a person: the second is meant.
    chosen = (
        sa.select(schema.project.c.number, person.code, member.valid_from_on, member.valid_to_on)
        .select_from(
            schema.project_member.join(schema.project, schema.project.c.id == member.project_id).join(
                schema.person, person.id == member.person_id
            )
        )
        .order_by(schema.project.c.number, person.code, member.valid_from_on)
    )
    with engine.connect() as connection:
        rows: list[tuple[Cell, ...]] = [
            (project, code, _day(first), _day(last))
            for project, code, first, last in connection.execute(chosen)
        ]
    return TableFile(MEMBER_COLUMNS, rows)


def preset_file(engine: Engine) -> TableFile:
    """Return one row per preset, in the order in which they were set."""
    preset = schema.project_preset
    scopes = [schema.metadata.tables[name] for name in ("person", "department", "office", "application")]
    targets = [schema.project, schema.phase, schema.task]
    source: sa.FromClause = preset
    for table in (*scopes, *targets):
        source = source.outerjoin(table, table.c.id == preset.c[f"{table.name}_id"])
    codes = [*(table.c.code for table in scopes), *(table.c.number for table in targets)]
    chosen = sa.select(*codes, preset.c.valid_from_on, preset.c.valid_to_on, preset.c.reason)
    with engine.connect() as connection:
        found = connection.execute(chosen.select_from(source).order_by(preset.c.id)).all()
    rows: list[tuple[Cell, ...]] = [(*row[:7], _day(row[7]), _day(row[8]), row[9]) for row in found]
    return TableFile(PRESET_COLUMNS, rows)


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _amount(minor: int | None, currency: str) -> Decimal | None:
    return None if minor is None else major(minor, currency)
