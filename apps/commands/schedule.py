"""`process-meter schedule`: what runs by itself, and the loop that runs it.

Who acts is the operating-system identity of the account that runs the loop.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from apps.commands.options import AsJson, WarehouseUrl, now_ms, opened, print_json
from apps.identity import operating_system_identity

app = typer.Typer(help="What runs by itself: reports, drafts of bills, upkeep.", no_args_is_help=True)

ScheduleFile = Annotated[
    Path | None,
    typer.Option(
        "--schedule",
        envvar="PROCESS_METER_SCHEDULE",
        metavar="FILE",
        help="The schedule, in TOML; docs/schedule.md has its keys.  [default: what the notebooks say]",
        show_default=False,
    ),
]


@app.command("list", epilog="Example: process-meter schedule list --schedule schedule.toml")
def list_jobs(schedule: ScheduleFile = None, warehouse: WarehouseUrl = None, as_json: AsJson = False) -> None:
    """List the jobs: when each is due next, and how its last run ended; or what is wrong in a schedule."""
    from pipelines.schedule_file import read_schedule
    from pipelines.schedule_overview import overview

    known = read_schedule(schedule)
    with opened(warehouse) as engine:
        jobs = overview(engine, known, now_ms())
    if as_json:
        print_json(jobs)
        return
    width = max((len(row["job"]) for row in jobs), default=0)
    for row in jobs:
        due = _minute(row["next_due"]) or (
            "not scheduled any more" if row["when"] is None else "nothing ahead"
        )
        typer.echo(f"{row['job']:<{width}}  {due:<16}  {row['when'] or ''}")
        typer.echo(f"{'':<{width}}  {_ended(row)}")
    for remedy in _remedies(jobs, schedule):
        typer.echo(remedy)


def _remedies(jobs: list[dict[str, Any]], schedule: Path | None) -> Iterator[str]:
    """Say how something gets scheduled where nothing is; a cron text always has a moment ahead."""
    ends = [row["job"] for row in jobs if row["when"] and row["next_due"] is None]
    if ends:
        yield (
            f"{', '.join(ends)}: no fiscal period is left to end. Import more: "
            "`process-meter calendar import FILE`"
        )
    if all(row["when"] is None for row in jobs):
        what = (
            "give a file of jobs with --schedule FILE" if schedule is None else f"write jobs into {schedule}"
        )
        yield f"Nothing is scheduled: {what}, as docs/schedule.md shows."


def _ended(row: dict[str, Any]) -> str:
    if row["status"] is None:
        return "never ran"
    reason = f": {row['reason']}" if row["reason"] else ""
    again = f"; again at {_minute(row['retry'])}" if row["retry"] else ""
    return f"{row['status']} for {_minute(row['last_due'])}{reason}{again}"


def _minute(text: str | None) -> str:
    return "" if text is None else text[:16].replace("T", " ")


@app.command("run", epilog="Example: process-meter schedule run --schedule /etc/process-meter/schedule.toml")
def run(
    once: Annotated[
        bool, typer.Option("--once", help="Do what is due now and exit: for cron, systemd timers, Airflow.")
    ] = False,
    schedule: ScheduleFile = None,
    warehouse: WarehouseUrl = None,
) -> None:
    """Do what is due, and sleep until more is. One process at a time works, on however many machines it runs.

    With --once it exits 1 when a job failed.
    """
    from pipelines.schedule_file import read_schedule
    from pipelines.schedule_loop import Clock, Scheduler

    signal.signal(
        signal.SIGTERM, lambda _number, _frame: sys.exit(0)
    )  # a job in the middle says so in its row
    with opened(warehouse) as engine:
        scheduler = Scheduler(
            engine,
            load=lambda: read_schedule(schedule),
            clock=Clock(now_ms, time.sleep),
            actor=operating_system_identity(),
            holder=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            say=lambda line: typer.echo(line, err=True),
        )
        if not once:
            scheduler.forever()
        found = scheduler.once()
    if found.other:
        typer.echo(f"Nothing was done: {found.other} works on the schedule.", err=True)
    elif not found.ran:
        typer.echo("Nothing is due.")
    raise typer.Exit(1 if found.failed else 0)


@app.command("test-mail", epilog="Example: process-meter schedule test-mail mail.toml ann@example.com")
def test_mail(
    settings: Annotated[Path, typer.Argument(help="The settings of the mail server, in TOML.")],
    address: Annotated[str, typer.Argument(help="Whom to send a message to.")],
) -> None:
    """Send a message of two lines, to see whether the mail settings are right."""
    from datetime import UTC, datetime

    from pipelines.mail_message import Mail
    from pipelines.mailing import is_address, read_mail_settings, send
    from warehouse.errors import Problem

    if not is_address(address):
        raise Problem(f"{address!r} is no e-mail address", "write it as ann@example.com")
    now = datetime.now(UTC)
    says = ["This is a test.", "Reports and drafts of bills will come the same way."]
    send(read_mail_settings(settings), Mail(f"test {now}", "Mail from Process Meter", says), [address], now)
    typer.echo(f"The mail server has taken a message for {address}.")


@app.command("units", epilog="Example: process-meter schedule units /etc/systemd/system")
def units(
    folder: Annotated[Path, typer.Argument(help="Where to write the files, e.g. /etc/systemd/system.")],
) -> None:
    """Write the units for systemd: the loop as a service, or a timer that does what is due."""
    from pipelines.service_units import write_units

    for path in write_units(folder, Path(sys.argv[0]).resolve()):
        typer.echo(str(path))
