"""How far an agent's clock is off, and what that does to the times it sends.

Pure. An offset is manager minus agent, in milliseconds. A session keeps the offset that was trusted at its
first record, so that a later step of either clock moves nothing inside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from warehouse.evidence import QUARTER_MS, HeardAgent, Stretch

TOLERATED_MS = 2_000
"""Clocks that agree within this are left alone: a network's delay is no offset."""


def is_doubtful(heard: HeardAgent, measured_ms: int) -> bool:
    """Whether an agent must be heard once more before its clock is called slow.

    A batch that waited on its way looks as if the agent's clock were slow. It never looks as if it were fast.
    """
    return heard.last_heard_ms is None and measured_ms > TOLERATED_MS


def trusted_offset(heard: HeardAgent, measured_ms: int) -> int:
    """Return the offset to apply, given the one measured with this batch and the one before.

    A slow clock is believed only as far as two measurements in a row say so.
    """
    offset_ms = measured_ms if measured_ms < 0 else min(measured_ms, max(heard.clock_offset_ms, 0))
    return offset_ms if abs(offset_ms) > TOLERATED_MS else 0


def is_inside_a_quarter(start_ms: int, end_ms: int) -> bool:
    """Whether [start, end) lies in one UTC quarter of an hour."""
    return start_ms // QUARTER_MS == (end_ms - 1) // QUARTER_MS


def quarters(start_ms: int, end_ms: int) -> Iterator[Stretch]:
    """Cut [start, end) at every UTC quarter of an hour: what an offset moved may cross one."""
    while start_ms < end_ms:
        cut_ms = min(end_ms, (start_ms // QUARTER_MS + 1) * QUARTER_MS)
        yield Stretch(start_ms, cut_ms)
        start_ms = cut_ms
