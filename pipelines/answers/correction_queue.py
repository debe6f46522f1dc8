"""Which time of a period nobody can be charged for, whose it is, why, and until when it can be put right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines import drafting, rating
from warehouse import evidence, frames
from warehouse.corrections import CORRECTION_COLUMNS, NOTES, Deadline, deadlines
from warehouse.corrections.people import without_employee_number
from warehouse.directory.project_files import Cell, TableFile
from warehouse.errors import Problem
from warehouse.metrics.assigned_time import assigned_time
from warehouse.metrics.charges import Evidence
from warehouse.money import HOUR_MS
from warehouse.periods import INSTANT, zone_of
from warehouse.projects import REMEDIES

QUANTUM_PER_HOUR = 1000
"""Nothing is rounded here: any quantum will do."""

QUEUE: Mapping[str, Any] = {
    "session": pl.Int64,
    "person": pl.String,
    "person_id": pl.Int64,
    "application": pl.String,
    "office": pl.String,
    "zone": pl.String,
    "day": pl.Date,
    "start": INSTANT,
    "end": INSTANT,
    "milliseconds": pl.Int64,
    "entry": pl.Int64,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "fault": pl.String,
    "reason": pl.String,
    "remedy": pl.String,
    "period": pl.String,
    "deadline": INSTANT,
    "is_late": pl.Boolean,
}
"""One row per session, local day and project entry in force that fails."""

_CORRECT = "say what it was for: `process-meter project correct --session N --project NUMBER --reason TEXT`"
FAULT_REMEDIES: Mapping[str, str] = {
    **{str(fault): remedy for fault, remedy in REMEDIES.items()},
    "unassigned": _CORRECT,
    "unknown_person": "say whose account it is: `process-meter directory import FILE`",
    "no_account": "",  # its reason names it
}
PUT_OFF: Mapping[str, str] = {
    "dismissed": "the question at launch was put off",
    "asked": "the question at launch was not answered",
}
"""What became of the question for a project, where time has none."""


@dataclass(frozen=True)
class CorrectionQueue:
    """What of a fiscal period waits to be corrected.

    Attributes
    ----------
    period
        Its name.
    rows
        The columns of `QUEUE`, oldest first. `person` is a pseudonym, the account's where it is nobody's,
        null where several people use it; `zone` is the person's home office's, or the host's; `project`,
        `phase` and `task` are what was entered; `milliseconds` is busy time and the billing policy's buffer,
        as the period's draft would count it; `deadline` is null where there is none, and `is_late` says that
        it has passed.
    billable_ms, assigned_ms
        All billable time of the period, and what of it has somebody to be charged to; the rest is the rows'.
    without_number
        Pseudonyms of people with billable time who have no employee number.
    """

    period: str
    rows: pl.DataFrame
    billable_ms: int
    assigned_ms: int
    without_number: list[str]


def answer(engine: Engine, period: str | None, now_ms: int) -> CorrectionQueue:
    """Find what waits to be corrected.

    Parameters
    ----------
    period
        Name of a fiscal period; None: the newest that has begun.
    now_ms
        What was received by then counts; UTC, in milliseconds.

    Raises
    ------
    Problem
        There is no such period, or none that has begun; presets that collide.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    found = rating.find_period(engine, period if period is not None else newest_period(engine, now))
    inputs, time = assigned(engine, found, now)
    with engine.connect() as connection:
        known = deadlines(connection)
    wrong = time.filter(pl.col("fault").is_not_null())
    return CorrectionQueue(
        found.name,
        with_deadline(_named(wrong, inputs.sessions), known, now_ms).select(
            pl.col(name).cast(dtype) for name, dtype in QUEUE.items()
        ),
        int(time["milliseconds"].sum()),
        int(time["milliseconds"].sum()) - int(wrong["milliseconds"].sum()),
        without_employee_number(engine, set(time["person_id"].drop_nulls())),
    )


def assigned(engine: Engine, period: rating.Period, now: datetime) -> tuple[rating.Inputs, pl.DataFrame]:
    """Return what a period is made of, as received by `now`, and its `metrics.assigned_time`."""
    with engine.connect() as connection:
        newest = evidence.newest_policy(connection, "billing")
    inputs, policy = rating.collect(engine, period, now), frames.policy(engine, "billing")
    terms = drafting.terms_of(period, QUANTUM_PER_HOUR, newest.document if newest else {})
    seen = Evidence(inputs.stated(policy), inputs.sessions, inputs.placements, inputs.entries)
    return inputs, assigned_time(seen, inputs.tariff, policy, terms)


def queue_file(engine: Engine, queue: CorrectionQueue) -> TableFile:
    """Return the queue as a file for `process-meter project correct`, to be filled in.

    Rows whose fault no project can cure, because the account is nobody's or a cost center has no account, are
    not in it.
    """
    fields = [rule.name for rule in frames.project_fields(engine)]
    rows = queue.rows.filter(~pl.col("fault").is_in(["unknown_person", "no_account"]))
    cells: list[tuple[Cell, ...]] = [
        (
            str(row["session"]), _local(row["start"], row["zone"]),
            _local(row["end"], row["zone"]), None, None, None, None,
            *[None] * len(fields),
            row["person"], row["application"], f"{row['milliseconds'] / HOUR_MS:.3f}", row["reason"],
        )
        for row in rows.iter_rows(named=True)
    ]  # fmt: skip
    return TableFile((*CORRECTION_COLUMNS, *fields, *NOTES), cells)


def _local(moment: datetime, zone: str) -> str:
    local = moment.astimezone(zone_of(zone))
    return local.isoformat(" ", "milliseconds" if moment.microsecond else "seconds")


def newest_period(engine: Engine, now: datetime) -> str:
    """Return the name of the newest fiscal period that has begun.

    Raises
    ------
    Problem
        None has.
    """
    zone = zone_of(frames.home_zone(engine) or "UTC")
    today: date = now.astimezone(zone).date()
    begun = frames.periods(engine).filter(pl.col("starts_on") <= today).collect()
    if begun.is_empty():
        raise Problem("No fiscal period has begun", "import some: `process-meter calendar import FILE`")
    return str(begun["period"][-1])


def _named(wrong: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    people = sessions.select("session", "person", "zone", "prompt")
    asked = pl.col("prompt").replace_strict(PUT_OFF, default=None, return_dtype=pl.String)
    put_off = pl.when(pl.col("fault") == "unassigned").then(asked)
    return wrong.join(people, on="session", how="left", maintain_order="left").with_columns(
        reason=pl.concat_str("reason", put_off, separator=": ", ignore_nulls=True)
    )


def with_deadline(rows: pl.DataFrame, known: Sequence[Deadline], now_ms: int) -> pl.DataFrame:
    """Add `remedy`, and by the local `day` of a row its `period`, `deadline` and whether it `is_late`."""
    columns = {"period": pl.String, "starts_on": pl.Date, "ends_on": pl.Date, "until": pl.Int64}
    spans = pl.DataFrame(known, schema=columns, orient="row").sort("starts_on")
    placed = rows.with_row_index("__row").sort("day").join_asof(
        spans, left_on="day", right_on="starts_on", check_sortedness=False
    )  # fmt: skip
    inside = pl.col("day") < pl.col("ends_on")
    until = pl.when(inside).then("until")
    remedies = pl.col("fault").replace_strict(FAULT_REMEDIES, default="", return_dtype=pl.String)
    return placed.sort("__row").with_columns(
        period=pl.when(inside).then("period"),
        deadline=until.cast(INSTANT),
        is_late=(until <= now_ms).fill_null(value=False),
        remedy=remedies,
    ).drop("__row", "starts_on", "ends_on", "until")  # fmt: skip
