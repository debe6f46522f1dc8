"""`process-meter billing statement`: what each payer of a run is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import WarehouseUrl, now_ms, opened
from apps.identity import operating_system_identity

Run = Annotated[str, typer.Argument(help="Number of the run, e.g. 2026-10/1.")]
EXAMPLE = "Example: process-meter billing statement 2026-10/1 --client PORT --out port.pdf"


def mount(app: typer.Typer) -> None:
    """Give the command line the statements."""
    app.command(epilog=EXAMPLE)(statement)


def statement(
    run: Run,
    client: Annotated[str | None, typer.Option(help="Code of the client who pays.")] = None,
    payer: Annotated[
        str | None, typer.Option(help="Code of a client or cost center, or its name as the workbook has it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write: .pdf or .xlsx.")] = None,
    out_dir: Annotated[Path | None, typer.Option(help="A folder, for one file per payer.")] = None,
    format_: Annotated[str, typer.Option("--format", help="In a folder: pdf or xlsx.")] = "pdf",
    warehouse: WarehouseUrl = None,
) -> None:
    """Write a payer's statement: projects, applications, hours, rates and amounts, and nobody else's data."""
    from pipelines.statement_files import write_all, write_statement, writer_of
    from pipelines.statements import read_statements

    _refuse_unclear(client, payer, out, out_dir)
    writer_of(out or Path(f"statement.{format_}"))
    who, now = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        made, left_out = read_statements(engine, run, who, now, client=client, payer=payer)
    if out:
        write_statement(made[0], out)
    for path in [out] if out else write_all(made, out_dir or Path(), format_):
        typer.echo(str(path))
    if left_out and not (client or payer):
        typer.echo(f"On no statement, as nobody pays for them: {', '.join(left_out)}", err=True)


def _refuse_unclear(client: str | None, payer: str | None, out: Path | None, out_dir: Path | None) -> None:
    if (out is None) == (out_dir is None):
        raise typer.BadParameter("give --out FILE for one payer, or --out-dir DIR")
    if client is not None and payer is not None:
        raise typer.BadParameter("give --client or --payer, not both")
    if out is not None and client is None and payer is None:
        raise typer.BadParameter("say whose: --client CODE or --payer CODE; or take --out-dir for all")
