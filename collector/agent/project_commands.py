"""What `process-meter-agent project list|set|show` does and says: the same list and rules as the window's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from collector.agent.clock import SystemClock
from collector.agent.errors import AgentProblem
from collector.agent.home import Home
from collector.agent.plain_words import moment
from collector.agent.process_table import account
from collector.agent.project_list import load
from collector.agent.project_rules import LONGEST_NUMBER, Choice, objections
from collector.agent.prompt import Row, printable, rows
from collector.agent.sample import Project
from collector.agent.spool import SpoolReader
from collector.protocol import MOST_FIELDS

LONGEST_FIELD = 500


def listed(home: Home, text: str) -> list[str]:
    """Return the lines of `project list`, recent projects first; one whose number is given has its phases."""
    known = load(home.projects)
    found, more = rows(known, home.recent(), text)
    lines = []
    for row in found:
        parts = [row.number, row.name, row.payer, "(recent)" if row.recent else ""]
        lines.append("  ".join(printable(part) for part in parts if part))
        if row.number == text.strip():
            lines += _phases(row)
    if more:
        lines.append(f"{more} more; give a part of what you look for")
    if not known.projects:
        lines.append("There is no list of open projects here yet; any number can be set.")
    return lines


def _phases(row: Row) -> list[str]:
    lines = []
    for phase in row.listed.project.phases if row.listed else ():
        lines.append(f"  phase {phase.number}  {printable(phase.name)}")
        lines += [f"    task {number}  {printable(name)}" for number, name in phase.tasks]
    return lines


def in_force(home: Home) -> list[str]:
    """Return the lines of `project show`: what is set, and what was entered at the launch of what is open."""
    project = home.project()
    lines = [f"{_codes(project)}, since {moment(project.set_ms)}" if project else "No project is set."]
    for session in _open_sessions(home):
        if session.get("entered"):
            codes = _codes(Project(**session["entered"]))
            lines.append(f"{session['key'][0]}, open since {moment(session['started_ms'])}: {codes}")
    return lines


def _open_sessions(home: Home) -> list[dict[str, Any]]:
    if not home.spool.exists():
        return []
    with closing(SpoolReader(home.spool)) as reader:
        return reader.sessions()


def choice_of(number: str, phase: str | None, task: str | None, given: Sequence[str]) -> Choice:
    """Return what was given on the command line.

    Parameters
    ----------
    given
        Fields, each as NAME=VALUE.

    Raises
    ------
    AgentProblem
        Something cannot be sent at all.
    """
    texts = [text for text in (number, phase, task) if text is not None]
    if not all(text.strip() and text.isprintable() and len(text) <= LONGEST_NUMBER for text in texts):
        raise AgentProblem(
            "A number is empty, too long, or has unprintable characters",
            f"give at most {LONGEST_NUMBER} printable characters for project, phase and task",
        )
    return Choice(number.strip(), phase, task, _fields(given))


def _fields(given: Sequence[str]) -> dict[str, str]:
    fields = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name.strip() and equals and each.isprintable() and len(each) <= LONGEST_FIELD):
            raise AgentProblem(
                f"--field {each[:60]!r} is no field",
                f"give NAME=VALUE, at most {LONGEST_FIELD} printable characters",
            )
        fields[name.strip()] = value.strip()
    if len(fields) > MOST_FIELDS:
        raise AgentProblem(f"There are {len(fields)} fields", f"give at most {MOST_FIELDS}")
    return {name: value for name, value in fields.items() if value}


def put_in_force(home: Home, choice: Choice) -> list[str]:
    """Set a project, whatever the list says; return the lines that say so, and what will be objected to."""
    home.make()
    now = SystemClock().now()
    project = Project(choice.project, choice.phase, choice.task, account(), now.wall_ms, dict(choice.fields))
    home.set_project(project)
    home.remember(project)
    found = objections(choice, load(home.projects), datetime.now().astimezone().date())
    return [
        f"Project {choice.project} is in force from now on, for billed applications.",
        *(f"It will be put up for correction: {objection}." for objection in found),
    ]


def kept(home: Home) -> list[str]:
    """Return the lines that say what is kept here of projects, for `show-my-data`."""
    project = home.project()
    return [
        f"Project set: {_codes(project) if project else 'none'}",
        "Projects used last; the list is kept here alone, for the choice at launch:",
        *([f"    {_codes(each)}" for each in home.recent()] or ["    none"]),
    ]


def _codes(project: Project) -> str:
    parts = {"project": project.number, "phase": project.phase, "task": project.task, **project.fields}
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value)
