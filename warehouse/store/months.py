"""Room for segments on PostgreSQL: one partition for each UTC month, made before it is written to.

A month that could not be made at once is no fault: its segments wait in the default partition, and whoever
makes it later moves them. SQLite has no partitions, and nothing here does anything there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

DAY_MS = 86_400_000
AHEAD = 3
"""So many months after the present one each upgrade makes; others are made when something falls into them."""

_EPOCH = date(1970, 1, 1)
_LAST_DAY = 47_481  # 2099-12-31; what lies beyond has no month of its own
_MAKE = sa.text("SELECT make_segment_months(CAST(:months AS date[]))")
_STRAY = sa.text(
    "SELECT DISTINCT CAST(date_trunc('month', to_timestamp(start_ms / 1000) AT TIME ZONE 'UTC') AS date)"
    " FROM segment_default WHERE start_ms BETWEEN 0 AND :last"
)


def make_room(connection: Connection, days: Iterable[int]) -> None:
    """Make the months of these days, in the caller's transaction, where they are not there yet.

    Parameters
    ----------
    days
        Days since 1970 in UTC (`start_ms // DAY_MS`) on which segments start.
    """
    if connection.dialect.name == "postgresql":
        _make(connection, {_month(day) for day in days if 0 <= day <= _LAST_DAY})


def make_months_ahead(connection: Connection, now: datetime) -> None:
    """Make this month and the next ones, and those whose segments wait in the default partition."""
    if connection.dialect.name != "postgresql":
        return
    this = now.astimezone(UTC).date().replace(day=1)
    places = (this.year * 12 + this.month - 1 + number for number in range(AHEAD + 1))
    ahead = {date(place // 12, place % 12 + 1, 1) for place in places}
    stray = connection.scalars(_STRAY, {"last": (_LAST_DAY + 1) * DAY_MS})
    _make(connection, ahead | set(stray))


def _month(day: int) -> date:
    return (_EPOCH + timedelta(days=day)).replace(day=1)


def _make(connection: Connection, months: set[date]) -> None:
    connection.execute(_MAKE, {"months": [month.isoformat() for month in sorted(months)]})
