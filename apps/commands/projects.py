"""`process-meter project`: the project master in and out, who charges to what, and correcting it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

TableFile = Annotated[Path, typer.Argument(help="CSV or XLSX; docs/importing.md has the columns.")]


def list_projects(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the projects: number, name, payer, open from and to."""
    from warehouse import frames

    with opened(warehouse) as engine:
        rows = frames.projects(engine).collect().sort("project").to_dicts()
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("There is no project yet; import them with `process-meter project import FILE`.")
    for row in rows:
        payer = row["client_name"] or row["cost_center"] or "no payer"
        closed = f", closed {row['closed_on']}" if row["closed_on"] else ""
        free = "" if row["chargeable"] else ", not chargeable"
        typer.echo(f"{row['project']:<14} {row['name']} ({payer}{free}{closed})")


def export(
    file: Annotated[Path, typer.Argument(help="The file to write, .csv or .xlsx.")],
    what: Annotated[str, typer.Option("--what", help="projects, members or presets.")] = "projects",
    warehouse: WarehouseUrl = None,
) -> None:
    """Write the project master, its members or presets as a file that can be imported again."""
    from pipelines.master_files import write_master

    with opened(warehouse) as engine:
        rows = write_master(engine, what, file)
    typer.echo(f"{file}: {rows:,} rows")


def members(file: TableFile, warehouse: WarehouseUrl = None) -> None:
    """Import who may charge to which project and when. All or nothing; again does no harm."""
    from warehouse.directory import import_members

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        typer.echo(str(import_members(engine, file, actor, at_ms=at_ms, on_server=True)))


def preset(file: TableFile, warehouse: WarehouseUrl = None) -> None:
    """Import where time goes for which nobody enters a project. All or nothing; again does no harm."""
    from warehouse.directory import import_presets

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        typer.echo(str(import_presets(engine, file, actor, at_ms=at_ms, on_server=True)))


def presets(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the presets: for whom, from when to when, where their time goes, and why."""
    from warehouse.directory.project_files import preset_file

    with opened(warehouse) as engine:
        found = preset_file(engine)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("There is no preset yet; import them with `process-meter project preset FILE`.")
    for row in rows:
        typer.echo(_preset_line(row))


def _preset_line(row: dict[str, Any]) -> str:
    named = [f"{name} {row[name]}" for name in ("person", "department", "office", "application") if row[name]]
    target = " / ".join(row[name] for name in ("project", "phase", "task") if row[name])
    until = f" to {row['valid_to']}" if row["valid_to"] else ""
    return (
        f"{', '.join(named) or 'anybody'} from {row['valid_from']}{until}: "
        f"{target or 'own cost center'} ({row['reason']})"
    )


def fields(
    file: Annotated[
        Path | None, typer.Argument(help="TOML with [[field]] tables; without it they are shown.")
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Show the fields that a project entry has besides its codes, or set up to eight of them."""
    from warehouse import frames
    from warehouse.directory.project_fields import set_project_fields

    with opened(warehouse) as engine:
        if file is not None:
            is_new = set_project_fields(engine, file, operating_system_identity(), at_ms=now_ms())
            typer.echo("The fields are set." if is_new else "Nothing is different.")
        found = [rule.document() for rule in frames.project_fields(engine)]
    if file is None:
        print_json(found)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (list_projects, "list --json"),
    "export": (export, "export projects.xlsx"),
    "members": (members, "members members.csv"),
    "preset": (preset, "preset presets.csv"),
    "presets": (presets, "presets --json"),
    "fields": (fields, "fields fields.toml"),
}
"""What `project` can do besides `import`, each with its example."""
