"""What each kind of job does, and what its outcome says to people: one function per kind.

Names of people are in the billing workbook alone; sending it is an audited event of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from pipelines import billing
from pipelines.figures_file import write_figures
from pipelines.mail_message import Mail
from pipelines.reports import NOTEBOOKS, find_report, run_report
from pipelines.schedule import (
    Calendar,
    Draft,
    FiscalPeriod,
    Job,
    Report,
    Upkeep,
    days_of,
    filled_in,
    instant,
    period_of,
)
from pipelines.workbook import write_workbook
from warehouse import frames, ledger, retention, store, upkeep
from warehouse.money import format_minor
from warehouse.periods import zone_of

MOST_FIGURES = 20
"""Key figures that a mail shows; all of them are in the files."""


@dataclass(frozen=True)
class Bench:
    """What every job works with: the warehouse, where outcomes are kept, who acts, and the clock.

    `folder` is the reports folder; `now_ms` gives now, UTC in ms.
    """

    engine: Engine
    calendar: Calendar
    folder: Path
    actor: str
    now_ms: Callable[[], int]
    notebooks: Path = NOTEBOOKS


@dataclass(frozen=True)
class Made:
    """What a job has made, in words and files; kept with its row, so that it can be delivered later.

    `files` are relative to the reports folder; `run` is a billing run, whose names are in them.
    """

    subject: str
    says: Sequence[str] = ()
    figures: Sequence[Sequence[str]] = ()
    steps: Sequence[str] = ()
    files: Sequence[str] = ()
    run: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    def mail(self, key: str, folder: Path) -> Mail:
        """Write it as a message."""
        figures = [(name, value) for name, value in self.figures]
        files = [folder / name for name in self.files]
        return Mail(key, self.subject, self.says, figures, self.steps, files)


def work(bench: Bench, job: Job, due_ms: int) -> Made:
    """Do a job for the moment at which it was due.

    Raises
    ------
    Problem
        Why it could not be done.
    """
    if isinstance(job.task, Report):
        return _report(bench, job.task, instant(due_ms))
    if isinstance(job.task, Draft):
        return _draft(bench, job, job.task, instant(due_ms))
    return _upkeep(bench, job.task)


# --- Reports -----------------------------------------------------------------------------------------------


def _report(bench: Bench, task: Report, due: datetime) -> Made:
    report = find_report(task.report, bench.notebooks)
    values = filled_in(task.parameters, days_of(bench.calendar, due))
    result = run_report(
        task.report,
        values,
        out=bench.folder,
        url=bench.engine.url.render_as_string(hide_password=False),
        html="html" in task.formats,
        pdf="pdf" in task.formats,
        clock=lambda: instant(bench.now_ms()),
        notebooks=bench.notebooks,
    )
    files = [path for path in (result.html, result.pdf) if path]
    if "xlsx" in task.formats:
        files.append(write_figures(result.folder / f"{task.report}.xlsx", report.title, result.results))
    local = due.astimezone(bench.calendar.zone)
    asked = [f"{name} = {value}" for name, value in values.items()]
    return Made(
        f"{report.title} ({local:%Y-%m-%d})",
        (
            report.question or report.title,
            f"The report {task.report} was due on {local:%Y-%m-%d at %H:%M} ({bench.calendar.zone.key}).",
            f"It was asked with {', '.join(asked)}." if asked else "It was asked with its usual parameters.",
        ),
        tuple(shown_figures(result.results))[:MOST_FIGURES],
        ("Open the attached page: it says on which basis each figure stands, and what is missing.",),
        tuple(path.relative_to(bench.folder).as_posix() for path in files),
    )


def shown_figures(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Write a report's key figures as people read them; tables among them are left to the files.

    Amounts in minor units stand under names that end in `_minor`, by currency.
    """
    for name, value in results.items():
        words = name.removesuffix("_minor").replace("_", " ")
        if name.endswith("_minor") and isinstance(value, dict):
            yield words, ", ".join(format_minor(amount, unit) for unit, amount in value.items()) or "nothing"
        elif isinstance(value, dict):
            yield from ((f"{words}: {part}", text) for part, text in shown_figures(value))
        elif not isinstance(value, list):
            yield words, _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- Billing -----------------------------------------------------------------------------------------------


def _draft(bench: Bench, job: Job, task: Draft, due: datetime) -> Made:
    """Draft the period that has ended, unless it has a run, and write its workbook."""
    period, now_ms = period_of(job.when, bench.calendar, due).name, bench.now_ms()
    stands = billing.collecting(bench.engine, period, now_ms)
    before = stands["run"]
    run = str(before or billing.draft(bench.engine, period, task.target, bench.actor, now_ms))
    shown = billing.show(bench.engine, run)
    path = bench.folder / "billing" / f"{re.sub(r'[^A-Za-z0-9.-]', '-', run)}.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_workbook(bench.engine, run, path, bench.actor, now_ms)
    lead = "" if _is_complete(stands) else "NOT COMPLETE: "
    return Made(
        f"{lead}billing draft {run}, {_money(shown['billed_minor'])}",
        (_stands(period, shown, bench.actor), *_completeness(stands)),
        tuple(_draft_figures(shown, stands)),
        (
            "Look through the attached workbook; its sheet Exceptions lists what is to be settled or waived.",
            f"Review it: process-meter billing show {run}",
            f"Somebody else than {shown['prepared_by']} approves it, a person closes it; no schedule does.",
        ),
        (path.relative_to(bench.folder).as_posix(),),
        run,
    )


def _stands(period: str, shown: Mapping[str, Any], actor: str) -> str:
    """Say which run the period has; one that people have made or gone on with is left as it is."""
    own = shown["status"] == "draft" and shown["prepared_by"] == actor
    what = f"Its draft is run {shown['run']}." if own else f"Run {shown['run']} of it is {shown['status']}."
    return f"Fiscal period {period} has ended. {what}"


def _is_complete(stands: Mapping[str, Any]) -> bool:
    return bool(stands["agents"]["out"] == stands["agents"]["with_backlog"] == 0)


def _completeness(stands: Mapping[str, Any]) -> Iterator[str]:
    """Say who is still to be heard, and what the bill comes to at least and at most."""
    agents = stands["agents"]
    if _is_complete(stands):
        yield f"The period is complete: {_heard(agents['in_force'])}"
    else:
        backlog = agents["with_backlog"]
        held_back = f", and {backlog:,} hold records back that were not delivered yet" if backlog else ""
        yield (
            f"The period is not complete: of {agents['in_force']:,} agents {agents['out']:,} have not been "
            f"heard since its end{held_back}. Draft it again when they are back; what comes after the close "
            "is booked in the next run."
        )
    low, high = (_money(stands[bound]["amount_minor"]) for bound in ("lower_bound", "upper_bound"))
    if stands["unknown_hours"] or low != high:
        yield (
            f"{stands['unknown_hours']:,} hours of use are unknown and not billed. It comes to {low} on what "
            f"is known, and to {high} at most."
        )


def _heard(in_force: int) -> str:
    if in_force == 0:
        return "no agent was enrolled in it, and what was imported counts."
    return f"all {in_force:,} agents have been heard since its end, and hold nothing back."


def _draft_figures(shown: Mapping[str, Any], stands: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "billed", _money(shown["billed_minor"])
    yield "held", _money(shown["held_minor"])
    yield "lines", f"{shown['lines']:,}"
    yield "accounting target", str(shown["target"])
    for name, share in (("session coverage", "session_coverage"), ("fleet coverage", "fleet_coverage")):
        yield name, "not known" if stands[share] is None else f"{stands[share]:.1%}"
    for kind, count in shown["exceptions"].items():
        yield f"exceptions: {kind.replace('_', ' ')}", f"{count:,}"


def _money(amounts: Mapping[str, int]) -> str:
    return ", ".join(format_minor(amount, unit) for unit, amount in sorted(amounts.items())) or "nothing"


def record_mailed(bench: Bench, made: Made, to: Sequence[str]) -> None:
    """Record to whom a billing run with its names was sent; of other outcomes nothing."""
    if made.run is not None and to:
        with store.writing(bench.engine) as connection:
            detail = {"to": list(to), "files": len(made.files)}
            ledger.record_event(connection, bench.actor, "billing mail", made.run, detail, bench.now_ms())


# --- Upkeep ------------------------------------------------------------------------------------------------


def _upkeep(bench: Bench, task: Upkeep) -> Made:
    """Bring mirror and rollups up to date; before it, if asked, take away what was kept for long enough."""
    says: list[str] = []
    if task.act == "retain":
        says = retention.retain(bench.engine, bench.now_ms(), actor=bench.actor).lines()
    done = upkeep.upkeep(bench.engine, now_ms=bench.now_ms())
    figures = (("segments in the mirror", f"{done.mirrored.segments:,}"),)
    return Made(f"{task.act} is done", tuple(says), figures)


def calendar(engine: Engine) -> Calendar:
    """Read the organization's time zone, its fiscal periods and the zones of its offices.

    Raises
    ------
    Problem
        Nobody has named the organization yet.
    """
    zones = frozenset(frames.offices(engine).collect()["zone"].to_list())
    rows = frames.periods(engine).select("period", "starts_on", "ends_on").collect().rows()
    zone = zone_of(str(frames.organization(engine)["zone"]))
    return Calendar(zone, tuple(FiscalPeriod(*row) for row in rows), zones)
