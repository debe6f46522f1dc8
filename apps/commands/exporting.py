"""`process-meter billing export`, `check-export`, `void-export`: a closed run on its way to accounting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import WarehouseUrl, now_ms, opened
from apps.identity import operating_system_identity

TARGETS = (
    "generic, vantagepoint, vantagepoint-expense, ajera, quickbooks-iif, quickbooks-invoice, journal, focus"
)

Run = Annotated[str, typer.Argument(help="Number of the run, e.g. 2026-10/1.")]
Target = Annotated[str, typer.Option(help=f"Where it is imported: {TARGETS}.")]
Mapping = Annotated[Path | None, typer.Option(help="TOML file with accounting's codes; see docs/exports.md.")]


EXAMPLES = {
    "check-export": "check-export 2026-10/1 --target ajera",
    "export": "export 2026-10/1 --target workbook --out october.xlsx",
    "void-export": 'void-export 2026-10/1 --target ajera --reason "deleted the log in Ajera"',
}


def mount(app: typer.Typer) -> None:
    """Give `process-meter billing` its commands of export."""
    for name, command in (("check-export", check_export), ("export", export), ("void-export", void_export)):
        mounted: Callable[..., None] = command
        app.command(name, epilog=f"Example: process-meter billing {EXAMPLES[name]}")(mounted)


def check_export(
    run: Run, target: Target = "generic", mapping: Mapping = None, warehouse: WarehouseUrl = None
) -> None:
    """Name each line that a target could not import, and why; a draft can be checked before it is closed."""
    from pipelines.exporting import check

    with opened(warehouse) as engine:
        faults = check(engine, run, target, operating_system_identity(), now_ms(), mapping)
    for fault in faults:
        typer.echo(str(fault), err=True)
    if faults:
        raise typer.Exit(1)
    typer.echo(f"Run {run}: {target} can import every line.")


def export(
    run: Run,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    target: Annotated[
        str, typer.Option(help=f"Where it is imported: {TARGETS}; or workbook (XLSX).")
    ] = "generic",
    mapping: Mapping = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Write what accounting imports, or the workbook that goes with it.

    What cannot be imported is refused with the list of check-export, and nothing is written.
    """
    from pipelines.exporting import export
    from pipelines.workbook import write_workbook

    who, now = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        if target == "workbook":
            write_workbook(engine, run, out, who, now, mapping)
            typer.echo(str(out))
            return
        made = export(engine, run, target, out, who, now, mapping)
    for path in made.files:
        typer.echo(str(path))
    typer.echo(made.told())


def void_export(
    run: Run,
    target: Target,
    reason: Annotated[str, typer.Option(help="Why, in words; kept with the batch.")],
    warehouse: WarehouseUrl = None,
) -> None:
    """Void an export that was taken out of accounting again; the next one gets a new batch id."""
    from pipelines.exporting import void

    with opened(warehouse) as engine:
        batch = void(engine, run, target, operating_system_identity(), reason, now_ms())
    typer.echo(f"Batch {batch} is void.")
