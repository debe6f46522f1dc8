"""How many licenses were truly needed at once, when, and by whom?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pipelines.answers.footer import Footer
from pipelines.answers.question import Question


@dataclass(frozen=True)
class PeakDemand:
    """Exact concurrent use; the detail is of one application (the tightest one unless asked).

    Attributes
    ----------
    ranking
        One row per application, tightest first: application, name, owned (null: no entitlement), peak,
        need_95 (share of time, business hours), minutes_above_owned.
    application, name
        The application in detail.
    owned
        Units owned of it at the window's end; None where no entitlement covers it.
    peak, first_reached, minutes_at_peak
        Its peak family.
    peak_day
        The local day of the peak, every change of demand: at (Datetime UTC), demand.
    by_day
        One row per local day: day, peak, average.
    use_duration
        One row per n from 0 to the peak: n, minutes_at_or_above, share (of the calendar's time, 0-1).
    witnesses
        Who had it open at the peak: person (pseudonym), host (pseudonym), office, since.
    claims
        Markdown sentences: "ranking", "peak", "days", "duration", "witnesses".
    """

    ranking: pl.DataFrame
    application: str
    name: str
    owned: int | None
    peak: int
    first_reached: datetime | None
    minutes_at_peak: float
    peak_day: pl.DataFrame
    by_day: pl.DataFrame
    use_duration: pl.DataFrame
    witnesses: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question) -> PeakDemand:
    """Measure demand of every application, and of one in detail."""
    raise NotImplementedError(question)
