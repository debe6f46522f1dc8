"""How long each kind of record is kept: the defaults, and the organization's own."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from warehouse.errors import Problem

DEFAULTS = {
    "evidence_months": 37,
    "import_months": 37,
    "report_months": 37,
    "set_aside_days": 90,
    "token_days": 30,
    "presence_days": 7,
}
"""Evidence that no bill stands on, with watches, readings, denials, vendors' counts and installations;
imports; runs of reports and scheduled jobs; records that were set aside; enrollment tokens after their end;
presence that nobody refreshes."""
LONGEST = 1_200


class Limits:
    """How long what is kept, from one instant backwards.

    Parameters
    ----------
    document
        The organization's setting `retention`; it may leave out any of `DEFAULTS`.

    Raises
    ------
    Problem
        Names the key that does not fit.
    """

    def __init__(self, document: Mapping[str, Any], now_ms: int) -> None:
        for key, value in document.items():
            if key not in DEFAULTS:
                raise Problem(f"retention.{key}: unknown key", f"known ones: {', '.join(DEFAULTS)}")
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LONGEST:
                raise Problem(
                    f"retention.{key}: {value!r} does not fit", f"write a whole number, 1 to {LONGEST}"
                )
        self._lengths = {**DEFAULTS, **document}
        self._now = datetime.fromtimestamp(now_ms / 1000, UTC)

    def before_ms(self, key: str) -> int:
        """Return the instant before which records of a kind are not kept, UTC in ms."""
        return round(self._before(key).timestamp() * 1000)

    def before_on(self, key: str) -> str:
        """Return the UTC day of that instant."""
        return self._before(key).date().isoformat()

    def _before(self, key: str) -> datetime:
        length = self._lengths[key]
        if key.endswith("_days"):
            return self._now - timedelta(days=length)
        months = self._now.year * 12 + self._now.month - 1 - length
        year, month = divmod(months, 12)
        day = min(self._now.day, monthrange(year, month + 1)[1])
        return self._now.replace(year=year, month=month + 1, day=day)
