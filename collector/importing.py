"""Imports of other programs' logs: the only place that knows all importers."""

from __future__ import annotations

SOURCES = ("flexnet", "lmstat", "slurm", "activitywatch", "sysmon", "table")
