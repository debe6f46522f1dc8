"""Hourly use and demand, kept in tables beside the evidence: derived, never evidence.

`update` takes in what has landed since the last time and re-derives those days of those applications;
`rebuild` derives everything anew. Both use the definitions of `warehouse.metrics`, so that the sums of
`use_hour` are those of `usage`, and the highest demand of a window's hours is that of `peak`. What is kept,
at which grain and why: docs/decisions/rollups.md.
"""

from __future__ import annotations

from warehouse.rollups.stand import THROUGH
from warehouse.rollups.updating import RolledUp, rebuild, update

__all__ = ["THROUGH", "RolledUp", "rebuild", "update"]
