"""`process-meter billing`: a fiscal period from draft to the accounting system.

Who acts is the operating-system identity of whoever runs the command; no option changes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from apps.commands import exporting, reviewing, statement
from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

app = typer.Typer(help="Expense-2-Project: a period from draft to accounting.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="Number of the run, e.g. 2026-10/1.")]
Reason = Annotated[str, typer.Option(help="Why, in words; kept with the line.")]


@app.command(epilog="Example: process-meter billing collecting --period 2026-10")
def collecting(
    period: Annotated[str, typer.Option(help="Name of a fiscal period that has begun.")],
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say who is still to be heard of a period, what is unknown, and what its bill comes to so far."""
    from pipelines.billing import collecting

    with opened(warehouse) as engine:
        found = collecting(engine, period, now_ms())
    if as_json:
        print_json(found)
        return
    for line in _completeness(found):
        typer.echo(line)


@app.command(epilog="Example: process-meter billing draft --period 2026-10")
def draft(
    period: Annotated[str, typer.Option(help="Name of a fiscal period that is over.")],
    target: Annotated[str, typer.Option(help="Where it will be imported; fixes the quantum.")] = "generic",
    showback: Annotated[
        bool, typer.Option("--showback", help="Show it to its payers alone: never exported.")
    ] = False,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Rate a period; replaces an open draft of it."""
    from pipelines.billing import draft
    from pipelines.billing import show as show_run
    from pipelines.billing import staff as staff_of

    with opened(warehouse) as engine:
        run = draft(engine, period, target, operating_system_identity(), now_ms(), showback=showback)
        found = show_run(engine, run)
        if not staff_of(engine):
            typer.echo(NOBODY, err=True)
    if as_json:
        print_json(found)
        return
    _summarize(found)
    for line in _details(found):
        typer.echo(line)


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
statement.mount(app)


@app.command(epilog="Example: process-meter billing show 2026-10/1 --line 12")
def show(
    run: Annotated[str | None, typer.Argument(help="Number of the run; none: all runs.")] = None,
    line: Annotated[int | None, typer.Option(min=1, help="One line, from the cent to the segment.")] = None,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the runs, one run's status and totals, or one line down to its sessions."""
    from pipelines.billing import refuse_stranger, show

    with opened(warehouse) as engine:
        refuse_stranger(engine, operating_system_identity(), run, line)
        found = show(engine, run, line)
    if as_json:
        print_json(found)
        return
    if line is not None:
        from pipelines.explaining import told

        for text in told(found):
            typer.echo(text)
        return
    for summary in found["runs"] if run is None else [found]:
        _summarize(summary)
    for text in _details(found) if run else ():
        typer.echo(text)


@app.command(epilog="Example: process-meter billing verify --recompute")
def verify(
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Charge every closed period again, from its evidence.")
    ] = False,
    warehouse: WarehouseUrl = None,
) -> None:
    """Check that nothing closed or audited was changed since, and that it all agrees."""
    from pipelines.billing import verify

    with opened(warehouse) as engine:
        changes = verify(engine, recompute=recompute)
    for change in changes:
        typer.echo(change, err=True)
    if changes:
        raise typer.Exit(1)
    typer.echo("Nothing was changed: every closed run and every audited event is as it was sealed.")


@app.command(epilog="Example: process-meter billing staff --add 'meridian\\mplum'")
def staff(
    add: Annotated[list[str] | None, typer.Option(help="Account to add; may be given again.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Account to take away; may be given again.")
    ] = None,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show or change whose accounts may bill: rates, projects, drafts, approvals; none: everybody's."""
    from pipelines.billing import change_staff
    from pipelines.billing import staff as staff_of

    with opened(warehouse) as engine:
        who, now = operating_system_identity(), now_ms()
        if add or remove:
            change_staff(engine, who, now, add=tuple(add or ()), remove=tuple(remove or ()))
        found = staff_of(engine)
    if as_json:
        print_json(found)
        return
    typer.echo("\n".join(found) or NOBODY)


NOBODY = (
    "NOBODY IS LISTED AS BILLING STAFF: everybody who runs a command here may change rates, projects, "
    "periods and the billing policy, and prepare, approve and close bills.\nList whose task it is: "
    "`process-meter billing staff --add ACCOUNT`"
)


# --- In words ----------------------------------------------------------------------------------------------


def _money(amounts: Mapping[str, int]) -> str:
    from warehouse.money import format_minor

    shown = (format_minor(amount, currency) for currency, amount in sorted(amounts.items()))
    return ", ".join(shown) or "nothing"


def _summarize(summary: Mapping[str, Any]) -> None:
    shown = " (showback)" if summary["showback"] else ""
    typer.echo(
        f"Run {summary['run']}{shown}: {summary['status']}, {summary['lines']:,} lines, "
        f"billed {_money(summary['billed_minor'])}, held {_money(summary['held_minor'])}"
    )
    for kind, count in summary["exceptions"].items():
        typer.echo(f"    {kind.replace('_', ' ')}: {count:,}")


def _details(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what a run would come to otherwise, what it waits for, and who has signed."""
    totals = found["totals"]
    if "buffer_0" in totals:
        yield "    the period's own use, without adjustments:"
    for name, words in (("buffer_0", "with buffer 0"), ("buffer_t", "with buffer T")):
        if name in totals:
            yield f"    {words}: {_money(totals[name]['amount_minor'])}"
    for name, total in sorted(totals.get("overlaps", {}).items()):
        more = _difference(total["amount_minor"], totals["usage_minor"])
        yield f"    overlap policy {name}: {_money(total['amount_minor'])} ({more})"
    for state, counts in found["exceptions_by_state"].items():
        if counts:
            yield f"    {state}: {_kinds(counts)}"
    if found["status"] in ("draft", "review"):
        yield from _waits(found)
    yield from _budgets(found)


def _difference(amounts: Mapping[str, int], others: Mapping[str, int]) -> str:
    """Say by how much amounts differ from others."""
    from warehouse.money import format_minor

    differences = {name: amounts.get(name, 0) - others.get(name, 0) for name in sorted({*amounts, *others})}
    told = [
        f"{'+' if amount > 0 else ''}{format_minor(amount, name)}"
        for name, amount in differences.items()
        if amount
    ]
    return ", ".join(told) or "the same"


def _kinds(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items())


def _waits(found: Mapping[str, Any]) -> Iterator[str]:
    if found["blocking"]:
        yield f"    to be settled or waived: {_kinds(found['blocking'])}"
    for word in ("disputed", "transferred"):
        if found[f"{word}_lines"]:
            yield f"    {word} lines: {', '.join(map(str, found[f'{word}_lines']))}"
    for row in found["sign_offs"]:
        if row["state"] != "not needed":
            by = f" by {row['by']}" if row["by"] else ""
            yield f"    project {row['project']}: {row['state']}{by}"
    if found["review_until"]:
        yield f"    sign-offs are waited for until {found['review_until']}"


def _budgets(found: Mapping[str, Any]) -> Iterator[str]:
    for row in found["budgets"]:
        for name, words in (("budget", "budget"), ("limit", "not-to-exceed amount")):
            left = row[f"{name}_left_minor"]
            if left is not None:
                yield f"    project {row['project']}: {_money({row['currency']: left})} of its {words} left"


def _completeness(found: Mapping[str, Any]) -> Iterator[str]:
    agents, sessions = found["agents"], found["sessions"]
    over = "is over" if found["is_over"] else f"lasts until {found['over_at']}"
    yield f"Period {found['period']}: {found['status']}; it {over}"
    yield (
        f"    agents: {agents['in_force']:,}, of which {agents['out']:,} are still out and "
        f"{agents['with_backlog']:,} have a backlog"
    )
    yield (
        f"    sessions: {sessions['all']:,}, of which {sessions['open']:,} are open and "
        f"{sessions['provisional']:,} provisional"
    )
    hours = (f"{found[name]:,.2f}" for name in ("unknown_hours", "silent_hours"))
    yield "    hours unknown: {}; of silent machines: {}".format(*hours)
    for name in ("session_coverage", "fleet_coverage"):
        share = found[name]
        yield f"    {name.replace('_', ' ')}: {'nothing to cover' if share is None else f'{share:.1%}'}"
    yield f"    certain: {_money(found['lower_bound']['amount_minor'])}"
    yield f"    at most: {_money(found['upper_bound']['amount_minor'])}"
    for row in found["exceptions"]:
        yield f"    to be expected: {row['count']:,} {row['kind'].replace('_', ' ')}"


reviewing.mount(app)
