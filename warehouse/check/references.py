"""What rows refer to is there, what identifies is unique, and zones are known: across all tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from warehouse import schema
from warehouse.check.findings import EXAMPLES, Findings
from warehouse.check.snapshot import Snapshot
from warehouse.errors import Problem
from warehouse.periods import zone_of

_PASSED_OVER = {("segment", "session_id"), ("use_hour", "session_id")}
"""References that the pass over these rows checks."""
_NAMES = ("key", "code", "name", "number")
"""Columns by which people know a row."""


def check(snapshot: Snapshot, findings: Findings) -> None:
    """Check references, unique columns and zones."""
    for table in schema.metadata.sorted_tables:
        for reference in sorted(table.foreign_keys, key=lambda each: each.parent.name):
            if (table.name, reference.parent.name) not in _PASSED_OVER:
                _check_reference(snapshot, table, reference, findings)
        for column in _unique(table):
            _check_unique(snapshot, column, findings)
        if "zone" in table.c:
            _check_zones(snapshot, table, findings)


def _check_reference(
    snapshot: Snapshot, table: sa.Table, reference: sa.ForeignKey, findings: Findings
) -> None:
    column, target = reference.parent, reference.column
    missing = _missing(snapshot, column, target)
    if not missing:
        return
    what = target.table.name.replace("_", " ")
    dangling = column.in_(missing[:EXAMPLES])
    rows = sa.select(*_shown(table), column).where(dangling).order_by(*table.primary_key.columns)
    for *shown, number in snapshot.connection.execute(rows.limit(EXAMPLES)):
        findings.add("reference", _subject(table, shown), f"refers to {what} {number}, which is not there")
    total = sa.select(sa.func.count()).select_from(table).where(dangling)
    count = int(snapshot.connection.scalar(total) or 0)
    findings.add_more("reference", max(0, count - EXAMPLES) + max(0, len(missing) - EXAMPLES))


def _missing(snapshot: Snapshot, column: sa.Column[Any], target: sa.Column[Any]) -> list[Any]:
    """Return what a column refers to in vain; each value is looked up once, however many rows hold it."""
    values = sa.select(column.label("value")).where(column.is_not(None)).distinct().subquery()
    known = sa.select(target).where(target == values.c.value).exists()
    return list(snapshot.connection.scalars(sa.select(values.c.value).where(~known).order_by(values.c.value)))


def _shown(table: sa.Table) -> list[sa.Column[Any]]:
    """Return the columns that tell people which row is meant."""
    return [*table.primary_key.columns, *[table.c[name] for name in _NAMES if name in table.c][:1]]


def _subject(table: sa.Table, shown: list[Any]) -> str:
    """Name a row: its kind, its number, and in brackets what people call it."""
    keys, names = shown[: len(table.primary_key)], shown[len(table.primary_key) :]
    number = " ".join(str(key) for key in keys)
    called = "".join(f" ({name!s:.60})" for name in names if name != keys[0])
    return f"{table.name.replace('_', ' ')} {number}{called}"


def _unique(table: sa.Table) -> Iterator[sa.Column[Any]]:
    """Give the columns that identify a row on their own, beside its number."""
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint) and len(constraint.columns) == 1:
            yield from constraint.columns


def _check_unique(snapshot: Snapshot, column: sa.Column[Any], findings: Findings) -> None:
    table, count = column.table, sa.func.count()
    doubled = (
        sa.select(column, count).group_by(column).having((count > 1) & column.is_not(None)).order_by(column)
    )
    for value, times in snapshot.connection.execute(doubled):
        what = table.name.replace("_", " ")
        findings.add("key", f"{what} with the {column.name} {value!s:.60}", f"is there {times:,} times")


def _check_zones(snapshot: Snapshot, table: sa.Table, findings: Findings) -> None:
    zone, count = table.c.zone, sa.func.count()
    for name, rows in snapshot.connection.execute(sa.select(zone, count).group_by(zone).order_by(zone)):
        try:
            zone_of(name)
        except Problem:
            _add_zone(snapshot, table, name, rows, findings)


def _add_zone(snapshot: Snapshot, table: sa.Table, name: str, rows: int, findings: Findings) -> None:
    shown = _shown(table)
    query = sa.select(*shown).where(table.c.zone == name).order_by(*table.primary_key.columns)
    found = snapshot.connection.execute(query.limit(EXAMPLES)).all()
    for row in found:
        findings.add("zone", _subject(table, list(row)), f"is in the unknown zone {name!r}")
    findings.add_more("zone", rows - len(found))
