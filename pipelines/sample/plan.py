"""How much of the sample is made, and the day it ends on. The same plan gives the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zlib import crc32

import numpy as np

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
SECOND_MS = 1_000
QUARTER_MS = 900_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to make.

    Parameters
    ----------
    today
        The day it is made on, in UTC. All evidence of earlier days is there, and today's up to `until_ms`.
    until_ms
        Instant up to which evidence has arrived; None: today 00:00 UTC.
    seed
        Another seed, another year.
    people
        How many of the organization's people there are; the first of every office come first.
    months
        Whole months at full size, before the current one.
    earlier_months
        Whole months before those, in which only the pilot group was metered.
    """

    today: date
    until_ms: int | None = None
    seed: int = 2026
    people: int = 132
    months: int = 12
    earlier_months: int = 24

    @property
    def horizon_ms(self) -> int:
        """Instant up to which evidence has arrived."""
        return instant_ms(self.today) if self.until_ms is None else self.until_ms

    @property
    def month(self) -> date:
        """First day of the current month."""
        return self.today.replace(day=1)

    @property
    def rollout(self) -> date:
        """First day on which everybody is metered."""
        return add_months(self.month, -self.months)

    @property
    def start(self) -> date:
        """First day of the pilot."""
        return add_months(self.rollout, -self.earlier_months)

    @property
    def last_day(self) -> date:
        """Last local day that can hold evidence: east of Greenwich it may already be tomorrow."""
        return datetime.fromtimestamp(self.horizon_ms / 1000, UTC).date() + timedelta(days=1)

    def random(self, topic: str) -> np.random.Generator:
        """Return the random numbers of one topic; another topic's need does not shift them."""
        return np.random.default_rng([self.seed, self.today.toordinal(), crc32(topic.encode())])


def add_months(first: date, months: int) -> date:
    """Return the first day of the month that is `months` later than that of `first`."""
    count = first.year * 12 + first.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def instant_ms(day: date) -> int:
    """Return the UTC midnight that begins `day`, in milliseconds since 1970."""
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS
