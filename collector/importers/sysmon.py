"""Sysmon's process events, 1 (created) and 5 (terminated), as sessions; docs/importers/sysmon.md.

Of each event stay host, time, process GUID, user, logon session and the program's base name. Paths,
arguments, hashes and parents are dropped while the line is read.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from collector.importers.lines import numbered_lines
from collector.importers.options import Applications, check_keys, value_of
from collector.importers.records import (
    Event,
    Hold,
    Options,
    Paired,
    Record,
    SetAside,
    Step,
    StoredEvent,
    Tally,
)
from warehouse.errors import Problem

KEYS = frozenset({"applications", "only_mapped", "host"})
GRACE_MS = 5_000
"""A process that follows within it continues the session; an end is this much before its start at most."""

SILENCE_MS = 24 * 3_600_000
"""An open session is followed for so long after its last event: beyond it nothing is said of it."""

_KINDS = {"1": "start", "5": "end"}
_FIRST_OF_A_BOOT = "wininit.exe"
"""Windows starts it once, at its own start: nothing that ran before lives on."""
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_GUID = "00000000-0000-0000-0000-000000000000"
_EXPORT = "export it as JSON, one event per line; docs/importers/sysmon.md says how"


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    """Read events, in the order of the files: `pair` orders them by their time.

    Raises
    ------
    Problem
        A file that cannot be read, or holds no event of Sysmon; a mapping that means nothing.
    """
    check_keys(options.mapping, KEYS)
    reader = _Reader(
        Applications(options.mapping), value_of(options.mapping, "host", str, ""), options.application, tally
    )
    for path in files:
        yield from reader.events(path)


class _Seen(NamedTuple):
    """One event, of whatever shape the export was."""

    provider: str
    number: str
    host: str
    data: Mapping[str, Any]

    def text(self, name: str) -> str:
        found = self.data.get(name)
        text = str(found).strip() if isinstance(found, (str, int)) else ""
        return "" if text == "-" else text

    @property
    def is_of_sysmon(self) -> bool:
        """True also where the export does not say who wrote the event."""
        return "sysmon" in self.provider.lower() or (self.provider == "None None" and bool(self.number))

    @property
    def at_ms(self) -> int | None:
        try:
            at = datetime.fromisoformat(self.text("UtcTime"))
        except ValueError:
            return None
        at = at.replace(tzinfo=at.tzinfo or UTC)
        return round(at.timestamp() * 1000)

    @property
    def is_boot(self) -> bool:
        return self.is_of_sysmon and self.number == "1" and self.program == _FIRST_OF_A_BOOT

    @property
    def guid(self) -> str:
        guid = self.text("ProcessGuid").strip("{}").lower()
        return guid if _GUID.fullmatch(guid) and guid != _NO_GUID else ""

    @property
    def program(self) -> str:
        name = re.split(r"[\\/]", self.text("Image"))[-1].strip().lower()
        return "" if name.startswith("<") else name  # <unknown process>


@dataclass
class _Reader:
    applications: Applications
    host: str
    application: str | None
    tally: Tally
    last_ms: dict[str, int] = field(default_factory=dict)
    """Of each host in this file."""

    def events(self, path: Path) -> Iterator[Record]:
        """Read one file, and mark how far it knows of each host: what was left out was written, too."""
        self.last_ms = {}
        has_any = False
        for number, line in numbered_lines(path):
            if not line.strip():
                continue
            self.tally.read += 1
            seen = _seen(line)
            has_any = has_any or (seen is not None and seen.is_of_sysmon)
            record = self._record(seen)
            if isinstance(record, str):
                yield SetAside(f"{path.name}, line {number}", record, _kept(line, seen))
            elif record is not None:
                yield record
            if seen is not None and seen.is_boot:
                yield from self._restart(seen)
        if not has_any:
            raise Problem(f"{path.name} has no event of Sysmon", _EXPORT)
        for host, at_ms in self.last_ms.items():
            yield Event(host, at_ms, "mark")

    def _record(self, seen: _Seen | None) -> Event | str | None:
        """Return the event of a line; a reason to set it aside; or None where it is of no interest."""
        if seen is None:
            return "not a JSON object"
        if not seen.is_of_sysmon:
            self.tally.skipped["events that are not Sysmon's"] += 1
            return None
        at_ms, host = seen.at_ms, seen.host or self.host
        if at_ms is not None and host:
            server = host.lower()
            self.last_ms[server] = max(at_ms, self.last_ms.get(server, at_ms))
        if seen.number not in _KINDS:
            self.tally.skipped["other events of Sysmon"] += 1
            return None
        if at_ms is None:
            return "no time"
        return self._event(seen, at_ms, host)

    def _restart(self, seen: _Seen) -> Iterator[Event]:
        at_ms, host = seen.at_ms, seen.host or self.host
        if at_ms is not None and host:
            yield Event(host.lower(), at_ms, "restart")

    def _event(self, seen: _Seen, at_ms: int, host: str) -> Event | str | None:
        kind = _KINDS[seen.number]
        account = seen.text("User")
        needed = [(host, "no host"), (seen.guid, "no process GUID")]
        if kind == "start":
            needed += [(account, "no user"), (seen.program, "no program")]
        for value, reason in needed:
            if not value:
                return reason
        code = self.applications.code(seen.program) if seen.program else ""
        if code is None:
            self.tally.skipped["events of programs that the mapping does not name"] += 1
            return None
        logon = seen.text("LogonId").lower() if kind == "start" else ""
        return Event(
            server=host.lower(),
            at_ms=at_ms,
            kind="start" if kind == "start" else "end",
            application=self.application or code,
            account=account,
            host=host,
            subject=f"{seen.guid}@{logon}" if logon else seen.guid,
        )


def _seen(line: str) -> _Seen | None:
    """Return the event of a line, whichever program exported it; None: the line is no JSON object."""
    try:
        document = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    event, winlog = document.get("Event"), document.get("winlog")
    if isinstance(event, dict):  # evtx_dump: the event's own XML as JSON
        system, data = _table(event, "System"), _table(event, "EventData")
        provider = f"{_attribute(system.get('Provider'))} {system.get('Channel')}"
        return _Seen(provider, _number(system.get("EventID")), _text(system.get("Computer")), data)
    if isinstance(winlog, dict):  # Winlogbeat
        provider = f"{winlog.get('provider_name')} {winlog.get('channel')}"
        host = _text(winlog.get("computer_name"))
        return _Seen(provider, _number(winlog.get("event_id")), host, _table(winlog, "event_data"))
    provider = f"{document.get('SourceName')} {document.get('Channel')}"
    host = _text(document.get("Hostname")) or _text(document.get("Computer"))
    return _Seen(provider, _number(document.get("EventID")), host, document)


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: object) -> str:
    if isinstance(value, dict):  # with the qualifiers of old events beside
        value = value.get("#text", value.get("Value"))
    return str(value) if isinstance(value, (int, str)) else ""


def _attribute(provider: object) -> object:
    if not isinstance(provider, dict):
        return provider
    attributes = provider.get("#attributes", provider)
    return attributes.get("Name") if isinstance(attributes, dict) else None


def _kept(line: str, seen: _Seen | None) -> str:
    """Return what is kept of an event that is set aside: nothing that is not stored of a good one."""
    if seen is None:
        return f"{len(line)} characters, digest {blake2b(line.encode(), digest_size=8).hexdigest()}"
    parts = (seen.number, seen.text("UtcTime"), seen.host, seen.guid, seen.program, seen.text("User"))
    return " | ".join(parts)[:500]


# --- Pairing -----------------------------------------------------------------------------------------------


@dataclass
class _Process:
    """One life of a process: `event` is its start."""

    guid: str
    logon: str
    event: Event
    keys: list[int]
    ended_ms: int | None = None
    last_ms: int = 0
    """Its end; else how far it may have run."""

    @property
    def heard_ms(self) -> int:
        """Its last event."""
        return self.event.at_ms if self.ended_ms is None else self.ended_ms

    @property
    def who(self) -> tuple[str, str, str, str]:
        event = self.event
        return event.application, event.account.lower(), event.host.lower(), self.logon


def pair(events: Sequence[StoredEvent]) -> Iterator[Paired]:
    """Make sessions of starts and ends: processes by GUID, then what belongs to one session.

    A process that ends before it starts, by at most `GRACE_MS`, has no length: the two events are written by
    different threads. Of several ends of one process the first counts. Processes of one application, account,
    host and logon session that overlap, or follow within `GRACE_MS`, are one session. It is open while one of
    them is, and known up to the next start of its system, else to the last event of its host; but no further
    than `SILENCE_MS` after its own last event, or processes of which no end was ever logged would fill the
    warehouse. A start of a system goes with the oldest process that it leaves open, so that it is found again
    as long as that is so.
    """
    servers: dict[str, list[StoredEvent]] = defaultdict(list)
    for stored in events:
        servers[stored.event.server].append(stored)
    for _, of_server in sorted(servers.items()):
        groups: dict[tuple[str, str, str, str], list[_Process]] = defaultdict(list)
        for process in _processes(sorted(of_server, key=lambda each: (each.event.at_ms, each.key))):
            groups[process.who].append(process)
        for _, group in sorted(groups.items()):
            for session in _sessions(group):
                yield _paired(session)


def _processes(events: Sequence[StoredEvent]) -> list[_Process]:
    """Return the processes that start, in order of their start."""
    ends: dict[str, list[StoredEvent]] = defaultdict(list)
    found: dict[str, _Process] = {}
    for stored in events:
        guid, _, logon = stored.event.subject.partition("@")
        if stored.event.kind == "end":
            ends[guid].append(stored)
        elif stored.event.kind == "start":
            process = found.setdefault(guid, _Process(guid, logon, stored.event, []))
            process.keys.append(stored.key)
    for process in found.values():
        _end(process, ends[process.guid])
    left_open = [process for process in found.values() if process.ended_ms is None]
    _bound(left_open, [each for each in events if each.event.kind == "restart"], events[-1].event.at_ms)
    return list(found.values())


def _end(process: _Process, ends: Sequence[StoredEvent]) -> None:
    started_ms = process.event.at_ms
    fitting = [end for end in ends if end.event.at_ms >= started_ms - GRACE_MS]
    process.keys += [end.key for end in fitting]
    if fitting:
        process.last_ms = process.ended_ms = max(started_ms, fitting[0].event.at_ms)


def _bound(processes: Sequence[_Process], restarts: Sequence[StoredEvent], known_ms: int) -> None:
    """Say how far processes without end may have run."""
    times = [restart.event.at_ms for restart in restarts]
    linked: set[int] = set()
    for process in processes:
        after = bisect_right(times, process.event.at_ms)
        process.last_ms = times[after] if after < len(times) else known_ms
        if after < len(times) and after not in linked:
            process.keys.append(restarts[after].key)
            linked.add(after)


def _sessions(processes: Sequence[_Process]) -> Iterator[list[_Process]]:
    """Cut the processes of one application, account, host and logon session where none runs for long."""
    session: list[_Process] = []
    end_ms: float = 0
    for process in processes:
        if session and process.event.at_ms > end_ms + GRACE_MS:
            yield session
            session, end_ms = [], 0
        session.append(process)
        end_ms = max(end_ms, float("inf") if process.ended_ms is None else process.ended_ms)
    if session:
        yield session


def _paired(session: Sequence[_Process]) -> Paired:
    first = session[0].event
    last_ms = max(process.last_ms for process in session)
    is_open = any(process.ended_ms is None for process in session)
    if is_open:
        last_ms = min(last_ms, max(process.heard_ms for process in session) + SILENCE_MS)
    step = Step(first.at_ms, "unobserved" if is_open else "held")
    hold = Hold(
        key=f"{first.host.lower()}/{session[0].guid}",
        application=first.application,
        account=first.account,
        host=first.host,
        started_ms=first.at_ms,
        ended_ms=None if is_open else last_ms,
        known_until_ms=last_ms,
        steps=(step,) if last_ms > first.at_ms else (),
        subject=session[0].logon,
        instance_count=_most_at_once(session),
    )
    return Paired(hold, tuple(key for process in session for key in process.keys))


def _most_at_once(session: Sequence[_Process]) -> int:
    """Count as the agent does: how many ran at the same time, at most; one that has no length ran alone."""
    starts = [(process.event.at_ms, 1) for process in session]
    ends = [(process.ended_ms, -1) for process in session if process.ended_ms is not None]
    most = running = 0
    for _, change in sorted(starts + ends):
        running += change
        most = max(most, running)
    return max(most, 1)
