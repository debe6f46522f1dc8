"""ActivityWatch's exported buckets as evidence of our own kind; docs/importers/activitywatch.md.

Of a window event stay time and program, of an away event time and status: titles, URLs and paths are not even
decoded.
"""

from __future__ import annotations

import gzip
import zlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.importers.lines import require_file
from collector.importers.options import Applications, check_keys, value_of
from collector.importers.records import Attention, Hold, Options, Record, SetAside, Step, Tally
from warehouse.errors import Problem

KEYS = frozenset({"account", "applications", "only_mapped", "afk_timeout"})
POLL_MS = 5_000
"""The watchers look at most this far apart: a shorter hole between two events is none."""
SILENCE_MS = 60_000
"""After a longer silence of the window watcher nothing is known to have lived through it."""
AFK_TIMEOUT_SECONDS = 180
"""The away watcher's own default."""

_WINDOW, _AFK = "currentwindow", "afkstatus"
_EXPORT = "export it in ActivityWatch: Raw Data, Export all buckets as JSON"
_ATTENTIONS: dict[str, Attention] = {"input": "input", "no_input": "no_input", "held": "held"}
NOBODY = ""
"""The focus is with a program that is not metered, or that the watcher could not name."""


class _Data(msgspec.Struct):
    app: str | None = None
    status: str | None = None


class _Event(msgspec.Struct):
    timestamp: str
    duration: float
    data: _Data


class _Bucket(msgspec.Struct):
    type: str
    hostname: str = ""
    events: list[msgspec.Raw] = []


class _Export(msgspec.Struct):
    buckets: dict[str, _Bucket] | list[_Bucket]


class Piece(NamedTuple):
    """Something that held in [start, end): a program with the focus, or an attention."""

    start_ms: int
    end_ms: int
    value: str


@dataclass
class _Watched:
    """What was read of one host. An event that is there twice, or shorter in an older export, counts once."""

    host: str
    windows: dict[tuple[int, str], int] = field(default_factory=dict)
    afk: dict[tuple[int, str], int] = field(default_factory=dict)


def read(files: Sequence[Path], options: Options, tally: Tally) -> Iterator[Record]:
    """Read all files, then give the sessions of each host: exports may overlap and come in any order.

    Raises
    ------
    Problem
        A file that is no export, files without a window watcher, a mapping that does not say whose they are.
    """
    check_keys(options.mapping, KEYS)
    account = value_of(options.mapping, "account", str, "").strip()
    if not account:
        remedy = r"write account = 'DOMAIN\name' into a file, and name it with --mapping"
        raise Problem("An export of ActivityWatch does not say whose it is", remedy)
    timeout_ms = 1000 * value_of(options.mapping, "afk_timeout", int, AFK_TIMEOUT_SECONDS)
    reader = _Reader(Applications(options.mapping), options.application, tally)
    for path in files:
        yield from reader.events(path)
    if not any(watched.windows for watched in reader.hosts.values()):
        raise Problem(f"{files[0].name} has no event of a window watcher", _EXPORT)
    for _, watched in sorted(reader.hosts.items()):
        if not watched.windows:
            continue
        if not watched.afk:
            tally.notes.append(f"{watched.host}: no away watcher, so its time with the focus is held")
        yield from _holds(watched, account, timeout_ms)


# --- Reading -----------------------------------------------------------------------------------------------


@dataclass
class _Reader:
    applications: Applications
    application: str | None
    tally: Tally
    hosts: dict[str, _Watched] = field(default_factory=dict)

    def events(self, path: Path) -> Iterator[SetAside]:
        """Take in one file; give what cannot be used."""
        try:
            export = msgspec.json.decode(_content(path), type=_Export)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Problem(f"{path.name} is not an export of ActivityWatch", _EXPORT) from None
        buckets = export.buckets.values() if isinstance(export.buckets, dict) else export.buckets
        for bucket in buckets:
            self.tally.read += len(bucket.events)
            if bucket.type not in {_WINDOW, _AFK}:
                kind = "events of buckets that are neither windows nor away"
                self.tally.skipped[kind] += len(bucket.events)
                continue
            for number, raw in enumerate(bucket.events, 1):
                reason = self._event(bucket, raw)
                if reason:
                    place = f"{path.name}, {bucket.type}, event {number}"
                    yield SetAside(place, reason, _kept(bucket, raw))

    def _event(self, bucket: _Bucket, raw: msgspec.Raw) -> str | None:
        """Take in one event; return why it cannot be used."""
        if not bucket.hostname.strip():
            return "no host"
        event = _decoded(raw)
        if event is None:
            return "not an event"
        start_ms = _instant_ms(event.timestamp)
        if start_ms is None:
            return "no time with its zone"
        if not 0 <= event.duration < 1e9:
            return "negative duration" if event.duration < 0 else "not an event"
        host = bucket.hostname.strip()
        watched = self.hosts.setdefault(host.lower(), _Watched(host))
        end_ms = start_ms + round(event.duration * 1000)
        if bucket.type == _WINDOW:
            key, where = (start_ms, self._code(event.data.app)), watched.windows
        elif event.data.status in {"afk", "not-afk"}:
            key, where = (start_ms, str(event.data.status)), watched.afk
        else:
            return "unknown status"
        where[key] = max(end_ms, where.get(key, end_ms))
        return None

    def _code(self, app: str | None) -> str:
        app = (app or "").strip()
        if app.lower() in {"", "unknown"}:
            self.tally.skipped["windows of an unknown program"] += 1
            return NOBODY
        code = self.applications.code(app)
        if code is None:
            self.tally.skipped["windows of programs that the mapping does not name"] += 1
            return NOBODY
        return self.application or code


def _content(path: Path) -> bytes:
    """Return the file, unpacked."""
    require_file(path)
    try:
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Problem(f"{path.name} is a gzip file that is damaged or cut short", "copy it again") from None
    except OSError as error:
        raise Problem(f"{path.name} cannot be read: {error.strerror}", "check the file") from None
    if not content:
        raise Problem(f"{path.name} is empty", _EXPORT)
    return content.removeprefix(b"\xef\xbb\xbf")


def _decoded(raw: msgspec.Raw) -> _Event | None:
    try:
        return msgspec.json.decode(raw, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _instant_ms(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else round(at.timestamp() * 1000)


def _kept(bucket: _Bucket, raw: msgspec.Raw) -> str:
    event = _decoded(raw)
    if event is None:
        return f"{bucket.type} | {bucket.hostname}"
    value = event.data.app if bucket.type == _WINDOW else event.data.status
    return f"{bucket.type} | {bucket.hostname} | {event.timestamp} | {event.duration} | {value}"[:500]


# --- Sessions ----------------------------------------------------------------------------------------------


def _holds(watched: _Watched, account: str, timeout_ms: int) -> Iterator[Hold]:
    """Give one session per program and stretch of watching, from its first to its last focus."""
    statuses = _pieces(watched.afk)
    windows = _settled(_pieces(watched.windows), statuses, timeout_ms)
    for stretch in _stretches(windows):
        focus: dict[str, list[Piece]] = defaultdict(list)
        for piece in stretch:
            focus[piece.value].append(piece)
        seen = _Stretch(
            [one for one in _holes(stretch) if one.end_ms > one.start_ms],
            attentions(statuses, stretch[0].start_ms, stretch[-1].end_ms, timeout_ms),
        )
        for code, pieces in focus.items():
            if code != NOBODY:
                yield _hold(watched.host, account, code, seen.steps(pieces), pieces)


def _hold(host: str, account: str, code: str, steps: tuple[Step, ...], focus: Sequence[Piece]) -> Hold:
    started_ms, ended_ms = focus[0].start_ms, focus[-1].end_ms
    key = f"{host.lower()}/{code}/{started_ms}"
    return Hold(key, code, account, host, started_ms, ended_ms, ended_ms, steps)


def _pieces(events: dict[tuple[int, str], int]) -> list[Piece]:
    return list(flattened([Piece(start, end, value) for (start, value), end in events.items()]))


def _settled(windows: list[Piece], statuses: Sequence[Piece], timeout_ms: int) -> list[Piece]:
    """Leave out the tail of which the away watcher has not judged yet whether it was a gap.

    A later export tells; what was given of an earlier one would be wrong then.
    """
    judged_ms = statuses[-1].end_ms if statuses else 0
    if windows[-1].end_ms > judged_ms + timeout_ms + POLL_MS:
        return windows  # it was not watching any more
    return [
        window._replace(end_ms=min(window.end_ms, judged_ms))
        for window in windows
        if window.start_ms < judged_ms or window.end_ms == window.start_ms == judged_ms
    ]


def _holes(pieces: Sequence[Piece]) -> Iterator[Piece]:
    for one, two in pairwise(pieces):
        yield Piece(one.end_ms, two.start_ms, "")


def flattened(events: Sequence[Piece]) -> Iterator[Piece]:
    """Give what held at each moment, in order and without overlap.

    Of two events that overlap the one that began later wins; the earlier one holds again after it. An event
    of no length stays, where nothing else holds.
    """
    running: list[Piece] = []
    at_ms = 0
    for event in [*sorted(events), None]:
        while running and (event is None or at_ms < event.start_ms):
            now = running[-1]
            stop_ms = now.end_ms if event is None else min(now.end_ms, event.start_ms)
            if stop_ms > at_ms or (now.start_ms == now.end_ms == at_ms and len(running) == 1):
                yield Piece(at_ms, stop_ms, now.value)
                at_ms = stop_ms
            if now.end_ms <= at_ms:
                running.pop()
        if event is not None:
            at_ms = event.start_ms
            running.append(event)


def _stretches(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Cut where the watcher was silent; close the holes that are shorter than its poll."""
    stretch: list[Piece] = []
    for piece in pieces:
        if stretch:
            last = stretch[-1]
            silent_ms = piece.start_ms - last.end_ms
            if silent_ms > SILENCE_MS:
                yield stretch
                stretch = []
            elif silent_ms <= POLL_MS:
                stretch[-1] = last._replace(end_ms=piece.start_ms)
        stretch.append(piece)
    if stretch:
        yield stretch


def attentions(statuses: Sequence[Piece], start_ms: int, end_ms: int, timeout_ms: int) -> list[Piece]:
    """Tile a stretch of watching with the attention that a program with the focus gets.

    The watcher's `not-afk` ends at the last input it saw. A hole up to its timeout is a gap that it had not
    yet called away when it was stopped or exported; a longer one says that it did not watch: its time is
    `held`.
    """
    tiles: list[Piece] = []
    at_ms, is_watched = start_ms, False
    first = max(0, bisect_right(statuses, start_ms, key=lambda status: status.start_ms) - 1)
    last = bisect_left(statuses, end_ms, key=lambda status: status.start_ms)
    for status in [*statuses[first:last], Piece(end_ms, end_ms, "")]:
        if status.start_ms > at_ms:
            is_gap = is_watched and status.start_ms - at_ms <= timeout_ms + POLL_MS
            tiles.append(Piece(at_ms, status.start_ms, "no_input" if is_gap else "held"))
            at_ms = status.start_ms
        stop_ms = min(status.end_ms, end_ms)
        if stop_ms > at_ms:
            tiles.append(Piece(at_ms, stop_ms, "input" if status.value == "not-afk" else "no_input"))
            at_ms = stop_ms
        is_watched = is_watched or stop_ms >= at_ms
    return tiles


@dataclass
class _Stretch:
    """A stretch of watching: `holes` in which nobody watched, `attentions` that tile it."""

    holes: Sequence[Piece]
    attentions: Sequence[Piece]

    def steps(self, focus: Sequence[Piece]) -> tuple[Step, ...]:
        """Return the evidence of one program, from its first focus to its last."""
        made = _Steps(focus[0].start_ms)
        at_ms = focus[0].start_ms
        for piece in focus:
            for hole in _overlapping(self.holes, at_ms, piece.start_ms):
                made.add(at_ms, hole.start_ms, "background")
                made.add(hole.start_ms, hole.end_ms, "unobserved")
                at_ms = hole.end_ms
            made.add(at_ms, piece.start_ms, "background")
            for tile in _overlapping(self.attentions, piece.start_ms, piece.end_ms):
                start_ms, end_ms = max(tile.start_ms, piece.start_ms), min(tile.end_ms, piece.end_ms)
                made.add(start_ms, end_ms, _ATTENTIONS[tile.value])
            at_ms = piece.end_ms
        return tuple(made.steps)


def _overlapping(pieces: Sequence[Piece], start_ms: int, end_ms: int) -> Sequence[Piece]:
    """Return those of pieces in order that overlap [start, end)."""
    first = bisect_right(pieces, start_ms, key=lambda piece: piece.end_ms)
    last = bisect_left(pieces, end_ms, key=lambda piece: piece.start_ms)
    return pieces[first:last]


@dataclass
class _Steps:
    last_input_ms: int
    """Of this program while it had the focus; its session's start if there was none."""
    steps: list[Step] = field(default_factory=list)

    def add(self, start_ms: int, end_ms: int, attention: Attention) -> None:
        if end_ms <= start_ms:
            return
        if not self.steps or self.steps[-1].attention != attention:
            since_ms = start_ms if attention == "input" else self.last_input_ms
            self.steps.append(Step(start_ms, attention, 1, since_ms))
        if attention == "input":
            self.last_input_ms = end_ms
