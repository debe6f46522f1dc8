"""New events among those that are stored: sessions are found anew from the first new event on.

An importer's `pair` looks forward only, so nothing before can change. All that follows is gone through again,
in windows of bounded size: a session that reaches into the next one is open until then.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import get_args

from collector.importers import records
from collector.importers.records import Event, EventKind, Hold
from collector.importing.judging import hold_trouble
from collector.importing.sources import Pair
from collector.importing.whole import Target, foreign_session
from warehouse.evidence import foreign_events as stored
from warehouse.evidence.foreign_events import Pool, StoredEvent
from warehouse.evidence.foreign_sessions import (
    ForeignSession,
    Written,
    put_sessions,
    stored_sessions_by_key,
    take_away,
)

SLACK_MS = 5_000
"""No event changes a session that ended more than this before it."""
_END_OF_TIME_MS = 1 << 62
_KINDS: Mapping[str, EventKind] = {kind: kind for kind in get_args(EventKind)}
_order = attrgetter("at_ms", "sequence", "key")
_time = attrgetter("at_ms")


@dataclass
class Taken:
    """What became of the events of one pool."""

    written: list[Written] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    refused: list[tuple[str, Hold]] = field(default_factory=list)
    """Sessions that make no sense, each with the reason."""


def new_ones(target: Target, pool: Pool, events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Return those events that are not stored yet, each once, in order of time."""
    by_key = {event.key: event for event in events}
    first, last = min(map(_time, by_key.values())), max(map(_time, by_key.values()))
    for key in stored.stored_keys(target.connection, pool, first, last).tolist():
        by_key.pop(key, None)
    return sorted(by_key.values(), key=_order)


def take_in(target: Target, pool: Pool, pair: Pair, new: Sequence[StoredEvent], size: int) -> Taken:
    """Store new events, in order of time, and the sessions that they make or change.

    Parameters
    ----------
    size
        Stored events in one window.
    """
    taken = Taken()
    from_ms, done = new[0].at_ms - SLACK_MS, 0
    while True:
        last_ms = stored.nth_after(target.connection, pool, from_ms, size)
        to_ms = _END_OF_TIME_MS if last_ms is None else max(last_ms, from_ms + 2 * SLACK_MS)
        upto = bisect_left(new, to_ms, key=_time)
        known = stored.events_between(target.connection, pool, from_ms, to_ms)
        _Window(target, pool, from_ms, known, new[done:upto]).settle(pair, taken)
        if last_ms is None:
            return taken
        from_ms, done = to_ms - SLACK_MS, upto


@dataclass
class _Window:
    """Stored and new events that are paired together."""

    target: Target
    pool: Pool
    from_ms: int
    known: list[StoredEvent]
    new: Sequence[StoredEvent]
    links: dict[int, str] = field(default_factory=dict)
    """Session of each event that has one."""
    sessions: dict[str, ForeignSession] = field(default_factory=dict)

    def settle(self, pair: Pair, taken: Taken) -> None:
        """Pair the events, and store what came of it."""
        self.known.sort(key=_order)
        events = list(heapq.merge(self.known, self.new, key=_order))
        self._pair(pair, events, taken)
        self._learn()
        connection, origin, names = self.target[:3]
        old = stored_sessions_by_key(connection, self.sessions.keys())
        sessions = list(self.sessions.values())
        written = put_sessions(connection, origin, names, sessions, old, self._touched(events))
        stored.add_events(connection, self.pool, names, self._linked())
        moved = [
            (event.key, self.links.get(event.key))
            for event in self.known
            if self.links.get(event.key) != event.session_key
        ]
        stored.link_events(connection, moved)
        taken.written.append(written)
        taken.removed += take_away(connection, self._gone(), origin.at_ms)

    def _gone(self) -> set[str]:
        """Return the sessions of which events say that they are part, and which nothing shows any more.

        A session that ended before the window is none of them: it lost these events in the window before.
        """
        keys = {event.session_key for event in self.known if event.session_key} - self.sessions.keys()
        found = stored_sessions_by_key(self.target.connection, keys)
        return {key for key, old in found.items() if old.ended_ms is None or old.ended_ms >= self.from_ms}

    def _pair(self, pair: Pair, events: Iterable[StoredEvent], taken: Taken) -> None:
        server = self.pool.server
        given = [
            records.StoredEvent(
                key, Event(server, at_ms, _KINDS[kind], application, account, host, subject, units)
            )
            for key, at_ms, _, kind, application, account, host, subject, units, _ in events
        ]
        for paired in pair(given):
            trouble = hold_trouble(paired.hold)
            if trouble:
                taken.refused.append((trouble, paired.hold))
                continue
            session = foreign_session(self.target, paired.hold)
            self.sessions[session.key] = session
            for key in paired.events:
                self.links[key] = session.key

    def _learn(self) -> None:
        named: list[Iterable[ForeignSession] | Iterable[StoredEvent]] = [self.sessions.values(), self.new]
        self.target.names.learn(
            {one.application for group in named for one in group},
            {one.account for group in named for one in group},
            {one.host for group in named for one in group},
        )

    def _touched(self, events: Iterable[StoredEvent]) -> Mapping[str, int]:
        """Return the first event of each session that came to it, or left it."""
        touched: dict[str, int] = {}
        for event in events:
            before, now = event.session_key, self.links.get(event.key)
            if before != now:
                for key in (before, now):
                    if key is not None:
                        touched.setdefault(key, event.at_ms)
        return touched

    def _linked(self) -> list[StoredEvent]:
        return [event._replace(session_key=self.links.get(event.key)) for event in self.new]
