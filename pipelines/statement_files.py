"""Statements into files: one payer's, or those of all payers of a run into a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.statement_page import write_paper
from pipelines.statement_sheets import write_sheets
from pipelines.statements import Statement
from warehouse.errors import Problem

WRITERS: Mapping[str, Callable[[Statement, Path], None]] = {"pdf": write_paper, "xlsx": write_sheets}
"""How a statement is written, by the ending of its file."""


def write_statement(statement: Statement, path: Path) -> None:
    """Write a statement as its file's ending says, whole or not at all.

    Raises
    ------
    Problem
        Another ending than .pdf or .xlsx, no browser for a PDF, or the file cannot be written.
    """
    writer_of(path)(statement, path)


def writer_of(path: Path) -> Callable[[Statement, Path], None]:
    """Return what writes a file of this ending.

    Raises
    ------
    Problem
        Nothing does.
    """
    found = WRITERS.get(path.suffix.lower().lstrip("."))
    if found is None:
        raise Problem(f"{path.name} is neither a PDF nor a workbook", "end its name with .pdf or .xlsx")
    return found


def write_all(statements: Sequence[Statement], folder: Path, ending: str) -> list[Path]:
    """Write each statement into a folder, which is made where it is absent; return the files.

    Raises
    ------
    Problem
        As `write_statement`; files that were written before stay: each is whole.
    """
    writer_of(Path(f"statement.{ending}"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"{folder} cannot be made: {error.strerror}", "name another folder") from error
    files = [folder / name for name in file_names(statements, ending)]
    for statement, path in zip(statements, files, strict=True):
        write_statement(statement, path)
    return files


def file_names(statements: Sequence[Statement], ending: str) -> list[str]:
    """Name the files by run and payer's code, in letters, digits, dots and hyphens, no two alike."""
    names: list[str] = []
    for statement in statements:
        stem = "statement-" + re.sub(r"[^A-Za-z0-9.]+", "-", statement.number).strip("-.")
        again = 1 + sum(name.casefold() == stem.casefold() for name in names)
        while again > 1 and f"{stem}-{again}".casefold() in map(str.casefold, names):
            again += 1
        names.append(stem if again == 1 else f"{stem}-{again}")
    return [f"{name}.{ending}" for name in names]
