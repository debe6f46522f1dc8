"""What an import did: for people as lines, for programs as a document."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collector.importers.records import SetAside

SHOWN_PLACES = 3
"""Places that the report names for each reason to set a record aside."""


class FileRead(NamedTuple):
    """One file of an import."""

    name: str
    digest: str
    """SHA-256 of its bytes."""
    size: int


@dataclass
class Report:
    """One import; counts of records are those of this command, whether they were stored before or not."""

    source: str
    files: list[FileRead]
    application: str | None = None
    """What `--application` said."""
    mapping: str = ""
    """Digest of the mapping."""
    read: int = 0
    """Lines, or records, seen."""
    skipped: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    """By kind: start, end, restart, mark, session, reading, denial, installation, count."""
    known: Counter[str] = field(default_factory=Counter)
    """Of `kept`: what the warehouse had already."""
    aside: Counter[str] = field(default_factory=Counter)
    """Records that could not be used, by reason; each is kept in the quarantine."""
    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Where the first of them are."""
    notes: list[str] = field(default_factory=list)
    new: int = 0
    """Sessions that were not stored before."""
    changed: int = 0
    """Sessions that are longer, ended, or otherwise not what they were."""
    removed: int = 0
    """Sessions that do not hold any more, now that more of the log is known."""
    open: int = 0
    """Sessions of this source in the warehouse whose end is not known."""
    unpaired: int = 0
    """Ends without a start in what this command touched."""

    def set_aside(self, record: SetAside) -> None:
        """Count a record that could not be used."""
        self.aside[record.reason] += 1
        if record.place and len(self.places[record.reason]) < SHOWN_PLACES:
            self.places[record.reason].append(record.place)

    def counts(self) -> Mapping[str, Any]:
        """Return what is kept with the files in the warehouse."""
        return {
            "application": self.application,
            "mapping": self.mapping,
            "read": self.read,
            "skipped": dict(self.skipped),
            "kept": dict(self.kept),
            "known": dict(self.known),
            "set_aside": dict(self.aside),
            "sessions": {"new": self.new, "changed": self.changed, "removed": self.removed},
        }

    def document(self) -> Mapping[str, Any]:
        """Return everything as plain JSON."""
        return {
            "source": self.source,
            "files": [file._asdict() for file in self.files],
            **self.counts(),
            "set_aside": [
                {"reason": reason, "count": count, "first": self.places[reason]}
                for reason, count in self.aside.most_common()
            ],
            "open": self.open,
            "unpaired": self.unpaired,
            "notes": self.notes,
        }

    def lines(self) -> Iterator[str]:
        """Give what a person reads after an import."""
        files = ", ".join(file.name for file in self.files)
        yield f"{self.source}: {self.read:,} lines of {files}"
        yield f"  sessions: {self.new:,} new, {self.changed:,} changed, {self.removed:,} removed"
        if self.open:
            yield f"  open, their end is not known: {self.open:,} of this source in all"
        if self.unpaired:
            yield f"  ends without a start: {self.unpaired:,}"
        for kind, count in sorted(self.kept.items()):
            known = f", {self.known[kind]:,} of them known before" if self.known[kind] else ""
            yield f"  {_NAMES.get(kind, kind)}: {count:,}{known}"
        for kind, count in self.skipped.most_common():
            yield f"  skipped, {kind}: {count:,}"
        for reason, count in self.aside.most_common():
            places = f" ({'; '.join(self.places[reason])})" if self.places[reason] else ""
            yield f"  set aside, {reason}: {count:,}{places}"
        yield from (f"  note: {note}" for note in self.notes)


_NAMES = {
    "start": "starts",
    "end": "ends",
    "restart": "restarts",
    "mark": "times of the log itself",
    "session": "sessions read whole",
    "reading": "readings of capacity",
    "denial": "denials",
    "installation": "installed programs",
    "count": "vendor's counts",
}
