"""`process-meter import`: other programs' logs become evidence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity


def import_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="flexnet, lmstat, slurm, activitywatch, sysmon or table; see docs/importers.",
        ),
    ],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Logs, in any order; gzip is recognized.")
    ],
    application: Annotated[
        str | None, typer.Option(metavar="CODE", help="Record everything as this application.")
    ] = None,
    capacity: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Licenses, or CPUs, that there were in all.")
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="IANA zone of times that name none, e.g. Europe/Berlin."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE.toml|NAME", help="What the source needs to be told.")
    ] = None,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Import logs of license servers, clusters and desktops. All or nothing; again does no harm."""
    from collector.importers.records import Options
    from collector.importing.files import import_files, mapping_of
    from warehouse.upkeep import upkeep

    options = Options(application, capacity, zone, mapping_of(mapping))
    who, now = operating_system_identity(), now_ms()
    with opened(warehouse) as engine, _progress() as tell:
        report = import_files(engine, source, files, options, actor=who, at_ms=now, tell=tell)
        upkeep(engine)
    if as_json:
        print_json(report.document())
        return
    for line in report.lines():
        typer.echo(line)


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Show a person how many lines were read, and nobody else."""
    from rich.console import Console

    if not sys.stderr.isatty():
        yield lambda _lines: None
        return
    with Console(stderr=True).status("reading") as status:
        yield lambda lines: status.update(f"{lines:,} lines read")
