"""`process-meter report`: the notebooks, from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import AsJson, WarehouseUrl, print_json
from warehouse.errors import Problem

app = typer.Typer(help="Reports: parameterized notebooks, run by Papermill.", no_args_is_help=True)


@app.command("list", epilog="Example: process-meter report list")
def list_reports(as_json: AsJson = False) -> None:
    """List the reports, what each answers and its parameters."""
    from pipelines.reports import list_reports

    reports = list_reports()
    if as_json:
        print_json([report.as_dict() for report in reports])
        return
    for report in reports:
        typer.echo(f"{report.name}: {report.title}")
        for parameter in report.parameters:
            typer.echo(f"    -p {parameter.name}={parameter.default}  {parameter.help}")


@app.command(
    "run", epilog="Example: process-meter report run peak_demand -p start=2026-01-01 -p key=user --html"
)
def run(
    name: Annotated[str, typer.Argument(help="Name of the report, see `report list`.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="May be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run's files.  [default: reports]")] = None,
    html: Annotated[bool, typer.Option("--html", help="Also a page for the browser.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also that page on paper; Chromium prints it.")] = False,
    kernel: Annotated[
        bool, typer.Option("--kernel", help="Run in a kernel of its own, as reports of record always do.")
    ] = False,
    warehouse: WarehouseUrl = None,
) -> None:
    """Run one report and keep the executed notebook; its page with --html, and on paper with --pdf."""
    from pipelines.reports import run_report

    result = run_report(
        name,
        pairs(parameter or []),
        out=out or Path("reports"),
        url=warehouse,
        html=html,
        pdf=pdf,
        kernel=kernel,
    )
    for path in (result.notebook, result.html, result.pdf):
        if path is not None:
            typer.echo(str(path))


def pairs(given: list[str]) -> dict[str, str]:
    """Split `name=value` arguments; refuse one without `=` and one given twice."""
    found: dict[str, str] = {}
    for argument in given:
        name, separator, value = argument.partition("=")
        if not separator:
            raise Problem(f"-p {argument!r} has no value", "write it as -p name=value")
        if name in found:
            raise Problem(f"the parameter {name!r} is given twice", "give it once")
        found[name] = value
    return found
