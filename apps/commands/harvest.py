"""`process-meter harvest`: unused seats on their way back, each step by somebody and for a reason."""

from __future__ import annotations

from typing import Annotated

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

app = typer.Typer(help="Unused seats on their way back.", no_args_is_help=True)


@app.command("list", epilog="Example: process-meter harvest list --json")
def list_seats(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the seats to reclaim, on what the last 90 days show, and those that are on their way back."""
    from pipelines.answers.harvest_ledger import seats

    with opened(warehouse) as engine:
        rows = seats(engine)
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("No seat can be reclaimed on what was seen, and none is on its way back.")
    for row in rows:
        typer.echo(f"{row['seat']:>6}  {row['entitlement']:<16} {row['holder']:<12} {row['stands']}")


@app.command(
    "note", epilog='Example: process-meter harvest note 117 propose --reason "not opened since spring"'
)
def note(
    seat: Annotated[int, typer.Argument(metavar="SEAT", help="Number of the seat; `harvest list` has it.")],
    step: Annotated[
        str, typer.Argument(metavar="STEP", help="propose, notice, keep, release, approve or reclaim.")
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it goes into the audit.")],
    warehouse: WarehouseUrl = None,
) -> None:
    """Write down one step of a seat's way back; `reclaim` ends the seat today."""
    from warehouse.directory.harvest import note as noted

    with opened(warehouse) as engine:
        typer.echo(str(noted(engine, seat, step, operating_system_identity(), reason, now_ms())))
