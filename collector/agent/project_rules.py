"""What the manager would object to in a project entry, told before it is sent; nothing is refused here.

The judgement is that of the server, in its words, as far as the list on this host can tell: it may be older,
and a project that is not in it may be a new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from collector.agent.project_list import ProjectList
from collector.protocol import FieldRule, ListedPhase, ListedProject

LONGEST_NUMBER = 100
"""Characters of a number that a person may enter for a project, phase or task."""
LONGEST_SHOWN = 60
"""Characters that a sentence repeats of what was entered."""
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")


class Choice(NamedTuple):
    """What a person entered: numbers of project, phase and task, and the organization's own fields."""

    project: str
    phase: str | None = None
    task: str | None = None
    fields: Mapping[str, str] = {}


def objections(choice: Choice, known: ProjectList, day: date) -> list[str]:
    """Say in one sentence each what is wrong with a choice; nothing where all is well, or there is no list.

    Parameters
    ----------
    day
        The local day on which the time is used.
    """
    if not known.projects:
        return []
    listed = known.by_number.get(choice.project)
    if listed is None:
        return [f"project {shown(choice.project)} is not in the list of open projects"]
    project = listed.project
    phase = next((each for each in project.phases if each.number == choice.phase), None)
    chargeable = project.chargeable and (phase is None or phase.chargeable)
    return [
        *filter(None, [_unknown(choice, phase)]),
        *_closed(project, phase, day),
        *unfit(choice.fields, known.rules, chargeable=chargeable),
    ]


def _unknown(choice: Choice, phase: ListedPhase | None) -> str:
    number, task = shown(choice.project), shown(choice.task or "")
    if choice.phase is None:
        return f"task {task} of project {number} names no phase" if choice.task is not None else ""
    if phase is None:
        return f"phase {shown(choice.phase)} is not a phase of project {number}"
    if choice.task is not None and choice.task not in dict(phase.tasks):
        return f"task {task} is not a task of phase {shown(choice.phase)} of project {number}"
    return ""


def _closed(project: ListedProject, phase: ListedPhase | None, day: date) -> Iterator[str]:
    number = shown(project.number)
    levels: list[tuple[str, ListedProject | ListedPhase]] = [(f"project {number}", project)]
    if phase is not None:
        levels.append((f"phase {shown(phase.number)} of project {number}", phase))
    for name, level in levels:
        if level.opened_on and day.isoformat() < level.opened_on:
            yield f"{name} opens on {level.opened_on}"
        elif level.closed_on and day.isoformat() >= level.closed_on:
            yield f"{name} is closed from {level.closed_on}"


def unfit(given: Mapping[str, str], rules: tuple[FieldRule, ...], *, chargeable: bool) -> list[str]:
    """Say what is wrong with the fields; a code that is never billed needs none of them."""
    complaints = [complaint(rule, given.get(rule.name, ""), needed=chargeable) for rule in rules]
    known = {rule.name for rule in rules}
    return [
        *filter(None, complaints),
        *(f"there is no field {shown(name)}" for name in given if name not in known),
    ]


def complaint(rule: FieldRule, value: str, *, needed: bool = True) -> str:
    """Say in one sentence why a value does not fit a field; nothing where it does."""
    text = value.strip()
    if not text:
        return f"the field {rule.label} is missing" if rule.required and needed else ""
    wrong = _UNFIT[rule.kind](rule, text)
    return f"the field {rule.label} holds {shown(text)}, {wrong}" if wrong else ""


def _unfit_text(rule: FieldRule, text: str) -> str:
    if len(text) > rule.longest:
        return f"which is longer than {rule.longest} characters"
    if not text.isprintable():
        return "which holds a character that cannot be printed"
    return "" if _matches(rule.pattern, text) else f"which does not match {rule.pattern}"


def _matches(pattern: str | None, text: str) -> bool:
    try:
        return pattern is None or re.fullmatch(pattern, text) is not None
    except re.error:  # of a newer Python: the server knows
        return True


def _unfit_number(_: FieldRule, text: str) -> str:
    return "" if _NUMBER.fullmatch(text) else "which is not a number such as 12.5"


def _unfit_date(_: FieldRule, text: str) -> str:
    try:
        fits = len(text) == len("2026-12-31") and date.fromisoformat(text).isoformat() == text
    except ValueError:
        fits = False
    return "" if fits else "which is no day such as 2026-12-31"


def _unfit_choice(rule: FieldRule, text: str) -> str:
    if text in rule.choices:
        return ""
    words = [shown(word) for word in rule.choices]
    return f"which is none of {', '.join(words[:10])}{', ...' if len(words) > 10 else ''}"


_UNFIT = {"text": _unfit_text, "number": _unfit_number, "date": _unfit_date, "choice": _unfit_choice}


def shown(text: str) -> str:
    """Return what was entered as a sentence can hold it: short, on one line, without hidden characters."""
    if len(text) > LONGEST_SHOWN:
        text = text[:LONGEST_SHOWN] + "…"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
