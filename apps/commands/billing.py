"""`process-meter billing`: a fiscal period from draft to the accounting system.

Who acts is the operating-system identity of whoever runs the command; no option changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from apps.commands import exporting
from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

app = typer.Typer(help="Expense-2-Project: a period from draft to accounting.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="Number of the run, e.g. 2026-10/1.")]
Line = Annotated[int, typer.Argument(min=1, help="Number of the line.")]
Reason = Annotated[str, typer.Option(help="Why, in words; kept with the line.")]


@app.command(epilog="Example: process-meter billing draft --period 2026-10")
def draft(
    period: Annotated[str, typer.Option(help="Name of a fiscal period that is over.")],
    target: Annotated[str, typer.Option(help="Where it will be imported; fixes the quantum.")] = "generic",
    warehouse: WarehouseUrl = None,
) -> None:
    """Rate a period; replaces an open draft of it."""
    from pipelines.billing import draft
    from pipelines.billing import show as show_run

    with opened(warehouse) as engine:
        run = draft(engine, period, target, operating_system_identity(), now_ms())
        _summarize(show_run(engine, run))


@app.command(epilog="Example: process-meter billing approve 2026-10/1")
def approve(run: Run, warehouse: WarehouseUrl = None) -> None:
    """Approve a draft: somebody else than who prepared it or wrote its rates."""
    from pipelines.billing import approve

    with opened(warehouse) as engine:
        approve(engine, run, operating_system_identity(), now_ms())
    typer.echo(f"Run {run} is approved.")


@app.command(epilog="Example: process-meter billing close 2026-10/1")
def close(run: Run, warehouse: WarehouseUrl = None) -> None:
    """Close an approved run for good."""
    from pipelines.billing import close

    with opened(warehouse) as engine:
        close(engine, run, operating_system_identity(), now_ms())
    typer.echo(f"Run {run} is closed.")


@app.command(epilog='Example: process-meter billing void 2026-10/1 --reason "wrong calendar"')
def void(run: Run, reason: Reason, warehouse: WarehouseUrl = None) -> None:
    """Give up a run that is not closed; its period can then be drafted anew."""
    from pipelines.billing import void

    with opened(warehouse) as engine:
        void(engine, run, operating_system_identity(), reason, now_ms())
    typer.echo(f"Run {run} is void.")


exporting.mount(app)


@app.command(epilog="Example: process-meter billing show 2026-10/1 --line 12")
def show(
    run: Annotated[str | None, typer.Argument(help="Number of the run; none: all runs.")] = None,
    line: Annotated[int | None, typer.Option(min=1, help="One line, with its sessions.")] = None,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the runs, one run's status and totals, or one line down to its sessions."""
    from pipelines.billing import show

    with opened(warehouse) as engine:
        found = show(engine, run, line)
    if as_json or line is not None:
        print_json(found)
        return
    for summary in found["runs"] if run is None else [found]:
        _summarize(summary)


@app.command(epilog="Example: process-meter billing verify")
def verify(warehouse: WarehouseUrl = None) -> None:
    """Check that nothing closed or audited was changed since."""
    from pipelines.billing import verify

    with opened(warehouse) as engine:
        changes = verify(engine)
    for change in changes:
        typer.echo(change, err=True)
    if changes:
        raise typer.Exit(1)
    typer.echo("Nothing was changed: every closed run and every audited event is as it was sealed.")


def _summarize(summary: Mapping[str, Any]) -> None:
    from warehouse.money import format_minor

    def money(amounts: Mapping[str, int]) -> str:
        shown = (format_minor(amount, currency) for currency, amount in sorted(amounts.items()))
        return ", ".join(shown) or "nothing"

    typer.echo(
        f"Run {summary['run']}: {summary['status']}, {summary['lines']:,} lines, "
        f"billed {money(summary['billed_minor'])}, held {money(summary['held_minor'])}"
    )
    for kind, count in summary["exceptions"].items():
        typer.echo(f"    {kind.replace('_', ' ')}: {count:,}")


def _mount(action: str, text: str) -> None:
    """Give the command line one act of review."""

    def act(run: Run, line: Line, reason: Reason, warehouse: WarehouseUrl = None) -> None:
        from pipelines.billing import review

        with opened(warehouse) as engine:
            review(engine, run, line, action, operating_system_identity(), reason, now_ms())
        typer.echo(f"Run {run}, line {line}: {action}.")

    example = f'Example: process-meter billing {action} 2026-10/1 12 --reason "asked for the contract"'
    command: Callable[..., None] = act
    app.command(action, help=text, epilog=example)(command)


_mount("dispute", "Dispute a line of a draft.")
_mount("accept", "Accept a line of a draft; settles a dispute.")
_mount("hold", "Keep a line out of this run's bill.")
_mount("writeoff", "Give up a line's amount.")
