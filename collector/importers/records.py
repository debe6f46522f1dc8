"""What importers give, whatever they read: one shape for each kind of thing that a foreign log can say.

Names are as in the log, trimmed; accounts and hosts are compared in lower case. Instants are UTC in ms.
Nothing here can hold a title, a path, an argument or a document's name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

EventKind = Literal["start", "end", "restart", "mark"]
Attention = Literal[
    "input", "no_input", "background", "locked", "disconnected", "suspended", "held", "unobserved"
]


class Event(NamedTuple):
    """One line of which two make a session; the other one may be in another file.

    `restart` and `mark` (the log was being written then) name no application, account or host.
    """

    server: str
    at_ms: int
    kind: EventKind
    application: str = ""
    account: str = ""
    host: str = ""
    subject: str = ""
    units: int = 1


class StoredEvent(NamedTuple):
    """An event with the number by which it is known again; `pair` of an importer gets them in time order."""

    key: int
    event: Event


class Step(NamedTuple):
    """Evidence from an instant on, until the next step or `Hold.known_until_ms`."""

    at_ms: int
    attention: Attention = "held"
    units: int = 1
    since_ms: int | None = None
    """Last input, as in semantics.md; None: the session's start."""


class Hold(NamedTuple):
    """One session, as foreign evidence shows it."""

    key: str
    """The same whenever the same session is read again, longer or shorter; unique within the source."""
    application: str
    account: str
    host: str
    started_ms: int
    ended_ms: int | None
    """None: open, the end is not known."""
    known_until_ms: int
    """How far the evidence goes: the end where there is one. Segments are stored up to it; those of an open
    session up to the last whole UTC quarter of an hour before it."""
    steps: tuple[Step, ...]
    """In order; the first one at the start. Empty for a session of no length."""
    subject: str = ""
    """Logon session, job number: what `session.logon_session` keeps."""
    end_uncertainty_ms: int = 0
    instance_count: int = 1
    project: str | None = None
    application_version: str | None = None


class Paired(NamedTuple):
    """A session that `pair` found, and the keys of the events that it is made of."""

    hold: Hold
    events: tuple[int, ...]


class Reading(NamedTuple):
    """What a license server or cluster had and gave out at an instant; None: not said."""

    server: str
    at_ms: int
    application: str | None
    """None: all applications of the server together."""
    issued: int | None = None
    in_use: int | None = None
    reserved: int | None = None
    queued: int | None = None
    users: int | None = None


class Denial(NamedTuple):
    """One request for a license that was not met at once."""

    server: str
    at_ms: int
    kind: Literal["denied", "unsupported", "queued"]
    application: str
    account: str = ""
    host: str = ""
    units: int = 1
    reason: str | None = None


class Installation(NamedTuple):
    """A program seen installed on a host on a day (ISO)."""

    host: str
    program: str
    version: str
    seen_on: str
    application: str | None = None


class VendorCount(NamedTuple):
    """What a vendor's export counts of a product in [start, end), by the vendor's own rule."""

    product: str
    """Its code or name."""
    start_ms: int
    end_ms: int
    unit: str
    """licenses, devices, user_days or tokens"""
    number: int
    server: str = ""
    """The account or license server that the export is of."""


class SetAside(NamedTuple):
    """A record that could not be used, kept with its reason."""

    place: str
    """File name and line or record, for the report alone: it is not stored."""
    reason: str
    """One of few sentences: the report counts by it."""
    record: str
    """What is kept of the record, at most 500 characters, without anything that we do not store elsewhere."""


Record = Event | Hold | Reading | Denial | Installation | VendorCount | SetAside


@dataclass(frozen=True)
class Options:
    """What the command line says about all files of an import."""

    application: str | None = None
    """Record everything as this application."""
    capacity: int | None = None
    """Licenses, or CPUs, that there are in all; of `application` where that is given."""
    zone: str | None = None
    """IANA zone of times that do not say theirs, and of hosts."""
    mapping: Mapping[str, Any] = field(default_factory=dict)
    """The TOML file of `--mapping`, read; each importer refuses keys that it does not know."""


@dataclass
class Tally:
    """Counts that a reader keeps while it reads, for the report."""

    read: int = 0
    """Lines, or records, seen."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Lines that say nothing to be imported, by kind."""
    notes: list[str] = field(default_factory=list)
    """Sentences a user should read: a zone assumed, a clock that ran backwards."""
