"""What a report asks: window, application, key, basis and policy, checked and made whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches

from sqlalchemy import Engine

from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.states import BASES, Policy
from warehouse.periods import day_bounds
from warehouse.store import open_warehouse

KEYS = ("user", "device", "user_device", "session", "token")


@dataclass(frozen=True)
class Question:
    """What is asked, of which warehouse, and when.

    Attributes
    ----------
    first_day, end_day
        Local days of `zone`, [first_day, end_day).
    start, end
        The same window in UTC.
    application
        Code of an application, or "" for all.
    """

    engine: Engine
    first_day: date
    end_day: date
    start: datetime
    end: datetime
    zone: str
    application: str
    key: str
    basis: str
    policy: Policy
    asked_at: datetime


def ask(
    engine: Engine | None = None,
    *,
    start: str = "",
    end: str = "",
    application: str = "",
    key: str = "user",
    basis: str = "busy",
    idle_timeout_minutes: float = 0,
    now: datetime | None = None,
) -> Question:
    """Turn parameters as people write them into a question.

    Parameters
    ----------
    engine
        None: the default warehouse.
    start, end
        ISO dates, [start, end) in the organization's zone; empty: the last twelve full months.
    application
        Code; empty: all.
    key, basis
        One of KEYS; one of BASES.
    idle_timeout_minutes
        0: the license policy's own.
    now
        None: the clock.

    Raises
    ------
    Problem
        A date that is none, an end before the start, an application, key or basis unknown.
    """
    raise NotImplementedError
