"""From the records that an importer gives to rows, chunk by chunk, inside one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from collector.importers.records import (
    Denial,
    Hold,
    Installation,
    Reading,
    Record,
    SetAside,
    VendorCount,
)
from collector.importing import judging, whole
from collector.importing.apart import refused
from collector.importing.content import DenialKeys, Placed, digest
from collector.importing.report import Report
from collector.importing.sources import Source
from collector.importing.whole import Target
from collector.importing.windows import new_ones, take_in
from warehouse.evidence.batches import QuarantineRow
from warehouse.evidence.foreign_events import Pool, unpaired_ends
from warehouse.evidence.foreign_records import set_aside, state_capacity
from warehouse.evidence.foreign_sessions import Written

CHUNK = 100_000
"""Records, and stored events, that are in memory at once."""
KEPT_OF_A_RECORD = 500


class Intake:
    """Takes the records of one import, and counts what became of them."""

    def __init__(self, target: Target, source: Source, report: Report, chunk: int = CHUNK) -> None:
        self._target, self._source, self._report, self._chunk = target, source, report, chunk
        self._denial_keys = DenialKeys(source.name)
        self._waiting: dict[type, list[Any]] = defaultdict(list)
        self._events: dict[str, list[Placed]] = defaultdict(list)
        self._first_id: int | None = None
        self._changed: set[int] = set()
        self._touched_from: dict[Pool, int] = {}
        self._first_start_ms: int | None = None
        self._servers: set[str] = set()

    def take(self, records: Iterable[Placed | Record]) -> None:
        """Take records in, all of them; events as `apart.placed` gives them."""
        for number, record in enumerate(records, 1):
            _TAKERS[type(record)](self, record)
            if number % self._chunk == 0:
                self._flush()
        self._flush()

    # --- One record --------------------------------------------------------------------------------------

    def _take_event(self, placed: Placed) -> None:
        event = placed[3].event
        self._report.kept[event.kind] += 1
        self._events[event.server].append(placed)
        if event.kind == "start":
            self._note_start(event.at_ms, event.server)

    def _take_hold(self, hold: Hold) -> None:
        if self._is_kept(judging.hold_trouble(hold), hold, "session"):
            self._note_start(hold.started_ms, hold.host if self._source.host_is_server else "")

    def _take_reading(self, reading: Reading) -> None:
        self._is_kept(judging.reading_trouble(reading), reading, "reading")

    def _take_denial(self, denial: Denial) -> None:
        if trouble := judging.denial_trouble(denial):
            self._refuse(trouble, denial)
            return
        self._report.kept["denial"] += 1
        self._waiting[Denial].append((self._denial_keys.key(denial), denial))

    def _take_installation(self, installed: Installation) -> None:
        self._is_kept(judging.installation_trouble(installed), installed, "installation")

    def _take_count(self, count: VendorCount) -> None:
        self._is_kept(None, count, "count")

    def _take_aside(self, record: SetAside) -> None:
        self._report.set_aside(record)
        self._waiting[SetAside].append(record)

    def _is_kept(
        self, trouble: str | None, record: Hold | Reading | Installation | VendorCount, kind: str
    ) -> bool:
        if trouble:
            self._refuse(trouble, record)
            return False
        self._report.kept[kind] += 1
        self._waiting[type(record)].append(record)
        return True

    def _refuse(self, trouble: str, record: tuple[Any, ...]) -> None:
        self._take_aside(refused(trouble, record))

    def _note_start(self, at_ms: int, server: str) -> None:
        self._servers.add(server)
        if self._first_start_ms is None or at_ms < self._first_start_ms:
            self._first_start_ms = at_ms

    # --- One chunk ---------------------------------------------------------------------------------------

    def _flush(self) -> None:
        for server, events in self._events.items():
            self._put_events(Pool(self._source.name, server), events)
        self._events.clear()
        self._put_counts(self._waiting.pop(VendorCount, []))
        waiting, self._waiting = self._waiting, defaultdict(list)
        if waiting[Hold]:
            written, known = whole.put_holds(self._target, waiting[Hold])
            self._report.known["session"] += known
            self._count(written)
        for kind, given, put in (
            ("reading", waiting[Reading], whole.put_readings),
            ("denial", waiting[Denial], whole.put_denials),
            ("installation", waiting[Installation], whole.put_installations),
        ):
            if given:
                self._report.known[kind] += len(given) - put(self._target, given)
        self._put_aside(waiting[SetAside])

    def _put_events(self, pool: Pool, events: list[Placed]) -> None:
        new = new_ones(self._target, pool, events)
        fresh = {event[2] for event in new}
        self._report.known.update(event[3].event.kind for event in events if event[2] not in fresh)
        if not new:
            return
        assert self._source.pair is not None  # noqa: S101 - who gives halves of sessions can pair them
        taken = take_in(self._target, pool, self._source.pair, new, self._chunk)
        self._touched_from[pool] = min(new[0][0], self._touched_from.get(pool, new[0][0]))
        for written in taken.written:
            self._count(written)
        for trouble, hold in taken.refused:
            self._refuse(trouble, hold)
        again = sum(number >= (self._first_id or number + 1) for number in taken.removed)
        self._report.new -= again
        self._report.removed += len(taken.removed) - again

    def _put_counts(self, counts: list[VendorCount]) -> None:
        known, unknown = whole.put_counts(self._target, counts)
        self._report.known["count"] += known
        for count in unknown:
            self._report.kept["count"] -= 1
            self._refuse("no product of this name is known", count)

    def _count(self, written: Written) -> None:
        """Count sessions; one that is new in this command and grows in the next chunk is only new."""
        if written.new and self._first_id is None:
            self._first_id = written.new[0]
        first = self._first_id
        self._changed |= {number for number in written.changed if first is None or number < first}
        self._report.new += len(written.new)
        self._report.changed = len(self._changed)

    def _put_aside(self, records: list[SetAside]) -> None:
        source, at_ms = self._source.name, self._target.origin.at_ms
        rows = []
        for _, reason, record in records:
            kept = "".join(sign if sign.isprintable() else " " for sign in record[:KEPT_OF_A_RECORD])
            epoch = digest(f"{reason}\0{kept}")
            rows.append(QuarantineRow(f"import:{source}", epoch, 0, reason, kept, at_ms))
        set_aside(self._target.connection, rows)

    # --- All of it ---------------------------------------------------------------------------------------

    def finish(self, capacity: int | None) -> None:
        """Write what only the whole import knows: a stated capacity; count what has no partner."""
        if capacity is not None and self._first_start_ms is not None:
            self._state(capacity, self._first_start_ms)
        connection = self._target.connection
        self._report.unpaired = sum(
            unpaired_ends(connection, pool, from_ms) for pool, from_ms in self._touched_from.items()
        )

    def _state(self, capacity: int, at_ms: int) -> None:
        server = next(iter(self._servers)) if len(self._servers) == 1 else ""
        application = self._target.application
        self._target.names.learn({application or ""}, (), ())
        reading = Reading(server, at_ms, application, issued=capacity)
        state_capacity(self._target.connection, whole.reading_row(self._target, reading))


_TAKERS: dict[type, Callable[[Intake, Any], None]] = {
    tuple: Intake._take_event,
    Hold: Intake._take_hold,
    Reading: Intake._take_reading,
    Denial: Intake._take_denial,
    Installation: Intake._take_installation,
    VendorCount: Intake._take_count,
    SetAside: Intake._take_aside,
}
