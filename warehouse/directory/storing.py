"""Writing master data from rows of a file: find or insert, compare, count; errors name the cell."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.errors import Problem
from warehouse.money import minor_digits
from warehouse.tabular import CLEAR, Row

IMPORT_LOCK = 7_306_095  # any number, the same in every process that imports
UNNAMED = "unnamed"
"""Actor of an import whose caller does not say who it is."""
FOREVER = "9999-12-31"

_DIRECTORY = "import it first: `process-meter directory import FILE`"
_REMEDIES = {
    "project": "import it first: `process-meter project import FILE`",
    "application": "apply a policy that names it first: `process-meter manager policy apply FILE.toml`",
    "entitlement": "import it first: `process-meter entitlement import FILE`",
}


@dataclass
class Imported:
    """What an import did, by table: how many rows are `new`, `changed`, `unchanged`.

    `notes` is what an auditor would ask about single changes; plain JSON without floats.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, table: str, outcome: str) -> None:
        """Count one row."""
        self.counts.setdefault(table, Counter())[outcome] += 1

    @property
    def has_written(self) -> bool:
        """True when something is not as it was before."""
        return any(count["new"] or count["changed"] for count in self.counts.values())

    def __str__(self) -> str:
        return "; ".join(
            f"{table.replace('_', ' ')}: "
            + ", ".join(f"{count[word]} {word}" for word in ("new", "changed", "unchanged"))
            for table, count in self.counts.items()
        )


class Stored(NamedTuple):
    """A row as it now is in the warehouse."""

    id: int
    row: Mapping[str, Any]
    outcome: str


class Import(NamedTuple):
    """Which file, who, and when (None: now)."""

    path: Path
    actor: str
    at_ms: int | None = None


@contextmanager
def importing(engine: Engine, order: Import) -> Iterator[tuple[Connection, Imported]]:
    """Open the one transaction of an import, and audit it if it wrote; imports wait for each other."""
    from warehouse.ledger import record_event  # noqa: PLC0415  the ledger reads pseudonyms from this package

    done = Imported()
    with store.writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # on SQLite the transaction is the lock
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK})
        yield connection, done
        if done.has_written:
            detail = {table: dict(count) for table, count in done.counts.items()}
            notes = {"notes": done.notes} if done.notes else {}
            now = time.time_ns() // 1_000_000 if order.at_ms is None else order.at_ms
            record_event(connection, order.actor, "import", order.path.name, {**detail, **notes}, now)


def put(
    connection: Connection,
    table: sa.Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> Stored:
    """Insert a row, or change what differs.

    Parameters
    ----------
    key
        The columns that identify it.
    values
        None leaves what is stored, `CLEAR` makes it null.
    defaults
        What a new row gets where `values` says nothing.
    """
    given = {name: None if value == CLEAR else value for name, value in values.items() if value is not None}
    stored = stored_row(connection, table, key)
    if stored is None:
        row = {**(defaults or {}), **given, **key}
        number = connection.execute(table.insert().values(row)).inserted_primary_key
        return Stored(int(number[0]) if number else 0, row, "new")
    changes = {name: value for name, value in given.items() if stored[name] != value}
    if changes:
        connection.execute(table.update().where(table.c.id == stored["id"]).values(changes))
    return Stored(int(stored["id"]), {**stored, **changes}, "changed" if changes else "unchanged")


def stored_row(connection: Connection, table: sa.Table, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the row that the key identifies."""
    same = (table.c[name].is_not_distinct_from(value) for name, value in key.items())
    found = connection.execute(sa.select(table).where(*same)).mappings().one_or_none()
    return None if found is None else {str(name): value for name, value in found.items()}


def reference(
    connection: Connection, row: Row, column: str, table: sa.Table | None = None, by: str = "code"
) -> int | str | None:
    """Return the id that a cell's code stands for; None for an empty cell, `CLEAR` for a dash.

    Raises
    ------
    Problem
        Nothing has this code.
    """
    code = row.code(column)
    if code is None or code == CLEAR:
        return code
    table = schema.metadata.tables[column] if table is None else table
    found = connection.scalar(sa.select(table.c.id).where(table.c[by] == code))
    if found is None:
        what = table.name.replace("_", " ")
        raise row.problem(column, f"unknown {what} {code!r}", _REMEDIES.get(table.name, _DIRECTORY))
    return int(found)


def currency_of(row: Row, column: str = "currency", *, needed: bool = False) -> str | None:
    """Return the currency code in a cell."""
    currency = row.required(column) if needed else row.text(column)
    if currency is None:
        return None
    try:
        minor_digits(currency)
    except Problem as problem:
        raise row.problem(column, problem.message, problem.remedy) from None
    return currency


def first_day(row: Row, column: str = "valid_from") -> str:
    """Return the day from which the row is valid."""
    day = row.day(column)
    if day is None or day == CLEAR:
        raise row.problem(column, "the cell is empty", "write the first day, as 2026-01-01")
    return day


def check_days(row: Row, first_column: str, first: str | None, last_column: str, last: str | None) -> None:
    """Refuse a stretch of days that ends before it begins, or is empty."""
    if first and last and last <= first:
        raise row.problem(last_column, f"{last} is not after {first_column} {first}", "swap or widen them")


class Stretch(NamedTuple):
    """One validity [first, last) of something; `scope` is what must not have two at a time."""

    scope: tuple[Any, ...]
    first: str
    last: str | None
    id: int


def overlapping(stretches: Iterable[Stretch]) -> Iterator[tuple[Stretch, Stretch]]:
    """Give each stretch that begins inside an earlier one of its scope, the earlier one first."""
    widest: Stretch | None = None
    for later in sorted(stretches, key=lambda each: (repr(each.scope), each.first)):
        if widest is None or widest.scope != later.scope:
            widest = later
            continue
        if later.first < (widest.last or FOREVER):
            yield widest, later
        widest = max(widest, later, key=lambda each: each.last or FOREVER)


def refuse_overlaps(what: str, stretches: Sequence[Stretch], origins: Mapping[int, Row]) -> None:
    """Refuse overlapping stretches, of which at least one comes from a row of the file."""
    for earlier, later in overlapping(stretches):
        row = origins.get(later.id) or origins.get(earlier.id)
        if row is None:
            continue  # stored so before, and none of this file's business
        other = earlier if later.id in origins else later
        known = origins.get(other.id)
        place = f"row {known.number}" if known else f"the one stored from {other.first}"
        raise row.problem(
            "valid_from",
            f"overlaps {place}: two {what} of the same scope are valid on {later.first}",
            f"give the earlier one valid_to {later.first}",
        )
