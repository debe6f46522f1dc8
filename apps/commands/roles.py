"""`process-meter warehouse roles`: who may do what on PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from apps.commands.options import WarehouseUrl, opened


def roles(
    show: Annotated[
        bool, typer.Option("--print", help="Print the SQL for an administrator, and change nothing.")
    ] = False,
    warehouse: WarehouseUrl = None,
) -> None:
    """Make the roles of a PostgreSQL warehouse and give each its rights and limits. Again does no harm."""
    from warehouse.roles import ROLES, apply, statements
    from warehouse.store import place

    if show:
        for statement in statements():
            typer.echo(f"{statement};")
        return
    with opened(warehouse) as engine:
        apply(engine)
        typer.echo(f"{', '.join(ROLES)} have their rights on {place(engine.url)}.")
