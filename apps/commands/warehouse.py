"""`process-meter warehouse`: make it, look at it."""

from __future__ import annotations

import typer

from apps.commands.options import AsJson, WarehouseUrl, opened, print_json

app = typer.Typer(help="The SQL warehouse: make it, look at it.", no_args_is_help=True)


@app.command(epilog="Example: process-meter warehouse upgrade --warehouse sqlite:///meter.sqlite")
def upgrade(warehouse: WarehouseUrl = None) -> None:
    """Make the warehouse, or bring an older one to this version's tables. Running it again does no harm."""
    from warehouse.store import place, upgrade

    engine = upgrade(warehouse)
    typer.echo(f"The warehouse {place(engine.url)} is ready.")
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
