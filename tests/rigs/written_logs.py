"""Logs written line by line in a test, read and paired as an import does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from collector.importers.records import Event, Hold, Options, Paired, Record, StoredEvent, Tally

Read = Callable[[Sequence[Path], Options, Tally], Iterator[Record]]
Pair = Callable[[Sequence[StoredEvent]], Iterator[Paired]]


def utc(text: str) -> int:
    """Return an instant, such as 2016-03-30 08:55:54."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Told(NamedTuple):
    """What an importer gave, and what it counted."""

    records: list[Record]
    tally: Tally


def told(
    read: Read,
    folder: Path,
    *logs: str | bytes,
    zone: str = "UTC",
    mapping: Mapping[str, Any] | None = None,
    **more: Any,
) -> Told:
    """Write each log to a file of its own, `0.log`, `1.log` and so on, and read them in one command."""
    files = [folder / f"{number}.log" for number in range(len(logs))]
    for path, log in zip(files, logs, strict=True):
        path.write_bytes(log if isinstance(log, bytes) else log.encode())
    tally = Tally()
    options = Options(zone=zone, mapping=mapping or {}, **more)
    return Told(list(read(files, options, tally)), tally)


def stored(*commands: Iterable[Record]) -> list[StoredEvent]:
    """Return the events of some commands as a warehouse would keep them: each once, in order of time."""
    keys: dict[tuple[Event, int], int] = {}
    for records in commands:
        ordinals: Counter[Event] = Counter()
        for event in records:
            if isinstance(event, Event):
                same = event._replace(account=event.account.lower(), host=event.host.lower())
                keys.setdefault((same, ordinals[same]), len(keys))
                ordinals[same] += 1
    events = [StoredEvent(key, event) for (event, _), key in keys.items()]
    return sorted(events, key=lambda each: each.event.at_ms)


def holds(pair: Pair, *commands: Iterable[Record]) -> list[Hold]:
    """Return the sessions that some commands make together; their keys do not count."""
    found = [paired.hold._replace(key="") for paired in pair(stored(*commands))]
    return sorted(found, key=lambda hold: (hold[1:5], hold.ended_ms or 0, hold.steps))
