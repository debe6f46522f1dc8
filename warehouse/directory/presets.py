"""Importing presets: where a team's time goes for which nobody entered a project."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.charging_rights import Rights, refuse_others, rights_of
from warehouse.directory.storing import (
    FOREVER,
    Import,
    Imported,
    Stretch,
    check_days,
    first_day,
    importing,
    put,
    reference,
    refuse_overlaps,
    stored_row,
)
from warehouse.errors import Problem
from warehouse.tabular import CLEAR, Row, read_table

SCOPES = ("person", "department", "office", "application")
"""Of two presets that fit, the one that names the earlier of these counts."""
TARGETS = ("project", "phase", "task")
PRESET_COLUMNS = (*SCOPES, *TARGETS, "valid_from", "valid_to", "reason")
SETTLED = ("approved", "closed")
"""Status of the runs whose presets nobody may change."""
LONGEST_REASON = 1_000
Values = dict[str, Any]


def import_presets(
    engine: Engine, path: Path | str, actor: str, *, at_ms: int | None = None, on_server: bool = False
) -> Imported:
    """Import presets, all or nothing; docs/importing.md has the columns.

    A row with the scope and first day of a stored preset changes that preset.

    Parameters
    ----------
    actor
        Who imports, and is the author of every preset that is new or changed: one of the billing staff, or
        the manager of every project of the file.
    at_ms
        When; None: now.
    on_server
        See `charging_rights.rights_of`.

    Raises
    ------
    Problem
        Names file, row and column: presets of one scope that overlap, an unknown person, department, office,
        application, project, phase or task, no reason, a project that is not the actor's, a change of what an
        approved or closed run was made with.
    """
    rows = read_table(Path(path), ("valid_from",), tuple(c for c in PRESET_COLUMNS if c != "valid_from"))
    now = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    origins: dict[int, Row] = {}
    with importing(engine, Import(Path(path), actor, now)) as (connection, done):
        rights = rights_of(connection, actor, on_server=on_server)
        order = _Order(rights, _settled_until(connection), {"author": actor, "created_ms": now}, done)
        for row in rows:
            number, outcome = _put_preset(connection, row, order)
            if number in origins:
                message = f"the same scope and first day as row {origins[number].number}"
                raise row.problem("valid_from", message, "remove one of them")
            origins[number] = row
            done.add("presets", outcome)
        refuse_overlaps("presets", _stretches(connection), origins)
    return done


class _Order(NamedTuple):
    """Who imports, up to which day nothing may change any more, how a preset is signed, and what was done."""

    rights: Rights
    settled_until: str
    signed: Values
    done: Imported


def _put_preset(connection: Connection, row: Row, order: _Order) -> tuple[int, str]:
    ids = {f"{name}_id": reference(connection, row, name) for name in SCOPES}
    first = first_day(row)
    key = {name: None if value == CLEAR else value for name, value in ids.items()} | {"valid_from_on": first}
    values = {**_target(connection, row), "valid_to_on": row.day("valid_to"), "reason": _reason(row)}
    stored = stored_row(connection, schema.project_preset, key)
    said = {name: None if value == CLEAR else value for name, value in values.items() if value is not None}
    changed = {name for name, value in said.items() if stored is not None and stored[name] != value}
    if stored is not None and not changed:
        return int(stored["id"]), "unchanged"
    if stored is None and values["reason"] is None:
        raise row.problem("reason", "the cell is empty", "say why, for whoever asks later")
    before = stored or {"project_id": said.get("project_id")}
    for project in {before["project_id"], {**before, **said}["project_id"]}:
        _refuse_others(row, order.rights, project)
    _refuse_settled(row, order.settled_until, stored, said, changed)
    new = put(connection, schema.project_preset, key, {**values, **order.signed})
    check_days(row, "valid_from", first, "valid_to", new.row.get("valid_to_on"))
    if stored is not None:
        order.done.notes.append(
            {"preset": new.id, **{name: [stored[name], new.row[name]] for name in sorted(changed)}}
        )
    return new.id, new.outcome


def _reason(row: Row) -> str | None:
    reason = row.text("reason")
    if reason is not None and (len(reason) > LONGEST_REASON or reason == CLEAR):
        message = "there must be a reason" if reason == CLEAR else f"{len(reason):,} characters are too many"
        raise row.problem("reason", message, f"say why in at most {LONGEST_REASON:,} characters")
    return reason


# --- Where the time goes -----------------------------------------------------------------------------------


def _target(connection: Connection, row: Row) -> Values:
    """Return the ids of project, phase and task: whoever names a project names all of it.

    Nothing, where the row names none: what is stored stays, and a new preset leads to cost centers.
    """
    numbers = {name: code for name in TARGETS if (code := row.code(name)) not in (None, CLEAR)}
    for name, above in (("phase", "project"), ("task", "phase")):
        if name in numbers and above not in numbers:
            raise row.problem(name, f"no {above} is named", f"name the {above} that it belongs to")
    if row.code("project") is None:
        return {}
    target: Values = {f"{name}_id": CLEAR for name in TARGETS}
    if "project" in numbers:
        target["project_id"] = reference(connection, row, "project", by="number")
    for name, above in (("phase", "project"), ("task", "phase")):
        if name in numbers:
            target[f"{name}_id"] = _below(connection, row, name, above, target[f"{above}_id"])
    return target


def _below(connection: Connection, row: Row, name: str, above: str, parent: int) -> int:
    table, number = schema.metadata.tables[name], row.code(name)
    same = (table.c.number == number, table.c[f"{above}_id"] == parent)
    found = connection.scalar(sa.select(table.c.id).where(*same))
    if found is None:
        message = f"{number!r} is not a {name} of {above} {row.code(above)!r}"
        raise row.problem(name, message, "import it first: `process-meter project import FILE`")
    return int(found)


# --- What is refused ---------------------------------------------------------------------------------------


def _refuse_others(row: Row, rights: Rights, project: int | None) -> None:
    try:
        refuse_others(rights, project, "say whose time goes to it")
    except Problem as problem:
        raise row.problem("project", problem.message, problem.remedy) from None


def _settled_until(connection: Connection) -> str:
    """Return the first day that no approved or closed run has billed."""
    run, period = schema.billing_run.c, schema.fiscal_period.c
    settled = sa.select(sa.func.max(period.ends_on)).where(
        period.id == run.fiscal_period_id, run.status.in_(SETTLED)
    )
    return str(connection.scalar(settled) or "")


def _refuse_settled(
    row: Row, settled: str, stored: Mapping[str, Any] | None, said: Values, changed: set[str]
) -> None:
    """Let presets change nothing in a period that is billed: single sessions of it are corrected instead."""
    if stored is None or changed != {"valid_to_on"}:
        first, column = row.day("valid_from") or "", "valid_from"
    else:
        first = min(stored["valid_to_on"] or FOREVER, said["valid_to_on"] or FOREVER)
        column = "valid_to"
    if first < settled:
        raise row.problem(
            column,
            f"days before {settled} are billed by an approved or closed run",
            f"let it begin or end on {settled} or later, and correct single sessions from before",
        )


def _stretches(connection: Connection) -> list[Stretch]:
    preset = schema.project_preset.c
    scope = [preset[f"{name}_id"] for name in SCOPES]
    chosen = sa.select(preset.id, preset.valid_from_on, preset.valid_to_on, *scope)
    return [
        Stretch(tuple(rest), first, last, int(number))
        for number, first, last, *rest in connection.execute(chosen)
    ]
