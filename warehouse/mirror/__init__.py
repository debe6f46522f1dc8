"""Closed segments as Parquet, by month: read at the speed of a scan, kept up as segments land, never trusted.

The mirror is derived: delete its folder, and the next update makes it again. It lies where
PROCESS_METER_MIRROR says, else beside the SQLite file, else in the user's data folder.
"""

from __future__ import annotations

from warehouse.mirror.manifest import folder_of
from warehouse.mirror.reading import Question, segments
from warehouse.mirror.stored import SEGMENTS
from warehouse.mirror.updating import Mirrored, rebuild, update

__all__ = ["SEGMENTS", "Mirrored", "Question", "folder_of", "rebuild", "segments", "update"]
