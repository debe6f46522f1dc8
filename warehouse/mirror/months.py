"""The months of the mirror: those of UTC, in which sessions start."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

_EPOCH = datetime.fromtimestamp(0, UTC)


def month_of(column: str) -> pl.Expr:
    """Return the month of a column of milliseconds, as `2026-10`."""
    return pl.from_epoch(pl.col(column), "ms").dt.strftime("%Y-%m")


def bounds(month: str) -> tuple[int, int]:
    """Return the milliseconds [from, to) of a month."""
    first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    over = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
    return _ms(first), _ms(first.replace(year=over[0], month=over[1]))


def _ms(instant: datetime) -> int:
    return int((instant - _EPOCH).total_seconds()) * 1000
