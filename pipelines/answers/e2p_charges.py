"""What is charged to each project, for which application, at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.footer import Footer


@dataclass(frozen=True)
class Charges:
    """The charge lines of one billing run.

    Attributes
    ----------
    run, period, status
        Number of the run, its fiscal period, and how far it is.
    by_project
        One row per payer, project and currency, largest first: payer, project, project_name, currency,
        hours, amount_minor, amount (text as people read it).
    lines
        One row per payer, project, phase, task, application, rate and currency: ..., hours, rate (text),
        amount_minor, amount, adjustment_minor, adjustment.
    totals
        Amount per currency as text.
    claims
        Markdown sentences: "run", "projects", "review", "adjustments".
    """

    run: str
    period: str
    status: str
    by_project: pl.DataFrame
    lines: pl.DataFrame
    totals: dict[str, str]
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(engine: Engine, period: str = "", *, now: datetime | None = None) -> Charges:
    """Read the charge lines of a period's newest run; no period: the newest closed one."""
    raise NotImplementedError(engine, period, now)
