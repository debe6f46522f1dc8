"""The special cases: long computations, blind stretches, a laptop far from home, and what else goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.sample.people import Person
from pipelines.sample.plan import DAY_MS, HOUR_MS, MINUTE_MS, Plan, add_months, instant_ms
from pipelines.sample.products import APPLICATION_ID, SOLVER

HOLE_SHARE = 0.012
RUN_SHARE, OVERNIGHT_SHARE, SECOND_RUN_SHARE = 0.55, 0.7, 0.08
TOKENS = ((1, 0.35), (2, 0.4), (3, 0.25))
SPAN = {"person": pl.Int64, "start": pl.Int64, "end": pl.Int64}


@dataclass(frozen=True, slots=True)
class Absence:
    """A laptop without a network: evidence from `first` to `last` arrives on `delivered`, or has not yet."""

    person: int
    first: date
    last: date
    delivered: date | None


def absences(plan: Plan, staff: list[Person]) -> list[Absence]:
    """Return the two laptops away for weeks.

    The first one was away in the month before last and delivered in the middle of last month, when the bill
    of its month was closed. The second one is away now.
    """
    month = add_months(plan.month, -2)
    travelers = [p for p in staff if p.laptop and not p.remote and not p.contractor and p.valid_to is None]
    billed = [p for p in travelers if p.department in ("CIV", "ARC", "STR")]
    found = []
    if billed:
        back = add_months(plan.month, -1) + timedelta(days=11)
        found.append(Absence(billed[0].id, month + timedelta(days=7), add_months(month, 1), back))
    if len(billed) > 1:
        gone = plan.today - timedelta(days=37)
        found.append(Absence(billed[-1].id, gone, plan.last_day + timedelta(days=1), None))
    return found


def without_unheard(days: pl.DataFrame, away: list[Absence]) -> pl.DataFrame:
    """Mark as dark the days whose evidence still waits in a laptop's spool."""
    for absence in away:
        if absence.delivered is None:
            hidden = (pl.col("person") == absence.person) & (pl.col("day") >= absence.first)
            days = days.with_columns(dark=pl.col("dark") | hidden)
    return days


def heard(
    watched: pl.DataFrame, hosts: dict[str, int], staff: list[Person], away: list[Absence]
) -> pl.DataFrame:
    """Leave out the watch intervals that still wait in a laptop's spool."""
    for absence in away:
        if absence.delivered is None:
            host = hosts[staff[absence.person - 1].host]
            waits = (pl.col("host_id") == host) & (pl.col("start_ms") >= instant_ms(absence.first))
            watched = watched.filter(~waits)
    return watched


def deliveries(away: list[Absence]) -> pl.DataFrame:
    """Return what arrived late: `person`, `late_from`, `late_to`, `delivered`."""
    rows = [
        (a.person, instant_ms(a.first), instant_ms(a.last), instant_ms(a.delivered) + 9 * HOUR_MS)
        for a in away
        if a.delivered
    ]
    schema = {"person": pl.Int64, "late_from": pl.Int64, "late_to": pl.Int64, "delivered": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def holes(plan: Plan, days: pl.DataFrame) -> pl.DataFrame:
    """Return stretches in which a machine's agent was not running: `person`, `start`, `end`."""
    random = plan.random("holes")
    struck = days.filter(~pl.col("dark"), pl.Series(random.random(days.height) < HOLE_SHARE))
    start = random.uniform(20, 360, struck.height) * MINUTE_MS
    length = np.clip(random.lognormal(3.1, 0.9, struck.height), 2, 150) * MINUTE_MS
    return struck.select(
        "person",
        start=pl.col("arrive") + pl.Series(start.astype(np.int64)),
        end=pl.min_horizontal("leave", pl.col("arrive") + pl.Series((start + length).astype(np.int64))),
    ).filter(pl.col("end") > pl.col("start"))


def solver_runs(plan: Plan, staff: list[Person], days: pl.DataFrame) -> pl.DataFrame:
    """Return computations started by simulation engineers.

    Most are started before going home and end at night, behind a locked screen. Now and then the same person
    computes on the terminal server besides: two sessions, one bill.

    Returns
    -------
    pl.DataFrame
        `person`, `application`, `opens`, `closes`, `units`, `on_server`; disjoint by person and machine.
    """
    random = plan.random("solver")
    engineers = [p.id for p in staff if p.department == "SIM"]
    ready = days.filter(pl.col("person").is_in(engineers), ~pl.col("dark"))
    ready = ready.filter(pl.Series(random.random(ready.height) < RUN_SHARE))
    count = ready.height
    overnight = random.random(count) < OVERNIGHT_SHARE
    ahead = np.where(overnight, random.uniform(4, 55, count), random.uniform(200, 420, count)) * MINUTE_MS
    hours = np.where(overnight, random.lognormal(2.25, 0.4, count), random.lognormal(0.2, 0.6, count))
    units, shares = zip(*TOKENS, strict=True)
    runs = ready.select(
        "person",
        opens=pl.col("leave") - pl.Series(ahead.astype(np.int64)),
        length=pl.Series((np.clip(hours, 0.2, 15) * HOUR_MS).astype(np.int64)),
        units=pl.Series(random.choice(units, count, p=shares).astype(np.int64)),
    ).sort("person", "opens")
    following = pl.col("opens").shift(-1).over("person") - MINUTE_MS
    own = runs.select(
        "person",
        "opens",
        "units",
        closes=pl.min_horizontal(
            pl.col("opens") + pl.col("length"), following.fill_null(pl.col("opens") + DAY_MS)
        ),
        application=pl.lit(APPLICATION_ID[SOLVER], dtype=pl.Int64),
        on_server=pl.lit(value=False),
    ).filter(pl.col("closes") > pl.col("opens"))
    second = own.filter(
        pl.Series(random.random(own.height) < SECOND_RUN_SHARE),
        pl.col("closes") - pl.col("opens") > 2 * HOUR_MS,
    ).with_columns(
        opens=pl.col("opens") + 3 * MINUTE_MS,
        closes=pl.col("closes") - 40 * MINUTE_MS,
        on_server=pl.lit(value=True),
    )
    return pl.concat([own, second])


def failed_starts(plan: Plan, opened: pl.DataFrame) -> pl.DataFrame:
    """Return launches that ended at once, just before one that worked: `person`, `application`, `opens`.

    Parameters
    ----------
    opened
        Sessions: `person`, `application`, `opens`, `closes`; ordered.
    """
    random = plan.random("failed starts")
    before = opened.with_columns(
        at=pl.col("opens") - pl.Series(random.integers(2_000, 40_000, opened.height))
    )
    earlier = pl.col("closes").shift(1).over("person", "application").fill_null(0)
    struck = before.filter(pl.Series(random.random(opened.height) < 0.004), pl.col("at") > earlier)
    return struck.select("person", "application", opens="at")
