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


def make(engine: Engine, now: datetime | None = None) -> dict[str, Markup]:
    """Make the figures of every screen that take long, from one reading of the last twelve months.

    Returns
    -------
    dict[str, Markup]
        By name: "overview", the whole screen; "renewals", the first tile of the start page. What cannot be
        made says why and what to do.
    """
    moment = now or datetime.now(UTC)
    try:
        windows = overview.questions(engine, moment)
        evidence = gather(windows[-1][1])
    except Problem as problem:
        nothing = page.empty("No data yet", str(problem))
        return {"overview": page.heading("Overview") + nothing, "renewals": landing.no_renewals(str(problem))}
    return {
        "overview": overview.screen(overview.answers(windows, evidence)),
        "renewals": _renewals(windows[-1][1], evidence),
    }


def _renewals(question: Question, evidence: Evidence) -> Markup:
    try:
        return landing.renewals_tile(renewals.answer(question, evidence))
    except Problem as problem:
        return landing.no_renewals(str(problem))


def main() -> None:
    """Make the figures of the default warehouse for the server that started this process."""
    folder = Path(os.environ[kept.FOLDER])
    try:
        engine = open_warehouse()
        try:
            kept.keep(folder, make(engine))
        finally:
            engine.dispose()
    except Problem as problem:
        sys.stderr.write(f"process-meter: {problem}\n")
        failed = page.trouble(problem)
        missing = [name for name in ("overview", "renewals") if kept.find(str(folder), name) is None]
        kept.keep(folder, dict.fromkeys(missing, failed))


if __name__ == "__main__":
    main()
