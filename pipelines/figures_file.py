"""A report's key figures as a workbook: single ones on the first sheet, each table on one of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

from pipelines.whole_file import whole_file

LONGEST_TEXT = 32_767
LONGEST_NAME = 31
"""Characters that a cell holds, and the name of a sheet."""
FIGURES = "Key figures"


def write_figures(path: Path, title: str, results: Mapping[str, Any]) -> Path:
    """Write key figures, whole or not at all; return the path.

    Text stays text, whatever it begins with; of a control character a space is left.

    Parameters
    ----------
    title
        Heading of the first sheet.
    results
        What a report handed back: plain JSON.

    Raises
    ------
    Problem
        The file cannot be written.
    """
    book = Workbook(write_only=True)
    for name, rows, heads in _sheets(title, results):
        sheet = book.create_sheet(name)
        sheet.column_dimensions["A"].width = 36
        for place, row in enumerate(rows):
            sheet.append([_cell(sheet, value, bold=place in heads) for value in row])
    with whole_file(path) as draft:
        book.save(draft)
    return path


def _sheets(title: str, results: Mapping[str, Any]) -> Iterator[tuple[str, list[Sequence[Any]], set[int]]]:
    """Give name, rows and the places of the headings of each sheet."""
    tables = {name: value for name, value in results.items() if _is_table(value)}
    single = {name: value for name, value in results.items() if name not in tables}
    yield FIGURES, [(title,), (), ("figure", "value"), *_single(single)], {0, 2}
    taken = {FIGURES.casefold()}
    for name, rows in tables.items():
        heads = list(dict.fromkeys(key for row in rows for key in row))
        body = [[_plain(row.get(key)) for key in heads] for row in rows]
        yield _sheet_name(name, taken), [[head.replace("_", " ") for head in heads], *body], {0}


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _single(results: Mapping[str, Any], before: str = "") -> Iterator[Sequence[Any]]:
    for name, value in results.items():
        words = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            yield from _single(value, f"{words}: ")
        else:
            yield words, _plain(value)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _sheet_name(name: str, taken: set[str]) -> str:
    """Make a name that no workbook refuses and that no other sheet has."""
    words = re.sub(r"[^\w -]|_", " ", name).strip()[:LONGEST_NAME] or "table"
    number = 1
    while words.casefold() in taken:
        number += 1
        words = f"{words[: LONGEST_NAME - 4]} {number}"
    taken.add(words.casefold())
    return words


def _cell(sheet: Any, value: Any, *, bold: bool) -> Any:
    if not isinstance(value, str):
        return WriteOnlyCell(sheet, value=value)
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub(" ", value)[:LONGEST_TEXT])
    cell.data_type = "s"  # openpyxl makes a formula of text that starts with "="
    cell.quotePrefix = True
    if bold:
        cell.font = Font(bold=True)
    return cell
