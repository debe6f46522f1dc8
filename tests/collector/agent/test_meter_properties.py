"""What holds for every day that can be written, killed agents included; the spool is a real one."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from desk import BOOT, NINE, POLICY, drawing
from hypothesis import given
from hypothesis import strategies as st

from collector.agent.clock import Moment
from collector.agent.meter import Meter
from collector.agent.sample import Identity, Instance, Sample, SessionKey
from collector.agent.spool import Spool

FLOOR_MS = 20_000
CLOSURE_MS = 60_000
QUARTER_MS = 900_000
TERMS = replace(POLICY, gap_floor_ms=FLOOR_MS, checkpoint_ms=60_000)


@dataclass(frozen=True)
class Step:
    """What happens between one sample and the next."""

    wait_ms: int
    launch: str | None
    end: int | None
    """Which of the living processes ends, by position."""
    focus: int | None
    typed_ms: int | None
    """How long before the sample the last key stroke was."""
    locked: bool
    blind: bool
    slept_ms: int
    wall_step_ms: int
    killed: bool


def _rarely(value: Any, otherwise: Any) -> st.SearchStrategy[Any]:
    return st.one_of(*[st.just(otherwise)] * 9, st.just(value))


steps = st.builds(
    Step,
    wait_ms=st.one_of(st.just(1_000), st.integers(1, 10_000), st.sampled_from([30_000, 59_999, 400_000])),
    launch=st.one_of(st.none(), st.none(), st.sampled_from(["editor", "cad"])),
    end=st.one_of(st.none(), st.none(), st.integers(0, 3)),
    focus=st.one_of(st.none(), st.integers(0, 3)),
    typed_ms=st.one_of(st.none(), st.integers(0, 5_000)),
    locked=_rarely(True, False),
    blind=_rarely(True, False),
    slept_ms=_rarely(3_600_000, 0),
    wall_step_ms=_rarely(-7_200_000, 0),
    killed=_rarely(True, False),
)


CALM = Step(
    1_000, None, None, None, None, locked=False, blind=False, slept_ms=0, wall_step_ms=0, killed=False
)


@dataclass
class Day:
    """One host that a list of steps happens to."""

    spool: Spool
    meter: Meter = field(init=False)
    draw: Any = field(default_factory=drawing)
    boot_ms: int = BOOT
    slept_ms: int = 0
    wall_ms: int = NINE - BOOT
    living: list[Instance] = field(default_factory=list)
    last_input_ms: int = BOOT - 100_000
    pids: int = 100
    waiting: list[Any] = field(default_factory=list)
    committed_ms: int = 0
    sampled_ms: int = 0
    is_dirty: bool = False
    late: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meter = Meter(self.draw, self.spool.state())

    def take(self, step: Step) -> None:
        before_ms = self.boot_ms
        self.boot_ms += step.wait_ms + step.slept_ms
        self.slept_ms += step.slept_ms
        self.wall_ms += step.wall_step_ms
        if step.end is not None and step.end < len(self.living):
            del self.living[step.end]
        if step.launch:
            self.pids += 1
            start_ms = self.boot_ms - min(step.wait_ms, 300)
            identity = Identity(self.pids, start_ms // 10)
            self.living.append(Instance(SessionKey(step.launch, "ana", "1"), identity, start_ms))
        if step.typed_ms is not None:
            self.last_input_ms = max(self.last_input_ms, self.boot_ms - step.typed_ms)
        if step.killed:
            self.kill()
        self.sample(step, before_ms)

    def kill(self) -> None:
        """Lose what is in memory; go on from what is on disk."""
        self.meter = Meter(self.draw, self.spool.state())
        self.waiting.clear()
        self.sampled_ms = 0

    def sample(self, step: Step, before_ms: int) -> None:
        focused = self.living[step.focus : step.focus + 1] if step.focus is not None else []
        sample = Sample(
            moment=Moment(self.boot_ms, self.boot_ms + self.wall_ms, self.boot_ms - self.slept_ms),
            boot_id="boot-1",
            zone="Europe/Berlin",
            instances=tuple(self.living),
            cpu_ms={SessionKey("editor", "ana", "1"): step.wait_ms * (step.wait_ms % 7) / 10},
            sees_focus=not step.blind,
            sees_input=not step.blind,
            sees_lock=True,
            focus_pid=focused[0].identity.pid if focused else None,
            last_input_ms=None if step.blind else self.last_input_ms,
            locked=step.locked,
        )
        decided = self.meter.step(sample, TERMS)
        if self.sampled_ms:
            self.late += [(record, before_ms) for record in decided if record.kind == "segment"]
        self.sampled_ms = self.boot_ms
        self.waiting += decided
        self.is_dirty |= self.meter.changed
        if self.boot_ms - self.committed_ms >= (1_000 if self.is_dirty else TERMS.checkpoint_ms):
            self.commit()

    def commit(self) -> None:
        self.committed_ms, self.is_dirty = self.boot_ms, False
        self.spool.commit(self.waiting, self.meter.document())
        self.waiting.clear()

    def end(self) -> list[dict[str, Any]]:
        """End every process, and return all records that are on disk."""
        self.living.clear()
        for _ in range(7):
            self.take(CALM)
        self.waiting += self.meter.stop()
        self.commit()
        return [json.loads(row.body) for row in self.spool.peek(100_000, 10**9)]


def _live(written: list[Step]) -> tuple[list[dict[str, Any]], Day]:
    # The kills here are the agent's, not the machine's: a file in memory outlives them.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, Spool(Path(folder) / "spool.sqlite") as spool:
        day = Day(spool)
        for step in written:
            day.take(step)
        return day.end(), day


def _by_session(records: list[dict[str, Any]], kind: str) -> dict[str, list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for record in records:
        if record["kind"] == kind:
            grouped[record["session"]].append(record)
    return grouped


@given(st.lists(steps, min_size=1, max_size=40))
def test_segments_tile_every_session_to_the_millisecond(written: list[Step]) -> None:
    records, _ = _live(written)
    segments = _by_session(records, "segment")
    for session, told in _by_session(records, "session").items():
        last = told[-1]
        assert [row["state"] for row in told[:-1]] == ["open"] * (len(told) - 1)
        assert last["state"] == "closed"
        edges = [row["start_ms"] for row in segments[session]] + [last["ended_ms"]]
        assert edges[0] == last["started_ms"]
        for row, (_, after) in zip(segments[session], pairwise(edges), strict=True):
            assert row["end_ms"] == after
            assert row["start_ms"] < row["end_ms"]
            assert row["start_ms"] // QUARTER_MS == (row["end_ms"] - 1) // QUARTER_MS


@given(st.lists(steps, min_size=1, max_size=40))
def test_no_record_is_lost_doubled_or_orphaned(written: list[Step]) -> None:
    records, _ = _live(written)
    sessions = _by_session(records, "session")
    opened: set[str] = set()
    for record in records:
        if record["kind"] == "session":
            opened.add(record["session"])
        elif record["kind"] == "segment":
            assert record["session"] in opened, "a session is told before its segments"
    starts = [(r["session"], r["start_ms"]) for r in records if r["kind"] == "segment"]
    assert len(starts) == len(set(starts))
    identities = [(rows[0]["pid"], rows[0]["start_ticks"]) for rows in sessions.values()]
    assert len(identities) == len(set(identities)), "one process never opens two sessions"


@given(st.lists(steps, min_size=1, max_size=40))
def test_since_lies_in_the_session_before_the_segment_and_never_goes_back(
    written: list[Step],
) -> None:
    records, _ = _live(written)
    sessions = _by_session(records, "session")
    for session, rows in _by_session(records, "segment").items():
        instants = [row["since_ms"] for row in rows]
        assert instants == sorted(instants)
        assert instants[0] >= sessions[session][0]["started_ms"]
        assert all(row["since_ms"] <= row["start_ms"] for row in rows)


@given(st.lists(steps, min_size=1, max_size=40))
def test_a_segment_is_closed_at_the_first_sample_after_its_time(written: list[Step]) -> None:
    _, day = _live(written)
    for record, sampled_before_ms in day.late:
        # Placed by the session's own anchor: the wall clock may have been set since.
        anchors = {NINE - BOOT - 7_200_000 * steps_back for steps_back in range(41)}
        assert any(sampled_before_ms + anchor < record.end_ms + CLOSURE_MS for anchor in anchors)


@given(st.lists(steps.map(lambda step: replace(step, wall_step_ms=0)), min_size=1, max_size=40))
def test_watch_intervals_are_apart_and_have_a_length(written: list[Step]) -> None:
    records, _ = _live(written)
    watches = [record for record in records if record["kind"] == "watch"]
    assert all(row["start_ms"] < row["end_ms"] for row in watches)
    assert all(before["end_ms"] <= after["start_ms"] for before, after in pairwise(watches))


@given(st.lists(steps.map(lambda step: replace(step, wall_step_ms=0)), min_size=1, max_size=40))
def test_what_nobody_watched_is_never_input_or_no_input(written: list[Step]) -> None:
    records, _ = _live(written)
    seen = [row for row in records if row["kind"] == "segment" and row["attention"] in ("input", "no_input")]
    watches = [row for row in records if row["kind"] == "watch"]
    for row in seen:
        covered = sum(
            max(0, min(row["end_ms"], watch["end_ms"]) - max(row["start_ms"], watch["start_ms"]))
            for watch in watches
        )
        assert covered == row["end_ms"] - row["start_ms"]
