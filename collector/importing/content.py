"""Keys of content: the same record read again gets the same one, another one of the same second its own."""

from __future__ import annotations

from hashlib import blake2b

from collector.importers.records import Denial, Event, Reading, StoredEvent

Placed = tuple[int, int, int, StoredEvent]
"""Instant, place among the events of that millisecond, key, event: sorts as it happened."""


class EventKeys:
    """Gives events of one source their keys and their order, as they are read.

    Identical ones of one server and millisecond are told apart by their number in a row. When the log comes
    back to a millisecond later, in a file that overlaps another one, it starts anew: that is the same event.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: dict[str, _Row] = {}

    def placed(self, event: Event) -> Placed:
        """Return an event with its key and its place; names of accounts and hosts in lower case."""
        server, at_ms, kind, application, account, host, subject, units = event
        if not (account.islower() and host.islower()):
            account, host = account.lower(), host.lower()
            event = Event(server, at_ms, kind, application, account, host, subject, units)
        content = (
            f"{self._source}\0{server}\0{at_ms}\0{kind}\0{application}\0{account}\0{host}\0{subject}\0{units}"
        )
        row = self._rows.get(server) or self._rows.setdefault(server, _Row())
        ordinal, sequence = row.placed(at_ms, content)
        short = blake2b(f"{content}\0{ordinal}".encode("utf-8", "backslashreplace"), digest_size=8)
        key = int.from_bytes(short.digest(), "big", signed=True)
        return at_ms, sequence, key, StoredEvent(key, event)


class _Row:
    """The events of one server and millisecond that follow each other."""

    __slots__ = ("_at_ms", "_first", "_seen", "_total")

    def __init__(self) -> None:
        self._at_ms: int | None = None
        self._total = 0
        self._first = ""
        self._seen: dict[str, int] = {}

    def placed(self, at_ms: int, content: str) -> tuple[int, int]:
        """Return how many equal ones, and how many at all, came before it in the row of its millisecond."""
        if at_ms != self._at_ms:  # nearly always: most are alone
            self._at_ms, self._total, self._first = at_ms, 1, content
            return 0, 0
        if self._total == 1:
            self._seen = {self._first: 1}
        ordinal, sequence = self._seen.get(content, 0), self._total
        self._seen[content] = ordinal + 1
        self._total = sequence + 1
        return ordinal, sequence


class DenialKeys:
    """Gives denials of one source their keys, by the rules of `EventKeys`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: dict[str, _Row] = {}

    def key(self, denial: Denial) -> str:
        """Return the key of a denial."""
        row = self._rows.setdefault(denial.server, _Row())
        content = "\0".join(map(str, (self._source, *denial))).lower()
        return digest(f"{content}\0{row.placed(denial.at_ms, content)[0]}")


def reading_key(source: str, reading: Reading) -> str:
    """Return the key of a reading."""
    return digest("\0".join(map(str, (source, *reading))))


def digest(content: str) -> str:
    """Return a short name of a text that no other text has."""
    return blake2b(content.encode(errors="backslashreplace"), digest_size=16).hexdigest()
