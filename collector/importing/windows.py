"""New events among those that are stored: sessions are found anew from the first new event on.

An importer's `pair` looks forward only, so nothing before can change. All that follows is gone through again,
in windows of bounded size: a session that reaches into the next one is open until then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import get_args

from collector.importers.records import Event, EventKind, Hold, StoredEvent
from collector.importing.content import Placed
from collector.importing.judging import hold_trouble
from collector.importing.sources import Pair
from collector.importing.whole import Target, foreign_session, learn
from warehouse.evidence import foreign_events as stored
from warehouse.evidence.foreign_events import EventRow, Pool
from warehouse.evidence.foreign_sessions import (
    ForeignSession,
    Stored,
    Written,
    put_sessions,
    stored_sessions_by_key,
    take_away,
)

SLACK_MS = 5_000
"""No event changes a session that ended more than this before it."""
_END_OF_TIME_MS = 1 << 62
_KINDS: Mapping[str, EventKind] = {kind: kind for kind in get_args(EventKind)}
_time = itemgetter(0)


@dataclass
class Taken:
    """What became of the events of one pool."""

    written: list[Written] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    refused: list[tuple[str, Hold]] = field(default_factory=list)
    """Sessions that make no sense, each with the reason."""


def new_ones(target: Target, pool: Pool, events: Iterable[Placed]) -> list[Placed]:
    """Return those events that are not stored yet, each once, in order of time."""
    by_key = {event[2]: event for event in events}
    first, last = min(map(_time, by_key.values())), max(map(_time, by_key.values()))
    for key in stored.stored_keys(target.connection, pool, first, last).tolist():
        by_key.pop(key, None)
    return sorted(by_key.values())


def take_in(target: Target, pool: Pool, pair: Pair, new: Sequence[Placed], size: int) -> Taken:
    """Store new events, in order of time, and the sessions that they make or change.

    Parameters
    ----------
    size
        Stored events in one window.
    """
    taken = Taken()
    from_ms, done = new[0][0] - SLACK_MS, 0
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
    known: list[stored.StoredEvent]
    new: Sequence[Placed]
    links: dict[int, str] = field(default_factory=dict)
    """Session of each event that has one."""
    sessions: dict[str, ForeignSession] = field(default_factory=dict)

    def settle(self, pair: Pair, taken: Taken) -> None:
        """Pair the events, and store what came of it."""
        connection, origin, names = self.target[:3]
        events = sorted([*map(self._placed, self.known), *self.new])
        self._pair(pair, [event[3] for event in events], taken)
        learn(names, self.sessions.values(), [event[3].event for event in self.new])
        old = stored_sessions_by_key(connection, self.sessions.keys())
        touched = self._touched(old, events)
        sessions = list(self.sessions.values())
        taken.written.append(put_sessions(connection, origin, names, sessions, old, touched))
        stored.add_events(connection, self.pool, self._rows())
        moved = [
            (event.key, self.links.get(event.key))
            for event in self.known
            if self.links.get(event.key) != event.session_key
        ]
        stored.link_events(connection, moved)
        taken.removed += take_away(connection, self._gone(), origin.at_ms)

    def _placed(self, known: stored.StoredEvent) -> Placed:
        key, at_ms, sequence, kind, application, account, host, subject, units, _ = known
        event = Event(self.pool.server, at_ms, _KINDS[kind], application, account, host, subject, units)
        return at_ms, sequence, key, StoredEvent(key, event)

    def _pair(self, pair: Pair, events: Sequence[StoredEvent], taken: Taken) -> None:
        for hold, keys in pair(events):
            trouble = hold_trouble(hold)
            if trouble:
                taken.refused.append((trouble, hold))
                continue
            session = foreign_session(self.target, hold)
            self.sessions[session.key] = session
            for key in keys:
                self.links[key] = session.key

    def _touched(self, old: Mapping[str, Stored], events: Iterable[Placed]) -> Mapping[str, int]:
        """Return the first event of each stored session that came to it, or left it."""
        touched: dict[str, int] = {}
        if not old:
            return touched
        before = {event.key: event.session_key for event in self.known}
        for at_ms, _, key, _ in events:
            was, now = before.get(key), self.links.get(key)
            if was != now:
                for session in (was, now):
                    if session is not None and session in old:
                        touched.setdefault(session, at_ms)
        return touched

    def _rows(self) -> list[EventRow]:
        names, links = self.target.names, self.links
        rows: list[EventRow] = []
        for at_ms, sequence, key, (_, event) in self.new:
            _, _, kind, application, account, host, subject, units = event
            ids = (
                names.applications.get(application),
                names.accounts.get(account),
                names.hosts.get(host),
            )
            rows.append((key, at_ms, sequence, kind, *ids, subject, units, links.get(key)))
        return rows

    def _gone(self) -> set[str]:
        """Return the sessions of which events say that they are part, and which nothing shows any more.

        A session that ended before the window is none of them: it lost these events in the window before.
        """
        keys = {event.session_key for event in self.known if event.session_key} - self.sessions.keys()
        found = stored_sessions_by_key(self.target.connection, keys)
        return {key for key, old in found.items() if old.ended_ms is None or old.ended_ms >= self.from_ms}
