"""What license servers refused, where a log tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from pipelines.answers.evidence import Evidence
from pipelines.answers.question import Question
from warehouse import frames

EVER = datetime(1970, 1, 1, tzinfo=UTC)
LOGS = ("flexnet",)
"""Sources of sessions whose logs tell of refused requests too."""


def refused(
    question: Question, found: Evidence, applications: Sequence[str] | None = None
) -> pl.DataFrame | None:
    """Read what was refused in the window; None: no log tells whether anything was.

    Parameters
    ----------
    applications
        Codes; None: all.

    Returns
    -------
    pl.DataFrame or None
        What `frames.denials` gives. It is empty, and not None, where a log is known and tells of nothing: by
        its sessions in the window, or by a denial at any time.
    """
    ever = _of(frames.denials(question.engine, EVER, max(question.end, question.asked_at)), applications)
    inside = ever.filter(pl.col("at") >= question.start, pl.col("at") < question.end)
    if ever.height:
        return inside
    logged = _of(found.sessions, applications).filter(pl.col("source").is_in(LOGS))
    return inside if logged.height else None


def _of(rows: pl.LazyFrame, applications: Sequence[str] | None) -> pl.DataFrame:
    named = rows.with_columns(pl.col("application").cast(pl.String)).collect()
    return named if applications is None else named.filter(pl.col("application").is_in(applications))
