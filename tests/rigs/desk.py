"""A written desk: one meter, and processes, focus and input that a test moves from second to second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from collector.agent.clock import Moment
from collector.agent.meter import Meter
from collector.agent.sample import Identity, Instance, Project, Sample, SessionKey
from collector.protocol import (
    CollectionPolicy,
    MonitoredApplication,
    Record,
    SegmentRecord,
    SessionRecord,
    Signature,
)

NINE = 1_793_955_600_000
"""2026-11-06 09:00:00 UTC, in milliseconds: the wall clock at second 0 of a desk."""
BOOT = 100_000_000
"""Boot time at second 0."""

POLICY = CollectionPolicy(
    version=1,
    applications=tuple(
        MonitoredApplication(code=code, name=code, signatures=(Signature(executable=code),), billed=True)
        for code in ("editor", "cad")
    ),
)


def drawing(first: int = 1) -> Callable[[], str]:
    """Return a source of session ids: 1, 2, ... as 32 hexadecimal digits."""
    numbers = count(first)
    return lambda: f"{next(numbers):032x}"


@dataclass
class Desk:
    """Seconds count from NINE; processes are told by pid, 10 for the first editor."""

    policy: CollectionPolicy = POLICY
    meter: Meter = field(default_factory=lambda: Meter(drawing()))
    records: list[Record] = field(default_factory=list)
    slept: float = 0
    wall_shift: float = 0
    boot_id: str = "boot-1"
    now: Sample = field(
        default_factory=lambda: Sample(
            moment=Moment(0, 0, 0),
            boot_id="boot-1",
            zone="Europe/Berlin",
            sees_focus=True,
            sees_input=True,
            sees_lock=True,
            last_input_ms=BOOT,
        )
    )

    def at(self, second: float, **seen: object) -> list[Record]:
        """Take one sample; what is not named stays as it was. `input` is the second of the last input."""
        now_ms = round(second * 1000)
        moment = Moment(
            BOOT + now_ms,
            NINE + now_ms + round(self.wall_shift * 1000),
            BOOT + now_ms - round(self.slept * 1000),
        )
        if "input" in seen:
            seen["last_input_ms"] = BOOT + round(seen.pop("input") * 1000)
        if "cpu" in seen:
            key = SessionKey("editor", "ana", "1")
            seen["cpu_ms"] = {key: seen.pop("cpu")}
        self.now = replace(self.now, exits={}, cpu_ms={}, moment=moment, boot_id=self.boot_id)
        self.now = replace(self.now, **seen)
        decided = self.meter.step(self.now, self.policy)
        self.records += decided
        return decided

    def every_second(self, first: float, last: float, *, typing: bool = False, **seen: object) -> None:
        """Take a sample at each whole second of [first, last]."""
        for second in range(int(first), int(last) + 1):
            self.at(second, **({"input": second} if typing else {}), **seen)

    def restart(self, draw: Callable[[], str] | None = None) -> None:
        """Kill the agent, and start it from what it had written down."""
        self.meter = Meter(draw or drawing(), self.meter.document())

    def segments(self) -> list[tuple[float, float, str, float]]:
        """Return (start, end, attention, since) of all closed segments, in seconds."""
        return [
            ((r.start_ms - NINE) / 1000, (r.end_ms - NINE) / 1000, r.attention, (r.since_ms - NINE) / 1000)
            for r in self.records
            if isinstance(r, SegmentRecord)
        ]

    def sessions(self) -> list[SessionRecord]:
        """Return all session records."""
        return [record for record in self.records if isinstance(record, SessionRecord)]


def running(*pids: int, code: str = "editor", since: float = 0, ticks: int = 0) -> tuple[Instance, ...]:
    """Return processes of one application that all started at second `since`."""
    return tuple(
        Instance(
            key=SessionKey(code, "ana", "1"),
            identity=Identity(pid, ticks or BOOT // 10 + round(since * 100)),
            started_ms=BOOT + round(since * 1000),
        )
        for pid in pids
    )


def project(number: str, second: float) -> Project:
    """Return a project that was set at a second."""
    return Project(number, None, None, "ana", NINE + round(second * 1000))
