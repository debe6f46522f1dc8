"""`process-meter project`: the project master in and out, who charges to what, and correcting it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

HOUR_MS = 3_600_000

TableFile = Annotated[Path, typer.Argument(help="CSV or XLSX; docs/importing.md has the columns.")]


def list_projects(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the projects: number, name, payer, open from and to."""
    from warehouse import frames

    with opened(warehouse) as engine:
        rows = frames.projects(engine).collect().sort("project").to_dicts()
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("There is no project yet; import them with `process-meter project import FILE`.")
    for row in rows:
        payer = row["client_name"] or row["cost_center"] or "no payer"
        closed = f", closed {row['closed_on']}" if row["closed_on"] else ""
        free = "" if row["chargeable"] else ", not chargeable"
        typer.echo(f"{row['project']:<14} {row['name']} ({payer}{free}{closed})")


def export(
    file: Annotated[Path, typer.Argument(help="The file to write, .csv or .xlsx.")],
    what: Annotated[str, typer.Option("--what", help="projects, members or presets.")] = "projects",
    warehouse: WarehouseUrl = None,
) -> None:
    """Write the project master, its members or presets as a file that can be imported again."""
    from pipelines.master_files import write_master

    with opened(warehouse) as engine:
        rows = write_master(engine, what, file)
    typer.echo(f"{file}: {rows:,} rows")


def members(file: TableFile, warehouse: WarehouseUrl = None) -> None:
    """Import who may charge to which project and when. All or nothing; again does no harm."""
    from warehouse.directory import import_members

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        typer.echo(str(import_members(engine, file, actor, at_ms=at_ms, on_server=True)))


def preset(file: TableFile, warehouse: WarehouseUrl = None) -> None:
    """Import where time goes for which nobody enters a project. All or nothing; again does no harm."""
    from warehouse.directory import import_presets

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        typer.echo(str(import_presets(engine, file, actor, at_ms=at_ms, on_server=True)))


def presets(warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the presets: for whom, from when to when, where their time goes, and why."""
    from warehouse.directory.project_files import preset_file

    with opened(warehouse) as engine:
        found = preset_file(engine)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if as_json:
        print_json(rows)
        return
    if not rows:
        typer.echo("There is no preset yet; import them with `process-meter project preset FILE`.")
    for row in rows:
        typer.echo(_preset_line(row))


def _preset_line(row: dict[str, Any]) -> str:
    named = [f"{name} {row[name]}" for name in ("person", "department", "office", "application") if row[name]]
    target = " / ".join(row[name] for name in ("project", "phase", "task") if row[name])
    until = f" to {row['valid_to']}" if row["valid_to"] else ""
    return (
        f"{', '.join(named) or 'anybody'} from {row['valid_from']}{until}: "
        f"{target or 'own cost center'} ({row['reason']})"
    )


def fields(
    file: Annotated[
        Path | None, typer.Argument(help="TOML with [[field]] tables; without it they are shown.")
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Show the fields that a project entry has besides its codes, or set up to eight of them."""
    from warehouse import frames
    from warehouse.directory.project_fields import set_project_fields

    with opened(warehouse) as engine:
        if file is not None:
            is_new = set_project_fields(engine, file, operating_system_identity(), at_ms=now_ms())
            typer.echo("The fields are set." if is_new else "Nothing is different.")
        found = [rule.document() for rule in frames.project_fields(engine)]
    if file is None:
        print_json(found)


def check(
    period: Annotated[
        str | None, typer.Option(help="Name of a fiscal period.  [default: the newest that has begun]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write it as a .csv or .xlsx, to be filled in for `project correct`.")
    ] = None,
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the time of a period that nobody can be charged for: whose, when, why, and the deadline."""
    from pipelines.answers.correction_queue import answer, queue_file
    from pipelines.master_files import refuse_ending, write_table

    if out is not None:
        refuse_ending(out)
    with opened(warehouse) as engine:
        found = answer(engine, period, now_ms())
        if out is not None:
            write_table(queue_file(engine, found), out)
    if as_json:
        print_json({
            "period": found.period,
            "billable_ms": found.billable_ms,
            "assigned_ms": found.assigned_ms,
            "queue": found.rows.drop("person_id").to_dicts(),
            "without_employee_number": found.without_number,
        })  # fmt: skip
        return
    for row in found.rows.iter_rows(named=True):
        typer.echo(_queue_line(row))
    waiting = (found.billable_ms - found.assigned_ms) / HOUR_MS
    hours = f"{found.assigned_ms / HOUR_MS:,.3f} of {found.billable_ms / HOUR_MS:,.3f} billable hours"
    typer.echo(f"Period {found.period}: {hours} are assigned, {waiting:,.3f} wait to be corrected.")
    if found.without_number:
        typer.echo(
            "Without an employee number, which accounting systems ask for: "
            f"{', '.join(found.without_number)}; enter it with `process-meter directory import FILE`."
        )


def _queue_line(row: dict[str, Any]) -> str:
    until = f"{row['deadline']:%Y-%m-%d %H:%M} UTC" if row["deadline"] else "no deadline"
    late = ", over" if row["is_late"] else ""
    return (
        f"session {row['session']}  {row['day']} {row['start']:%H:%M}-{row['end']:%H:%M} UTC  "
        f"{row['person'] or 'a shared account'}  {row['application']}  "
        f"{row['milliseconds'] / HOUR_MS:.3f} h: {row['reason']} ({until}{late})"
    )


def correct(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV or XLSX with many corrections; docs/projects.md has the columns."),
    ] = None,
    session: Annotated[
        int | None, typer.Option(min=1, help="Number of the session; `project check` has it.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Number of the project it was for.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is said now; kept with it.")] = None,
    phase: Annotated[str | None, typer.Option(help="Number of the phase.")] = None,
    task: Annotated[str | None, typer.Option(help="Number of the task.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From when on, as 2026-10-05T09:30.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until when.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A field; may be given again.")
    ] = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Say what a session or a stretch of it was for, or many at once. All or nothing; again does no harm."""
    from warehouse import corrections
    from warehouse.projects import Codes

    actor, at_ms = operating_system_identity(), now_ms()
    with opened(warehouse) as engine:
        if file is not None:
            if any(given is not None for given in (session, project, phase, task, start, end, field, reason)):
                raise typer.BadParameter("give a file, or one session with its options, not both")
            typer.echo(str(corrections.correct_from_file(engine, file, actor, at_ms, on_server=True)))
            return
        if session is None or project is None or reason is None:
            raise typer.BadParameter("give a file, or --session, --project and --reason")
        one = corrections.Correction(
            session,
            Codes(project, phase, task),
            reason,
            None if start is None else corrections.instant_of(engine, session, start),
            None if end is None else corrections.instant_of(engine, session, end),
            _fields(field or []),
        )
        typer.echo(str(corrections.correct(engine, [one], actor, at_ms, on_server=True)))


def _fields(given: list[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name.strip() or name.strip() in found:
            raise typer.BadParameter(f"{each!r} is no NAME=VALUE, or its name is there twice")
        found[name.strip()] = value
    return found


def trace(
    session: Annotated[int, typer.Argument(metavar="SESSION", help="Number of the session.")],
    warehouse: WarehouseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show all that was ever said of a session: who, when, of which stretch, from what to what, and why."""
    from warehouse import corrections

    with opened(warehouse) as engine:
        found = corrections.trace(engine, session, operating_system_identity(), on_server=True)
    if as_json:
        print_json([_plain_said(said) for said in found])
        return
    if not found:
        typer.echo(f"Nothing was ever said of session {session}.")
    for said in found:
        until = f" to {_instant(said.to_ms)}" if said.to_ms is not None else ""
        typer.echo(
            f"{_instant(said.at_ms)}  {said.author}: {_codes(said.before)} -> {_codes(said.after)} "
            f"from {_instant(said.from_ms)}{until} ({said.reason})"
        )


def _plain_said(said: Any) -> dict[str, Any]:
    times = {
        name: None if (at := getattr(said, f"{name}_ms")) is None else _instant(at)
        for name in ("at", "from", "to")
    }
    codes = {
        name: None if (found := getattr(said, name)) is None else found._asdict()
        for name in ("before", "after")
    }
    others = {name: getattr(said, name) for name in ("entry", "author", "reason", "instance")}
    return {**others, **times, **codes, "fields": dict(said.fields)}


def _instant(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _codes(codes: Any) -> str:
    return "nothing" if codes is None else " / ".join(code for code in codes if code)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "list": (list_projects, "list --json"),
    "export": (export, "export projects.xlsx"),
    "members": (members, "members members.csv"),
    "preset": (preset, "preset presets.csv"),
    "presets": (presets, "presets --json"),
    "fields": (fields, "fields fields.toml"),
    "check": (check, "check --period 2026-10"),
    "correct": (correct, 'correct --session 117 --project 2026-001 --reason "forgot to set it"'),
    "trace": (trace, "trace 117"),
}
"""What `project` can do besides `import`, each with its example."""
