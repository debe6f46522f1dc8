"""Units for systemd: the schedule's loop as a service, or a timer that does what is due."""

from __future__ import annotations

from pathlib import Path

from warehouse.errors import Problem

UNITS = Path(__file__).parent
PROGRAM = "/opt/process-meter/bin/process-meter"
"""The program's place in the templates."""


def write_units(folder: Path, program: Path) -> list[Path]:
    """Copy the units into a folder, with the place of this installation's program.

    Raises
    ------
    Problem
        The folder cannot be written to, or has a unit of that name.
    """
    written = []
    for unit in sorted(UNITS.glob("process-meter-*")):
        path = folder / unit.name
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(unit.read_text(encoding="utf-8").replace(PROGRAM, str(program)))
        except FileExistsError:
            raise Problem(f"{path} is there already", "compare it, and move it away first") from None
        except OSError as error:
            raise Problem(f"{path} cannot be written: {error.strerror}", "name another folder") from None
        written.append(path)
    return written
