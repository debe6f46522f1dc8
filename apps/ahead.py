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

from apps import landing, overview, page
from pipelines.answers import renewals
from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.question import Question
from warehouse.errors import Problem
from warehouse.store import open_warehouse

FOLDER = "PROCESS_METER_SCREENS"
"""Environment variable: the folder where the server of this kernel keeps the figures."""
EVERY_SECONDS = 3600


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


def kept(folder: str, name: str) -> Markup | None:
    """Return figures that were made ahead; None while they are not there yet."""
    try:
        return Markup((Path(folder) / f"{name}.html").read_text(encoding="utf-8"))  # noqa: S704 - our own
    except FileNotFoundError:
        return None


def keep(folder: Path, made: dict[str, Markup]) -> None:
    """Write figures so that a reader finds the old ones or the new ones, never half of them."""
    for name, html in made.items():
        partial = folder / f"{name}.partial"
        partial.write_text(html, encoding="utf-8")
        partial.replace(folder / f"{name}.html")


def main() -> None:
    """Make the figures of the default warehouse for the server that started this process."""
    folder = Path(os.environ[FOLDER])
    try:
        engine = open_warehouse()
        try:
            keep(folder, make(engine))
        finally:
            engine.dispose()
    except Problem as problem:
        sys.stderr.write(f"process-meter: {problem}\n")
        failed = page.trouble(problem)
        keep(folder, {name: failed for name in ("overview", "renewals") if kept(str(folder), name) is None})


if __name__ == "__main__":
    main()
