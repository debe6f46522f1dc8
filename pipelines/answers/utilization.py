"""How much of the time that applications are open is somebody at work in them?"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipelines.answers.footer import Footer
from pipelines.answers.question import Question


@dataclass(frozen=True)
class Utilization:
    """Use over the window, in hours.

    Attributes
    ----------
    by_application
        One row per application, most run hours first: application, name, sessions, people, run_hours,
        busy_hours, active_hours, pause_hours, idle_hours, held_hours, unknown_hours (Float64), busy_share
        (busy / run, null where it never ran).
    by_office
        One row per office: office, name, people, run_hours, busy_hours, busy_share.
    by_day
        One row per local day of the window: day, active_users, sessions, session_hours.
    claims
        Markdown sentences: "applications", "offices", "days".
    """

    by_application: pl.DataFrame
    by_office: pl.DataFrame
    by_day: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question) -> Utilization:
    """Measure use by application, office and day."""
    raise NotImplementedError(question)
