"""`process-meter directory sync|settings`: people from a directory server, and the organization's rules."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

SettingsFile = Annotated[Path, typer.Argument(help="TOML; docs/directory.md has its keys.")]


def sync(
    file: SettingsFile,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="The local day from which it holds.  [default: today in each person's office]",
            show_default=False,
        ),
    ] = None,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring people, their places and groups up to what a directory server says today. All or nothing."""
    from warehouse.directory.ldap import read_entries
    from warehouse.directory.ldap_settings import read_settings
    from warehouse.directory.sync import sync_directory

    settings = read_settings(file)
    with opened(warehouse) as engine:
        entries = read_entries(settings)
        day = None if on is None else on.date()
        actor = operating_system_identity()
        synced = sync_directory(engine, settings, entries, actor, on=day, at_ms=now_ms())
    if as_json:
        print_json(synced.document())
        return
    for line in synced.lines():
        typer.echo(line)


def settings(
    file: Annotated[
        Path | None, typer.Argument(help="TOML with the tables to set; without it they are shown.")
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Show the organization's rules for accounts, retention and corrections, or set those of a file."""
    from warehouse.directory import AccountRule
    from warehouse.directory.charging_rights import correction_days
    from warehouse.directory.organization_settings import change_settings, shown_settings
    from warehouse.retention import Limits

    checks = {
        "accounts": AccountRule.from_document,
        "retention": lambda document: Limits(document, 0),
        "correction_days": lambda days: correction_days({"correction_days": days}),
    }
    with opened(warehouse) as engine:
        if file is not None:
            changed = change_settings(engine, file, checks, operating_system_identity(), at_ms=now_ms())
            typer.echo(f"changed: {', '.join(changed)}" if changed else "Nothing is different.")
            return
        found: dict[str, Any] = shown_settings(engine, checks)
    print_json(found)
