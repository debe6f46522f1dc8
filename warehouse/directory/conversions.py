"""Importing conversion rates: dated factors between currencies, frozen once an approved run has used them."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.charging_rights import refuse_all_but_staff
from warehouse.directory.storing import (
    FOREVER,
    Import,
    Imported,
    currency_of,
    first_day,
    importing,
    put,
    stored_row,
)
from warehouse.tabular import Row, read_table

COLUMNS = ("from", "to", "valid_from", "factor")
FACTOR_DIGITS = 8
LARGEST_FACTOR = 10**6
SETTLED = ("approved", "closed")
"""Status of the runs whose factors nobody may change."""


def import_conversions(engine: Engine, path: Path | str, actor: str, *, at_ms: int | None = None) -> Imported:
    """Import conversion rates, all or nothing; docs/importing.md has the columns.

    A row with the currencies and first day of a stored factor changes it.

    Parameters
    ----------
    actor
        Who imports, one of the billing staff: the author of every factor that is new or changed.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names file, row and column: no currency, a currency to itself, a factor that is not over 0 or finer
        than eight decimals, the same pair and day twice, a factor that would replace one which an approved
        run has used; or an actor who is not of the billing staff.
    """
    rows = read_table(Path(path), COLUMNS)
    now = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    signed = {"author": actor, "created_ms": now}
    origins: dict[int, Row] = {}
    with importing(engine, Import(Path(path), actor, now)) as (connection, done):
        refuse_all_but_staff(connection, actor, "import conversion rates")
        for row in rows:
            number, outcome = _put_conversion(connection, row, signed, done)
            if number in origins:
                message = f"the same currencies and first day as row {origins[number].number}"
                raise row.problem("valid_from", message, "remove one of them")
            origins[number] = row
            done.add("conversions", outcome)
    return done


def _put_conversion(
    connection: Connection, row: Row, signed: dict[str, Any], done: Imported
) -> tuple[int, str]:
    key = {
        "from_currency": currency_of(row, "from", needed=True),
        "to_currency": currency_of(row, "to", needed=True),
        "from_on": first_day(row),
    }
    if key["from_currency"] == key["to_currency"]:
        raise row.problem("to", f"{key['to_currency']} needs no conversion to itself", "leave the row out")
    factor = _factor(row)
    stored = stored_row(connection, schema.conversion_rate, key)
    before = None if stored is None else int(stored["factor_scaled"])
    if stored is not None and before == factor:
        return int(stored["id"]), "unchanged"
    _refuse_frozen(connection, row, key)
    now = put(connection, schema.conversion_rate, key, {"factor_scaled": factor, **signed})
    done.notes.append({"conversion": now.id, **key, "factor_scaled": [before, factor]})
    return now.id, now.outcome


def _factor(row: Row) -> int:
    number = row.decimal("factor")
    if number is None:
        raise row.problem(
            "factor", "the cell is empty", "write units of `to` for one of `from`, as 0.92345678"
        )
    scaled = number * 10**FACTOR_DIGITS
    if scaled != int(scaled):
        raise row.problem("factor", f"{number} is finer than {FACTOR_DIGITS} decimals", "round it")
    if not Decimal(0) < number <= LARGEST_FACTOR:
        wrong = "is not over 0" if number == 0 else "is over a million"
        raise row.problem("factor", f"{number} {wrong}", "check the decimal point")
    return int(scaled)


def _refuse_frozen(connection: Connection, row: Row, key: dict[str, Any]) -> None:
    """Refuse a factor that would hold on a day on which a settled run has used another one."""
    line, run, table = schema.charge_line, schema.billing_run, schema.conversion_rate
    pair = [table.c.from_currency == key["from_currency"], table.c.to_currency == key["to_currency"]]
    until = connection.scalar(
        sa.select(sa.func.min(table.c.from_on)).where(*pair, table.c.from_on > key["from_on"])
    )
    used = connection.execute(
        sa.select(run.c.number, line.c.day_on)
        .join(run, run.c.id == line.c.billing_run_id)
        .where(
            run.c.status.in_(SETTLED),
            line.c.rate_currency == key["from_currency"],
            line.c.currency == key["to_currency"],
            line.c.day_on >= key["from_on"],
            line.c.day_on < (until or FOREVER),
        )
        .order_by(line.c.day_on.desc(), run.c.number)
    ).first()
    if used is not None:
        number, day = used
        message = f"run {number} has converted by the factor in force on {day}: it is frozen"
        raise row.problem("valid_from", message, "let the new factor begin on a later day")
