"""Which project people say they work for: mostly one, sometimes none, a closed one, or a typing error."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.sample.people import Person
from pipelines.sample.plan import DAY_MS, HOUR_MS, MINUTE_MS, Plan, add_months, instant_ms
from pipelines.sample.projects import INVALID_NUMBERS, PHASES, PROJECTS, TASKS, is_open, month_of

PORTFOLIO = (0.60, 0.29, 0.11)
"""How a person's time is shared by the three projects of the month."""
UNASSIGNED, INVALID, CLOSED, NON_CHARGEABLE = 0.055, 0.007, 0.011, 0.05
CHANGED_SHARE, CORRECTED_SHARE = 0.07, 0.008
LATE_CORRECTIONS = 7
LONG_SESSION_MS = 90 * MINUTE_MS
NUMBERS = np.array([project.number for project in PROJECTS])
SCHEMA = {"number": pl.String, "phase": pl.String, "task": pl.String}


def entries(plan: Plan, staff: list[Person], sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `project_entry` for sessions of billed applications.

    Parameters
    ----------
    sessions
        `session`, `person`, `opens`, `closes`, `author`, `received`, `late_from`; ordered by `session`.
    """
    said = _said(plan, sessions)
    wanted = _chosen(plan, staff, said)
    return (
        pl.concat([said, wanted], how="horizontal")
        .filter(pl.col("created") <= plan.horizon_ms)
        .sort("created", "session")
        .select(
            id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
            session_id="session",
            from_ms="moment",
            project_number="number",
            phase_number="phase",
            task_number="task",
            author="author",
            reason="reason",
            created_ms="created",
        )
    )


def _said(plan: Plan, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return when people say something about a session: at launch, sometimes later on, or the day after."""
    random = plan.random("entries")

    def some(rows: pl.DataFrame, share: float) -> pl.DataFrame:
        return rows.filter(pl.Series(random.random(rows.height) < share))

    told = some(sessions, 1 - UNASSIGNED)
    changed = some(told.filter(pl.col("closes") - pl.col("opens") > LONG_SESSION_MS), CHANGED_SHARE)
    share = pl.Series(random.uniform(0.2, 0.8, changed.height))
    later = pl.col("opens") + ((pl.col("closes") - pl.col("opens")) * share).cast(pl.Int64)
    said = [
        told.with_columns(moment="opens", reason=pl.lit("chosen at launch"), wait=0),
        changed.with_columns(moment=later, reason=pl.lit("changed while working"), wait=0),
        some(told, CORRECTED_SHARE).with_columns(
            moment="opens", reason=pl.lit("corrected by hand"), wait=DAY_MS + 3 * HOUR_MS
        ),
        _corrected_after_the_bill(plan, told),
    ]
    # What was said far from the network came as late as the evidence.
    created = pl.max_horizontal("moment", "received") + pl.col("wait")
    return pl.concat(said, how="vertical_relaxed").with_columns(created=created)


def _corrected_after_the_bill(plan: Plan, told: pl.DataFrame) -> pl.DataFrame:
    """Return some sessions of the month before last, corrected in the middle of last month."""
    first, last = (instant_ms(add_months(plan.month, months)) for months in (-2, -1))
    billed = told.filter(pl.col("opens").is_between(first, last - DAY_MS), pl.col("late_from").is_null())
    return (
        billed.gather_every(max(1, billed.height // LATE_CORRECTIONS))
        .head(LATE_CORRECTIONS)
        .with_columns(
            moment="opens",
            reason=pl.lit("wrong project, found when the bill was read"),
            wait=last + 14 * DAY_MS + 9 * HOUR_MS - pl.col("received"),
        )
    )


def _chosen(plan: Plan, staff: list[Person], told: pl.DataFrame) -> pl.DataFrame:
    random, count = plan.random("chosen"), told.height
    month = _months(plan, told["opens"])
    portfolios = _portfolios(plan, staff)
    place = random.choice(3, count, p=PORTFOLIO)
    project = portfolios[month - month_of(plan, plan.start), told["person"].to_numpy() - 1, place]
    draw = random.random(count)
    idle = [number for number, p in enumerate(PROJECTS) if not p.chargeable]
    project = np.where(draw < NON_CHARGEABLE, random.choice(idle, count), project)
    over = draw > 1 - CLOSED
    project[over] = _closed(month[over], project[over], random)
    known = draw < 1 - CLOSED - INVALID
    number = np.where(known | over, NUMBERS[project], random.choice(INVALID_NUMBERS, count))
    has_phases = np.array([p.chargeable for p in PROJECTS])[project] & (known | over)
    phase = np.array([code for code, _ in PHASES])[random.choice(4, count, p=[0.1, 0.45, 0.35, 0.1])]
    task = np.array([code for code, _ in TASKS])[random.choice(4, count)]
    has_task = has_phases & (random.random(count) < 0.6)
    return pl.DataFrame({"number": number, "phase": phase, "task": task}, schema=SCHEMA).select(
        "number",
        phase=pl.when(pl.Series(has_phases)).then("phase"),
        task=pl.when(pl.Series(has_task)).then("task"),
    )


def _months(plan: Plan, instants: pl.Series) -> np.ndarray:
    day = instants.cast(pl.Datetime("ms"))
    base = plan.month.year * 12 + plan.month.month
    return (day.dt.year().cast(pl.Int64) * 12 + day.dt.month() - base).to_numpy()


def _closed(month: np.ndarray, otherwise: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Pick projects that were already closed in the month, where there are any."""
    picked = otherwise.copy()
    for place, now in enumerate(month):
        over = [n for n, p in enumerate(PROJECTS) if p.to_month is not None and p.to_month <= now]
        if over:
            picked[place] = random.choice(over)
    return picked


def _portfolios(plan: Plan, staff: list[Person]) -> np.ndarray:
    """Return per month and person three projects that take time then, mostly of the own office.

    A person keeps to the same projects until they close or a dearer one opens.
    """
    random = plan.random("portfolios")
    liking = random.random((len(staff), len(PROJECTS)))
    at_home = np.array([[person.office.code == p.office for p in PROJECTS] for person in staff])
    paid = np.array([p.payer != "" for p in PROJECTS])
    outward = np.array([0.3 if p.payer.startswith("CC-") else 0.0 for p in PROJECTS])
    score = liking + 0.75 * at_home - outward
    first, last = month_of(plan, plan.start), month_of(plan, plan.last_day)
    monthly = []
    for month in range(first, last + 1):
        takes = np.array([is_open(p, month) for p in PROJECTS]) & paid
        monthly.append(np.argsort(-np.where(takes, score, -9.0), axis=1)[:, :3])
    return np.stack(monthly)
