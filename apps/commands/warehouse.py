"""`process-meter warehouse`: make it, look at it, prove it, move it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from apps.commands import keeping
from apps.commands.options import AsJson, WarehouseUrl, opened, print_json
from apps.commands.roles import roles

app = typer.Typer(help="The SQL warehouse: make it, look at it, prove it, move it.", no_args_is_help=True)
app.command(epilog="Example: process-meter warehouse roles --warehouse postgresql://postgres@host/meter")(
    roles
)


@app.command(epilog="Example: process-meter warehouse upgrade --warehouse sqlite:///meter.sqlite")
def upgrade(warehouse: WarehouseUrl = None) -> None:
    """Make the warehouse, or bring an older one to this version's tables. Running it again does no harm.

    On PostgreSQL its roles, if it has any, get their rights on new tables.
    """
    from warehouse.roles import renew
    from warehouse.store import place, upgrade

    engine = upgrade(warehouse)
    has_roles = renew(engine)
    typer.echo(f"The warehouse {place(engine.url)} is ready{', its roles have their rights' * has_roles}.")
    engine.dispose()


@app.command(epilog="Example: process-meter warehouse status --json")
def status(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """Show where the warehouse is, its version, and what it holds."""
    from warehouse.store import status

    with opened(warehouse) as engine:
        found = status(engine)
    if as_json:
        print_json(found)
        return
    width = max(map(len, found))
    for name, value in found.items():
        typer.echo(f"{name:<{width}}  {value:,}" if isinstance(value, int) else f"{name:<{width}}  {value}")


@app.command(epilog="Example: process-meter warehouse check --json")
def check(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """Prove that everything in the warehouse holds together. Exits 1 and names what does not."""
    from warehouse.check import EXAMPLES, RULES, check

    with opened(warehouse) as engine, _progress("checked") as tell:
        found = check(engine, tell)
    if as_json:
        print_json([finding._asdict() for finding in found])
    else:
        for finding in found:
            typer.echo(f"{finding.rule}: {finding}")
    if found:
        broken = len({finding.rule for finding in found})
        what = f"{broken} of {len(RULES)} rules are broken; at most {EXAMPLES} findings of each are shown"
        typer.echo(f"process-meter: {what}", err=True)
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"All {len(RULES)} rules hold.")


@app.command(epilog="Example: process-meter warehouse mirror")
def mirror(
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Also compare every file of the mirror with the evidence.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Throw mirror and rollups away and make both again.")
    ] = False,
    warehouse: WarehouseUrl = None,
) -> None:
    """Bring the Parquet mirror and the rollups up to date with the evidence; again does no harm."""
    from warehouse import mirror, rollups
    from warehouse.upkeep import upkeep

    with opened(warehouse) as engine:
        if anew:
            mirror.rebuild(engine)
            rollups.rebuild(engine)
        elif thorough:
            mirror.update(engine, thorough=True)
        done = upkeep(engine)
    typer.echo(
        f"The mirror holds {done.mirrored.segments:,} segments in {done.mirrored.files:,} files at "
        f"{done.mirrored.folder}; the rollups stand where it does."
    )


@app.command(epilog="Example: process-meter warehouse copy sqlite:///meter.sqlite postgresql://host/meter")
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The warehouse to be copied, as a URL.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="An empty or new warehouse, as a URL.")],
) -> None:
    """Copy a whole warehouse into an empty one, of either database, and prove both equal."""
    from warehouse.copying import copy

    with _progress("copied") as tell:
        copied = copy(source, target, tell)
    tables = sum(1 for count in copied.rows.values() if count)
    what = f"{sum(copied.rows.values()):,} rows of {tables} tables"
    typer.echo(f"Copied {what} to {copied.target}: counts and contents are equal.")
    if copied.keys:
        typer.echo(f"Copied the keys {' and '.join(copied.keys)}.")
    typer.echo(
        "What is written to the old one from now on is not in it: set PROCESS_METER_WAREHOUSE everywhere."
    )


app.command(epilog="Example: process-meter warehouse erase p4711 --reason 'request 12 of 3 November'")(
    keeping.erase
)
app.command(epilog="Example: process-meter warehouse retain --dry-run")(keeping.retain)
app.command(epilog="Example: process-meter warehouse backup meter-2026-11-24.sqlite")(keeping.backup)


@contextmanager
def _progress(done: str) -> Iterator[Callable[[str, float], None]]:
    """Show a person how far long work is, and nobody else."""
    from pipelines.telling import Teller

    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    with Teller(sys.stderr).step(done) as update:
        yield update
