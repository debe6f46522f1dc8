"""`process-meter billing`, review of a draft: its lines, its exceptions, the managers' sign-offs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

Run = Annotated[str, typer.Argument(help="Number of the run, e.g. 2026-10/1.")]
Line = Annotated[int, typer.Argument(min=1, help="Number of the line.")]
Reason = Annotated[str, typer.Option(help="Why, in words; kept with the act.")]
Project = Annotated[str, typer.Option(help="Number of a project.")]
OfKind = Annotated[str | None, typer.Option("--kind", help="All exceptions of this kind that are open.")]
OfNumber = Annotated[int | None, typer.Option("--exception", min=1, help="Number of one exception.")]

MILLISECONDS_PER_HOUR = 3_600_000


def mount(app: typer.Typer) -> None:
    """Give `process-meter billing` its commands of review."""
    for action, (text, example, done) in ACTS.items():
        _mount_act(app, action, text, example, done)
    for name, (command, example) in COMMANDS.items():
        app.command(name, epilog=f"Example: process-meter billing {example}")(command)


ACTS = {
    "dispute": ("Dispute a line of a draft, as whose it is.", "not mine: I was on leave", "disputed"),
    "accept": ("Accept a line of a draft; settles a dispute.", "the log agrees", "accepted"),
    "hold": ("Keep a line out of this run's bill.", "asked for the contract", "held"),
    "writeoff": ("Give up a line's amount.", "goodwill", "written off"),
}


def _mount_act(app: typer.Typer, action: str, text: str, why: str, done: str) -> None:
    """Give the command line one act of review on a line."""

    def act(run: Run, line: Line, reason: Reason, warehouse: WarehouseUrl = None) -> None:
        from pipelines.billing import review

        with opened(warehouse) as engine:
            marked = review(engine, run, line, action, operating_system_identity(), reason, now_ms())
        say(f"Run {run}, line {line}: {done}.", line, marked)

    example = f'Example: process-meter billing {action} 2026-10/1 12 --reason "{why}"'
    command: Callable[..., None] = act
    app.command(action, help=text, epilog=example)(command)


def say(done: str, line: int, marked: list[int]) -> None:
    """Say what was done to a line, and to which others under one cap with it."""
    others = [str(number) for number in marked if number != line]
    along = f" Under one cap with it, and so too: line{'s' if len(others) > 1 else ''} {', '.join(others)}."
    _say(bool(marked), done + (along if others else ""))


def _say(is_new: bool, done: str) -> None:
    typer.echo(done if is_new else f"{done} It was so before: nothing has changed.")


def transfer(
    run: Run,
    line: Line,
    project: Project,
    reason: Reason,
    phase: Annotated[str | None, typer.Option(help="Number of a phase of it.")] = None,
    task: Annotated[str | None, typer.Option(help="Number of a task of the phase.")] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Move a line's time to another project, phase and task; the period then has to be drafted again."""
    from pipelines.billing import transfer
    from warehouse.projects import Codes

    to = Codes(project, phase, task)
    with opened(warehouse) as engine:
        is_new = transfer(engine, run, line, to, operating_system_identity(), reason, now_ms())
    _say(is_new, f"Run {run}, line {line}: transferred to project {project}. Draft the period again.")


def lines(run: Run, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the lines of a run that you may see: your own, those of projects you manage, or all of them."""
    from pipelines.billing import visible_lines
    from pipelines.showing import plain

    with opened(warehouse) as engine:
        found = plain(visible_lines(engine, run, operating_system_identity()).drop("person_id"))
    if as_json:
        print_json(found)
        return
    for row in found:
        typer.echo(_line(row))
    if not found:
        typer.echo(f"Run {run} has no line that you may see.")


def _line(row: Mapping[str, Any]) -> str:
    from warehouse.money import format_minor, hours

    codes = "/".join(filter(None, (row["project"], row["phase"], row["task"])))
    amount = format_minor(row["amount_minor"], row["currency"])
    review = f"  {row['review']}" if row["review"] else ""
    quantity = hours(row["quantity"], row["quantum_per_hour"])
    return (
        f"{row['line']:>6}  {row['day']}  {row['person']}  {codes:18} {row['application']:20} {quantity:>10} "
        f"{row['unit']:4} {amount:>16}{review}"
    )


def exceptions(run: Run, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the exceptions of a run: which keep it from being approved, and how each was dealt with."""
    from pipelines.billing import exceptions, refuse_stranger

    with opened(warehouse) as engine:
        refuse_stranger(engine, operating_system_identity())
        found = exceptions(engine, run)
    if as_json:
        print_json(found)
        return
    for row in found:
        typer.echo(_sentence(row))
    if not found:
        typer.echo(f"Run {run} has no exceptions.")


def _sentence(row: Mapping[str, Any]) -> str:
    state = row["state"] if row["state"] != "open" else "blocks" if row["blocks"] else "informs"
    hours = f", {row['milliseconds'] / MILLISECONDS_PER_HOUR:.2f} h" if row["milliseconds"] else ""
    dealt = f" ({row['by']}: {row['reason']})" if row["by"] else ""
    kind = row["kind"].replace("_", " ")
    return f"{row['number']:>5}  {state:8} {kind}{hours}: {row['detail']}{dealt}"


def settle(
    run: Run, reason: Reason, kind: OfKind = None, number: OfNumber = None, warehouse: WarehouseUrl = None
) -> None:
    """Say that the cause of exceptions is dealt with elsewhere: one, or all of a kind."""
    from pipelines.billing import settle

    with opened(warehouse) as engine:
        count = settle(engine, run, operating_system_identity(), reason, now_ms(), kind=kind, number=number)
    typer.echo(_counted(count, "settled"))


def waive(
    run: Run, reason: Reason, kind: OfKind = None, number: OfNumber = None, warehouse: WarehouseUrl = None
) -> None:
    """Let exceptions pass as they are: one, or all of a kind."""
    from pipelines.billing import waive

    with opened(warehouse) as engine:
        count = waive(engine, run, operating_system_identity(), reason, now_ms(), kind=kind, number=number)
    typer.echo(_counted(count, "waived"))


def _counted(count: int, verb: str) -> str:
    if not count:
        return "All of them were dealt with before: nothing has changed."
    return f"{count:,} {'exception' if count == 1 else 'exceptions'} {verb}."


def sign(
    run: Run,
    project: Project,
    reason: Annotated[str, typer.Option(help="Why; needed to sign for the manager.")] = "",
    warehouse: WarehouseUrl = None,
) -> None:
    """Sign the lines of a project on a draft, as its manager."""
    from pipelines.billing import sign

    with opened(warehouse) as engine:
        is_new = sign(engine, run, project, operating_system_identity(), reason, now_ms())
    _say(is_new, f"Run {run}: project {project} is signed.")


def withdraw(
    run: Run,
    project: Project,
    reason: Annotated[str, typer.Option(help="Why; needed to act for the manager.")] = "",
    warehouse: WarehouseUrl = None,
) -> None:
    """Take back the sign-off of a project on a draft."""
    from pipelines.billing import withdraw

    with opened(warehouse) as engine:
        is_new = withdraw(engine, run, project, operating_system_identity(), reason, now_ms())
    _say(is_new, f"Run {run}: project {project} is not signed.")


def release(run: Run, line: Line, reason: Reason, warehouse: WarehouseUrl = None) -> None:
    """Let a held line of a closed run be billed after all, by the next draft."""
    from pipelines.billing import release

    with opened(warehouse) as engine:
        released = release(engine, run, line, operating_system_identity(), reason, now_ms())
    say(f"Run {run}, line {line}: released; the next draft books it.", line, released)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "transfer": (transfer, 'transfer 2026-10/1 12 --project 0126-01 --phase 20 --reason "facade, not tower"'),
    "lines": (lines, "lines 2026-10/1"),
    "exceptions": (exceptions, "exceptions 2026-10/1 --json"),
    "settle": (settle, 'settle 2026-10/1 --exception 3 --reason "entered by hand in accounting"'),
    "waive": (waive, 'waive 2026-10/1 --kind unassigned --reason "below 20 hours in all"'),
    "sign": (sign, "sign 2026-10/1 --project 0126-01"),
    "withdraw": (withdraw, 'withdraw 2026-10/1 --project 0126-01 --reason "signed the wrong month"'),
    "release": (release, 'release 2026-09/1 12 --reason "the client has agreed"'),
}
"""Commands of review by name, each with an example."""
