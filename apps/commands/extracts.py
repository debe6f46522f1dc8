"""`process-meter export`: evidence, usage and charges as files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import WarehouseUrl, opened

DAYS = ["%Y-%m-%d"]


def export(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="segments, sessions, usage or charges.", show_default=False)
    ],
    first: Annotated[datetime, typer.Option("--from", formats=DAYS, help="First day.", show_default=False)],
    end: Annotated[
        datetime, typer.Option("--to", formats=DAYS, help="First day left out.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="The file.", show_default=False)],
    file_format: Annotated[str, typer.Option("--format", help="parquet, csv or xlsx.")] = "parquet",
    warehouse: WarehouseUrl = None,
) -> None:
    """Write segments, sessions, hourly usage or charge lines of some days to a file, under pseudonyms."""
    from pipelines.extracts import extract, window_of

    with opened(warehouse) as engine:
        window = window_of(engine, first.date(), end.date())
        rows = extract(engine, kind, window, file_format, out)
    typer.echo(f"{out}: {rows:,} rows")
