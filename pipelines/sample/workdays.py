"""When people are at their desk: one row per person and working day, then stretches at the desk and away.

All instants are UTC milliseconds; local habits become instants by the zone's offset at noon of the day.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from pipelines.sample import calendars
from pipelines.sample.calendars import OFFICE_ID
from pipelines.sample.people import Person
from pipelines.sample.plan import MINUTE_MS, Plan

SCREEN_LOCK_MS = 600_000
"""Without input the screen locks itself after this."""
SHORTEST_STRETCH_MS = 180_000

MEETINGS_A_DAY = {
    "ARC": 1.0,
    "CIV": 0.9,
    "STR": 0.9,
    "SIM": 0.7,
    "GEO": 0.8,
    "PMO": 2.4,
    "ADM": 0.8,
    "PLOT": 0.0,
    "BATCH": 0.0,
}
PRESENTING_SHARE = 0.2
DARK_SHARE = 0.015
"""How often a machine's agent does not run all day: no evidence of that day."""


def working_days(plan: Plan, staff: list[Person]) -> pl.DataFrame:
    """Return one row per person and day at work.

    Returns
    -------
    pl.DataFrame
        `day_id`, `person`, `day`, `midnight` (instant of local 00:00), `arrive`, `leave`, `evening` (start of
        work after dinner, else null), `finish` (the end of it, else `leave`), `dark`; ordered by person, day.
    """
    days = _calendar_days(plan, staff).join(_days_off(plan, staff), on=["person", "day"], how="anti")
    days = days.sort("person", "day").with_columns(day_id=pl.int_range(pl.len(), dtype=pl.Int64))
    return _with_hours(days, plan)


def staff_frame(staff: list[Person]) -> pl.DataFrame:
    """Return the habits of people as columns."""
    return pl.DataFrame(
        {
            "person": [p.id for p in staff],
            "office_id": [OFFICE_ID[p.office.code] for p in staff],
            "zone": [p.office.zone for p in staff],
            "department": [p.department for p in staff],
            "first_day": [p.metered_from for p in staff],
            "last_day": [p.valid_to for p in staff],
            "free_weekday": [p.free_weekday for p in staff],
            "arrival_minute": [p.arrival_minute for p in staff],
            "presence_minutes": [p.presence_minutes for p in staff],
            "lunch_minute": [p.office.lunch_minute for p in staff],
            "evening_share": [p.evening_share for p in staff],
            "left_open_share": [p.left_open_share for p in staff],
            "meetings": [MEETINGS_A_DAY[p.department] for p in staff],
            "laptop": [p.laptop for p in staff],
        },
        schema_overrides={"last_day": pl.Date},
    )


def _calendar_days(plan: Plan, staff: list[Person]) -> pl.DataFrame:
    calendar = pl.DataFrame({"day": pl.date_range(plan.start, plan.last_day, eager=True)})
    holidays = calendars.holidays(plan).select("office_id", day=pl.col("day_on").str.to_date())
    weekday = pl.col("day").dt.weekday()
    return (
        staff_frame(staff)
        .join(calendar, how="cross")
        .filter(
            weekday <= 5,
            weekday != pl.col("free_weekday"),
            pl.col("day") >= pl.col("first_day"),
            pl.col("day") < pl.col("last_day").fill_null(plan.last_day + timedelta(days=1)),
        )
        .join(holidays.cast({"office_id": pl.Int64}), on=["office_id", "day"], how="anti")
    )


def _days_off(plan: Plan, staff: list[Person]) -> pl.DataFrame:
    """Vacations of one and two weeks, single days off, and days in bed."""
    random = plan.random("days off")
    rows: list[tuple[int, date]] = []
    for person in staff:
        for year in range(plan.start.year, plan.last_day.year + 1):
            rows += [(person.id, day) for day in _year_off(random, year)]
    return pl.DataFrame(rows, schema={"person": pl.Int64, "day": pl.Date}, orient="row").unique()


def _year_off(random: np.random.Generator, year: int) -> list[date]:
    new_year = date(year, 1, 1)
    weeks = [(int(week), 5) for week in random.integers(2, 50, 2)]
    weeks.append((int(random.integers(24, 35)), 12))
    weeks.append((51, 7 if random.random() < 0.6 else 0))
    stretches = [new_year + timedelta(days=7 * week + day) for week, days in weeks for day in range(days)]
    return stretches + [new_year + timedelta(days=int(day)) for day in random.integers(0, 365, 9)]


def _with_hours(days: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    random, count = plan.random("hours"), days.height
    friday = days["day"].dt.weekday().to_numpy() == 5
    arrive = np.clip(days["arrival_minute"].to_numpy() + random.normal(0, 14, count), 330, 660)
    stay = days["presence_minutes"].to_numpy() + random.normal(0, 28, count) - 50 * friday
    leave = arrive + np.clip(stay, 270, 690)
    has_evening = random.random(count) < days["evening_share"].to_numpy()
    evening = np.clip(leave + random.uniform(75, 200, count), 1110, 1330)
    finish = np.where(has_evening, np.minimum(evening + random.exponential(50, count) + 8, 1425), leave)
    minutes = {"arrive": arrive, "leave": leave, "evening": evening, "finish": finish}
    return _with_midnight(days).with_columns(
        **{name: pl.col("midnight") + _milliseconds(name, value) for name, value in minutes.items()},
        has_evening=pl.Series(has_evening),
        dark=pl.Series(random.random(count) < DARK_SHARE),
    )


def _milliseconds(name: str, minutes: np.ndarray) -> pl.Series:
    return pl.Series(name, (minutes * MINUTE_MS).astype(np.int64))


def _with_midnight(days: pl.DataFrame) -> pl.DataFrame:
    """Add the instant of local 00:00, by the offset in force at noon."""
    noon = pl.col("day").cast(pl.Datetime("ms")) + pl.duration(hours=12)
    zones = days.select("zone", "day").unique()
    parts = [
        part.with_columns(midnight=noon.dt.replace_time_zone(zone).dt.epoch("ms") - 43_200_000)
        for (zone,), part in zones.partition_by("zone", as_dict=True).items()
    ]
    return days.join(pl.concat(parts), on=["zone", "day"], how="left", maintain_order="left")


# --- At the desk and away ----------------------------------------------------------------------------------


def absences(plan: Plan, days: pl.DataFrame) -> pl.DataFrame:
    """Return when people are away from the desk between arrival and the end of the day.

    Returns
    -------
    pl.DataFrame
        `day_id`, `start`, `end`, `presenting` (at the machine, showing a document), `lock_delay` (until the
        screen is locked); disjoint, ordered.
    """
    parts = [_lunches(plan, days), _meetings(plan, days), _dinners(days)]
    within = pl.concat(parts).join(days.select("day_id", "arrive", "finish"), on="day_id")
    merged = _merged(
        within.filter(pl.col("start") > pl.col("arrive"), pl.col("end") < pl.col("finish")).sort(
            "day_id", "start"
        )
    )
    random = plan.random("locking")
    walks_off = random.random(merged.height) < 0.3
    delay = np.where(walks_off, SCREEN_LOCK_MS, 0)
    return merged.with_columns(lock_delay=pl.Series(delay))


def _lunches(plan: Plan, days: pl.DataFrame) -> pl.DataFrame:
    random, count = plan.random("lunch"), days.height
    start = days["lunch_minute"].to_numpy() + random.normal(0, 12, count)
    length = np.clip(random.normal(42, 12, count), 18, 95)
    return _minutes_away(days, start, length, presenting=np.zeros(count, dtype=bool))


def _meetings(plan: Plan, days: pl.DataFrame) -> pl.DataFrame:
    random = plan.random("meetings")
    rows = days[np.repeat(np.arange(days.height), random.poisson(days["meetings"].to_numpy()))]
    slot = random.integers(18, 33, rows.height) * 30 + random.uniform(-3, 2, rows.height)
    length = random.choice([25, 30, 55, 60, 90], rows.height, p=[0.2, 0.3, 0.2, 0.2, 0.1])
    presenting = random.random(rows.height) < PRESENTING_SHARE
    return _minutes_away(rows, slot, length + random.uniform(-2, 8, rows.height), presenting)


def _minutes_away(
    days: pl.DataFrame, start: np.ndarray, length: np.ndarray, presenting: np.ndarray
) -> pl.DataFrame:
    return days.select(
        "day_id",
        start=pl.col("midnight") + _milliseconds("start", start),
        end=pl.col("midnight") + _milliseconds("end", start + length),
        presenting=pl.Series(presenting),
    )


def _dinners(days: pl.DataFrame) -> pl.DataFrame:
    return days.filter("has_evening").select("day_id", start="leave", end="evening", presenting=pl.lit(False))


def _merged(sorted_rows: pl.DataFrame) -> pl.DataFrame:
    """Merge what overlaps; a presentation that overlaps anything is a plain absence."""
    reach = pl.col("end").cum_max().shift(1).over("day_id")
    return (
        sorted_rows.with_columns(part=(pl.col("start") > reach).fill_null(value=True).cum_sum())
        .group_by("day_id", "part", maintain_order=True)
        .agg(pl.col("start").min(), pl.col("end").max(), (pl.col("presenting").all() & (pl.len() == 1)))
        .drop("part")
    )


def stretches(days: pl.DataFrame, away: pl.DataFrame) -> pl.DataFrame:
    """Return the time at the desk: what is left of each day between its absences, and presentations.

    Returns
    -------
    pl.DataFrame
        `day_id`, `start`, `end`, `presenting`; disjoint, ordered.
    """
    edges = pl.concat(
        [
            days.select("day_id", start="arrive", end="arrive"),
            away.select("day_id", "start", "end"),
            days.select("day_id", start="finish", end="finish"),
        ]
    ).sort("day_id", "start")
    desk = edges.select(
        "day_id", start=pl.col("end"), end=pl.col("start").shift(-1).over("day_id"), presenting=pl.lit(False)
    ).drop_nulls()
    shown = away.filter("presenting").select("day_id", "start", "end", "presenting")
    return (
        pl.concat([desk, shown])
        .filter(pl.col("end") - pl.col("start") >= SHORTEST_STRETCH_MS)
        .sort("day_id", "start")
    )
