"""Importing rates: effective-dated, one at a time per scope, frozen once an approved run has used them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory import rate_terms
from warehouse.directory.charging_rights import refuse_all_but_staff
from warehouse.directory.storing import (
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
from warehouse.tabular import CLEAR, Row, read_table

REQUIRED = ("rate", "currency", "valid_from")
OPTIONAL = ("person", "project", "office", "application", "valid_to", *rate_terms.OPTIONAL)
SCOPE = ("person_id", "project_id", "office_id", "application_id", "currency")
SETTLED = ("approved", "closed")
"""Status of the runs whose rates nobody may change."""
Values = dict[str, Any]


def import_rates(engine: Engine, path: Path | str, actor: str, *, at_ms: int | None = None) -> Imported:
    """Import rates, all or nothing; docs/importing.md has the columns.

    A row with the scope, currency and first day of a stored rate changes that rate.

    Parameters
    ----------
    actor
        Who imports, one of the billing staff: the author of every rate that is new or changed.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names file, row and column: a negative or too fine rate, overlapping rates of one scope, tiers out of
        order, a cap in another currency, a change of a rate that an approved run has used, an unknown person,
        project, office or application, ...; or an actor who is not of the billing staff.
    """
    rows = read_table(Path(path), REQUIRED, OPTIONAL)
    now = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    signed = {"author": actor, "created_ms": now}
    origins: dict[int, Row] = {}
    with importing(engine, Import(Path(path), actor, now)) as (connection, done):
        refuse_all_but_staff(connection, actor, "import rates")
        for row in rows:
            number, outcome = _put_rate(connection, row, signed, done)
            if number in origins:
                message = f"the same scope and first day as row {origins[number].number}"
                raise row.problem("valid_from", message, "remove one of them")
            origins[number] = row
            done.add("rates", outcome)
        refuse_overlaps("rates", _stretches(connection), origins)
    return done


def _put_rate(connection: Connection, row: Row, signed: Values, done: Imported) -> tuple[int, str]:
    key = _key(connection, row)
    values = rate_terms.values_of(row, key["currency"])
    stored = stored_row(connection, schema.rate, key)
    if stored is None:
        new = put(connection, schema.rate, key, {**values, **signed}, rate_terms.DEFAULTS)
        _refuse_wrong(row, new.row)
        done.notes.append({"rate": new.id, "new": _terms(new.row)})
        return new.id, new.outcome
    changed = {name for name, value in values.items() if value is not None and not _same(stored[name], value)}
    if not changed:
        return int(stored["id"]), "unchanged"
    is_frozen = _is_frozen(connection, row, int(stored["id"]), changed, values)
    # Who ends a frozen rate has not written its price: its author stays.
    now = put(connection, schema.rate, key, values if is_frozen else {**values, **signed})
    _refuse_wrong(row, now.row)
    done.notes.append({"rate": now.id, **{name: [stored[name], now.row[name]] for name in sorted(changed)}})
    return now.id, now.outcome


def _refuse_wrong(row: Row, rate: Mapping[str, Any]) -> None:
    check_days(row, "valid_from", rate["valid_from_on"], "valid_to", rate.get("valid_to_on"))
    rate_terms.refuse_contradictions(row, rate)


def _terms(rate: Mapping[str, Any]) -> Values:
    """Return what a new rate says, for its history: what it does not say is left out."""
    return {
        name: value
        for name, value in sorted(rate.items())
        if value not in (None, 0, []) and name not in ("id", "author", "created_ms")
    }


def _same(stored: object, given: object) -> bool:
    return stored == given or (stored is None and given == CLEAR)


def _key(connection: Connection, row: Row) -> Values:
    ids = {
        "person_id": reference(connection, row, "person"),
        "project_id": reference(connection, row, "project", by="number"),
        "office_id": reference(connection, row, "office"),
        "application_id": reference(connection, row, "application"),
    }
    anyone = {name: None if value == CLEAR else value for name, value in ids.items()}
    return {**anyone, "currency": currency_of(row, needed=True), "valid_from_on": first_day(row)}


def _is_frozen(connection: Connection, row: Row, rate: int, changed: set[str], values: Values) -> bool:
    """Say whether a settled run has used a rate; refuse to change more of it then than its last day."""
    line, run = schema.charge_line, schema.billing_run
    used = connection.execute(
        sa.select(run.c.number, line.c.day_on)
        .join(run, run.c.id == line.c.billing_run_id)
        .where(line.c.rate_id == rate, run.c.status.in_(SETTLED))
        .order_by(line.c.day_on.desc(), run.c.number)
    ).first()
    if used is None:
        return False
    number, day = used
    if changed != {"valid_to_on"}:
        message = f"run {number} has used this rate: it is frozen"
        raise row.problem("rate", message, "give it a valid_to, and the new rate a row of its own")
    if values["valid_to_on"] != CLEAR and values["valid_to_on"] <= day:
        raise row.problem("valid_to", f"run {number} has used this rate on {day}", "end it on a later day")
    return True


def _stretches(connection: Connection) -> list[Stretch]:
    rate = schema.rate
    columns = (rate.c.id, rate.c.valid_from_on, rate.c.valid_to_on, *(rate.c[name] for name in SCOPE))
    return [
        Stretch(tuple(scope), first, last, int(number))
        for number, first, last, *scope in connection.execute(sa.select(*columns))
    ]
