"""Saying afterwards what a session was for: by whom, until when, with a trace of all that was said before."""

from __future__ import annotations

from warehouse.corrections.correcting import Corrected, Correction, correct
from warehouse.corrections.deadlines import Deadline, deadlines
from warehouse.corrections.files import CORRECTION_COLUMNS, NOTES, correct_from_file, instant_of
from warehouse.corrections.tracing import Said, trace

__all__ = [
    "CORRECTION_COLUMNS",
    "NOTES",
    "Corrected",
    "Correction",
    "Deadline",
    "Said",
    "correct",
    "correct_from_file",
    "deadlines",
    "instant_of",
    "trace",
]
