"""Which column of a foreign table means what, and what its cells say: as declared, never guessed."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from collector.importers.local_time import Local
from collector.importers.options import check_keys, value_of
from warehouse.errors import Problem

Cell = str | int | float | bool | datetime | date | time | timedelta | Decimal | None

UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
CLOCK = "h:m:s"
"""Durations written 1:02:03."""
UNIX_MS = {"unix": 1_000, "unix_ms": 1}
_FORMATS = frozenset({"dates", "decimal", "delimiter", "encoding", "sheet", "unit", "header_row"})
_TOO_LARGE = 10**15
"""No time, count or duration is; what is not refused here could take all memory when it is written out."""
_LATEST_MS = 4_102_444_800_000  # the year 2100: later times are unix times of another unit


class Unusable(Exception):
    """A row that cannot be used, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotAsDeclared(Unusable):
    """A time that does not fit the pattern of the mapping."""


@dataclass(frozen=True)
class Fields:
    """What the mapping may name for a kind of record."""

    needed: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Format:
    """How a table is written.

    Parameters
    ----------
    dates
        `iso`, `unix`, `unix_ms` or a pattern of strptime; None: cells must be times (Excel, Parquet).
    unit
        Of durations: a key of `UNITS_MS`, or `CLOCK`.
    header_row
        Number of the row that names the columns.
    """

    dates: str | None = None
    decimal: str = "."
    delimiter: str | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    unit: str | None = None
    header_row: int = 1

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Format:
        """Read the table `format` of a mapping.

        Raises
        ------
        Problem
            A key or a value that means nothing.
        """
        given = value_of(mapping, "format", dict, {})
        check_keys(given, _FORMATS, "the mapping's [format]")
        for key in given:
            value_of(given, key, int if key == "header_row" else str, given[key])
        found = cls(**given)
        words = {"decimal": (".", ","), "unit": (*UNITS_MS, CLOCK)}
        for key, known in words.items():
            if given.get(key, known[0]) not in known:
                raise Problem(f"Unknown {key} {given[key]!r} in [format]", f"write one of {', '.join(known)}")
        if found.delimiter is not None and len(found.delimiter) != 1:
            raise Problem("The delimiter in [format] is not one character", 'write ";" or "\\t"')
        if not _is_encoding(found.encoding):
            raise Problem(f"Unknown encoding {found.encoding!r} in [format]", 'write "utf-8" or "cp1252"')
        if found.header_row < 1:
            raise Problem("The header_row in [format] is not a row", "count rows from 1")
        return found


def _is_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True


@dataclass(frozen=True)
class Columns:
    """Where the fields of a record are found: in a column, or the same constant in every row."""

    columns: Mapping[str, str]
    constants: Mapping[str, str | int | float]

    @classmethod
    def of(cls, mapping: Mapping[str, Any], fields: Fields) -> Columns:
        """Read the table `columns` of a mapping.

        Raises
        ------
        Problem
            A field that the kind of record does not have, or one that it needs is missing.
        """
        given = value_of(mapping, "columns", dict, {})
        check_keys(given, (*fields.needed, *fields.others), "the mapping's [columns]")
        columns: dict[str, str] = {}
        constants: dict[str, str | int | float] = {}
        for name, spec in given.items():
            if isinstance(spec, str):
                columns[name] = spec.strip()
            elif isinstance(spec, dict) and spec.keys() == {"value"}:
                constants[name] = spec["value"]
            else:
                remedy = f'write {name} = "Column" or {name} = {{value = "..."}}'
                raise Problem(f"The mapping's {name!r} is neither a column nor a constant", remedy)
        for name in fields.needed:
            if name not in given:
                remedy = f'add {name} = "Column" or {name} = {{value = "..."}} to [columns]'
                raise Problem(f"The mapping names no column for {name!r}", remedy)
        return cls(columns, constants)

    @cached_property
    def names(self) -> list[str]:
        """The columns that are read, each once."""
        return list(dict.fromkeys(self.columns.values()))

    def places(self, file: str, header: Sequence[str]) -> list[int]:
        """Return where the columns are in a table.

        Raises
        ------
        Problem
            One is absent, or there twice.
        """
        for name, column in self.columns.items():
            if header.count(column) != 1:
                trouble = "the column {!r} twice" if column in header else "no column {!r}"
                message = f"{file} has {trouble.format(column)}, which the mapping names for {name!r}"
                raise Problem(message, f"its columns: {', '.join(each for each in header if each)}")
        return [header.index(column) for column in self.names]

    def row(self, cells: Sequence[Cell]) -> dict[str, Cell]:
        """Return a row's cells by field."""
        by_column = dict(zip(self.names, cells, strict=True))
        return {**self.constants, **{name: by_column[column] for name, column in self.columns.items()}}


# --- What a cell says --------------------------------------------------------------------------------------


def text(cell: Cell) -> str:
    """Return the text of a cell, empty where there is none."""
    if isinstance(cell, str):
        return cell.replace("\0", "\ufffd").strip()
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, (int, float, Decimal, date, time)):
        return str(cell)
    raise Unusable("a cell that is not a text")


def number(cell: Cell, name: str, decimal: str) -> Decimal | None:
    """Return the number in a cell, None where it is empty."""
    written = text(cell)
    if not written:
        return None
    if isinstance(cell, str) and decimal == ",":
        written = written.replace(".", " ").replace(",", ".")  # a point is then none of a number
    try:
        found = Decimal(written)
    except InvalidOperation:
        raise Unusable(f"{name} is not a number") from None
    if not found.is_finite():
        raise Unusable(f"{name} is not a number")
    if found < 0:
        raise Unusable(f"negative {name}")
    if found >= _TOO_LARGE:
        raise Unusable(f"{name} is too large")
    return found


def whole(cell: Cell, name: str, decimal: str) -> int | None:
    """Return the whole number in a cell, None where it is empty."""
    found = number(cell, name, decimal)
    if found is None:
        return None
    if found != found.to_integral_value() or found >= 1 << 31:
        raise Unusable(f"{name} is not a whole number")
    return int(found)


def duration_ms(cell: Cell, shape: Format, file: str) -> int | None:
    """Return the duration in a cell; Excel's own durations need no unit."""
    if isinstance(cell, time):
        cell = datetime.combine(datetime.min, cell) - datetime.min  # noqa: DTZ901
    if isinstance(cell, timedelta):
        if cell < timedelta():
            raise Unusable("negative duration")
        return cell // timedelta(milliseconds=1)
    if not text(cell):
        return None
    if shape.unit is None:
        remedy = f"write unit = one of {', '.join((*UNITS_MS, CLOCK))} under [format]"
        raise Problem(f"{file}: the mapping does not say in which unit durations are", remedy)
    if shape.unit == CLOCK:
        return _clock_ms(text(cell))
    found = number(cell, "duration", shape.decimal)
    return None if found is None else round(found * UNITS_MS[shape.unit])


def _clock_ms(written: str) -> int:
    parts = written.split(":")
    if len(parts) != 3 or not all(part.strip().isdecimal() and len(part) < 10 for part in parts):
        raise Unusable(f"duration is not written {CLOCK}")
    hours, minutes, seconds = map(int, parts)
    return (hours * 3600 + minutes * 60 + seconds) * 1000


class Times:
    """Times of a table, in the form and the zone that the mapping declares."""

    def __init__(self, shape: Format, zone: str) -> None:
        self._dates = shape.dates
        self._zone = zone
        self._clocks = {zone: Local(zone)}

    def instant_ms(self, cell: Cell, name: str, place: str, zone: str = "") -> int | None:
        """Return the instant in a cell, None where it is empty.

        Raises
        ------
        Unusable
            It does not fit, or the local clock showed this time twice or never.
        Problem
            The mapping does not say how times are written; `place` names file and column.
        """
        if cell is None or cell == "":
            return None
        if self._dates in UNIX_MS and not isinstance(cell, date):
            found = number(cell, name, ".")
            return None if found is None else _in_range(round(found * UNIX_MS[str(self._dates)]), name)
        at = self._datetime(cell, name, place)
        if at.tzinfo is not None:
            return _in_range(round(at.timestamp() * 1000), name)
        placed = self._clock(zone).utc_ms(at)
        if placed.ms is None:
            raise Unusable(f"{name}: the clock never showed this local time")
        if placed.trouble:
            raise Unusable(f"{name}: the clock showed this local time twice")
        return _in_range(placed.ms, name)

    def day(self, cell: Cell, name: str, place: str) -> str:
        """Return the local day in a cell, as ISO text."""
        if isinstance(cell, date) and not isinstance(cell, datetime):
            return cell.isoformat()
        if not text(cell):
            raise Unusable(f"no {name}")
        at = self._datetime(cell, name, place)
        return (at if at.tzinfo is None else at.astimezone(ZoneInfo(self._zone))).date().isoformat()

    def _clock(self, zone: str) -> Local:
        zone = zone or self._zone
        if zone not in self._clocks:
            try:
                self._clocks[zone] = Local(zone)
            except Problem:
                raise Unusable("unknown zone") from None
        return self._clocks[zone]

    def _datetime(self, cell: Cell, name: str, place: str) -> datetime:
        if isinstance(cell, datetime):
            return cell
        if isinstance(cell, date):
            return datetime.combine(cell, time())
        if self._dates is None:
            held = "as text" if isinstance(cell, str) else "as numbers"
            remedy = 'write dates = "iso", "unix" or a pattern like "%d/%m/%Y %H:%M" under [format]'
            raise Problem(f"{place} holds times {held}, and the mapping does not say how", remedy)
        try:
            if self._dates == "iso":
                return datetime.fromisoformat(text(cell))
            return datetime.strptime(text(cell), self._dates)  # noqa: DTZ007 - local times get their zone later
        except ValueError:
            raise NotAsDeclared(f"{name} is not written as declared") from None


def _in_range(ms: int, name: str) -> int:
    if not 0 <= ms < _LATEST_MS:
        raise Unusable(f"{name} is not a time between 1970 and 2100")
    return ms
