"""Figures that take long to read, made ahead by a process of their own, once for all pages.

A page shows them at once, with the moment they are as of. They are about whole days up to yesterday, so an
hour's age changes them only by evidence that came late.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup
from sqlalchemy import Engine

from apps import kept, landing, overview, page
from pipelines.answers import renewals
from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.question import Question
from warehouse.errors import Problem
from warehouse.store import open_warehouse

MADE = "made"
"""A file that is there once figures have been made."""


def make(engine: Engine, now: datetime | None = None) -> dict[str, Markup]:
    """Make the figures of every screen that take long, from one reading of the last twelve months.

    Returns
    -------
    dict[str, Markup]
        By name: "overview", the whole screen; "renewals", the first tile of the start page.

    Raises
    ------
    Problem
        There is nothing to make them of; `nothing` says it in their place.
    """
    windows = overview.questions(engine, now or datetime.now(UTC))
    evidence = gather(windows[-1][1])
    return {
        "overview": overview.screen(overview.answers(windows, evidence)),
        "renewals": _renewals(windows[-1][1], evidence),
    }


def nothing(problem: Problem) -> dict[str, Markup]:
    """Return what stands in the place of every figure: why there is none, and what to do about it."""
    overview_words = page.heading("Overview") + page.empty("No data yet", str(problem))
    return {"overview": overview_words, "renewals": landing.no_renewals(str(problem))}


def _renewals(question: Question, evidence: Evidence) -> Markup:
    try:
        return landing.renewals_tile(renewals.answer(question, evidence))
    except Problem as problem:
        return landing.no_renewals(str(problem))


def main() -> int:
    """Make the figures of the default warehouse for the server that started this process.

    Returns
    -------
    int
        0; or 1 when there was nothing to make them of, so that the server tries again soon.
    """
    folder = Path(os.environ[kept.FOLDER])
    try:
        engine = open_warehouse()
        try:
            kept.keep(folder, make(engine))
        finally:
            engine.dispose()
    except Problem as problem:
        # Figures that were made before stay, with the moment they are as of.
        if not (folder / MADE).exists():
            kept.keep(folder, nothing(problem))
        return 1
    (folder / MADE).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
