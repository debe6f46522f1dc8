"""Which elements of an XML file are rows, and where the value of each column stands: a file's own mapping."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warehouse.errors import Problem

KEYS = ("element", "columns", "words", "format")
FORMAT = ("dates", "includes_last_day")
_NAME = r"[^\s/@.:{}\[\]()*|][^\s/@:{}\[\]()*|]*"
_ELEMENT = re.compile(rf"{_NAME}(?:/{_NAME})*")
_PATH = re.compile(rf"/?(?:(?:\.\.|{_NAME})/)*(?:\.\.|\.|@?{_NAME})")
EXAMPLE = "docs/importing.md has an example"


@dataclass(frozen=True)
class ElementMapping:
    """What of an XML file is a row of a table, by local names: namespaces and their prefixes are left out.

    Parameters
    ----------
    element
        Names from an ancestor down to the element that is one row; often its name alone.
    required
        Columns that each row must have.
    paths
        By column, the way from the element to its value: `Name/Name`, `@attribute` at its end, `..` for the
        element around it, `.` for its own text, or from the root with a slash in front.
    values
        By column, what it is in every row.
    words
        By column, what a text of the file means; texts that are not in it stay as they are.
    dates
        How days are written: `iso`, of whose instants the day counts as it is written; or a pattern.
    includes_last_day
        The file's `valid_to` is the last day on which it holds, not the first on which it does not.
    """

    element: tuple[str, ...]
    required: tuple[str, ...]
    paths: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    dates: str = "iso"
    includes_last_day: bool = False


def element_mapping(path: Path, required: Sequence[str], optional: Sequence[str]) -> ElementMapping:
    """Read a mapping.

    Parameters
    ----------
    path
        A TOML file with `element`, `[columns]`, and as needed `[words.COLUMN]` and `[format]`.
    required, optional
        The columns that a row must and may have.

    Raises
    ------
    Problem
        The file cannot be read, says something that means nothing, or leaves a required column out.
    """
    document, name = _document(path), path.name
    _check_keys(name, document, KEYS)
    element = document.get("element")
    if not isinstance(element, str) or not _ELEMENT.fullmatch(element):
        message = f"{name}: element has to be the name of the element that is one row"
        raise Problem(message, f'write element = "Name", without a namespace; {EXAMPLE}')
    columns, words = _table(name, document, "columns"), _table(name, document, "words")
    known = (*required, *optional)
    _check_keys(f"{name}, [columns]", columns, known)
    _check_keys(f"{name}, [words]", words, tuple(columns))
    for column in required:
        if column not in columns:
            raise Problem(f"{name}: [columns] does not say {column}", f"give its path or value; {EXAMPLE}")
    given = {column: _given(name, column, said) for column, said in columns.items()}
    return ElementMapping(
        element=tuple(element.split("/")),
        required=tuple(required),
        paths={column: text for column, (is_path, text) in given.items() if is_path},
        values={column: text for column, (is_path, text) in given.items() if not is_path},
        words={column: _words(name, column, said) for column, said in words.items()},
        **_format(name, _table(name, document, "format")),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        message = f"There is no mapping {path} that can be read: {error.strerror}"
        raise Problem(message, "name a TOML file; docs/importing.md says how to write one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path.name} is not TOML that can be read: {error}", "correct it") from None


def _table(name: str, document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise Problem(f"{name}: {key!r} is not a table", f"write [{key}]; {EXAMPLE}")
    return found


def _check_keys(where: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            raise Problem(f"{where}: unknown key {key!r}", f"known keys: {', '.join(known)}")


def _given(name: str, column: str, said: object) -> tuple[bool, str]:
    """Read where a column's value stands (true and a path), or what it is."""
    if isinstance(said, str) and _PATH.fullmatch(said):
        return True, said
    if isinstance(said, dict) and set(said) == {"value"} and isinstance(said["value"], str | int):
        return False, str(said["value"])
    message = f"{name}: {column} = {said!r} is neither a path nor a value"
    raise Problem(message, f'write {column} = "Name/@attribute", or {column} = {{ value = "..." }}')


def _words(name: str, column: str, said: object) -> dict[str, str]:
    if isinstance(said, dict) and all(isinstance(each, str) for each in said.values()):
        return dict(said)
    raise Problem(f"{name}: [words.{column}] is not a table of texts", f"{EXAMPLE}")


def _format(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    _check_keys(f"{name}, [format]", said, FORMAT)
    for key, kind, shape in (("dates", str, '"iso" or "%d/%m/%Y"'), ("includes_last_day", bool, "true")):
        if key in said and not isinstance(said[key], kind):
            raise Problem(f"{name}: {key} cannot be {said[key]!r}", f"write it as {shape}")
    return dict(said)
