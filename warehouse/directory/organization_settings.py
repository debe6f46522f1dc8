"""The organization's own rules that are no master data: which accounts are one person's, what is kept."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.directory.charging_rights import refuse_all_but_staff
from warehouse.errors import Problem

_organization = schema.organization

Checks = Mapping[str, Callable[[Any], object]]
"""Each rule by its name, and what raises a Problem where it does not fit."""
VALUES = ("correction_days",)
"""Rules that are a value of their own; all others are tables."""
CHARGING = {
    "correction_days": "change until when sessions are corrected",
    "project_fields": "set the fields of project entries",
}
"""Rules that decide what is charged, which the billing staff alone may set: in words, what setting one is."""


def change_settings(
    engine: Engine, path: Path, checks: Checks, actor: str, *, at_ms: int | None = None
) -> list[str]:
    """Set the rules that a file holds, each as a whole; return which of them are different now.

    Parameters
    ----------
    path
        TOML with a table for each rule; docs/directory.md and docs/keeping.md have their keys.
    checks
        The rules that there are.
    actor
        Who sets them, for the audit.
    at_ms
        When; None: now.

    Raises
    ------
    Problem
        Names the key that does not fit; nobody has named the organization yet; as `set_rules`.
    """
    return set_rules(engine, _document(path, checks), actor, at_ms)


def set_rules(engine: Engine, rules: Mapping[str, Any], actor: str, at_ms: int | None = None) -> list[str]:
    """Set rules that were checked, each as a whole; return which of them are different now.

    Raises
    ------
    Problem
        Nobody has named the organization yet; a rule of `CHARGING` would change, and the actor is not of the
        billing staff.
    """
    from warehouse.ledger import record_event  # noqa: PLC0415  the ledger reads pseudonyms from this package

    with store.writing(engine) as connection:
        number, settings = _stored(connection)
        changed = sorted(name for name, rule in rules.items() if settings.get(name) != rule)
        for name in CHARGING.keys() & changed:
            refuse_all_but_staff(connection, actor, CHARGING[name])
        if changed:
            change = sa.update(_organization).where(_organization.c.id == number)
            connection.execute(change.values(settings={**settings, **rules}))
            now = time.time_ns() // 1_000_000 if at_ms is None else at_ms
            record_event(connection, actor, "settings", "organization", {"changed": changed}, now)
    return changed


def shown_settings(engine: Engine, checks: Checks) -> dict[str, Any]:
    """Return what is set of each rule."""
    with engine.connect() as connection:
        _, settings = _stored(connection)
    return {name: settings.get(name, {}) for name in checks if name in settings or name not in VALUES}


def _document(path: Path, checks: Checks) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path.name} is no TOML: {error}", "docs/keeping.md has an example") from error
    for name, rule in document.items():
        if name not in checks or not (isinstance(rule, dict) or name in VALUES):
            raise Problem(f"{path.name}, {name}: unknown table", f"known ones: {', '.join(checks)}")
        try:
            checks[name](rule)
        except Problem as problem:
            raise Problem(f"{path.name}, {problem.message}", problem.remedy) from None
    return document


def _stored(connection: Connection) -> tuple[int, dict[str, Any]]:
    row = connection.execute(sa.select(_organization.c.id, _organization.c.settings)).first()
    if row is None:
        raise Problem(
            "the organization has no name yet",
            "import a directory file with a row `organization`: `process-meter directory import FILE`",
        )
    return int(row.id), dict(row.settings or {})
