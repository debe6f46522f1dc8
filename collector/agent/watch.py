"""Watch intervals: when this host was watched, and what the sensors could see meanwhile."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from collector.agent.sample import Sample
from collector.agent.timeline import QUARTER_MS
from collector.protocol import WatchRecord

CLOCK_STEP_MS = 1_000
"""A larger change of wall time against boot time means that the wall clock was set."""


@dataclass(slots=True)
class Watch:
    """The watch interval that is still open; UTC by the wall anchor of its start."""

    start_ms: int = 0
    end_ms: int = 0
    anchor_ms: int = 0
    sees: list[bool] = field(default_factory=list)
    """Focus, input, lock."""

    def step(self, sample: Sample, awake_ms: int, *, watched: bool) -> list[WatchRecord]:
        """Go on to this sample and return the intervals that are closed by it.

        Parameters
        ----------
        sample
            What can be seen from now on.
        awake_ms
            Until when the machine was awake after the previous sample (boot time).
        watched
            Whether the agent was running in between.
        """
        moment, records = sample.moment, []
        if watched and self.sees:
            records += self._extend(awake_ms + self.anchor_ms)
        sees = [sample.sees_focus, sample.sees_input, sample.sees_lock]
        anchor_ms = moment.wall_ms - moment.boot_ms
        goes_on = watched and awake_ms == moment.boot_ms and sees == self.sees
        if not goes_on or abs(anchor_ms - self.anchor_ms) > CLOCK_STEP_MS:
            records += self.close()
            self.start_ms = self.end_ms = moment.wall_ms
            self.anchor_ms, self.sees = anchor_ms, sees
        return records

    def _extend(self, end_ms: int) -> list[WatchRecord]:
        records = []
        while (cut_ms := (self.start_ms // QUARTER_MS + 1) * QUARTER_MS) <= end_ms:
            self.end_ms = cut_ms
            records += self.close()
            self.start_ms = cut_ms
        self.end_ms = max(end_ms, self.start_ms)
        return records

    def close(self) -> list[WatchRecord]:
        """Close the interval where it ends now; nothing if it has no length."""
        if self.end_ms <= self.start_ms:
            return []
        record = WatchRecord(
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            sees_focus=self.sees[0],
            sees_input=self.sees[1],
            sees_lock=self.sees[2],
        )
        self.start_ms = self.end_ms
        return [record]

    def document(self) -> dict[str, Any]:
        """Return this as plain values for JSON."""
        return asdict(self)
