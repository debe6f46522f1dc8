"""Worked hours, told in one line each, for the tests of rating."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from billing_cases import tariff

from warehouse.metrics.charges import Rated, Tariff, Terms, rate_work

MINUTE = 60_000
HOUR = 60 * MINUTE
WORKED = {
    "session": pl.Int64,
    "day": pl.Date,
    "person_id": pl.Int64,
    "application": pl.String,
    "office": pl.String,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "department": pl.String,
    "cost_center": pl.String,
    "unfit": pl.String,
    "active_ms": pl.Int64,
    "pause_ms": pl.Int64,
    "buffer_ms": pl.Int64,
}


def use(day: int, minutes: float, project: str | None = "A", **more: Any) -> dict[str, Any]:
    """Tell of use: on a day of October 2026, by person 1 with `cad` in Berlin, all of it active.

    More: person_id, application, office, phase, task, department, cost_center, session; pause and buffer in
    minutes.
    """
    kinds = {"pause_ms": int(more.pop("pause", 0) * MINUTE), "buffer_ms": int(more.pop("buffer", 0) * MINUTE)}
    return {
        "day": date(2026, 10, day), "person_id": 1, "application": "cad", "office": "BER", "project": project,
        "active_ms": int(minutes * MINUTE), **kinds, **more,
    }  # fmt: skip


def worked(*uses: dict[str, Any]) -> pl.DataFrame:
    """Put uses together; each is a session of its own unless it names one."""
    rows = [{"session": number, **told} for number, told in enumerate(uses, 1)]
    return pl.DataFrame([{name: row.get(name) for name in WORKED} for row in rows], schema=WORKED)


def rated(
    *uses: dict[str, Any],
    at: Tariff | dict[str, Any] | list[dict[str, Any]],
    per_hour: int = 1000,
    **terms: Any,
) -> Rated:
    """Rate uses at a tariff, one rate or several."""
    prices = at if isinstance(at, Tariff) else tariff(*([at] if isinstance(at, dict) else at))
    period = Terms(date(2026, 10, 1), date(2026, 11, 1), per_hour, **terms)
    return rate_work(worked(*uses), prices, period)


def rows(found: Rated, *columns: str) -> list[tuple[Any, ...]]:
    """Return columns of the lines."""
    return found.lines.select(columns).rows()
