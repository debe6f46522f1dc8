"""Tables of any program, CSV, XLSX or Parquet, by a column mapping; docs/importers/table.md."""

from __future__ import annotations

import csv
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast
from xml.etree.ElementTree import ParseError

import polars as pl
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from collector.importers.columns import (
    Cell,
    Columns,
    Fields,
    Format,
    NotAsDeclared,
    Times,
    Unusable,
    duration_ms,
    text,
    whole,
)
from collector.importers.lines import numbered_lines, require_file
from collector.importers.options import Applications, check_keys, value_of
from collector.importers.records import (
    Denial,
    Hold,
    Installation,
    Options,
    Reading,
    Record,
    SetAside,
    Step,
    Tally,
    VendorCount,
)
from warehouse.errors import Problem
from warehouse.periods import day_bounds

KEYS = frozenset({"records", "columns", "format", "zone", "applications", "products"})
FIELDS = {
    "sessions": Fields(
        ("application", "user", "host", "start"),
        ("end", "duration", "borrowed_until", "units", "id", "project", "version", "zone"),
    ),
    "capacity": Fields(
        ("at",), ("server", "application", "issued", "in_use", "reserved", "queued", "users", "zone")
    ),
    "denials": Fields(("at", "application"), ("server", "kind", "user", "host", "units", "reason", "zone")),
    "installations": Fields(("host", "program", "seen"), ("version", "application", "zone")),
    "vendor_counts": Fields(
        ("product", "count", "unit"), ("day", "start", "end", "duration", "server", "zone")
    ),
}
"""By kind of records: what a mapping must name, and what it may."""

_KINDS = ("denied", "unsupported", "queued")
_COUNTED = ("licenses", "devices", "user_days", "tokens")
_PARQUET_BATCH = 50_000
_KEPT = 500


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    """Read the rows of tables, file by file.

    Raises
    ------
    Problem
        A file that cannot be read, lacks a column or has no row that can be used; a mapping that means
        nothing or leaves open how something is written.
    """
    plan = _plan(options)
    for path in files:
        yield from _file(path, plan, tally)


@dataclass(frozen=True)
class _Plan:
    """What the mapping says."""

    make: Callable[[_Row], Record]
    columns: Columns
    shape: Format
    times: Times
    applications: Applications
    application: str | None
    products: Mapping[str, str]
    """Code of a product by the name that the vendor gives it, in lower case."""
    zone: str


class _Row(NamedTuple):
    """One row: its cells by field."""

    plan: _Plan
    file: str
    cells: Mapping[str, Cell]

    def text(self, name: str) -> str:
        return text(self.cells.get(name))

    def needed(self, name: str) -> str:
        found = self.text(name)
        if not found:
            raise Unusable(f"no {name}")
        return found

    def application(self) -> str | None:
        """Return the code of the application, None where the row names none."""
        product = self.text("application")
        return self.plan.application or (self.plan.applications.code_of_product(product) if product else None)

    def the_application(self) -> str:
        found = self.application()
        if found is None:
            raise Unusable("no application")
        return found

    def whole(self, name: str) -> int | None:
        return whole(self.cells.get(name), name, self.plan.shape.decimal)

    def instant(self, name: str) -> int | None:
        return self.plan.times.instant_ms(self.cells.get(name), name, self._place(name), self.text("zone"))

    def the_instant(self, name: str) -> int:
        found = self.instant(name)
        if found is None:
            raise Unusable(f"no {name}")
        return found

    def day(self, name: str) -> str:
        return self.plan.times.day(self.cells.get(name), name, self._place(name))

    def duration(self) -> int | None:
        return duration_ms(self.cells.get("duration"), self.plan.shape, self.file)

    def _place(self, name: str) -> str:
        return f"{self.file}: the column {self.plan.columns.columns.get(name, name)!r}"

    def kept(self) -> str:
        """Return what is kept of a row that is set aside: what would be stored of a good one."""
        return " | ".join(f"{name}={cell}" for name, cell in self.cells.items() if cell is not None)[:_KEPT]


# --- Records -----------------------------------------------------------------------------------------------


def _session(row: _Row) -> Hold:
    """Make a session; its key is the id that the mapping names, else all that is said but the end."""
    application, account, host = row.the_application(), row.needed("user"), row.needed("host")
    start_ms, units = row.the_instant("start"), row.whole("units")
    end_ms = _returned_ms(row, start_ms)
    said = [application, account, host, start_ms, units, row.text("project"), row.text("version")]
    number = row.text("id")
    known_ms = start_ms if end_ms is None else end_ms
    return Hold(
        key=_digest(["id", application, number] if number else said),
        application=application,
        account=account,
        host=host,
        started_ms=start_ms,
        ended_ms=end_ms,
        known_until_ms=known_ms,
        steps=(Step(start_ms, units=1 if units is None else units),) if known_ms > start_ms else (),
        subject=number,
        project=row.text("project") or None,
        application_version=row.text("version") or None,
    )


def _returned_ms(row: _Row, start_ms: int) -> int | None:
    """Return when a license was free again: at its return, or when its borrowing ended."""
    end_ms = _end_ms(row, start_ms)
    until_ms = row.instant("borrowed_until")
    if until_ms is not None and until_ms < start_ms:
        raise Unusable("borrowed_until before start")
    ends = [instant for instant in (end_ms, until_ms) if instant is not None]
    return min(ends, default=None)


def _end_ms(row: _Row, start_ms: int) -> int | None:
    if "duration" in row.cells:
        length_ms = row.duration()
        return None if length_ms is None else start_ms + length_ms
    end_ms = row.instant("end")
    if end_ms is not None and end_ms < start_ms:
        raise Unusable("end before start")
    return end_ms


def _digest(parts: Sequence[object]) -> str:
    said = "\x1f".join(str(part).lower() for part in parts)
    return blake2b(said.encode(), digest_size=16).hexdigest()


def _reading(row: _Row) -> Reading:
    names = ("issued", "in_use", "reserved", "queued", "users")
    counts = {name: row.whole(name) for name in names}
    if all(count is None for count in counts.values()):
        raise Unusable(f"none of {', '.join(names)}")
    return Reading(row.text("server"), row.the_instant("at"), row.application(), **counts)


def _denial(row: _Row) -> Denial:
    kind = row.text("kind").lower() or "denied"
    if kind not in _KINDS:
        raise Unusable(f"kind is none of {', '.join(_KINDS)}")
    units = row.whole("units")
    return Denial(
        server=row.text("server"),
        at_ms=row.the_instant("at"),
        kind=cast(Literal["denied", "unsupported", "queued"], kind),
        application=row.the_application(),
        account=row.text("user"),
        host=row.text("host"),
        units=1 if units is None else units,
        reason=row.text("reason") or None,
    )


def _installation(row: _Row) -> Installation:
    host, program = row.needed("host"), row.needed("program")
    return Installation(host, program, row.text("version"), row.day("seen"), row.application())


def _vendor_count(row: _Row) -> VendorCount:
    unit = row.needed("unit").lower()
    if unit not in _COUNTED:
        raise Unusable(f"unit is none of {', '.join(_COUNTED)}")
    count = row.whole("count")
    if count is None:
        raise Unusable("no count")
    start_ms, end_ms = _day_ms(row) if "day" in row.cells else _interval_ms(row)
    product = row.needed("product")
    named = row.plan.products.get(product.lower(), product)
    return VendorCount(named, start_ms, end_ms, unit, count, row.text("server"))


def _day_ms(row: _Row) -> tuple[int, int]:
    """Return the bounds of a day in the zone of the row."""
    day = date.fromisoformat(row.day("day"))
    start, end = day_bounds(row.text("zone") or row.plan.zone, day)
    return round(start.timestamp() * 1000), round(end.timestamp() * 1000)


def _interval_ms(row: _Row) -> tuple[int, int]:
    start_ms = row.the_instant("start")
    end_ms = _end_ms(row, start_ms)
    if end_ms is None or end_ms <= start_ms:
        raise Unusable("no time after the start")
    return start_ms, end_ms


_MAKERS: Mapping[str, Callable[[_Row], Record]] = {
    "sessions": _session,
    "capacity": _reading,
    "denials": _denial,
    "installations": _installation,
    "vendor_counts": _vendor_count,
}


def _plan(options: Options) -> _Plan:
    mapping = options.mapping
    check_keys(mapping, KEYS)
    kind = value_of(mapping, "records", str, "")
    if kind not in FIELDS:
        remedy = f"write records = one of {', '.join(FIELDS)} into a TOML file, and name it with --mapping"
        raise Problem("A table needs a mapping that says what its rows are", remedy)
    fields = FIELDS[kind]
    if options.application is not None:
        fields = Fields(
            tuple(name for name in fields.needed if name != "application"), ("application", *fields.others)
        )
    columns = Columns.of(mapping, fields)
    given = {*columns.columns, *columns.constants}
    if kind == "sessions" and len(given & {"end", "duration"}) != 1:
        raise Problem("The mapping of sessions needs either 'end' or 'duration'", "add one to [columns]")
    _check_stretch(kind, given)
    shape = Format.of(mapping)
    zone = value_of(mapping, "zone", str, "") or options.zone or "UTC"
    applications = Applications({"applications": value_of(mapping, "applications", dict, {})})
    times = Times(shape, zone)
    products = _products(mapping)
    return _Plan(_MAKERS[kind], columns, shape, times, applications, options.application, products, zone)


def _check_stretch(kind: str, given: Set[str]) -> None:
    told = given & {"day", "start", "end", "duration"}
    if kind == "vendor_counts" and told not in ({"day"}, {"start", "end"}, {"start", "duration"}):
        what = "The mapping of vendor_counts needs either 'day', or 'start' with 'end' or 'duration'"
        raise Problem(what, "name one of these in [columns]")


def _products(mapping: Mapping[str, Any]) -> dict[str, str]:
    named = value_of(mapping, "products", dict, {})
    for name, code in named.items():
        if not isinstance(code, str) or not code.strip():
            raise Problem(f"The mapping's product for {name!r} is not a text", "give its code")
    return {str(name).strip().lower(): code.strip() for name, code in named.items()}


# --- Rows --------------------------------------------------------------------------------------------------


class _Broken(NamedTuple):
    """A row that could not even be read."""

    reason: str


def _file(path: Path, plan: _Plan, tally: Tally) -> Iterator[Record]:
    """Read one file; one of which no row can be used is refused as a whole."""
    reasons: Counter[str] = Counter()
    is_any_used = False
    undeclared = 0
    for number, cells in _reader(path)(path, plan):
        tally.read += 1
        row = None if isinstance(cells, _Broken) else _Row(plan, path.name, plan.columns.row(cells))
        try:
            if row is None:
                raise Unusable(cast(_Broken, cells).reason)
            record = plan.make(row)
        except Unusable as unusable:
            undeclared += isinstance(unusable, NotAsDeclared)
            reasons[unusable.reason] += 1
            place = f"{path.name}, row {number}"
            yield SetAside(place, unusable.reason, row.kept() if row else place)
        else:
            is_any_used = True
            yield record
    if not is_any_used:
        raise _useless(path, reasons)
    if undeclared:
        tally.notes.append(_doubt(path, undeclared, plan))


def _useless(path: Path, reasons: Counter[str]) -> Problem:
    if not reasons:
        return Problem(f"{path.name} has no rows", "leave it out, or correct header_row under [format]")
    reason, count = reasons.most_common(1)[0]
    return Problem(f"No row of {path.name} can be used ({count} times: {reason})", "correct the mapping")


def _doubt(path: Path, count: int, plan: _Plan) -> str:
    return (
        f"{path.name}: {count} times are not written {plan.shape.dates}; if it has day and month swapped, "
        "the other times are wrong, too"
    )


Numbered = Iterator[tuple[int, "Sequence[Cell] | _Broken"]]


def _reader(path: Path) -> Callable[[Path, _Plan], Numbered]:
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    readers = {".xlsx": _xlsx, ".parquet": _parquet, ".csv": _csv, ".tsv": _csv, ".txt": _csv}
    if path.suffix.lower() == ".gz":
        readers = {name: reader for name, reader in readers.items() if reader is _csv}
    if suffix.lower() not in readers:
        raise Problem(f"{path.name} is no table", "save it as .csv (plain or gzipped), .xlsx or .parquet")
    return readers[suffix.lower()]


def _csv(path: Path, plan: _Plan) -> Numbered:
    lines = numbered_lines(path, (plan.shape.encoding,))
    delimiter = plan.shape.delimiter or ("\t" if ".tsv" in path.suffixes else ",")
    rows = csv.reader((f"{line}\n" for _, line in lines), delimiter=delimiter, strict=True)
    places: list[int] | None = None
    number = 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            if places is None:
                raise Problem(f"{path.name} is not a table separated by {delimiter!r}", _DELIMITER) from None
            yield number, _Broken("quotes that do not close")
        else:
            if number >= plan.shape.header_row and places is None:
                places = plan.columns.places(path.name, [cell.strip() for cell in cells])
            elif places is not None and any(cell.strip() for cell in cells):
                yield number, [cells[place].strip() if place < len(cells) else None for place in places]
        number = rows.line_num + 1


_DELIMITER = "write the delimiter under [format]"


def _xlsx(path: Path, plan: _Plan) -> Numbered:
    sheet = _sheet(path, plan.shape.sheet)
    rows = sheet.iter_rows()
    places: list[int] | None = None
    number = 0
    while True:
        row = _opened(path, lambda: next(rows, None))
        if row is None:
            return
        number += 1
        if number < plan.shape.header_row:
            continue
        if places is None:
            places = plan.columns.places(path.name, [text(cell.value) for cell in row])
            continue
        cells = [row[place] if place < len(row) else None for place in places]
        if any(cell is not None and cell.data_type == "e" for cell in cells):
            yield number, _Broken("a formula with an error")
        elif any(cell is not None and cell.value is not None for cell in cells):
            yield number, [None if cell is None else cell.value for cell in cells]


def _sheet(path: Path, name: str | None) -> Any:
    require_file(path)
    book = _opened(path, lambda: load_workbook(path, read_only=True, data_only=True))
    if name is None:
        return book.worksheets[0]
    if name not in book.sheetnames:
        raise Problem(f"{path.name} has no sheet {name!r}", f"its sheets: {', '.join(book.sheetnames)}")
    return book[name]


def _opened(path: Path, act: Callable[[], Any]) -> Any:
    """Read on in a workbook."""
    try:
        with warnings.catch_warnings(action="ignore"):  # openpyxl warns of features that it does not keep
            return act()
    except (InvalidFileException, zipfile.BadZipFile, ParseError, KeyError, ValueError, OSError) as error:
        raise Problem(f"{path.name} is not a workbook that can be read", "save it as .xlsx again") from error


def _parquet(path: Path, plan: _Plan) -> Numbered:
    require_file(path)
    try:
        table = pl.scan_parquet(path, glob=False)
        header = table.collect_schema().names()
        plan.columns.places(path.name, header)
        table = table.select(plan.columns.names)
        height = table.select(pl.len()).collect().item()
        for start in range(0, height, _PARQUET_BATCH):
            batch = table.slice(start, _PARQUET_BATCH).collect()
            yield from enumerate(batch.iter_rows(), start + 1)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Problem(f"{path.name} is not a Parquet file that can be read", "write it again") from error
