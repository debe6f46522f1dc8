"""Whether what is installed is what was meant: plain names can collide in site-packages, silently."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from collector.agent.errors import AgentProblem

PACKAGE = "collector"


def refuse_two_collectors() -> None:
    """Ask the installed distributions themselves; thorough, and costs memory: for a short command.

    Raises
    ------
    AgentProblem
        Two distributions claim the package `collector`.
    """
    from importlib.metadata import packages_distributions  # noqa: PLC0415  (costs 8 MB)

    _refuse(sorted(set(packages_distributions().get(PACKAGE, ()))))


def refuse_two_collectors_briefly(path: Sequence[str] | None = None) -> None:
    """Read the lists of installed files alone; the same answer for less, for a process that stays.

    Parameters
    ----------
    path
        Folders to look in; default: `sys.path`.

    Raises
    ------
    AgentProblem
        Two distributions claim the package `collector`.
    """
    folders = {Path(folder) for folder in (sys.path if path is None else path) if folder}
    records = [record for folder in folders for record in folder.glob("*.dist-info/RECORD")]
    _refuse(sorted(record.parent.name for record in records if _claims(record)))


def _claims(record: Path) -> bool:
    try:
        with record.open(encoding="utf-8") as lines:
            return any(line.startswith(f"{PACKAGE}/") for line in lines)
    except (OSError, UnicodeDecodeError):
        return False


def _refuse(owners: list[str]) -> None:
    if len(owners) > 1:
        raise AgentProblem(
            f"The package {PACKAGE} belongs to {' and '.join(owners)}",
            "install process-meter into an environment of its own",
        )
