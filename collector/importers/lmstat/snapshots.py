"""One snapshot of `lmstat -a`: counts by vendor daemon and feature, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from collector.importers.records import Reading, Record, SetAside, Tally

_SERVER = re.compile(r"\s*License server status: (?:[^@,\s]*@)?([^,\s]+)")
_DAEMON = re.compile(r"\s*([^\s:]+): (?:UP\b|.*\bdown\b|.*\bvendor daemon\b|Cannot connect)")
_FEATURE = re.compile(
    r"\s*Users of ([^\s:]+): +\((?:"
    r"Total of (?P<issued>\d{1,10}) licenses? (?:issued|available)"
    r"(?:; +Total of (?P<in_use>\d{1,10}) licenses? in use)?|Uncounted[^)]*)\)"
)
ABOUT_FEATURE = ("Users of ", "Cannot get users of ")
_UNANSWERED = re.compile(r"\s*(?:Users of [^\s:]+: +\(Error: |Cannot get users of )")
_RESERVED = re.compile(r"\s*(\d{1,10}) RESERVATIONs? for ")
_QUEUED = re.compile(r"\s*\S.* queued for (\d{1,10}) licenses?")
_HELD = re.compile(r"\s*(\S+) .*, start \w{3} \d{1,2}/\d{1,2} \d{1,2}:\d\d(?:, (\d{1,10}) licenses?)?")
_UNREACHED = ("Error getting status", "Cannot connect to license server", "lmgrd is not running")


@dataclass
class _Counts:
    """Of one feature; sums where it is listed more than once."""

    issued: int | None = None
    """None: not counted by the server, as many as anyone wants."""
    in_use: int = 0
    reserved: int = 0
    queued: int = 0
    users: set[str] = field(default_factory=set)
    held: int = 0
    """By the users listed."""
    says_sum: bool = True
    """Whether the server says how many are in use; else they are those of the users listed."""


@dataclass
class Snapshot:
    """What has been read of a snapshot so far."""

    at_ms: int
    application: str | None
    """Count everything as this one."""
    prefix: str
    """Of the daemons' names."""
    server: str = ""
    """The first license server that it names."""
    daemons: list[str] = field(default_factory=list)
    """Those that the next feature may be of."""
    counts: dict[tuple[str, str], _Counts] = field(default_factory=dict)
    """By daemon and application."""
    current: _Counts | None = None
    """The feature that the lines are about."""
    is_unreached: bool = False

    def line(self, place: str, line: str, tally: Tally) -> Iterator[Record]:
        """Take in the next line."""
        if line.lstrip().startswith(ABOUT_FEATURE):
            yield from self._feature(place, line, tally)
        elif self.current is not None and _use(line, self.current):
            return
        elif server := _SERVER.match(line):
            self.server = server[1]
        elif any(words in line for words in _UNREACHED):
            self.is_unreached = True
        elif "license server" not in line and (daemon := _DAEMON.match(line)):
            if self.current is not None:  # what was listed so far was of other daemons
                self.daemons, self.current = [], None
            self.daemons.append(daemon[1])

    def _feature(self, place: str, line: str, tally: Tally) -> Iterator[Record]:
        found = _FEATURE.match(line)
        if found is not None:
            # Of several daemons named together no line says which one a feature is of, unless it is in use.
            owner = self.daemons[0] if len(self.daemons) == 1 else self.server
            key = (owner, self.application or found[1])
            self.current = counts = self.counts.setdefault(key, _Counts())
            issued, in_use = found["issued"], found["in_use"]
            counts.says_sum = in_use is not None
            counts.in_use += int(in_use or 0)
            if issued is not None:
                counts.issued = (counts.issued or 0) + int(issued)
            return
        self.current = _Counts()  # what follows is about it, and counts nowhere
        if _UNANSWERED.match(line):
            tally.skipped["features of which the server did not tell"] += 1
        else:
            yield SetAside(place, "a feature without numbers that can be", line.strip()[:500])

    def readings(self, tally: Tally) -> Iterator[Record]:
        """Give a reading of each feature; a server that did not answer gives none."""
        if not self.counts:
            kind = "of a server that did not answer" if self.is_unreached else "without a feature"
            tally.skipped[f"snapshots {kind}"] += 1
        for (daemon, application), counts in self.counts.items():
            yield Reading(
                self.prefix + daemon,
                self.at_ms,
                application,
                counts.issued,
                counts.in_use,
                counts.reserved,
                counts.queued,
                # A list that was cut off does not tell how many there are.
                len(counts.users) if counts.held + counts.reserved >= counts.in_use else None,
            )


def _use(line: str, counts: _Counts) -> bool:
    """Count a line below a feature; return whether it was about use."""
    if held := _HELD.match(line):
        units = int(held[2] or 1)
        counts.users.add(held[1].lower())
        counts.held += units
        counts.in_use += 0 if counts.says_sum else units
    elif queued := _QUEUED.match(line):
        counts.queued += int(queued[1])
    elif reserved := _RESERVED.match(line):
        counts.reserved += int(reserved[1])
    return bool(held or queued or reserved)
