"""Table files, CSV and XLSX, as rows of text whose errors name file, row and column.

Everything is read as text, so that leading zeros stay and no cell becomes a formula. A code that Excel holds
as a number is taken as it is shown, where that loses nothing; else it is refused.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from warehouse.errors import Problem

if TYPE_CHECKING:
    from openpyxl.cell import Cell, MergedCell
    from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell

    AnyCell = Cell | MergedCell | ReadOnlyCell | EmptyCell

CLEAR = "-"
"""What a cell holds to say: remove what is stored. An empty cell leaves it."""
YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
EXACT_DIGITS = 15
"""Excel keeps no more digits of a number."""
SAVE_AS = "save it as .xlsx, or as .csv in UTF-8"
HIDDEN = "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
"""Characters that nobody sees: they turn the direction of writing, or make two texts only look alike.

Those that join letters, as Persian and some emoji need them (U+200C, U+200D), are none of them.
"""
UNREADABLE = re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029{HIDDEN}]")
"""What no cell may hold, so that whoever reads a bill reads what is there."""
_DELIMITERS = (",", ";", "\t")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Where a spreadsheet takes the text of a CSV file for a formula; an apostrophe before it keeps it text."""


class Converted(str):
    """The text of a cell that Excel holds as a number, a date or a truth value."""

    __slots__ = ("is_as_shown",)
    is_as_shown: bool

    def __new__(cls, text: str, *, is_as_shown: bool = False) -> Converted:
        """Make it; `is_as_shown`: the text is what Excel shows, no more and no less."""
        made = super().__new__(cls, text)
        made.is_as_shown = is_as_shown
        return made


@dataclass(frozen=True)
class Row:
    """One row of a table file: its cells by column name, stripped; absent and empty cells are the same.

    `origins` is the row of single cells where several rows were put together; `called` is what the file calls
    a row.
    """

    file: str
    number: int
    cells: Mapping[str, str]
    origins: Mapping[str, int] = field(default_factory=dict)
    called: str = "row"

    def problem(self, column: str, message: str, remedy: str) -> Problem:
        """Return the error for one cell."""
        number = self.origins.get(column, self.number)
        return Problem(f"{self.file}, {self.called} {number}, column {column}: {message}", remedy)

    def text(self, column: str) -> str | None:
        """Return the cell's text, None where it is empty."""
        return self.cells.get(column) or None

    def code(self, column: str) -> str | None:
        """Return the cell's code or number of a project, phase, ...; refuse what Excel may have changed."""
        found = self.text(column)
        if isinstance(found, Converted) and not found.is_as_shown:
            raise self.problem(
                column,
                f"Excel holds {found} as a number or date",
                "format the column as text and type it anew",
            )
        return found

    def required(self, column: str) -> str:
        """Return the cell's code; refuse an empty cell."""
        found = self.code(column)
        if found is None:
            raise self.problem(column, "the cell is empty", "fill it in")
        return found

    def day(self, column: str) -> str | None:
        """Return the cell's day as ISO text."""
        found = self.text(column)
        if found is None or found == CLEAR:
            return found
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", found):
            raise self.problem(column, f"{found!r} is not a date", "write it as 2026-12-31")
        try:
            return date.fromisoformat(found).isoformat()
        except ValueError:
            raise self.problem(
                column, f"{found!r} is no day of the calendar", "write it as 2026-12-31"
            ) from None

    def flag(self, column: str) -> bool | None:
        """Return the cell's yes or no."""
        found = self.text(column)
        if found is None:
            return None
        if found.lower() not in YES:
            raise self.problem(column, f"{found!r} is neither yes nor no", "write yes or no")
        return YES[found.lower()]

    def choice(self, column: str, words: Sequence[str]) -> str | None:
        """Return the cell's text, one of the words."""
        found = self.text(column)
        if found is not None and found not in words:
            raise self.problem(column, f"unknown word {found!r}", f"write one of {', '.join(words)}")
        return found

    def decimal(self, column: str) -> Decimal | None:
        """Return the cell's number, exact and not negative."""
        found = self.text(column)
        if found is None:
            return None
        try:
            number = Decimal(found)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            raise self.problem(column, f"{found!r} is not a number", "write it as 1234.50")
        if number < 0:
            raise self.problem(column, f"{found} is negative", "write 0 or more")
        return number

    def whole(self, column: str) -> int | None:
        """Return the cell's whole number, not negative."""
        number = self.decimal(column)
        if number is None:
            return None
        if number != number.to_integral_value():
            raise self.problem(column, f"{number} is not a whole number", "write a whole number")
        return int(number)

    def codes(self, column: str) -> list[str]:
        """Return the cell's codes, separated by semicolons."""
        return [code.strip() for code in (self.text(column) or "").split(";") if code.strip()]


def merged(rows: Sequence[Row], columns: Sequence[str]) -> Row:
    """Put together what several rows say of one thing; each column is said once, or each time the same.

    Raises
    ------
    Problem
        Two rows contradict each other.
    """
    said: dict[str, tuple[int, str]] = {}
    for row in rows:
        for column in columns:
            text = row.text(column)
            if text is None:
                continue
            number, earlier = said.setdefault(column, (row.number, text))
            if earlier != text:
                raise row.problem(
                    column, f"{text!r}, but row {number} says {earlier!r}", "let the rows agree"
                )
    cells = {column: text for column, (_, text) in said.items()}
    return replace(rows[0], cells=cells, origins={column: number for column, (number, _) in said.items()})


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read the rows of a table file.

    Parameters
    ----------
    path
        A `.csv` (UTF-8; comma, semicolon or tab) or an `.xlsx` (its first sheet), with a row of column names.
    required, optional
        The column names; case does not matter, spaces count as underscores.

    Raises
    ------
    Problem
        The file cannot be read, a column is missing, unknown or doubled, a cell does not fit.
    """
    lines = _filled(_lines(path, (*required, *optional)))
    number, header = next(lines, (0, []))
    names = [re.sub(r"\s+", "_", name.strip().lower()) for name in header]
    if not any(names):
        raise Problem(f"{path.name} is empty", f"give it a row of column names: {', '.join(required)}, ...")
    _check_header(path.name, number, names, required, optional)
    rows = [_row(path.name, number, names, cells) for number, cells in lines]
    if not rows:
        raise Problem(f"{path.name} has column names, but no rows", "add rows, or leave the import out")
    return rows


def read_columns(path: Path, wanted: Sequence[str]) -> tuple[list[str], list[Row]]:
    """Read some columns of another program's table, whatever else it has.

    Parameters
    ----------
    path, wanted
        As in `read_table`; none of the columns has to be there.

    Returns
    -------
    tuple of list of str and list of Row
        Which of them are there, and the rows that hold something in them.

    Raises
    ------
    Problem
        The file cannot be read, has no rows, or has one of the columns twice.
    """
    lines = _filled(_lines(path, wanted))
    number, header = next(lines, (0, []))
    names = [re.sub(r"\s+", "_", name.strip().lower()) for name in header]
    present = [name for name in wanted if name in names]
    for name in present:
        if names.count(name) > 1:
            raise Problem(
                f"{path.name}, row {number}: the column {name!r} is there twice", "keep one of them"
            )
    places = {name: names.index(name) for name in present}
    rows = []
    for row, cells in lines:
        mine = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
        if any(mine.values()):
            rows.append(Row(path.name, row, mine))
    if not rows and present:
        raise Problem(f"{path.name} has column names, but no rows", "add rows, or leave the import out")
    return present, rows


def _check_header(
    file: str, number: int, names: Sequence[str], required: Sequence[str], optional: Sequence[str]
) -> None:
    known = (*required, *optional)
    for place, name in enumerate(names):
        if name not in known and name:
            raise Problem(
                f"{file}, row {number}: unknown column {name!r}", f"known columns: {', '.join(known)}"
            )
        if name and name in names[:place]:
            raise Problem(f"{file}, row {number}: the column {name!r} is there twice", "keep one of them")
    for name in required:
        if name not in names:
            raise Problem(f"{file}, row {number}: the column {name!r} is missing", "add it")


def _row(file: str, number: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    for place, cell in enumerate(cells):
        if not cell:
            continue
        name = names[place] if place < len(names) else ""
        if not name:
            raise Problem(
                f"{file}, row {number}: there is a cell without a column name ({cell!r})",
                "name the column, or quote text that holds the separator",
            )
        if found := UNREADABLE.search(cell):
            message = f"the character U+{ord(found[0]):04X}, which nobody sees"
            raise Problem(f"{file}, row {number}, column {name}: {message}", "remove it: type the text anew")
    return Row(file, number, dict(zip(names, map(unquoted, cells), strict=False)))


def unquoted(text: str) -> str:
    """Take away the apostrophe that keeps text from being a formula: it is no part of it."""
    return text[1:] if text[:1] == "'" and text[1:2] in (*FORMULA_STARTS, "'") else text


def quoted(text: str) -> str:
    """Write text as a CSV file holds it: no spreadsheet makes a formula of it, and it is read as it was."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) or unquoted(text) != text else text


def _filled(lines: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """Strip cells, and leave out rows in which all are empty."""
    for number, cells in lines:
        stripped = [cell if isinstance(cell, Converted) else cell.strip() for cell in cells]
        if any(stripped):
            yield number, stripped


def _lines(path: Path, known: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    readers = {".csv": _csv_lines, ".xlsx": _xlsx_lines}
    if path.suffix.lower() not in readers:
        raise Problem(f"{path.name} is neither .csv nor .xlsx", SAVE_AS)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"{path} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error
    return readers[path.suffix.lower()](path.name, content, known)


# --- CSV ---------------------------------------------------------------------------------------------------


def _csv_lines(file: str, content: bytes, known: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(file, content)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text, known), strict=True)
    number = 1
    try:
        for cells in reader:
            yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise Problem(f"{file}, row {number}: {error}", "check the quotes of this row") from error


def _decoded(file: str, content: bytes) -> str:
    if b"\x00" in content.strip().partition(b"\n")[0]:  # further down it is a cell's fault, which has a place
        raise Problem(f"{file} is not a text file", SAVE_AS)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise Problem(f"{file}, row {row}: not UTF-8", SAVE_AS) from None


def _delimiter(text: str, known: Sequence[str]) -> str:
    """Find the separator that makes the most known column names of the first line; a comma in doubt."""
    first = next((line for line in text.splitlines() if line.strip()), "")

    def names(delimiter: str) -> int:
        cells = (cell.strip().strip('"').strip().lower().replace(" ", "_") for cell in first.split(delimiter))
        return sum(cell in known for cell in cells)

    return max(_DELIMITERS, key=names)


# --- XLSX --------------------------------------------------------------------------------------------------


def _xlsx_lines(file: str, content: bytes, known: Sequence[str]) -> Iterator[tuple[int, list[str]]]:  # noqa: ARG001
    # Whoever reads no workbook does not wait for what reads them to load.
    from openpyxl import load_workbook  # noqa: PLC0415
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    try:
        with warnings.catch_warnings(action="ignore"):  # openpyxl warns of features that it does not keep
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            rows = [list(row) for row in book.worksheets[0].iter_rows()]
            book.close()
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        ParseError,
        KeyError,
        ValueError,
        IndexError,
        OSError,
    ) as error:
        raise Problem(f"{file} is not a workbook that can be read", SAVE_AS) from error
    for number, row in enumerate(rows, start=1):
        yield number, [_cell(file, cell) for cell in row]


def _cell(file: str, cell: AnyCell) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        if cell.data_type == "e":
            raise _bad_cell(file, cell, f"the formula error {value}", "correct the formula")
        return value
    if isinstance(value, bool):
        return Converted("yes" if value else "no")
    if isinstance(value, (int, float)):
        return _number(file, cell, value)
    if isinstance(value, datetime) and value.time() != time():
        raise _bad_cell(file, cell, f"{value} is a day with a time", "write the day alone")
    if isinstance(value, date):  # a datetime is one, too
        return Converted(value.isoformat()[:10])
    if isinstance(value, time):
        return Converted(value.isoformat("minutes"))
    raise _bad_cell(file, cell, f"{value!r} is neither text, number nor date", "write it as text")


def _number(file: str, cell: AnyCell, value: float) -> Converted:
    """Write a number as Excel shows it: `00042` for 42 in the format 00000."""
    exact = Decimal(repr(value))
    if len(exact.as_tuple().digits) > EXACT_DIGITS:
        raise _bad_cell(file, cell, f"{value} has more digits than Excel keeps", "format the cell as text")
    if exact != exact.to_integral_value():
        return Converted(f"{exact:f}")
    shape = str(cell.number_format or "General")
    is_zeros = re.fullmatch("0+", shape) is not None
    text = f"{int(exact):0{len(shape) if is_zeros else 1}d}"
    return Converted(text, is_as_shown=exact >= 0 and (is_zeros or shape in ("General", "@")))


def _bad_cell(file: str, cell: AnyCell, message: str, remedy: str) -> Problem:
    place = getattr(cell, "coordinate", "")
    return Problem(f"{file}, cell {place}: {message}", remedy)
