"""Sign-offs of project managers: over exactly the lines that they saw."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.ledger.audit import canonical
from warehouse.ledger.lines import NOT_BILLED

_line, _review, _project = schema.charge_line, schema.line_review, schema.project
_sign_off = schema.project_sign_off

_original, _other = _line.alias("original"), schema.billing_run.alias("other")
_REFERRED = {
    "application_id": schema.application.c.code,
    "office_id": schema.office.c.code,
    "project_id": _project.c.number,
    "phase_id": schema.phase.c.number,
    "task_id": schema.task.c.number,
    "fiscal_period_id": schema.fiscal_period.c.name,
}
# A line's number and id change with every draft, and its digest comes at the close: none of them is signed.
# What it refers to is signed by its code, and the line that it corrects by run and number.
_SIGNED = [
    *(
        _REFERRED.get(column.name, column)
        for column in _line.c
        if column.name not in ("id", "billing_run_id", "line_number", "digest", "original_line_id")
    ),
    _other.c.number,
    _original.c.line_number,
]


class ProjectLines(NamedTuple):
    """The lines of one project on a run.

    Attributes
    ----------
    project_id, project, manager_id
        Which project, its number, and the person who manages it (None: nobody).
    lines, billed
        How many lines it has, and how many of them are billed: billable, neither held nor written off.
    lines_digest
        Of all that its lines say, and which of them are billed.
    """

    project_id: int
    project: str
    manager_id: int | None
    lines: int
    billed: int
    lines_digest: str


class SignOff(NamedTuple):
    """One act of a project's manager on a run: `sign` or `withdraw`."""

    project_id: int
    action: str
    actor: str
    reason: str
    lines_digest: str
    at_ms: int


def project_lines(connection: Connection, run_id: int, project: str | None = None) -> list[ProjectLines]:
    """Return what each project has on a run, or one of them, by number."""
    condition = sa.true() if project is None else _project.c.number == project
    found: dict[tuple[int, str, int | None], list[bytes]] = {}
    billed: dict[int, int] = {}
    for project_id, number, manager, billable, action, *values in connection.execute(
        _lines(run_id, condition)
    ):
        back = action if action in NOT_BILLED else None
        found.setdefault((project_id, number, manager), []).append(canonical([*values, back]))
        billed[project_id] = billed.get(project_id, 0) + (billable and back is None)
    return [
        ProjectLines(*which, len(contents), billed[which[0]], _digest(contents))
        for which, contents in sorted(found.items(), key=lambda item: item[0][1])
    ]


def _digest(contents: list[bytes]) -> str:
    return sha256(b"\n".join(sorted(contents))).hexdigest()


def _lines(run_id: int, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    newest = (
        sa.select(_review.c.charge_line_id, sa.func.max(_review.c.id).label("newest"))
        .join(_line, _line.c.id == _review.c.charge_line_id)
        .where(_line.c.billing_run_id == run_id)
        .group_by(_review.c.charge_line_id)
        .subquery()
    )
    return (
        sa.select(
            _project.c.id,
            _project.c.number,
            _project.c.manager_id,
            _line.c.billable,
            _review.c.action,
            *_SIGNED,
        )
        .join(_project, _project.c.id == _line.c.project_id)
        .join(schema.application, schema.application.c.id == _line.c.application_id)
        .join(schema.fiscal_period, schema.fiscal_period.c.id == _line.c.fiscal_period_id)
        .outerjoin(schema.office, schema.office.c.id == _line.c.office_id)
        .outerjoin(schema.phase, schema.phase.c.id == _line.c.phase_id)
        .outerjoin(schema.task, schema.task.c.id == _line.c.task_id)
        .outerjoin(_original, _original.c.id == _line.c.original_line_id)
        .outerjoin(_other, _other.c.id == _original.c.billing_run_id)
        .outerjoin(newest, newest.c.charge_line_id == _line.c.id)
        .outerjoin(_review, _review.c.id == newest.c.newest)
        .where((_line.c.billing_run_id == run_id) & condition)
    )


def sign_offs(connection: Connection, run_id: int) -> dict[int, SignOff]:
    """Return the last act on each project of a run, by the project's id."""
    columns = [_sign_off.c[name] for name in SignOff._fields]
    query = sa.select(*columns).where(_sign_off.c.billing_run_id == run_id).order_by(_sign_off.c.id)
    return {row.project_id: SignOff(*row) for row in connection.execute(query)}


def add_sign_off(connection: Connection, run_id: int, act: SignOff) -> None:
    """Append an act: the last one of a project counts."""
    connection.execute(sa.insert(_sign_off).values(billing_run_id=run_id, **act._asdict()))
