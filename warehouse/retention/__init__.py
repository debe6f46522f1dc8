"""Keeping and forgetting: how long each kind of record stays, and what is left of a person who is erased.

What a closed billing run says, and the evidence behind it, is kept as it is; everything else has an end.
docs/keeping.md says what, when and why.
"""

from __future__ import annotations

from warehouse.retention.erasing import Erased, erase
from warehouse.retention.keeping import Retained, retain
from warehouse.retention.limits import DEFAULTS, Limits

__all__ = ["DEFAULTS", "Erased", "Limits", "Retained", "erase", "retain"]
