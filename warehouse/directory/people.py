"""Importing the directory: the organization, its offices, people with their accounts, and hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.accounts import ALWAYS_ON, ensure_account
from warehouse.directory.groups import put_groups
from warehouse.directory.merging import link_accounts, refuse_doubts
from warehouse.directory.storing import (
    UNNAMED,
    Import,
    Imported,
    check_days,
    currency_of,
    first_day,
    importing,
    put,
    reference,
    stored_row,
)
from warehouse.errors import Problem
from warehouse.periods import zone_of
from warehouse.tabular import Row, merged, read_table

RECORDS = ("organization", "office", "department", "cost_center", "person", "account", "host")
"""What a row speaks of, in the order in which they are written."""
COLUMNS = (
    *("record", "name", "zone", "currency", "opens", "closes", "weekdays"),
    *("office", "department", "cost_center", "employee_number", "email", "employment", "accounts"),
    *("groups", "person", "shared", "kind", "valid_from", "valid_to"),
)
PERSON_COLUMNS = ("name", "employee_number", "email", "employment", "accounts")
EMPLOYMENTS = ("employee", "contractor", "affiliate")
HOST_KINDS = ("workstation", "virtual", "terminal", "laptop")
Values = dict[str, Any]
Put = Callable[[Connection, str, Sequence[Row], Imported], None]


def import_directory(
    engine: Engine, path: Path | str, actor: str = UNNAMED, *, at_ms: int | None = None
) -> Imported:
    """Import organization, offices, departments, cost centers, people, accounts and hosts, all or nothing.

    docs/importing.md has the columns; a file without a column `record` holds people.

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
    rows = read_table(Path(path), ("code",), COLUMNS)
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        for record in RECORDS:
            for code, found in _by_code(rows, record).items():
                _PUT[record](connection, code, found, done)
        refuse_doubts(link_accounts(connection))
    return done


def _by_code(rows: Sequence[Row], record: str) -> dict[str, list[Row]]:
    """Collect the rows of one kind; only a person may have several, one per placement."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if (row.choice("record", RECORDS) or "person") != record:
            continue
        code = row.required("code") if record != "organization" else ""
        if code in found and record != "person":
            message = f"{record.replace('_', ' ')} {code} is already in row {found[code][0].number}"
            raise row.problem("code", message, "remove one of them")
        found.setdefault(code, []).append(row)
    return found


# --- The organization --------------------------------------------------------------------------------------


def _put_organization(connection: Connection, _: str, rows: Sequence[Row], done: Imported) -> None:
    row, table = rows[0], schema.organization
    number = connection.scalar(sa.select(table.c.id).order_by(table.c.id)) or 1
    values = {"name": row.text("name"), "zone": _zone(row), "currency": currency_of(row)}
    _require_of_new(connection, table, {"id": number}, values, row)
    done.add("organizations", put(connection, table, {"id": number}, values).outcome)


def _put_office(connection: Connection, code: str, rows: Sequence[Row], done: Imported) -> None:
    row = rows[0]
    values = {
        "name": row.text("name"),
        "zone": _zone(row),
        "currency": currency_of(row),
        "opens_minute": _minute(row, "opens"),
        "closes_minute": _minute(row, "closes"),
        "business_weekdays": _weekdays(row),
    }
    key = {"code": code}
    _require_of_new(connection, schema.office, key, values, row)
    stored = put(connection, schema.office, key, values, {"business_weekdays": "12345"})
    if int(stored.row.get("opens_minute") or 0) >= int(stored.row.get("closes_minute") or 1440):
        raise row.problem("closes", "the office closes before it opens", "swap or widen its hours")
    done.add("offices", stored.outcome)


def _put_department(connection: Connection, code: str, rows: Sequence[Row], done: Imported) -> None:
    _put_plain(connection, schema.department, code, rows[0], done)


def _put_cost_center(connection: Connection, code: str, rows: Sequence[Row], done: Imported) -> None:
    _put_plain(connection, schema.cost_center, code, rows[0], done)


def _put_plain(connection: Connection, table: sa.Table, code: str, row: Row, done: Imported) -> None:
    values = {"name": row.text("name")}
    _require_of_new(connection, table, {"code": code}, values, row)
    done.add(f"{table.name}s", put(connection, table, {"code": code}, values).outcome)


def _require_of_new(connection: Connection, table: sa.Table, key: Values, values: Values, row: Row) -> None:
    """Refuse a new row without name, zone or currency."""
    if stored_row(connection, table, key) is not None:
        return
    for column in ("name", "zone", "currency"):
        if column in values and values[column] is None:
            raise row.problem(column, f"a new {table.name.replace('_', ' ')} needs one", "fill it in")


def _zone(row: Row) -> str | None:
    zone = row.text("zone")
    if zone is None:
        return None
    try:
        return zone_of(zone).key
    except Problem as problem:
        raise row.problem("zone", problem.message, problem.remedy) from None


def _minute(row: Row, column: str) -> int | None:
    text = row.text(column)
    if text is None:
        return None
    found = re.fullmatch(r"(\d\d?):(\d\d)(:00)?", text)
    minute = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else 1441
    if minute > 1440:
        raise row.problem(column, f"{text!r} is not a time of day", "write it as 08:00")
    return minute


def _weekdays(row: Row) -> str | None:
    text = row.text("weekdays")
    if text is None:
        return None
    if not re.fullmatch(r"[1-7]+", text) or len(set(text)) != len(text):
        raise row.problem("weekdays", f"{text!r} are no weekdays", "write 12345 for Monday to Friday")
    return "".join(sorted(text))


# --- People and their accounts -----------------------------------------------------------------------------


def put_person(connection: Connection, code: str, rows: Sequence[Row], done: Imported) -> None:
    """Write a person, the placements that the rows tell, and whose the accounts are."""
    said = merged(rows, PERSON_COLUMNS)
    values = {
        "name": said.text("name"),
        "employee_number": said.code("employee_number"),
        "email": said.text("email"),
        "employment": said.choice("employment", EMPLOYMENTS),
    }
    defaults = {"employment": "employee", "valid_from_on": min(first_day(row) for row in rows)}
    _require_of_new(connection, schema.person, {"code": code}, values, said)
    stored = put(connection, schema.person, {"code": code}, values, defaults)
    done.add("persons", stored.outcome)
    person = stored.id
    for row in rows:
        _put_placement(connection, person, row, done)
    _settle_placements(connection, person, rows)
    for row in sorted(rows, key=first_day):
        put_groups(connection, person, row, first_day(row), done)
    for account in said.codes("accounts"):
        _give_account(connection, said, account, person, code)


def _put_placement(connection: Connection, person: int, row: Row, done: Imported) -> None:
    row.required("office")
    first = first_day(row)
    values = {
        "office_id": reference(connection, row, "office"),
        "department_id": reference(connection, row, "department"),
        "cost_center_id": reference(connection, row, "cost_center"),
        "valid_to_on": row.day("valid_to"),
    }
    stored = put(connection, schema.placement, {"person_id": person, "valid_from_on": first}, values)
    check_days(row, "valid_from", first, "valid_to", stored.row.get("valid_to_on"))
    done.add("placements", stored.outcome)


def _settle_placements(connection: Connection, person: int, rows: Sequence[Row]) -> None:
    """Let a placement without an end last until the next one; the person's validity spans them all."""
    table = schema.placement
    mine = sa.select(table).where(table.c.person_id == person).order_by(table.c.valid_from_on)
    placements = connection.execute(mine).all()
    for earlier, later in pairwise(placements):
        if earlier.valid_to_on is None:
            end = {"valid_to_on": later.valid_from_on}
            connection.execute(table.update().where(table.c.id == earlier.id).values(end))
        elif earlier.valid_to_on > later.valid_from_on:
            row = next((row for row in rows if row.day("valid_from") == later.valid_from_on), rows[0])
            message = (
                f"overlaps the placement {earlier.valid_from_on} to {earlier.valid_to_on} of the same person"
            )
            raise row.problem("valid_from", message, f"give the earlier one valid_to {later.valid_from_on}")
    span = {"valid_from_on": placements[0].valid_from_on, "valid_to_on": placements[-1].valid_to_on}
    connection.execute(schema.person.update().where(schema.person.c.id == person).values(span))


def _give_account(connection: Connection, row: Row, name: str, person: int, code: str) -> None:
    table = schema.account
    number = ensure_account(connection, name)
    owner = connection.scalar(sa.select(table.c.person_id).where(table.c.id == number))
    if owner not in (None, person):
        whose = connection.scalar(sa.select(schema.person.c.code).where(schema.person.c.id == owner))
        message = f"account {name!r} belongs to {whose}, and {code} claims it too"
        raise row.problem("accounts", message, "say whose it is in a row of its own, with record `account`")
    connection.execute(table.update().where(table.c.id == number).values(person_id=person))


def _put_account(connection: Connection, code: str, rows: Sequence[Row], done: Imported) -> None:
    row = rows[0]
    values = {"person_id": reference(connection, row, "person"), "shared": row.flag("shared")}
    done.add("accounts", put(connection, schema.account, {"name": code.lower()}, values).outcome)


# --- Hosts -------------------------------------------------------------------------------------------------


def _put_host(connection: Connection, code: str, rows: Sequence[Row], done: Imported) -> None:
    row = rows[0]
    key = {"name": code.lower()}
    office = reference(connection, row, "office")
    values = {
        "kind": row.choice("kind", HOST_KINDS),
        "office_id": office,
        "zone": _zone(row),
        "in_directory": True,
        "valid_from_on": row.day("valid_from"),
        "valid_to_on": row.day("valid_to"),
    }
    defaults = {
        "kind": "workstation",
        "zone": _zone_of_office(connection, office),
        "valid_from_on": ALWAYS_ON,
    }
    if (
        values["zone"] is None
        and defaults["zone"] is None
        and stored_row(connection, schema.host, key) is None
    ):
        raise row.problem("zone", "a new host needs a zone or an office", "fill one of them in")
    stored = put(connection, schema.host, key, values, defaults)
    check_days(row, "valid_from", stored.row["valid_from_on"], "valid_to", stored.row.get("valid_to_on"))
    done.add("hosts", stored.outcome)


def _zone_of_office(connection: Connection, office: int | str | None) -> str | None:
    if not isinstance(office, int):
        return None
    return connection.scalar(sa.select(schema.office.c.zone).where(schema.office.c.id == office))


_PUT: dict[str, Put] = {
    "organization": _put_organization,
    "office": _put_office,
    "department": _put_department,
    "cost_center": _put_cost_center,
    "person": put_person,
    "account": _put_account,
    "host": _put_host,
}
