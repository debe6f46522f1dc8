"""The fields of a project entry that the administrator names: from a file into the settings."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from warehouse.directory.organization_settings import set_rules
from warehouse.errors import Problem
from warehouse.projects import FieldRule, field_rules


def set_project_fields(engine: Engine, path: Path, actor: str, *, at_ms: int | None = None) -> bool:
    """Set the fields that a file names, in the place of those before; return whether they are different now.

    Parameters
    ----------
    path
        TOML with a table `[[field]]` for each of at most eight fields; docs/projects.md has their keys. One
        without any takes all fields away.
    actor
        Who sets them, for the audit.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names the file, the field and the key that does not fit; nobody has named the organization yet; the
        actor is not of the billing staff.
    """
    rules = read_project_fields(path)
    return bool(set_rules(engine, {"project_fields": [rule.document() for rule in rules]}, actor, at_ms))


def read_project_fields(path: Path) -> tuple[FieldRule, ...]:
    """Read the fields of a file.

    Raises
    ------
    Problem
        As `set_project_fields`.
    """
    document = _document(path)
    for key in document:
        if key != "field":
            raise Problem(f"{path.name}: unknown table {key!r}", "write one [[field]] for each field")
    try:
        return field_rules({"project_fields": document.get("field", [])})
    except Problem as problem:
        raise Problem(f"{path.name}, {problem.message}", problem.remedy) from None


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path.name} is no TOML: {error}", "docs/projects.md has an example") from error
