"""Importing the project master: clients, projects, phases and tasks from one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.storing import (
    UNNAMED,
    Import,
    Imported,
    check_days,
    currency_of,
    importing,
    put,
    reference,
    stored_row,
)
from warehouse.tabular import CLEAR, Row, merged, read_table

PROJECT_COLUMNS = (
    "name",
    "client",
    "client_name",
    "cost_center",
    "office",
    "currency",
    "tax_code",
    "chargeable",
    "opened",
    "closed",
)
PHASE_COLUMNS = ("phase_name", "phase_chargeable", "phase_opened", "phase_closed")
TASK_COLUMNS = ("task_name",)
Codes = tuple[str, ...]
Tree = dict[Codes, list[Row]]
"""Rows by what they speak of: (project,), (project, phase) or (project, phase, task)."""


def import_projects(
    engine: Engine, path: Path | str, actor: str = UNNAMED, *, at_ms: int | None = None
) -> Imported:
    """Import projects, clients, phases and tasks, all or nothing; docs/importing.md has the columns.

    Parameters
    ----------
    actor
        Who imports, for the audit.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names file, row and column.
    """
    rows = read_table(
        Path(path), ("project",), ("phase", "task", *PROJECT_COLUMNS, *PHASE_COLUMNS, *TASK_COLUMNS)
    )
    tree = _tree(rows)
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        ids: dict[Codes, int] = {}
        for codes, found in tree.items():
            store = (_put_project, _put_phase, _put_task)[len(codes) - 1]
            ids[codes] = store(connection, codes, found, ids.get(codes[:-1], 0), done)
    return done


def _tree(rows: Sequence[Row]) -> Tree:
    """Sort rows by project, phase and task, parents first; refuse two rows of the same numbers."""
    tree: Tree = {}
    leaves: dict[Codes, int] = {}
    for row in rows:
        codes = _codes(row)
        if codes in leaves:
            name = " / ".join(codes)
            raise row.problem("project", f"{name} is already in row {leaves[codes]}", "remove one of them")
        leaves[codes] = row.number
        for depth in range(1, len(codes) + 1):
            tree.setdefault(codes[:depth], []).append(row)
    return dict(sorted(tree.items(), key=lambda item: len(item[0])))


def _codes(row: Row) -> Codes:
    project, phase, task = row.required("project"), row.code("phase"), row.code("task")
    if task and not phase:
        raise row.problem("task", f"task {task} has no phase", "name its phase")
    return tuple(code for code in (project, phase, task) if code)


def _put_project(connection: Connection, codes: Codes, rows: Sequence[Row], _: int, done: Imported) -> int:
    said = merged(rows, PROJECT_COLUMNS)
    values = {
        "name": said.text("name"),
        **_payer(connection, said, done),
        "office_id": reference(connection, said, "office"),
        "currency": currency_of(said),
        "tax_code": said.code("tax_code"),
        "chargeable": said.flag("chargeable"),
        "opened_on": said.day("opened"),
        "closed_on": said.day("closed"),
    }
    if stored_row(connection, schema.project, {"number": codes[0]}) is None:
        _complete_new(connection, codes[0], said, values)
    stored = put(connection, schema.project, {"number": codes[0]}, values)
    check_days(said, "opened", stored.row.get("opened_on"), "closed", stored.row.get("closed_on"))
    done.add("projects", stored.outcome)
    return stored.id


def _payer(connection: Connection, said: Row, done: Imported) -> dict[str, Any]:
    """Return client and cost center; naming the one removes the other."""
    client, center = said.code("client"), said.code("cost_center")
    if client and center and CLEAR not in (client, center):
        raise said.problem("cost_center", "the project has a client, too", "let one of them pay")
    center_id = reference(connection, said, "cost_center")
    client_id = _put_client(connection, said, done)
    return {
        "client_id": CLEAR if client_id is None and isinstance(center_id, int) else client_id,
        "cost_center_id": CLEAR if center_id is None and isinstance(client_id, int) else center_id,
    }


def _put_client(connection: Connection, said: Row, done: Imported) -> int | str | None:
    name = said.text("client_name")
    code = said.code("client")
    if name is None or code in (None, CLEAR):
        if name is not None:
            raise said.problem("client_name", "there is no client of this name's", "name its code in client")
        return _known_client(connection, said)
    stored = put(connection, schema.client, {"code": code}, {"name": name})
    done.add("clients", stored.outcome)
    return stored.id


def _known_client(connection: Connection, said: Row) -> int | str | None:
    code = said.code("client")
    if code is None or code == CLEAR:
        return code
    found = connection.scalar(sa.select(schema.client.c.id).where(schema.client.c.code == code))
    if found is None:
        raise said.problem("client", f"unknown client {code!r}", "give its name in the column client_name")
    return int(found)


def _complete_new(connection: Connection, number: str, said: Row, values: dict[str, Any]) -> None:
    """Give a new project its currency: its own, its office's, or the organization's."""
    if values["name"] is None:
        raise said.problem("name", f"project {number} is new and has no name", "give it one")
    if values["currency"] is None:
        office, organization = schema.office, schema.organization
        values["currency"] = connection.scalar(
            sa.select(office.c.currency).where(office.c.id == values["office_id"])
        ) or connection.scalar(sa.select(organization.c.currency))
    if values["currency"] is None:
        raise said.problem("currency", f"project {number} is new and has none", "give its code, such as EUR")


def _put_phase(
    connection: Connection, codes: Codes, rows: Sequence[Row], project: int, done: Imported
) -> int:
    said = merged(rows, PHASE_COLUMNS)
    values = {
        "name": said.text("phase_name"),
        "chargeable": said.flag("phase_chargeable"),
        "opened_on": said.day("phase_opened"),
        "closed_on": said.day("phase_closed"),
    }
    key: Mapping[str, Any] = {"project_id": project, "number": codes[1]}
    stored = put(connection, schema.phase, key, values, {"name": codes[1]})
    opened, closed = stored.row.get("opened_on"), stored.row.get("closed_on")
    check_days(said, "phase_opened", opened, "phase_closed", closed)
    done.add("phases", stored.outcome)
    return stored.id


def _put_task(connection: Connection, codes: Codes, rows: Sequence[Row], phase: int, done: Imported) -> int:
    key: Mapping[str, Any] = {"phase_id": phase, "number": codes[2]}
    name = merged(rows, TASK_COLUMNS).text("task_name")
    stored = put(connection, schema.task, key, {"name": name}, {"name": codes[2]})
    done.add("tasks", stored.outcome)
    return stored.id
