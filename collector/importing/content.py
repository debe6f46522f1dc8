"""Keys of content: the same record read again gets the same one, another one of the same second its own."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from collector.importers.records import Denial, Event, Reading
from warehouse.evidence.foreign_events import StoredEvent


class EventKeys:
    """Gives events of one source their keys and their order, as they are read.

    Identical ones of one server and millisecond are told apart by their number in a row. When the log comes
    back to a millisecond later, in a file that overlaps another one, it starts anew: that is the same event.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: dict[str, _Row] = {}

    def placed(self, event: Event) -> StoredEvent:
        """Return an event as it is stored; it belongs to no session yet."""
        server, at_ms, kind, application, account, host, subject, units = event
        account, host = account.lower(), host.lower()
        row = self._rows.get(server)
        if row is None or row.at_ms != at_ms:
            row = self._rows[server] = _Row(at_ms)
        said = (self._source, server, str(at_ms), kind, application, account, host, subject, str(units))
        content = "\0".join(said)
        ordinal, sequence = row.counted(content)
        return StoredEvent(
            _number(f"{content}\0{ordinal}"),
            at_ms,
            sequence,
            kind,
            application,
            account,
            host,
            subject,
            units,
            None,
        )


class _Row:
    """The events of one server and millisecond that follow each other."""

    __slots__ = ("_seen", "at_ms", "total")

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms
        self.total = 0
        self._seen: Counter[str] = Counter()

    def counted(self, content: str) -> tuple[int, int]:
        """Return how many equal ones, and how many at all, came before it in the row."""
        ordinal, sequence = self._seen[content], self.total
        self._seen[content] += 1
        self.total += 1
        return ordinal, sequence


class DenialKeys:
    """Gives denials of one source their keys, by the rules of `EventKeys`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: dict[str, _Row] = {}

    def key(self, denial: Denial) -> str:
        """Return the key of a denial."""
        row = self._rows.get(denial.server)
        if row is None or row.at_ms != denial.at_ms:
            row = self._rows[denial.server] = _Row(denial.at_ms)
        content = "\0".join(map(str, (self._source, *denial))).lower()
        return digest(f"{content}\0{row.counted(content)[0]}")


def reading_key(source: str, reading: Reading) -> str:
    """Return the key of a reading."""
    return digest("\0".join(map(str, (source, *reading))))


def digest(content: str) -> str:
    """Return a short name of a text that no other text has."""
    return blake2b(content.encode(errors="backslashreplace"), digest_size=16).hexdigest()


def _number(content: str) -> int:
    short = blake2b(content.encode(errors="backslashreplace"), digest_size=8)
    return int.from_bytes(short.digest(), signed=True)
