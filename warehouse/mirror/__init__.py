"""Closed segments as Parquet, by month: read at the speed of a scan, kept up as segments land, never trusted.

The mirror is derived: delete its folder, and the next update makes it again. It lies where
PROCESS_METER_MIRROR says, else beside the SQLite file, else in the user's data folder.
"""

from __future__ import annotations

from warehouse.mirror.contents import CONTENTS, contents, manifest_of, scan, stored_contents
from warehouse.mirror.manifest import Manifest, MirrorFile, Unusable, folder_of
from warehouse.mirror.parts import Parts, parts
from warehouse.mirror.reading import Question, segments
from warehouse.mirror.stored import SEGMENTS
from warehouse.mirror.updating import Mirrored, rebuild, update

__all__ = [
    "CONTENTS",
    "SEGMENTS",
    "Manifest",
    "MirrorFile",
    "Mirrored",
    "Parts",
    "Question",
    "Unusable",
    "contents",
    "folder_of",
    "manifest_of",
    "parts",
    "rebuild",
    "scan",
    "segments",
    "stored_contents",
    "update",
]
