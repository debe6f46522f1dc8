"""The schedule file: which jobs there are, checked before any of them runs.

Notebooks carry a cron text in their metadata, so that without any file each report runs when it is meant to.
A schedule file adds billing, upkeep, recipients and other times. docs/schedule.md explains every key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from pipelines.exporting import find_target
from pipelines.mailing import addresses
from pipelines.report_parameters import check_parameters, nearest
from pipelines.reports import NOTEBOOKS, ON_REQUEST, Report, find_report, list_reports
from pipelines.schedule import (
    CATCH_UP,
    AfterPeriod,
    Calendar,
    CatchUp,
    Cron,
    Draft,
    FiscalPeriod,
    Job,
    Upkeep,
    When,
    check_cron,
    days_of,
    filled_in,
)
from pipelines.schedule import Report as RunReport
from pipelines.settings_file import Settings, read_settings
from warehouse.errors import Problem

KINDS = ("report", "billing", "mirror", "retain")
FORMATS = ("html", "pdf", "xlsx")
BY_PEOPLE = ("review", "approve", "close", "void", "sign", "waive", "settle", "transfer", "export")
"""Acts of billing that a person answers for: no machine signs a bill."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ANY_DAY = days_of(
    Calendar(ZoneInfo("UTC"), [FiscalPeriod("2026-01", *[datetime(2026, 1, 1, tzinfo=UTC).date()] * 2)]),
    datetime(2026, 2, 1, tzinfo=UTC),
)


@dataclass(frozen=True)
class Schedule:
    """The jobs, the folder that keeps what they make, and the settings of the mail server (None: no mail)."""

    jobs: tuple[Job, ...]
    folder: Path
    mail_file: Path | None = None


def read_schedule(path: Path | None, notebooks: Path = NOTEBOOKS) -> Schedule:
    """Read a schedule file; None: only what the notebooks say, into the folder `reports`.

    Raises
    ------
    Problem
        Names file, job and key: a bad cron text, an unknown report, parameter or target, an address that is
        none, an act of billing that only people may do.
    """
    if path is None:
        return Schedule(tuple(_own_times(list_reports(notebooks), RunReport(""), ())), Path("reports"))
    settings = read_settings(path, "docs/schedule.md")
    settings.refuse_unknown("mail", "reports", "jobs")
    named = settings.table("jobs")
    jobs = [_job(named.table(name), name, notebooks) for name in named.values]
    schedule = Schedule(
        (*jobs, *_notebooks(settings.table("reports"), notebooks, jobs)),
        settings.table("reports").beside("folder") or path.parent / "reports",
        _mail(settings.table("mail")),
    )
    for job in schedule.jobs:
        if job.recipients and schedule.mail_file is None:
            raise settings.problem(
                f"jobs.{job.name}.recipients",
                "there is no mail server",
                'write [mail] settings = "mail.toml"',
            )
    return schedule


def _mail(mail: Settings) -> Path | None:
    mail.refuse_unknown("settings")
    return mail.beside("settings")


# --- What notebooks say ------------------------------------------------------------------------------------


def _notebooks(settings: Settings, folder: Path, jobs: list[Job]) -> Iterator[Job]:
    """Give the notebooks that no job names their own times."""
    settings.refuse_unknown("folder", "notebooks", "recipients", "formats")
    which = settings.values.get("notebooks", True)
    if isinstance(which, bool):
        reports = list_reports(folder) if which else []
    else:
        reports = [_report(settings, "notebooks", name, folder) for name in settings.texts("notebooks")]
    taken = {job.task.report for job in jobs if isinstance(job.task, RunReport)}
    wanted = [report for report in reports if report.name not in taken]
    return _own_times(wanted, RunReport("", {}, _formats(settings)), addresses(settings, "recipients"))


def _report(settings: Settings, key: str, name: str, folder: Path) -> Report:
    try:
        return find_report(name, folder)
    except Problem as problem:
        raise settings.problem(key, problem.message, problem.remedy) from None


def _own_times(reports: Sequence[Report], task: RunReport, to: tuple[str, ...]) -> Iterator[Job]:
    for report in reports:
        if report.schedule != ON_REQUEST:
            try:
                when = Cron(check_cron(report.schedule))
            except Problem as problem:
                raise Problem(f"{report.path.name}, schedule: {problem.message}", problem.remedy) from None
            yield Job(f"report:{report.name}", when, replace(task, report=report.name), to)


# --- What the file says ------------------------------------------------------------------------------------


def _job(settings: Settings, name: str, notebooks: Path) -> Job:
    if not NAME.fullmatch(name):
        raise settings.problem("", f"{name!r} is no name of a job", "write letters, digits, - and _")
    kind = settings.text("kind") or ""
    if kind in BY_PEOPLE or settings.text("act", "draft") != "draft":
        act = settings.text("act") or kind
        raise settings.problem(
            "act" if "act" in settings.values else "kind",
            f"{act!r} is never scheduled: a person answers for it",
            "schedule the draft; people review, approve and close it",
        )
    if kind not in KINDS:
        raise settings.problem("kind", f"unknown word {kind!r}", nearest(kind, KINDS, "the kinds are"))
    task, keys = _task(settings, kind, notebooks)
    settings.refuse_unknown("kind", "cron", "catch_up", *keys)
    to = addresses(settings, "recipients") if "recipients" in keys else ()
    return Job(name, _when(settings, kind), task, to, _catch_up(settings))


def _task(
    settings: Settings, kind: str, notebooks: Path
) -> tuple[RunReport | Draft | Upkeep, tuple[str, ...]]:
    """Return what a job does, and the keys that it has beside those that every job has."""
    if kind == "report":
        return _run_report(settings, notebooks), ("report", "parameters", "formats", "recipients")
    if kind == "billing":
        return Draft(_target(settings)), ("act", "target", "days_after_end", "at", "recipients")
    return Upkeep("mirror" if kind == "mirror" else "retain"), ()


def _run_report(settings: Settings, notebooks: Path) -> RunReport:
    name = settings.needed("report", "peak_demand")
    report = _report(settings, "report", name, notebooks)
    given = settings.table("parameters").values
    try:
        check_parameters(f"Report {name}", report.parameters, filled_in(given, _ANY_DAY))
    except Problem as problem:
        raise settings.problem("parameters", problem.message, problem.remedy) from None
    return RunReport(name, dict(given), _formats(settings))


def _target(settings: Settings) -> str:
    target = settings.text("target", "generic") or "generic"
    try:
        find_target(target)
    except Problem as problem:
        raise settings.problem("target", problem.message, problem.remedy) from None
    return target


def _formats(settings: Settings) -> tuple[str, ...]:
    found = settings.texts("formats", ("html",))
    for name in found:
        if name not in FORMATS:
            raise settings.problem("formats", f"unknown format {name!r}", f"use {', '.join(FORMATS)}")
    return found


def _when(settings: Settings, kind: str) -> When:
    text = settings.text("cron")
    if kind == "billing" and text is None:
        days = settings.whole("days_after_end", 2, least=1, most=60)
        return AfterPeriod(days, _time(settings))
    if kind == "billing" and ({"days_after_end", "at"} & set(settings.values)):
        raise settings.problem("cron", "days_after_end and at say when already", "leave one of them out")
    try:
        return Cron(check_cron(settings.needed("cron", "0 6 1 * *")))
    except Problem as problem:
        if text is None:
            raise
        raise settings.problem("cron", problem.message, problem.remedy) from None


def _time(settings: Settings) -> time:
    text = settings.text("at", "06:00") or ""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise settings.problem("at", f"{text!r} is no time of the day", 'write at = "06:00"')
    return time.fromisoformat(text)


def _catch_up(settings: Settings) -> CatchUp:
    word = settings.word("catch_up", CATCH_UP, "last")
    return next(known for known in CATCH_UP if known == word)
