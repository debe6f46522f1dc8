"""Until when the sessions of a fiscal period may be corrected by those whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.directory.charging_rights import correction_days, organization_settings
from warehouse.periods import day_bounds


class Deadline(NamedTuple):
    """A fiscal period, [starts_on, ends_on), and the instant from which only billing staff corrects it.

    `until_ms` is None where there is no such instant.
    """

    period: str
    starts_on: date
    ends_on: date
    until_ms: int | None

    def has_passed(self, now_ms: int) -> bool:
        """Say whether it is over."""
        return self.until_ms is not None and now_ms >= self.until_ms


def deadlines(connection: Connection) -> list[Deadline]:
    """Return the deadline of every fiscal period, in order.

    The end of the review of the period's newest run that is not void, where one is set; else so many days
    after the period's end, at midnight of the organization's zone, as the setting `correction_days` says;
    else none.
    """
    organization, period = schema.organization.c, schema.fiscal_period.c
    zone = connection.scalar(sa.select(organization.zone).order_by(organization.id)) or "UTC"
    days = correction_days(organization_settings(connection))
    reviews = _reviews(connection)
    found = []
    chosen = sa.select(period.id, period.name, period.starts_on, period.ends_on).order_by(period.starts_on)
    for number, name, first, last in connection.execute(chosen):
        ends_on = date.fromisoformat(last)
        until = reviews.get(number)
        if until is None and days is not None:
            until = int(day_bounds(zone, ends_on + timedelta(days=days))[0].timestamp()) * 1000
        found.append(Deadline(name, date.fromisoformat(first), ends_on, until))
    return found


def _reviews(connection: Connection) -> dict[int, int | None]:
    """Return by period until when its newest run is reviewed."""
    run = schema.billing_run.c
    chosen = sa.select(run.fiscal_period_id, run.review_until_ms).where(run.status != "void").order_by(run.id)
    return {int(period): until for period, until in connection.execute(chosen)}


def passed(known: Iterable[Deadline], days: Iterable[date], now_ms: int) -> Deadline | None:
    """Return the first deadline that has passed among the periods of some local days."""
    wanted = list(days)
    for deadline in known:
        is_touched = any(deadline.starts_on <= day < deadline.ends_on for day in wanted)
        if is_touched and deadline.has_passed(now_ms):
            return deadline
    return None
