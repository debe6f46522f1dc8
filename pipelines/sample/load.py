"""Write the sample into a warehouse: master data, then evidence in the order in which it happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine

from pipelines.sample import evidence, license_server, organization
from pipelines.sample.people import people
from pipelines.sample.plan import Plan
from pipelines.sample.vendor_counts import vendor_counts
from warehouse.store import append

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows of evidence were written."""

    sessions: int
    segments: int


def load(engine: Engine, plan: Plan, progress: Progress = lambda _step, _share: None) -> Loaded:
    """Make the sample and write it into an empty warehouse.

    Parameters
    ----------
    engine
        A warehouse at the newest version, without any rows.
    plan
        How much, and up to which day.
    progress
        Told about each step.

    Raises
    ------
    warehouse.store.WarehouseProblem
        The warehouse is not empty, or refuses a row. What was written before stays: load into a file of its
        own and keep it only when it is whole.
    """
    staff = people(plan)
    progress("working days", 0.0)
    collected = evidence.collect(plan, staff)
    progress("the organization", 0.25)
    for table, rows in organization.tables(plan, staff, collected.watch_intervals).items():
        append(engine, table, rows)
    progress("sessions", 0.3)
    append(engine, "session", collected.sessions)
    segments = _load_segments(engine, collected, progress)
    append(engine, "watch_interval", collected.watch_intervals)
    append(engine, "project_entry", collected.project_entries)
    counted = vendor_counts(plan, collected.sessions, organization.accounts(staff))
    append(engine, "vendor_count", counted)
    for table, rows in license_server.tables(plan, collected.sessions).items():
        append(engine, table, rows)
    progress("done", 1.0)
    return Loaded(collected.sessions.height, segments)


def _load_segments(engine: Engine, collected: evidence.Evidence, progress: Progress) -> int:
    """Write the segments of some thousand sessions at a time."""
    written = 0
    for part in collected.segments():
        written += append(engine, "segment", part)
        done = int(part["session_id"][-1]) / collected.sessions.height
        progress("segments", 0.4 + 0.55 * done)
    return written
