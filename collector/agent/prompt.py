"""What is asked at launch, and what an answer comes to. Pure: neither a window nor a file is touched here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from collector.agent.project_list import Listed, ProjectList
from collector.agent.project_rules import Choice
from collector.agent.sample import Project

MOST_ROWS = 200
"""So many projects a list on a screen has; who wants another one types a part of it."""
BETWEEN = " · "
"""Stands between a number and its name."""
ELLIPSIS = "…"
NOT_BILLED = "never billed"
"""Stands where others have their payer: leave, training, office work."""


class Row(NamedTuple):
    """One line to choose from.

    Attributes
    ----------
    recent
        How it was used last, if it is one of the recent projects.
    listed
        Its entry in the list of open projects; None where it is not in it.
    """

    number: str
    name: str
    payer: str
    recent: Project | None = None
    listed: Listed | None = None


def current(in_force: Project | None, recent: Sequence[Project]) -> Project | None:
    """Return the project that was chosen last: on the command line, or at a launch."""
    candidates = [*recent[:1], *([in_force] if in_force else [])]
    return max(candidates, key=lambda project: project.set_ms, default=None)


def rows(known: ProjectList, recent: Sequence[Project], text: str) -> tuple[list[Row], int]:
    """Return the lines to choose from, recent projects first, and how many more there are.

    Parameters
    ----------
    text
        What was typed to find one: a part of number, name or payer. Where it is no number of the list, it can
        be chosen as it stands: a project may be newer than the list.
    """
    used = [_recent_row(known, project) for project in recent]
    words = text.casefold().split()
    shown = [row for row in used if all(word in _words(row) for word in words)]
    taken = {row.number for row in shown}
    found, more = known.find(text, MOST_ROWS)
    shown += [_listed_row(each) for each in found if each.number not in taken]
    typed = text.strip()
    if typed and typed not in known.by_number and typed not in taken:
        shown.append(Row(typed, "as typed: it is not in the list", ""))
    return shown, more


def _recent_row(known: ProjectList, project: Project) -> Row:
    listed = known.by_number.get(project.number)
    if listed is None:
        return Row(project.number, "not in the list of open projects", "", project)
    return _listed_row(listed)._replace(recent=project)


def _listed_row(listed: Listed) -> Row:
    payer = listed.payer if listed.chargeable else NOT_BILLED
    return Row(listed.number, listed.name, payer, None, listed)


def _words(row: Row) -> str:
    return f"{row.number} {row.name} {row.payer}".casefold()


def label(number: str, name: str) -> str:
    """Return a number with its name, as people choose it."""
    return number if name in ("", number) else f"{number}{BETWEEN}{name}"


def resolved(text: str, options: Sequence[tuple[str, str]]) -> str | None:
    """Return the number that a person means: of an option, as its label, number or name, or as it was typed.

    Parameters
    ----------
    options
        Number and name of each.
    """
    typed = text.strip()
    if not typed:
        return None
    for number, _ in options:
        if typed == number:
            return number
    meant = typed.casefold()
    for number, name in options:
        if meant in (label(number, name).casefold(), number.casefold(), name.casefold()):
            return number
    return typed


def is_kept(choice: Choice, before: Project | None) -> bool:
    """Whether a choice is the project that was chosen last, with all that belongs to it."""
    if before is None:
        return False
    return choice == Choice(before.number, before.phase, before.task, dict(before.fields))


def printable(text: str) -> str:
    """Return a text that every screen can show: without hidden characters, and without the rarest ones."""
    return "".join(each if each.isprintable() and ord(each) < 0x10000 else "\ufffd" for each in text)


def fitting(text: str, width: int, measure: Callable[[str], int]) -> str:
    """Cut a text to a width, with an ellipsis.

    Parameters
    ----------
    width
        In the unit of `measure`.
    measure
        Returns how wide a text is; longer texts are not narrower.
    """
    if measure(text) <= width:
        return text
    short, long = 0, len(text)
    while short < long:
        middle = (short + long + 1) // 2
        if measure(text[:middle].rstrip() + ELLIPSIS) <= width:
            short = middle
        else:
            long = middle - 1
    return text[:short].rstrip() + ELLIPSIS
