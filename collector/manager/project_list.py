"""The list of open projects that agents keep: read once in a while, cut to each person, sent when it changed.

A list is two gzip members, one behind the other, which is gzip again: first the head and the projects that
have members, cut to those of one person; then the projects that are open to everybody, which are compressed
once for all agents.
"""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine

from collector import protocol
from collector.manager.refusals import Refused, not_signed
from warehouse import evidence, frames
from warehouse.directory.open_projects import OpenProject, open_projects, person_of
from warehouse.projects import FieldRule

KEPT_MS = 60_000
"""So long the project master is not read again."""
LONGEST_NAME = 200
"""Characters of a name that a list carries; a number is never cut."""
GZIP = 31
"""What zlib calls gzip with the largest window."""


class ProjectList(NamedTuple):
    """What one agent gets: the version of its list, and the list as gzip."""

    version: str
    content: bytes


class Restricted(NamedTuple):
    """A project that has members: its line, and who may see it."""

    line: bytes
    members: frozenset[int]


@dataclass(frozen=True, slots=True)
class Master:
    """The open projects as lines of a list, and the rules of the organization's fields.

    Parameters
    ----------
    count, size, digest, content
        Of the projects that are open to everybody: how many, their bytes, their SHA-256, and them as gzip.
    """

    count: int
    size: int
    digest: bytes
    content: bytes
    restricted: tuple[Restricted, ...]
    rules: tuple[protocol.FieldRule, ...]

    def cut(self, person: int | None) -> ProjectList:
        """Return the list of one person; None: of somebody whom the directory does not know.

        Raises
        ------
        Refused
            413: it is longer than an agent takes.
        """
        own = b"".join(each.line for each in self.restricted if person in each.members)
        if self.size + len(own) > protocol.MOST_LIST_BYTES:
            raise Refused(
                413, "The list of open projects is too long", "close projects that take no more time"
            )
        count = self.count + own.count(b"\n")
        head = protocol.ProjectListHead(version="", projects=count, fields=self.rules)
        version = hashlib.sha256(_line(head) + own + self.digest).hexdigest()
        return ProjectList(version, _gzip(_line(replace(head, version=version)) + own) + self.content)


def read_master(engine: Engine, day: date) -> Master:
    """Read the project master as it is on a day."""
    with engine.connect() as connection:
        found = open_projects(connection, day)
    everybody = b"".join(_line(_listed(each)) for each in found if each.members is None)
    return Master(
        count=everybody.count(b"\n"),
        size=len(everybody),
        digest=hashlib.sha256(everybody).digest(),
        content=_gzip(everybody),
        restricted=tuple(
            Restricted(_line(_listed(each)), each.members) for each in found if each.members is not None
        ),
        rules=tuple(map(_rule, frames.project_fields(engine))),
    )


class ProjectLists:
    """The lists for all agents, from one reading of the master.

    Parameters
    ----------
    engine
        The warehouse.
    clock
        Returns the wall clock in whole milliseconds.
    """

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine, self._clock = engine, clock
        self._reading = threading.Lock()
        self._master: Master | None = None
        self._read_ms = 0

    def of(self, agent: str, account: str) -> ProjectList:
        """Return the list for an account that an agent meters.

        Raises
        ------
        Refused
            401: the agent is in force no more; 413: the list is too long.
        """
        with self._engine.connect() as connection:
            if not evidence.agent_in_force(connection, agent):
                raise not_signed()
            person = person_of(connection, account)
        return self._newest().cut(person)

    def _newest(self) -> Master:
        with self._reading:
            now_ms = self._clock()
            if self._master is None or not 0 <= now_ms - self._read_ms < KEPT_MS:
                day = datetime.fromtimestamp(now_ms / 1_000, UTC).date()
                self._master, self._read_ms = read_master(self._engine, day), now_ms
            return self._master


def _listed(project: OpenProject) -> protocol.ListedProject:
    return protocol.ListedProject(
        number=project.number,
        name=_short(project.name),
        payer=None if project.payer is None else _short(project.payer),
        kind=project.kind,  # type: ignore[arg-type]  # the table holds these words alone
        chargeable=project.chargeable,
        opened_on=project.opened_on,
        closed_on=project.closed_on,
        phases=tuple(
            protocol.ListedPhase(
                number=phase.number,
                name=_short(phase.name),
                chargeable=phase.chargeable,
                opened_on=phase.opened_on,
                closed_on=phase.closed_on,
                tasks=tuple((number, _short(name)) for number, name in phase.tasks),
            )
            for phase in project.phases
        ),
    )


def _rule(rule: FieldRule) -> protocol.FieldRule:
    said = rule.document()
    return protocol.FieldRule(**{**said, "choices": tuple(said.get("choices", ()))})


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _line(record: Any) -> bytes:
    return json.dumps(_told(record), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _told(value: Any) -> Any:
    """Return a record of the protocol as plain values, without what is at its default."""
    if isinstance(value, tuple):
        return [_told(each) for each in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    given = ((field, getattr(value, field.name)) for field in fields(value))
    return {
        field.name: _told(each) for field, each in given if field.default is MISSING or each != field.default
    }


def _gzip(plain: bytes) -> bytes:
    stream = zlib.compressobj(wbits=GZIP)
    return stream.compress(plain) + stream.flush()
