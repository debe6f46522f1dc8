"""What makes a project entry valid: its codes are known and open, the person may use them, its fields fit.

An entry keeps the words of whoever wrote it; this module judges them against the project master, before the
fact (a prompt, the command line, the web page) and at rating, in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import polars as pl

from warehouse.errors import Problem

Fault = Literal["invalid_project", "closed_project", "not_a_member", "invalid_field"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
FieldKind = Literal["text", "number", "date", "choice"]
FIELD_KINDS: tuple[FieldKind, ...] = get_args(FieldKind)

REMEDIES: Mapping[Fault, str] = {
    "invalid_project": "choose one of the project master, or import it: `process-meter project import FILE`",
    "closed_project": "choose one that is open on that day, or let its days be changed",
    "not_a_member": "choose another one, or let its manager add the person: "
    "`process-meter project members FILE`",
    "invalid_field": "give the field a value that fits",
}

LONGEST_NUMBER = 100
"""Characters of the number of a project, phase or task."""
LONGEST_SHOWN = 60
"""Characters that a sentence repeats of what was entered."""
MOST_FIELDS = 8
LONGEST_FIELD = 255
"""Characters of a text field whose rule says nothing."""
LONGEST_TEXT = 1_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")


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

    @property
    def remedy(self) -> str:
        """What to do about the fault; empty where there is none."""
        return REMEDIES[self.fault] if self.fault else ""

    @property
    def sentence(self) -> str:
        """The reason and its remedy."""
        return f"{self.reason}; {self.remedy}" if self.fault else ""


Row = Mapping[str, Any]
Stretch = tuple[date, date | None]
"""Days [from, to) of a membership; None: it goes on."""


# --- Fields that the administrator names -------------------------------------------------------------------


class FieldRule(NamedTuple):
    """A field of a project entry that the administrator has named, and what fits in it.

    Attributes
    ----------
    name
        As files, records and the warehouse call it: lower-case letters, digits and underscores.
    label
        As people read it.
    kind
        `text`, `number` (at most 15 digits and 6 decimals), `date` (2026-12-31) or `choice`.
    required
        Whether time on a chargeable code needs it.
    pattern
        Regular expression that a whole text has to match; None: any text.
    choices
        The words of a `choice`.
    longest
        Most characters of a `text`.
    """

    name: str
    label: str
    kind: FieldKind
    required: bool = False
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    longest: int = LONGEST_FIELD

    def complaint(self, value: str | None) -> str:
        """Say in one sentence why a value does not fit; nothing where it does."""
        text = (value or "").strip()
        if not text:
            return f"the field {self.label} is missing" if self.required else ""
        wrong = _UNFIT[self.kind](self, text)
        return f"the field {self.label} holds {shown(text)}, {wrong}" if wrong else ""

    def document(self) -> dict[str, Any]:
        """Return the rule as settings and policies hold it."""
        said = {
            "name": self.name,
            "label": self.label,
            "kind": self.kind,
            "required": self.required,
            "pattern": self.pattern,
            "choices": list(self.choices),
            "longest": self.longest if self.kind == "text" else None,
        }
        return {key: value for key, value in said.items() if value is not None and value != []}


def _unfit_text(rule: FieldRule, text: str) -> str:
    if len(text) > rule.longest:
        return f"which is longer than {rule.longest} characters"
    if not text.isprintable():
        return "which holds a character that cannot be printed"
    if rule.pattern is not None and not _compiled(rule.pattern).fullmatch(text):
        return f"which does not match {rule.pattern}"
    return ""


def _unfit_number(_: FieldRule, text: str) -> str:
    return "" if _NUMBER.fullmatch(text) and _is_decimal(text) else "which is not a number such as 12.5"


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


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


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def field_rules(settings: Mapping[str, Any]) -> tuple[FieldRule, ...]:
    """Read the rules of an organization's settings: the one place that does.

    Parameters
    ----------
    settings
        `organization.settings`: `project_fields` is a list of tables with the attributes of `FieldRule`.

    Raises
    ------
    Problem
        Names the field and the key: more than eight fields, a name twice, a pattern that is none, ...
    """
    given = settings.get("project_fields", [])
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise Problem("project_fields is no list", "give one table [[field]] for each field")
    if len(given) > MOST_FIELDS:
        raise Problem(f"there are {len(given)} project fields", f"name at most {MOST_FIELDS}")
    rules = tuple(_field_rule(each, number) for number, each in enumerate(given, 1))
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise Problem(f"the project field {name!r} is there twice", "give each field its own name")
    return rules


RESERVED = (
    *("session", "instance", "from", "to", "project", "phase", "task", "reason", "author"),
    *("person", "application", "hours", "fault"),
)
"""Names that a table of corrections uses itself."""


def _field_rule(given: Any, number: int) -> FieldRule:
    if not isinstance(given, Mapping):
        raise Problem(f"project field {number} is no table", "write it as [[field]]")
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
        raise Problem(
            f"project field {number}: {shown(str(name))} is no name of a field",
            "use at most 32 lower-case letters, digits and underscores, and none of " + ", ".join(RESERVED),
        )
    for key in given:
        if key not in FieldRule._fields:
            raise Problem(
                f"project field {name}: unknown key {shown(str(key))}",
                f"known ones: {', '.join(FieldRule._fields)}",
            )
    rule = FieldRule(
        name,
        given.get("label", name),
        given.get("kind", "text"),
        given.get("required", False),
        given.get("pattern"),
        tuple(given["choices"]) if isinstance(given.get("choices"), (list, tuple)) else (),
        given.get("longest", LONGEST_FIELD),
    )
    for is_wrong, message, remedy in _faults_of_rule(rule, given):
        if is_wrong:
            raise Problem(f"project field {name}: {message}", remedy)
    return rule


def _faults_of_rule(rule: FieldRule, given: Mapping[str, Any]) -> Iterator[tuple[bool, str, str]]:
    yield not _is_word(rule.label), "its label is no short text", "give at most 100 printable characters"
    yield rule.kind not in FIELD_KINDS, f"unknown kind {rule.kind!r}", f"use one of {', '.join(FIELD_KINDS)}"
    yield not isinstance(rule.required, bool), "required is neither true nor false", "write true or false"
    for key, kind in (("pattern", "text"), ("longest", "text"), ("choices", "choice")):
        yield key in given and rule.kind != kind, f"a {rule.kind} has no {key}", f"leave {key} out"
    yield (
        rule.pattern is not None and not _is_pattern(rule.pattern),
        "its pattern is none",
        ("give a regular expression of at most 200 characters, such as WO-[0-9]{5}"),
    )
    is_whole = isinstance(rule.longest, int) and not isinstance(rule.longest, bool)
    yield (
        not (is_whole and 1 <= rule.longest <= LONGEST_TEXT),
        "longest is no length",
        (f"give a whole number of 1 to {LONGEST_TEXT}"),
    )
    is_listed = bool(rule.choices) and all(map(_is_word, rule.choices))
    yield (
        rule.kind == "choice" and not is_listed,
        "it has no choices",
        ("list its words, each of at most 100 printable characters"),
    )
    yield len(set(rule.choices)) < len(rule.choices), "a choice is there twice", "keep one of them"


def _is_word(given: object) -> bool:
    return isinstance(given, str) and 0 < len(given) <= 100 and given.isprintable() and given.strip() == given


def _is_pattern(given: object) -> bool:
    if not isinstance(given, str) or not 0 < len(given) <= 200:
        return False
    try:
        _compiled(given)
    except re.error:
        return False
    return True


# --- The master --------------------------------------------------------------------------------------------


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
    members
        By project number and person: the days on which the person may charge to it. A project of which
        nobody is listed is open to everybody.
    fields
        What the fields of an entry have to be.
    """

    projects: Mapping[str, Row]
    phases: Mapping[tuple[str, str], Row]
    tasks: frozenset[tuple[str, str, str]]
    members: Mapping[str, Mapping[int, Sequence[Stretch]]] = field(default_factory=dict)
    fields: tuple[FieldRule, ...] = ()

    @classmethod
    def of(
        cls,
        projects: pl.DataFrame,
        phases: pl.DataFrame,
        tasks: pl.DataFrame,
        members: pl.DataFrame | None = None,
        fields: Iterable[FieldRule] = (),
    ) -> Master:
        """Read the master from the frames `projects`, `phases`, `tasks` and `project_members`.

        Parameters
        ----------
        members
            project, person_id, valid_from, valid_to; None: everybody may charge to everything.
        fields
            `field_rules` of the organization's settings.
        """
        return cls(
            {row["project"]: row for row in projects.to_dicts()},
            {(row["project"], row["phase"]): row for row in phases.to_dicts()},
            frozenset(tasks.select("project", "phase", "task").rows()),
            _by_project(members),
            tuple(fields),
        )

    def judge(
        self, codes: Codes, day: date, person_id: int | None = None, fields: Mapping[str, str] | None = None
    ) -> Verdict:
        """Say whether time of one local day may be charged to these codes.

        Parameters
        ----------
        person_id
            Whose time it is; None: membership is not judged.
        fields
            What the entry's fields hold, by name; None: they are not judged. Fields that the administrator
            has taken away since are let be. A code that is never billed needs no field.
        """
        unknown = self._unknown(codes)
        if unknown:
            return Verdict("invalid_project", unknown, chargeable=False)
        for name, row in self._levels(codes):
            if row["opened_on"] and day < row["opened_on"]:
                return Verdict("closed_project", f"{name} opens on {row['opened_on']}", chargeable=False)
            if row["closed_on"] and day >= row["closed_on"]:
                reason = f"{name} is closed from {row['closed_on']}"
                return Verdict("closed_project", reason, chargeable=False)
        if person_id is not None and not self._is_member(codes.project, person_id, day):
            reason = f"the person is not a member of project {shown(codes.project)} on that day"
            return Verdict("not_a_member", reason, chargeable=False)
        unfit = self.unfit(codes, fields) if fields is not None else ""
        if unfit:
            return Verdict("invalid_field", unfit, chargeable=False)
        return Verdict(None, "", self._chargeable(codes))

    def unfit(self, codes: Codes, fields: Mapping[str, str]) -> str:
        """Say in one sentence which field does not fit; nothing where all do, or the codes are unknown."""
        if self._unknown(codes):
            return ""
        rules = self.fields
        if not self._chargeable(codes):
            rules = tuple(rule._replace(required=False) for rule in rules)
        wrong = next(filter(None, (rule.complaint(fields.get(rule.name)) for rule in rules)), "")
        return f"{wrong} (project {shown(codes.project)})" if wrong else ""

    def _unknown(self, codes: Codes) -> str:
        project, phase, task = codes
        number = shown(project)
        if project not in self.projects:
            return f"project {number} is not in the project master"
        if phase is None:
            return "" if task is None else f"task {shown(task)} of project {number} names no phase"
        if (project, phase) not in self.phases:
            return f"phase {shown(phase)} is not a phase of project {number}"
        if task is not None and (project, phase, task) not in self.tasks:
            return f"task {shown(task)} is not a task of phase {shown(phase)} of project {number}"
        return ""

    def _levels(self, codes: Codes) -> Iterator[tuple[str, Row]]:
        number = shown(codes.project)
        yield f"project {number}", self.projects[codes.project]
        if codes.phase is not None:
            name = f"phase {shown(codes.phase)} of project {number}"
            yield name, self.phases[codes.project, codes.phase]

    def _is_member(self, project: str, person_id: int, day: date) -> bool:
        listed = self.members.get(project)
        if not listed:
            return True
        return any(first <= day and (last is None or day < last) for first, last in listed.get(person_id, ()))

    def _chargeable(self, codes: Codes) -> bool:
        return all(row["chargeable"] for _, row in self._levels(codes))


def _by_project(members: pl.DataFrame | None) -> dict[str, dict[int, list[Stretch]]]:
    found: dict[str, dict[int, list[Stretch]]] = {}
    if members is not None:
        for project, person, first, last in members.select(
            "project", "person_id", "valid_from", "valid_to"
        ).iter_rows():
            found.setdefault(project, {}).setdefault(person, []).append((first, last))
    return found


def entered_fields(stored: object) -> dict[str, str]:
    """Return the fields of an entry as stored, an object or its JSON; what is no text is left out."""
    found = json.loads(stored) if isinstance(stored, str) else stored
    if not isinstance(found, Mapping):
        return {}
    return {name: text for name, text in sorted(found.items()) if isinstance(text, str) and text}


def is_number(text: str) -> bool:
    """Say whether a text can be the number of a project, phase or task: short, printable, no mere dash."""
    return 0 < len(text) <= LONGEST_NUMBER and text.isprintable() and text.strip() == text != "-"


def shown(text: str) -> str:
    r"""Return what was entered as a sentence can hold it: short, on one line, and without hidden characters.

    A number that can be printed stays as it is. Control characters and those that turn the direction of
    writing are told by their numbers, as `\u202e`.
    """
    if len(text) > LONGEST_SHOWN:
        text = text[:LONGEST_SHOWN] + "…"
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
