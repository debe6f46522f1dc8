"""The rows of `job_run`: which scheduled job ran for which moment, and what came of it.

A row is one job at one moment at which it was due; it is begun, ended and begun again under the number of its
attempt, so that a process which lost its lease in between can no longer change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.evidence.inserting import insert_new

Status = Literal["running", "done", "failed", "skipped"]
_runs = schema.job_run


class JobRun(NamedTuple):
    """One row; instants are UTC in ms.

    `reason` says why it failed or was skipped; `result` is plain JSON; `told_ms` is when its failure was
    reported.
    """

    job: str
    due_ms: int
    status: Status
    attempts: int
    started_ms: int
    ended_ms: int | None
    reason: str | None
    result: dict[str, Any]
    told_ms: int | None


_COLUMNS = [_runs.c[name] for name in JobRun._fields]


def newest(engine: Engine) -> dict[str, JobRun]:
    """Return the row of the latest moment of each job."""
    latest = sa.select(_runs.c.job, sa.func.max(_runs.c.due_ms).label("due_ms")).group_by(_runs.c.job)
    found = latest.subquery()
    is_latest = (_runs.c.job == found.c.job) & (_runs.c.due_ms == found.c.due_ms)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(*_COLUMNS).join(found, is_latest)).all()
    return {row.job: JobRun(*row) for row in rows}


def unsettled(engine: Engine) -> list[JobRun]:
    """Return the rows that still need something, oldest first: what runs, and failures nobody knows of."""
    is_open = (_runs.c.status == "running") | ((_runs.c.status == "failed") & _runs.c.told_ms.is_(None))
    query = sa.select(*_COLUMNS).where(is_open).order_by(_runs.c.due_ms, _runs.c.job)
    with engine.connect() as connection:
        return [JobRun(*row) for row in connection.execute(query)]


def skip(  # noqa: PLR0913, PLR0917 - which job, for which moment, why, what else, and when that was found
    engine: Engine, job: str, due_ms: int, reason: str, result: Mapping[str, Any], now_ms: int
) -> None:
    """Record that a job is not run for a moment, and why; a moment that has a row keeps it."""
    row = {
        "job": job, "due_ms": due_ms, "status": "skipped", "attempts": 0, "started_ms": now_ms,
        "ended_ms": now_ms, "reason": reason, "result": dict(result),
    }  # fmt: skip
    with store.writing(engine) as connection:
        insert_new(connection, _runs, [row])


def begin(engine: Engine, job: str, due_ms: int, result: Mapping[str, Any], now_ms: int) -> JobRun | None:
    """Begin a job for a moment, or once more where it failed; None: another process has done so.

    Parameters
    ----------
    result
        What the row says from the start; a row that is there keeps its own.
    """
    mine = (_runs.c.job == job) & (_runs.c.due_ms == due_ms)
    again = {"status": "running", "attempts": _runs.c.attempts + 1, "started_ms": now_ms, "ended_ms": None}
    row = {"job": job, "due_ms": due_ms, "status": "failed", "attempts": 0, "result": dict(result)}
    with store.writing(engine) as connection:
        insert_new(connection, _runs, [{**row, "started_ms": now_ms}])
        change = sa.update(_runs).where(mine & (_runs.c.status == "failed")).values(**again)
        found = connection.execute(change.returning(*_COLUMNS)).one_or_none()
    return JobRun(*found) if found else None


def note(engine: Engine, run: JobRun, result: Mapping[str, Any]) -> bool:
    """Keep what a running job has come to so far; return whether the row was still this attempt's."""
    return _change(engine, run, result=dict(result))


def end(engine: Engine, run: JobRun, status: Status, reason: str | None, now_ms: int) -> bool:
    """End an attempt; return whether the row was still its own."""
    return _change(engine, run, status=status, reason=reason, ended_ms=now_ms)


def _change(engine: Engine, run: JobRun, **values: Any) -> bool:
    mine = (
        (_runs.c.job == run.job)
        & (_runs.c.due_ms == run.due_ms)
        & (_runs.c.status == "running")
        & (_runs.c.attempts == run.attempts)
    )
    with store.writing(engine) as connection:
        return bool(connection.execute(sa.update(_runs).where(mine).values(**values)).rowcount)


def told(engine: Engine, run: JobRun, now_ms: int) -> None:
    """Record that a failure was reported."""
    mine = (_runs.c.job == run.job) & (_runs.c.due_ms == run.due_ms) & (_runs.c.status == "failed")
    with store.writing(engine) as connection:
        connection.execute(sa.update(_runs).where(mine).values(told_ms=now_ms))
