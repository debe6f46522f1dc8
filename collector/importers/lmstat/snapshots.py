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
    """What is said of one feature at one place."""

    application: str
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
    listed: dict[tuple[str, str], list[_Counts]] = field(default_factory=dict)
    """By daemon and feature; the same one may come again."""
    current: _Counts | None = None
    """The feature that the lines are about."""
    is_unreached: bool = False

    @property
    def owner(self) -> str:
        """Whose the next feature is: of several daemons named together no line says which one's."""
        return self.daemons[0] if len(self.daemons) == 1 else self.server

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
            issued, in_use = found["issued"], found["in_use"]
            self.current = _Counts(
                self.application or found[1],
                None if issued is None else int(issued),
                int(in_use or 0),
                says_sum=in_use is not None,
            )
            self.listed.setdefault((self.owner, found[1]), []).append(self.current)
            return
        self.current = _Counts("")  # what follows is about it, and counts nowhere
        if _UNANSWERED.match(line):
            tally.skipped["features of which the server did not tell"] += 1
        else:
            yield SetAside(place, "a feature without numbers that can be", line.strip()[:500])

    def readings(self, tally: Tally) -> Iterator[Record]:
        """Give a reading of each application; a server that did not answer gives none."""
        if not self.listed and self.current is None:
            kind = "of a server that did not answer" if self.is_unreached else "without a feature"
            tally.skipped[f"snapshots {kind}"] += 1
        together: dict[tuple[str, str], list[_Counts]] = {}
        for (owner, _), places in self.listed.items():
            # One daemon that is asked twice says the same twice; of two daemons it may be chance.
            counted = places if owner == self.server else _different(places)
            if len(counted) < len(places):
                tally.skipped["features listed twice"] += len(places) - len(counted)
            together.setdefault((owner, places[0].application), []).extend(counted)
        for (owner, application), counts in together.items():
            yield _reading(self.prefix + owner, self.at_ms, application, counts)


def _different(places: list[_Counts]) -> list[_Counts]:
    return [each for index, each in enumerate(places) if each not in places[:index]]


def _reading(server: str, at_ms: int, application: str, counts: list[_Counts]) -> Reading:
    issued = [each.issued for each in counts if each.issued is not None]
    in_use, reserved = sum(each.in_use for each in counts), sum(each.reserved for each in counts)
    users = {user for each in counts for user in each.users}
    # A list that was cut off does not tell how many users there are.
    is_whole = sum(each.held for each in counts) + reserved >= in_use
    return Reading(
        server,
        at_ms,
        application,
        sum(issued) if issued else None,
        in_use,
        reserved,
        sum(each.queued for each in counts),
        len(users) if is_whole else None,
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
