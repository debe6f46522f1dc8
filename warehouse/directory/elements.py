"""Rows from the elements of an XML file, read so that nothing in it can do harm.

A document type definition is refused, and with it every entity that a file could define: none is expanded,
and nothing outside the file is opened. Size and depth have limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.parsers import expat

from warehouse.directory.element_mappings import ElementMapping
from warehouse.errors import Problem
from warehouse.tabular import CLEAR, Row

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
LISTS = ("applications", "regions", "offices")
"""Columns that hold several values, separated by semicolons."""
DAYS = ("valid_from", "valid_to", "notice", "true_up")
_SHOWN = 12
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]\d\d:\d\d.*)?(?:Z|[+-]\d\d:\d\d)?")
_SEPARATOR = "\n"
"""Between namespace and local name; no XML name holds it."""


@dataclass(eq=False)
class Element:
    """One element by its local name, with what is in it and around it."""

    name: str
    attributes: list[tuple[str, str]]
    around: Element | None
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_elements(path: Path, mapping: ElementMapping) -> list[Row]:
    """Read the elements of an XML file that a mapping calls rows, in the order of the file.

    Returns
    -------
    list of Row
        Their cells by column; numbered as elements of that name, from 1.

    Raises
    ------
    Problem
        The file cannot be read, is not XML, holds a document type definition, or is too large; it has no such
        element; an element has nothing where a required column stands, several values where one is wanted,
        or a day that is written otherwise than the mapping says.
    """
    root = parsed(path)
    every = list(_all(root))
    elements = [element for element in every if _is_row(element, mapping.element)]
    if not elements:
        names = list(dict.fromkeys(element.name for element in every))
        more = ", ..." if len(names) > _SHOWN else ""
        message = f"{path.name} has no element {'/'.join(mapping.element)!r}"
        raise Problem(message, f"name one that it has in the mapping: {', '.join(names[:_SHOWN])}{more}")
    return [_row(path.name, number, root, each, mapping) for number, each in enumerate(elements, 1)]


# --- The file ----------------------------------------------------------------------------------------------


def parsed(path: Path) -> Element:
    """Parse a file into its root element.

    Raises
    ------
    Problem
        As `read_elements`, as far as the file alone is concerned.
    """
    content = _content(path)
    reader = _Reader(path.name)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, "an error")
        message = f"{path.name}, line {error.lineno}: not XML that can be read ({what})"
        raise Problem(message, "export it anew, or correct it") from None
    except (LookupError, ValueError):
        raise Problem(f"{path.name} is written in an unknown encoding", "save it in UTF-8") from None
    if reader.root is None:
        raise Problem(f"{path.name} holds no element", "export it anew")
    return reader.root


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Problem(
            f"{path} cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error
    if len(content) > MAX_BYTES:
        message = f"{path.name} is larger than {MAX_BYTES // 1024 // 1024} MiB"
        raise Problem(message, "split it into several files")
    return content


class _Reader:
    """Makes elements of what the parser meets."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Element | None = None
        self._open: list[Element] = []
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.ordered_attributes = True
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse_doctype(self, *_: object) -> None:
        message = f"{self.file}, line {self.parser.CurrentLineNumber}: a document type definition"
        raise Problem(message, "remove <!DOCTYPE ...>: what it defines is never read, for safety")

    def _start(self, name: str, attributes: list[str]) -> None:
        if len(self._open) == MAX_DEPTH:
            message = f"{self.file}, line {self.parser.CurrentLineNumber}: elements {MAX_DEPTH + 1} deep"
            raise Problem(message, "export it anew: a list of entitlements is not so deep")
        pairs = zip(map(_local, attributes[::2]), attributes[1::2], strict=True)
        around = self._open[-1] if self._open else None
        element = Element(_local(name), list(pairs), around)
        if around is None:
            self.root = element
        else:
            around.children.append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].texts.append(text)


def _local(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]


def _all(root: Element) -> Iterator[Element]:
    """Give an element and all within it, in the order of the file."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(reversed(element.children))


def _is_row(element: Element, names: tuple[str, ...]) -> bool:
    at: Element | None = element
    for name in reversed(names):
        if at is None or at.name != name:
            return False
        at = at.around
    return True


# --- Its rows ----------------------------------------------------------------------------------------------


def _row(file: str, number: int, root: Element, element: Element, mapping: ElementMapping) -> Row:
    row = Row(file, number, {}, called="element")
    cells = dict(mapping.values)
    for column, path in mapping.paths.items():
        texts = list(dict.fromkeys(_texts(root, element, path)))
        if not texts and column in mapping.required:
            raise row.problem(
                column, f"there is nothing at {path!r}", "correct the path, or complete the file"
            )
        if len(texts) > 1 and column not in LISTS:
            message = f"several values at {path!r}: {', '.join(texts[:_SHOWN])}"
            raise row.problem(column, message, "let the mapping take a smaller element, or a longer path")
        words = mapping.words.get(column, {})
        cells[column] = _cell(row, column, ";".join(words.get(text, text) for text in texts), mapping)
    return Row(file, number, cells, called="element")


def _cell(row: Row, column: str, text: str, mapping: ElementMapping) -> str:
    if not text.isprintable():
        raise row.problem(column, f"{text!r} holds a character that cannot be shown", "remove it")
    return _day(row, column, text, mapping) if column in DAYS and text not in ("", CLEAR) else text


def _texts(root: Element, element: Element, path: str) -> Iterator[str]:
    """Give what stands at a path, without what is empty; white space in it is one blank."""
    found = [element]
    steps = path.split("/")
    if not steps[0]:
        found = [root] if root.name == steps[1] else []
        steps = steps[2:]
    *way, last = steps or ["."]
    for step in way:
        found = [there for each in found for there in _step(each, step)]
    for each in found:
        for text in _at(each, last):
            if shown := " ".join(text.split()):
                yield shown


def _step(element: Element, step: str) -> list[Element]:
    if step == "..":
        return [element.around] if element.around else []
    return [child for child in element.children if child.name == step]


def _at(element: Element, last: str) -> list[str]:
    if last.startswith("@"):
        return [value for name, value in element.attributes if name == last[1:]]
    if last == ".":
        return ["".join(element.texts)]
    return ["".join(each.texts) for each in _step(element, last)]


def _day(row: Row, column: str, text: str, mapping: ElementMapping) -> str:
    day = _read_day(text, mapping.dates)
    if day is None:
        how = "2026-12-31" if mapping.dates == "iso" else mapping.dates
        message = f"{text!r} is no day that is written {how}"
        raise row.problem(column, message, "correct it, or dates in the mapping")
    if column == "valid_to" and mapping.includes_last_day and day < date.max:
        day += timedelta(days=1)
    return day.isoformat()


def _read_day(text: str, dates: str) -> date | None:
    try:
        if dates != "iso":
            return datetime.strptime(text, dates).date()  # noqa: DTZ007 - a day
        written = _ISO.fullmatch(text)
        return date.fromisoformat(written[1]) if written else None
    except ValueError:
        return None
