"""Importing who holds a seat from a vendor's own export: a picture of one day, read with a mapping."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.licenses import assignment_stretches
from warehouse.directory.seat_mappings import SeatMapping, seat_mapping
from warehouse.directory.storing import UNNAMED, Import, Imported, importing, refuse_overlaps
from warehouse.errors import Problem
from warehouse.periods import zone_of
from warehouse.tabular import Row, read_columns

_SHOWN = 20


@dataclass
class ImportedSeats(Imported):
    """What an import of seats did, and whom and what of the export the warehouse does not know."""

    unknown_people: Counter[str] = field(default_factory=Counter)
    unknown_products: Counter[str] = field(default_factory=Counter)
    absent: int = 0
    """Seats of people who are not in the export: they are kept."""

    def __str__(self) -> str:
        lines = [super().__str__() or "assignments: none"]
        for what, names in (("people", self.unknown_people), ("products", self.unknown_products)):
            if names:
                shown = ", ".join(sorted(names)[:_SHOWN])
                more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
                lines.append(f"set aside, {what} not known here: {len(names)} ({shown}{more})")
        if self.absent:
            lines.append(f"left as they are, seats of people who are not in the export: {self.absent}")
        return "\n".join(lines)


class _Seat(NamedTuple):
    row: Row
    product: str
    valid_from_on: str | None


def import_seats(
    engine: Engine, path: Path | str, mapping: str, actor: str = UNNAMED, *, at_ms: int | None = None
) -> ImportedSeats:
    """Bring the assignments in line with a vendor's export, all or nothing; docs/importing.md.

    Somebody in the export who holds a seat gets an assignment from the given day, or the day of the import;
    one who is in the export without the seat that the warehouse knows loses it on that day.

    Parameters
    ----------
    mapping
        Name of a shipped mapping, or a TOML file.
    actor
        Who imports, for the audit.
    at_ms
        When; None: now. Its day, in the organization's zone, is the day of the export.

    Raises
    ------
    Problem
        A row that cannot be read, with file, row and column; a product that fits several entitlements.
    """
    known = seat_mapping(mapping)
    present, rows = read_columns(Path(path), known.columns)
    _check_columns(Path(path).name, known, present)
    done = ImportedSeats()
    now_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    with importing(engine, Import(Path(path), actor, now_ms)) as (connection, imported):
        done.counts = imported.counts  # the import's own counts: it audits them
        today = _day(connection, now_ms)
        people = _People(connection)
        entitlements = _Entitlements(connection, known, today)
        held, listed = _held(rows, known, people, entitlements, done)
        _store(connection, held, today, imported)
        lost = _lost(connection, held, entitlements.concerned, today)
        for number, person, first in lost:
            if person in listed or known.complete:
                _end(connection, number, first, today)
                imported.add("assignments", "changed")
            else:
                done.absent += 1
    return done


def _check_columns(file: str, mapping: SeatMapping, present: Sequence[str]) -> None:
    dated = [(mapping.valid_from,)] if mapping.valid_from else []
    for names in (mapping.people, mapping.products, *dated):
        if not any(name in present for name in names):
            message = f"{file} has none of the columns {', '.join(repr(name) for name in names)}"
            raise Problem(message, "choose another --mapping, or name its columns in one of your own")


def _day(connection: Connection, at_ms: int) -> str:
    zone = connection.scalar(
        sa.select(schema.organization.c.zone).order_by(schema.organization.c.id).limit(1)
    )
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone_of(zone or "UTC")).date().isoformat()


# --- Who and what ------------------------------------------------------------------------------------------


class _People:
    """Finds people by e-mail, account or code."""

    def __init__(self, connection: Connection) -> None:
        person, account = schema.person, schema.account
        self._ways: list[dict[str, set[int]]] = [defaultdict(set), defaultdict(set), defaultdict(set)]
        by_email, by_account, by_code = self._ways
        for number, code, email in connection.execute(sa.select(person.c.id, person.c.code, person.c.email)):
            by_code[code.lower()].add(number)
            if email:
                by_email[email.lower()].add(number)
        owned = sa.and_(account.c.person_id.is_not(None), sa.not_(account.c.shared))
        for name, number in connection.execute(sa.select(account.c.name, account.c.person_id).where(owned)):
            by_account[name].add(number)

    def find(self, row: Row, columns: Iterable[str]) -> int | None:
        """Return who a row is about; None: nobody whom the warehouse knows."""
        for column in columns:
            name = (row.text(column) or "").lower()
            for way in self._ways:
                found = way.get(name, set())
                if len(found) > 1:
                    raise row.problem(column, f"{name!r} are {len(found)} people", "correct the directory")
                if found:
                    return next(iter(found))
        return None


class _Entitlements:
    """Finds the entitlement of a product: by the mapping's own word, else by a code or name that fits one."""

    def __init__(self, connection: Connection, mapping: SeatMapping, today: str) -> None:
        right, product = schema.entitlement, schema.product
        columns = (right.c.id, right.c.code, right.c.valid_from_on, right.c.valid_to_on)
        found = sa.select(*columns, product.c.code, product.c.name).join_from(right, product)
        self._ids: dict[str, int] = {}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        for number, code, first, last, *names in connection.execute(found):
            self._ids[code] = int(number)
            if first <= today and (last is None or today < last):
                for name in (code, *names):
                    self._by_name[name.lower()].add(code)
        self._mapped = mapping.entitlements
        for code in self._mapped.values():
            if code not in self._ids:
                raise Problem(
                    f"The mapping names the unknown entitlement {code!r}",
                    "import it first: `process-meter entitlement import FILE`",
                )
        self.concerned = {self._ids[code] for code in self._mapped.values()}
        """Those that the export speaks of."""

    def find(self, row: Row, column: str, product: str) -> int | None:
        """Return the entitlement; None: the warehouse has none of this product."""
        name = product.lower()
        codes = {self._mapped[name]} if name in self._mapped else self._by_name.get(name, set())
        if len(codes) > 1:
            message = f"{product!r} may be any of the entitlements {', '.join(sorted(codes))}"
            raise row.problem(
                column, message, f'write "{product}" = "CODE" under [entitlements] of a mapping'
            )
        if not codes:
            return None
        number = self._ids[next(iter(codes))]
        self.concerned.add(number)
        return number


# --- What the export says ----------------------------------------------------------------------------------

Held = dict[tuple[int, int], _Seat]
"""Seats by (entitlement, person)."""


def _held(
    rows: Sequence[Row],
    mapping: SeatMapping,
    people: _People,
    entitlements: _Entitlements,
    done: ImportedSeats,
) -> tuple[Held, set[int]]:
    """Return the seats of the export, and everybody in it."""
    held: Held = {}
    listed: set[int] = set()
    for row in rows:
        name = next((text for column in mapping.people if (text := row.text(column))), None)
        if name is None:
            raise row.problem(mapping.people[0], "the cell is empty", "name the person, or remove the row")
        person = people.find(row, mapping.people)
        if person is None:
            done.unknown_people[name] += 1
        else:
            listed.add(person)
        for seat in _seats(row, mapping):
            column = next(each for each in mapping.products if row.text(each))
            entitlement = entitlements.find(row, column, seat.product)
            if entitlement is None:
                done.unknown_products[seat.product] += 1
            elif person is not None:
                held.setdefault((entitlement, person), seat)
    return held, listed


def _seats(row: Row, mapping: SeatMapping) -> list[_Seat]:
    for column, words in mapping.unless.items():
        if (row.text(column) or "").lower() in {word.lower() for word in words}:
            return []
    cell = next((text for column in mapping.products if (text := row.text(column))), "")
    names = [name.strip() for name in (cell.split(mapping.separator) if mapping.separator else [cell])]
    none = {word.lower() for word in mapping.no_product}
    first = _first_day(row, mapping)
    return [_Seat(row, name, first) for name in dict.fromkeys(names) if name and name.lower() not in none]


def _first_day(row: Row, mapping: SeatMapping) -> str | None:
    text = row.text(mapping.valid_from) if mapping.valid_from else None
    if text is None:
        return None
    try:
        if mapping.dates == "iso":
            return datetime.fromisoformat(text).date().isoformat()
        return datetime.strptime(text, str(mapping.dates)).date().isoformat()  # noqa: DTZ007 - a day
    except ValueError:
        message = f"{text!r} is not written {mapping.dates}"
        raise row.problem(str(mapping.valid_from), message, "correct dates in the mapping") from None


# --- What is stored ----------------------------------------------------------------------------------------

_seat = schema.assignment


def _open(today: str) -> sa.ColumnElement[bool]:
    """Say which seats are held on a day, or from a later one on."""
    return sa.or_(_seat.c.valid_to_on.is_(None), _seat.c.valid_to_on > today)


def _store(connection: Connection, held: Mapping[tuple[int, int], _Seat], today: str, done: Imported) -> None:
    columns = (_seat.c.entitlement_id, _seat.c.person_id)
    there = {tuple(row) for row in connection.execute(sa.select(*columns).where(_open(today)))}
    origins: dict[int, Row] = {}
    for (entitlement, person), seat in held.items():
        if (entitlement, person) in there:
            done.add("assignments", "unchanged")
            continue
        first = seat.valid_from_on or today
        values = {"entitlement_id": entitlement, "person_id": person, "valid_from_on": first}
        made = connection.execute(_seat.insert().values(values)).inserted_primary_key
        origins[int(made[0]) if made else 0] = seat.row
        done.add("assignments", "new")
    refuse_overlaps("assignments", assignment_stretches(connection), origins)


def _lost(
    connection: Connection, held: Iterable[tuple[int, int]], concerned: Iterable[int], today: str
) -> list[tuple[int, int, str]]:
    """Return the open seats of people that the export does not give: id, person, first day."""
    columns = (_seat.c.id, _seat.c.entitlement_id, _seat.c.person_id, _seat.c.valid_from_on)
    of_people = _seat.c.entitlement_id.in_(sorted(concerned)) & _seat.c.person_id.is_not(None)
    given = set(held)
    return [
        (int(number), int(person), first)
        for number, entitlement, person, first in connection.execute(
            sa.select(*columns).where(of_people, _open(today)).order_by(_seat.c.id)
        )
        if (entitlement, person) not in given
    ]


def _end(connection: Connection, number: int, first: str, today: str) -> None:
    """End a seat today; one that only begins today, or later, was never held."""
    mine = _seat.c.id == number
    if first >= today:
        connection.execute(_seat.delete().where(mine))
    else:
        connection.execute(_seat.update().where(mine).values(valid_to_on=today))
