"""Which jobs there are, when each is due next, and how its last run ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from pipelines.schedule import Calendar, Job, instant, next_moment, retry_ms
from pipelines.schedule_file import Schedule
from pipelines.schedule_work import calendar
from warehouse import job_runs
from warehouse.job_runs import JobRun


def overview(engine: Engine, known: Schedule, now_ms: int) -> list[dict[str, Any]]:
    """Say of each job when it is due next, and how its last run ended, as plain JSON.

    Returns
    -------
    list
        One per job, and one per job that ran once and is in the schedule no more: job, when (null: it is no
        more), next_due (null: nothing is ahead), recipients; of its last run (null: none yet) last_due,
        status, attempts, ended, reason, and retry (null: it is not tried again). Instants are ISO texts in
        the organization's zone.
    """
    days, newest = calendar(engine), job_runs.newest(engine)

    jobs = {job.name: job for job in known.jobs}
    return [
        {"job": name, **_ahead(jobs.get(name), days, now_ms), **_last(newest.get(name), days, name in jobs)}
        for name in [*jobs, *sorted(newest.keys() - jobs.keys())]
    ]


def _ahead(job: Job | None, days: Calendar, now_ms: int) -> dict[str, Any]:
    moment = next_moment(job.when, days, instant(now_ms)) if job else None
    return {
        "when": str(job.when) if job else None,
        "next_due": moment.astimezone(days.zone).isoformat() if moment else None,
        "recipients": list(job.recipients) if job else [],
    }


def _last(run: JobRun | None, days: Calendar, is_kept: bool) -> dict[str, Any]:
    again = retry_ms(run) if run and run.status == "failed" and is_kept else None
    return {
        "last_due": _local(run.due_ms, days) if run else None,
        "status": run.status if run else None,
        "attempts": run.attempts if run else 0,
        "ended": _local(run.ended_ms, days) if run else None,
        "reason": run.reason if run else None,
        "retry": _local(again, days),
    }


def _local(at_ms: int | None, days: Calendar) -> str | None:
    return None if at_ms is None else instant(at_ms).astimezone(days.zone).isoformat()
