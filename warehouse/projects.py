"""What makes a project entry valid: its project, phase and task are known, and open on that day.

An entry keeps the words of whoever wrote it; this module judges them against the project master, before the
fact (a prompt, the command line) and at rating, in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

import polars as pl

Fault = Literal["invalid_project", "closed_project"]


class Codes(NamedTuple):
    """A project entry's words: numbers of project (WBS1), phase (WBS2) and task (WBS3), as entered."""

    project: str
    phase: str | None = None
    task: str | None = None


class Verdict(NamedTuple):
    """What an entry comes to on one day.

    Attributes
    ----------
    fault
        None where time may be charged; else why not, as a kind of exception.
    reason
        One sentence that names the number; empty where there is no fault.
    chargeable
        False for a code that takes time but is never billed, such as leave or training.
    """

    fault: Fault | None
    reason: str
    chargeable: bool


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Master:
    """The project master, by number.

    Parameters
    ----------
    projects
        By project number: `chargeable`, `opened_on`, `closed_on` (the first day that takes no more time).
    phases
        By project and phase number: the same.
    tasks
        Every project, phase and task number that belong together.
    """

    projects: Mapping[str, Row]
    phases: Mapping[tuple[str, str], Row]
    tasks: frozenset[tuple[str, str, str]]

    @classmethod
    def of(cls, projects: pl.DataFrame, phases: pl.DataFrame, tasks: pl.DataFrame) -> Master:
        """Read the master from the frames `projects`, `phases` and `tasks` of warehouse/frames.py."""
        return cls(
            {row["project"]: row for row in projects.to_dicts()},
            {(row["project"], row["phase"]): row for row in phases.to_dicts()},
            frozenset(tasks.select("project", "phase", "task").rows()),
        )

    def judge(self, codes: Codes, day: date) -> Verdict:
        """Say whether time of one local day may be charged to these codes."""
        unknown = self._unknown(codes)
        if unknown:
            return Verdict("invalid_project", unknown, chargeable=False)
        for name, row in self._levels(codes):
            if row["opened_on"] and day < row["opened_on"]:
                return Verdict("closed_project", f"{name} opens on {row['opened_on']}", chargeable=False)
            if row["closed_on"] and day >= row["closed_on"]:
                reason = f"{name} is closed from {row['closed_on']}"
                return Verdict("closed_project", reason, chargeable=False)
        return Verdict(None, "", all(row["chargeable"] for _, row in self._levels(codes)))

    def _unknown(self, codes: Codes) -> str:
        project, phase, task = codes
        if project not in self.projects:
            return f"project {project} is not in the project master"
        if phase is None:
            return "" if task is None else f"task {task} of project {project} names no phase"
        if (project, phase) not in self.phases:
            return f"phase {phase} is not a phase of project {project}"
        if task is not None and (project, phase, task) not in self.tasks:
            return f"task {task} is not a task of phase {phase} of project {project}"
        return ""

    def _levels(self, codes: Codes) -> Iterator[tuple[str, Row]]:
        yield f"project {codes.project}", self.projects[codes.project]
        if codes.phase is not None:
            name = f"phase {codes.phase} of project {codes.project}"
            yield name, self.phases[codes.project, codes.phase]
