"""Mapping files: what an accounting department's codes are, in TOML, read strictly.

A target's settings are one frozen dataclass: each field has a default with which a first export works, and
its check as an annotation (`Annotated[str, one_line(30)]`). A file names some of them; a key that is none of
them is refused. No field may be named like a check: annotations are read among the class's own names first.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from warehouse.errors import Problem
from warehouse.money import minor_digits

Settings = TypeVar("Settings")
Check = Callable[[Any], Any]
"""Returns the value as it is kept; raises ValueError with what the value ought to be."""


def read_settings(kind: type[Settings], path: Path | None) -> Settings:
    """Read a mapping file as the settings of a target; without one everything has its default.

    Parameters
    ----------
    kind
        A frozen dataclass whose fields are annotated with their checks.

    Raises
    ------
    Problem
        The file cannot be read, has a key that is no setting, or a value that the setting does not take.
    """
    if path is None:
        return kind()
    known = {name: hint.__metadata__[0] for name, hint in get_type_hints(kind, include_extras=True).items()}
    values = {}
    for name, value in read_toml(path).items():
        if name not in known:
            raise Problem(f"{path}: there is no setting {name!r}", f"use {', '.join(known)}")
        try:
            values[name] = known[name](value)
        except ValueError as error:
            raise Problem(f"{path}, {name}: {value!r} is not {error}", "see docs/exports.md") from None
    return kind(**values)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a mapping file.

    Raises
    ------
    Problem
        The file is absent, no UTF-8, or no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Problem(
            f"the column mapping {path} cannot be read: {error}", "see the examples in docs/exports.md"
        ) from None


# --- Checks ------------------------------------------------------------------------------------------------


def one_line(longest: int, shortest: int = 0) -> Check:
    """Take a text on one line, of so many characters."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not value.isprintable() or not shortest <= len(value) <= longest:
            raise ValueError(f"a text on one line of {shortest} to {longest} characters")
        return value

    return check


def choice(*known: str) -> Check:
    """Take one of some words."""

    def check(value: Any) -> str:
        if value not in known:
            raise ValueError(f"one of {', '.join(known)}")
        return str(value)

    return check


def choices(*known: str) -> Check:
    """Take a list of some words, each at most once."""

    def check(value: Any) -> tuple[str, ...]:
        is_list = isinstance(value, list) and len(set(map(str, value))) == len(value)
        if not is_list or not set(map(str, value)) <= set(known):
            raise ValueError(f"a list of {', '.join(known)}")
        return tuple(value)

    return check


def flag(value: Any) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def day(value: Any) -> date:
    """Take a date, written without quotes."""
    if type(value) is not date:
        raise ValueError("a date without quotes, such as 2026-10-31")
    return value


def days(value: Any) -> int:
    """Take a number of days of up to a year."""
    if type(value) is not int or not 0 <= value <= 366:
        raise ValueError("a number of days from 0 to 366")
    return value


def currency_code(value: Any) -> str:
    """Take the ISO 4217 code of a currency."""
    try:
        minor_digits(str(value))
    except Problem:
        raise ValueError("the ISO 4217 code of a currency, such as EUR") from None
    return str(value)


def codes(check: Check) -> Check:
    """Take a table from one code to another, whose values pass a check."""

    def check_all(value: Any) -> Mapping[str, str]:
        if not isinstance(value, dict):
            raise ValueError('a table, such as [units] with lines "CAD" = "SOFT01"')
        return {name: check(code) for name, code in value.items()}

    return check_all
