"""`process-meter warehouse erase|retain|backup`: forgetting, and what to fall back on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

if TYPE_CHECKING:
    from sqlalchemy import Engine

DryRun = Annotated[bool, typer.Option("--dry-run", help="Count, and take nothing away.")]


def erase(
    person: Annotated[str, typer.Argument(help="The person's code in the directory.")],
    reason: Annotated[str, typer.Option(help="Why; it must not name the person.")],
    dry_run: DryRun = False,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Forget a person for good: evidence and names go, closed bills stay summable and verifiable."""
    from warehouse.retention import erase

    with opened(warehouse) as engine:
        told = erase(engine, person, operating_system_identity(), reason, now_ms(), dry_run=dry_run)
        _tell(engine, told, dry_run=dry_run, as_json=as_json)


def retain(dry_run: DryRun = False, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """Take away what has been kept for long enough. docs/keeping.md says how long that is."""
    from warehouse.retention import retain

    with opened(warehouse) as engine:
        told = retain(engine, now_ms(), dry_run, actor=operating_system_identity())
        _tell(engine, told, dry_run=dry_run, as_json=as_json)


def _tell(engine: Engine, told: Any, *, dry_run: bool, as_json: bool) -> None:
    """Let mirror and rollups follow, and say what is gone."""
    from warehouse.upkeep import upkeep

    if not dry_run:
        upkeep(engine)
    if as_json:
        print_json(told._asdict())
        return
    for line in told.lines():
        typer.echo(line)


def backup(
    file: Annotated[Path, typer.Argument(help="The copy, a new file.")],
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write a whole, checked copy of a SQLite warehouse while others use it. Its keys are not in it."""
    from warehouse.archive import backup

    with opened(warehouse) as engine:
        made = backup(engine, file)
    if as_json:
        print_json(made._asdict())
        return
    typer.echo(f"{made.path}: {made.bytes:,} bytes, {sum(made.rows.values()):,} rows, SHA-256 {made.digest}")
