"""`process-meter query`: one metric, for scripts and for a look."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, opened, print_json
from apps.commands.report import pairs


def query(
    metric: Annotated[
        str, typer.Argument(metavar="METRIC", help="Name of the metric; `list` names them all.")
    ],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="May be repeated.")
    ] = None,
    as_json: AsJson = False,
    engine: Annotated[
        str,
        typer.Option(
            metavar="polars|spark",
            help="Compute in the portable form: here, or on Apache Spark.  [default: the fast form, here]",
            show_default=False,
        ),
    ] = "",
    master: Annotated[
        str, typer.Option(metavar="URL", help="Master of Spark: spark://HOST:7077, or local[2].")
    ] = "",
    warehouse: WarehouseUrl = None,
) -> None:
    """Answer one metric, as a table or as JSON. People and machines appear under pseudonyms."""
    from pipelines.queries import query

    if metric == "list":
        _list()
        return
    with opened(warehouse) as source:
        answer = query(source, metric, pairs(parameter or []), compute_on=engine, master=master)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _list() -> None:
    from pipelines.queries import QUERIES

    for asked in QUERIES.values():
        typer.echo(f"{asked.name}: {asked.about}")
        for parameter in asked.parameters:
            typer.echo(f"    -p {parameter.name}={parameter.default}  {parameter.help}")


def _show(answer: Any) -> None:
    """Print rows as a table, and single values one to a line."""
    rows = answer if isinstance(answer, list) else answer.get("witnesses", [])
    if isinstance(answer, dict):
        for name, value in answer.items():
            if not isinstance(value, list):
                typer.echo(f"{name:<16}  {_text(value)}")
    if not rows:
        return
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    for line in cells:
        shown = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        typer.echo("  ".join(shown).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.4f}" if isinstance(value, float) else str(value)
