"""Importing what was bought: rights with what they cover and allow, and who holds a seat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory import use_rights
from warehouse.directory.element_mappings import element_mapping
from warehouse.directory.elements import read_elements
from warehouse.directory.storing import (
    UNNAMED,
    Import,
    Imported,
    Stretch,
    check_days,
    currency_of,
    first_day,
    importing,
    put,
    reference,
    refuse_overlaps,
    stored_row,
)
from warehouse.errors import Problem
from warehouse.money import minor_digits
from warehouse.tabular import CLEAR, Row, read_table

ENTITLEMENT_COLUMNS = ("entitlement", "product", "metric", "quantity", "valid_from")
ENTITLEMENT_OPTIONS = (
    *("product_name", "vendor", "token_weight", "valid_to", "unit_cost", "currency", "contract", "notice"),
    *("true_up", "pack_size", "consumption_order", "counting_rule", "applications"),
    *use_rights.COLUMNS,
)
METRICS = ("named_user", "device", "concurrent", "token", "subscription")
COUNTING_RULES = ("exact_sweep", "fixed_interval", "user_day", "consumed_balance")


@dataclass
class ImportedEntitlements(Imported):
    """What an import of entitlements did.

    `unsaid` names the columns that a mapping looks for and no element of the file holds: a path may be wrong.
    """

    unsaid: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [super().__str__()]
        if self.unsaid:
            lines.append(f"nowhere in the file, where the mapping looks: {', '.join(self.unsaid)}")
        return "\n".join(lines)


def import_entitlements(
    engine: Engine,
    path: Path | str,
    actor: str = UNNAMED,
    *,
    mapping: Path | str | None = None,
    at_ms: int | None = None,
) -> ImportedEntitlements:
    """Import entitlements by their code, all or nothing; docs/importing.md has the columns.

    Parameters
    ----------
    path
        A table file; or, with a mapping, an XML file.
    actor
        Who imports, for the audit.
    mapping
        TOML file that says which elements of an XML file are entitlements, and where their values stand.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names file, row or element, and column.
    """
    rows, sought = _rows(Path(path), None if mapping is None else Path(mapping))
    made = ImportedEntitlements(unsaid=[name for name in sought if not any(row.text(name) for row in rows)])
    seen: dict[str, int] = {}
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        made.counts = done.counts  # the import's own counts: it audits them
        for row in rows:
            code = row.required("entitlement")
            if code in seen:
                raise row.problem(
                    "entitlement", f"{code} is already in {row.called} {seen[code]}", "remove one of them"
                )
            seen[code] = row.number
            _put_entitlement(connection, code, row, done)
    return made


def _rows(path: Path, mapping: Path | None) -> tuple[list[Row], list[str]]:
    """Read a file; with the columns that a mapping looks for."""
    if mapping is not None:
        known = element_mapping(mapping, ENTITLEMENT_COLUMNS, ENTITLEMENT_OPTIONS)
        return read_elements(path, known), list(known.paths)
    if path.suffix.lower() == ".xml":
        message = f"{path.name} is XML, and nothing says what its elements mean"
        raise Problem(message, "add --mapping FILE.toml; docs/importing.md says how to write one")
    return read_table(path, ENTITLEMENT_COLUMNS, ENTITLEMENT_OPTIONS), []


def _put_entitlement(connection: Connection, code: str, row: Row, done: Imported) -> None:
    row.required("metric")
    key = {"code": code}
    before = stored_row(connection, schema.entitlement, key) or {}
    pack_size = _pack_size(row, before)
    values = {
        "product_id": _put_product(connection, row, done),
        "metric": row.choice("metric", METRICS),
        "quantity": pack_size * int(_needed(row, "quantity", row.whole("quantity"))),
        "pack_size": pack_size,
        "valid_from_on": first_day(row),
        "valid_to_on": row.day("valid_to"),
        **_cost(row, before),
        "contract": row.code("contract"),
        "notice_on": row.day("notice"),
        "true_up_on": row.day("true_up"),
        "consumption_order": row.whole("consumption_order"),
        "counting_rule": row.choice("counting_rule", COUNTING_RULES),
        "use_rights": use_rights.changed_rights(connection, row, before.get("use_rights") or {}),
    }
    stored = put(connection, schema.entitlement, key, values, {"counting_rule": "exact_sweep"})
    check_days(row, "valid_from", stored.row["valid_from_on"], "valid_to", stored.row.get("valid_to_on"))
    changed = _cover(connection, stored.id, row)
    outcome = "changed" if changed and stored.outcome == "unchanged" else stored.outcome
    done.add("entitlements", outcome)


def _needed(row: Row, column: str, value: Any) -> Any:
    if value is None:
        raise row.problem(column, "the cell is empty", "fill it in")
    return value


def _pack_size(row: Row, before: Mapping[str, Any]) -> int:
    size = row.whole("pack_size")
    if size == 0:
        raise row.problem("pack_size", "a pack of nothing", "write how many units are in a pack")
    return int(size or before.get("pack_size") or 1)


def _cost(row: Row, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return cost and currency; a contract may have none yet, but no cost without its currency."""
    if row.text("unit_cost") == CLEAR:
        return {"unit_cost_minor": CLEAR, "currency": CLEAR}
    cost, currency = row.decimal("unit_cost"), currency_of(row)
    if cost is None:
        if currency not in (None, before.get("currency")) and before.get("unit_cost_minor") is not None:
            raise row.problem(
                "unit_cost", f"the cost is not told in {currency}", "write it, or leave both empty"
            )
        return {"unit_cost_minor": None, "currency": currency}
    currency = currency or before.get("currency")
    if currency is None:
        raise row.problem("currency", "the cell is empty", "say in which currency the cost is")
    minor = cost.scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        message = f"{cost} is finer than the smallest coin of {currency}"
        raise row.problem("unit_cost", message, "round it")
    return {"unit_cost_minor": int(minor), "currency": currency}


def _put_product(connection: Connection, row: Row, done: Imported) -> int:
    code = row.required("product")
    values = {
        "name": row.text("product_name"),
        "vendor": row.text("vendor"),
        "token_weight": row.whole("token_weight"),
    }
    if stored_row(connection, schema.product, {"code": code}) is None:
        for column, value in (("product_name", values["name"]), ("vendor", values["vendor"])):
            if value is None:
                message = f"product {code!r} is new and this says nothing"
                raise row.problem(column, message, "add the columns product_name and vendor")
    stored = put(connection, schema.product, {"code": code}, values)
    done.add("products", stored.outcome)
    return stored.id


def _cover(connection: Connection, entitlement: int, row: Row) -> bool:
    """Let an entitlement cover exactly the applications of the row; an empty cell leaves them."""
    codes = row.codes("applications")
    if not codes:
        return False
    cover, application = schema.entitlement_application, schema.application
    found = connection.execute(
        sa.select(application.c.code, application.c.id).where(application.c.code.in_(codes))
    )
    known = {str(code): int(number) for code, number in found}
    for code in codes:
        if code not in known:
            message = f"unknown application {code!r}"
            remedy = "apply a policy that names it first: `process-meter manager policy apply FILE.toml`"
            raise row.problem("applications", message, remedy)
    mine = cover.c.entitlement_id == entitlement
    covered = set(connection.scalars(sa.select(cover.c.application_id).where(mine)))
    if covered == set(known.values()):
        return False
    connection.execute(cover.delete().where(mine))
    rows = [{"entitlement_id": entitlement, "application_id": number} for number in sorted(known.values())]
    connection.execute(cover.insert(), rows)
    return True


def import_assignments(
    engine: Engine, path: Path | str, actor: str = UNNAMED, *, at_ms: int | None = None
) -> Imported:
    """Import who holds a seat of which entitlement, all or nothing; docs/importing.md has the columns.

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
    rows = read_table(Path(path), ("entitlement", "valid_from"), ("person", "host", "valid_to"))
    origins: dict[int, Row] = {}
    with importing(engine, Import(Path(path), actor, at_ms)) as (connection, done):
        for row in rows:
            number, outcome = _put_assignment(connection, row)
            if number in origins:
                message = f"the same seat from the same day as row {origins[number].number}"
                raise row.problem("valid_from", message, "remove one of them")
            origins[number] = row
            done.add("assignments", outcome)
        refuse_overlaps("assignments", assignment_stretches(connection), origins)
    return done


def _put_assignment(connection: Connection, row: Row) -> tuple[int, str]:
    row.required("entitlement")
    host = row.text("host")
    holder = {
        "person_id": reference(connection, row, "person"),
        "host_id": host and reference(connection, _lower(row, "host", host), "host", by="name"),
    }
    if sum(isinstance(number, int) for number in holder.values()) != 1 or CLEAR in holder.values():
        raise row.problem("person", "a seat has one holder", "name a person or a host, not both")
    entitlement = reference(connection, row, "entitlement")
    first = first_day(row)
    key = {"entitlement_id": entitlement, **holder, "valid_from_on": first}
    stored = put(connection, schema.assignment, key, {"valid_to_on": row.day("valid_to")})
    check_days(row, "valid_from", first, "valid_to", stored.row.get("valid_to_on"))
    return stored.id, stored.outcome


def _lower(row: Row, column: str, text: str) -> Row:
    return Row(row.file, row.number, {**row.cells, column: text.lower()}, row.origins)


def assignment_stretches(connection: Connection) -> list[Stretch]:
    """Return how long each holder holds a seat of each entitlement."""
    seat = schema.assignment
    columns = (seat.c.id, seat.c.valid_from_on, seat.c.valid_to_on)
    holder = (seat.c.entitlement_id, seat.c.person_id, seat.c.host_id)
    return [
        Stretch(tuple(scope), first, last, int(number))
        for number, first, last, *scope in connection.execute(sa.select(*columns, *holder))
    ]
