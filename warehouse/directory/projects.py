"""Importing the project master: clients, projects, phases and tasks from one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.charging_rights import refuse_all_but_staff
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
from warehouse.money import minor_digits
from warehouse.projects import LONGEST_NUMBER, is_number, shown
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
    "kind",
    "manager",
    "budget",
    "not_to_exceed",
)
KINDS = ("project", "client", "cost_center")
"""A project, or the account of a payer itself, whose number is the payer's code."""
PHASE_COLUMNS = ("phase_name", "phase_chargeable", "phase_opened", "phase_closed")
TASK_COLUMNS = ("task_name",)
LONGEST_NAME = 255
LARGEST_AMOUNT = 10**12
"""In the currency's major unit: what sheets still hold exactly."""
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
        Who imports, one of the billing staff, for the audit.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names file, row and column; or an actor who is not of the billing staff.
    """
    rows = read_table(
        Path(path), ("project",), ("phase", "task", *PROJECT_COLUMNS, *PHASE_COLUMNS, *TASK_COLUMNS)
    )
    tree = _tree(rows)
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        refuse_all_but_staff(connection, actor, "import projects")
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
    for column, code in (("project", project), ("phase", phase), ("task", task)):
        if code is not None and not is_number(code):
            raise row.problem(
                column,
                f"{shown(code)} is no number of a {column}",
                f"give at most {LONGEST_NUMBER} characters that can be printed",
            )
    if task and not phase:
        raise row.problem("task", f"task {task} has no phase", "name its phase")
    return tuple(code for code in (project, phase, task) if code)


def _put_project(connection: Connection, codes: Codes, rows: Sequence[Row], _: int, done: Imported) -> int:
    said = merged(rows, PROJECT_COLUMNS)
    number, kind = codes[0], said.choice("kind", KINDS)
    before = stored_row(connection, schema.project, {"number": number})
    said = _with_own_payer(said, number, kind, before)
    values = {
        "name": name_of(said, "name"),
        "kind": kind,
        **_payer(connection, said, done),
        "office_id": reference(connection, said, "office"),
        "currency": currency_of(said),
        "tax_code": said.code("tax_code"),
        "chargeable": said.flag("chargeable"),
        "opened_on": said.day("opened"),
        "closed_on": said.day("closed"),
        "manager_id": reference(connection, said, "manager", schema.person),
    }
    if before is None:
        _complete_new(connection, number, said, values)
    values |= _limits(said, values["currency"], before or {})
    stored = put(connection, schema.project, {"number": number}, values)
    check_days(said, "opened", stored.row.get("opened_on"), "closed", stored.row.get("closed_on"))
    done.add("projects", stored.outcome)
    return stored.id


def _with_own_payer(said: Row, number: str, kind: str | None, before: Mapping[str, Any] | None) -> Row:
    """Let the account of a client or a cost center have that payer, and no other."""
    if before is not None and kind not in (None, before["kind"]):
        message = f"{number} is stored as {before['kind']}, and stays it"
        raise said.problem("kind", message, "give what is of another kind a number of its own")
    kind = kind or (before or {}).get("kind")
    for column in KINDS[1:]:
        payer = said.code(column)
        if kind in KINDS[1:] and payer not in (None, number if column == kind else None):
            message = f"{number} is the account of a {kind.replace('_', ' ')}, which pays itself"
            raise said.problem(column, message, f"leave it out, or write {number} in {kind}")
    return replace(said, cells={**said.cells, kind: number}) if kind in KINDS[1:] else said


def _limits(said: Row, currency: str | None, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return budget and not-to-exceed amount in minor units of the project's currency."""
    names = {"budget": "budget_minor", "not_to_exceed": "not_to_exceed_minor"}
    known = currency or before["currency"]
    found = {name: amount_of(said, column, known) for column, name in names.items()}
    if before and known != before["currency"]:
        for column, name in names.items():
            if before[name] is not None and found[name] is None:
                message = f"it is stored in {before['currency']}, and the project's currency becomes {known}"
                raise said.problem(column, message, f"give it anew in {known}")
    return found


def amount_of(row: Row, column: str, currency: str) -> int | str | None:
    """Return the amount in a cell in minor units; None for an empty cell, `CLEAR` for a dash."""
    if row.text(column) in (None, CLEAR):
        return row.text(column)
    amount, digits = row.decimal(column) or Decimal(), minor_digits(currency)
    if amount > LARGEST_AMOUNT:
        raise row.problem(column, f"{amount} is beyond any project", "check the decimal point")
    minor = amount.scaleb(digits)
    if minor != minor.to_integral_value():
        raise row.problem(column, f"{amount} is finer than {currency} is", f"give at most {digits} decimals")
    return int(minor)


def name_of(row: Row, column: str) -> str | None:
    """Return the name in a cell; refuse one that no form and no sheet could show.

    Hidden characters are refused in every cell, see `tabular.UNREADABLE`.
    """
    name = row.text(column)
    if name is not None and any(letter in "\t\r\n" for letter in name):
        raise row.problem(column, f"{shown(name)} holds a line break or tab", "write a blank instead")
    if name is not None and len(name) > LONGEST_NAME:
        raise row.problem(column, f"{len(name):,} characters are no name", f"give at most {LONGEST_NAME}")
    return name


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
    name = name_of(said, "client_name")
    code = said.code("client")
    if name is None or code in (None, CLEAR):
        if name is not None:
            raise said.problem("client_name", "there is no client of this name's", "name its code in client")
        return _known_client(connection, said)
    if not is_number(str(code)):
        message = f"{shown(str(code))} is no code of a client"
        raise said.problem("client", message, f"give at most {LONGEST_NUMBER} characters that can be printed")
    stored = put(connection, schema.client, {"code": code}, {"name": name})
    done.add("clients", stored.outcome)
    return stored.id


def _known_client(connection: Connection, said: Row) -> int | str | None:
    code = said.code("client")
    if code is None or code == CLEAR:
        return code
    found = connection.scalar(sa.select(schema.client.c.id).where(schema.client.c.code == code))
    if found is None:
        raise said.problem(
            "client", f"unknown client {shown(code)!r}", "give its name in the column client_name"
        )
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
        "name": name_of(said, "phase_name"),
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
    name = name_of(merged(rows, TASK_COLUMNS), "task_name")
    stored = put(connection, schema.task, key, {"name": name}, {"name": codes[2]})
    done.add("tasks", stored.outcome)
    return stored.id
