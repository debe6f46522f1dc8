"""`process-meter directory|project|rate|entitlement|assignment|calendar`: what the organization knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.commands import directory_sync, projects, rates
from apps.commands.options import WarehouseUrl, now_ms, opened
from apps.identity import operating_system_identity

TableFile = Annotated[Path, typer.Argument(help="CSV or XLSX; docs/importing.md has the columns.")]

_NOUNS = {
    "directory": "Organization, offices, departments, cost centers, people, accounts, hosts.",
    "project": "Projects with their clients, phases and tasks.",
    "rate": "Rates, with the days from and to which they hold.",
    "entitlement": "Rights to use applications: quantity, metric, validity, cost.",
    "assignment": "Who holds a seat of which entitlement.",
    "calendar": "Holidays and fiscal periods.",
}
apps = {noun: typer.Typer(help=text, no_args_is_help=True) for noun, text in _NOUNS.items()}


def _mount(noun: str, run: Callable[[Any, Path], object]) -> None:
    """Give a noun its `import`."""

    def load(file: TableFile, warehouse: WarehouseUrl = None) -> None:
        with opened(warehouse) as engine:
            typer.echo(str(run(engine, file)))

    text = f"Import {_NOUNS[noun][0].lower()}{_NOUNS[noun][1:]} All or nothing; again does no harm."
    apps[noun].command("import", help=text, epilog=f"Example: process-meter {noun} import {noun}.csv")(load)
    # A group with a single command would swallow its name.
    apps[noun].callback()(lambda: None)


def _directory(engine: Any, file: Path) -> object:
    from warehouse.directory import import_directory

    return import_directory(engine, file, actor=operating_system_identity(), at_ms=now_ms())


def _projects(engine: Any, file: Path) -> object:
    from warehouse.directory import import_projects

    return import_projects(engine, file, actor=operating_system_identity(), at_ms=now_ms())


def _rates(engine: Any, file: Path) -> object:
    from warehouse.directory import import_rates

    return import_rates(engine, file, operating_system_identity(), at_ms=now_ms())


def _calendar(engine: Any, file: Path) -> object:
    from warehouse.directory import import_calendar

    return import_calendar(engine, file, actor=operating_system_identity(), at_ms=now_ms())


_mount("directory", _directory)
_mount("project", _projects)
_mount("rate", _rates)
rates.mount(apps["rate"])
_mount("calendar", _calendar)


@apps["entitlement"].command(
    "import",
    epilog="Example: process-meter entitlement import entitlement.csv",
)
def import_entitlements(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX; docs/importing.md has the columns. With --mapping: XML.")
    ],
    mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml",
            help="The file is XML, as of ISO/IEC 19770-3: where each column stands in it; docs/importing.md.",
        ),
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Import rights to use applications, with validity and cost. All or nothing; again does no harm."""
    from warehouse import directory

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        typer.echo(str(directory.import_entitlements(engine, file, actor, mapping=mapping, at_ms=at_ms)))


apps["entitlement"].callback()(lambda: None)


@apps["assignment"].command(
    "import",
    epilog="Example: process-meter assignment import users.csv --mapping microsoft365",
)
def import_assignments(
    file: TableFile,
    mapping: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help="The file is a vendor's export: microsoft365, autodesk, adobe, or a mapping of your own.",
        ),
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Import who holds a seat of which entitlement. All or nothing; again does no harm."""
    from warehouse import directory

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        if mapping is None:
            done = directory.import_assignments(engine, file, actor, at_ms=at_ms)
        else:
            done = directory.import_seats(engine, file, mapping, actor, at_ms=at_ms)
    typer.echo(str(done))


apps["assignment"].callback()(lambda: None)


apps["directory"].command("sync", epilog="Example: process-meter directory sync directory.toml")(
    directory_sync.sync
)
apps["directory"].command("settings", epilog="Example: process-meter directory settings rules.toml")(
    directory_sync.settings
)


for name, (act, example) in projects.COMMANDS.items():
    apps["project"].command(name, epilog=f"Example: process-meter project {example}")(act)
