"""`process-meter`: mounts the commands, and turns every failure into one clear line.

Exit codes: 0 success, 1 failure, 2 wrong use. A traceback is shown only with `--debug`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from apps.commands import apps as apps_commands
from apps.commands import (
    billing,
    demo,
    extracts,
    harvest,
    imports,
    manager,
    masterdata,
    query,
    report,
    schedule,
    warehouse,
)
from warehouse.errors import Problem

app = typer.Typer(
    name="process-meter",
    help="Meters who truly uses desktop software, and bills that use to projects.",
    epilog="Start with: process-meter demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def everywhere(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of a failure.")] = False,
) -> None:
    """Meters who truly uses desktop software, and bills that use to projects."""
    if debug:
        os.environ["PROCESS_METER_DEBUG"] = "1"


app.command("demo", epilog="Example: process-meter demo --no-serve")(demo.demo)
app.add_typer(warehouse.app, name="warehouse")
app.add_typer(manager.app, name="manager")
app.command(
    "import", epilog="Example: process-meter import flexnet debug.log debug.log.1.gz --zone Europe/Berlin"
)(imports.import_command)
app.add_typer(report.app, name="report")
app.command(
    "query", epilog="Example: process-meter query peak_concurrency -p application=solver -p key=user --json"
)(query.query)
app.command(
    "export",
    epilog="Example: process-meter export usage --from 2026-10-01 --to 2026-11-01 --out october.parquet",
)(extracts.export)
app.add_typer(billing.app, name="billing")
app.add_typer(harvest.app, name="harvest")
app.add_typer(schedule.app, name="schedule")
app.add_typer(apps_commands.app, name="apps")
for name, commands in masterdata.apps.items():
    app.add_typer(commands, name=name)


def main() -> None:
    """Run the command line; the console script and `python -m apps.cli` start here."""
    try:
        _refuse_undecodable(sys.argv[1:])
        app()
    except Problem as problem:
        _fail(problem)
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the last place before the user: one line, not a traceback
        _fail(error)


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Refuse what the shell passes in another encoding: no database and no file takes it."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            told = argument.encode("ascii", "backslashreplace").decode()[:80]
            raise Problem(f"the argument {told} is not UTF-8", "set the terminal to UTF-8") from error


def _fail(error: Exception) -> None:
    if os.environ.get("PROCESS_METER_DEBUG"):
        raise error
    line = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, Problem):
        line = f"{type(error).__name__}: {line}; run again with `process-meter --debug ...` for the traceback"
    typer.echo(f"process-meter: {line}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
