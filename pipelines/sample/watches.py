"""When each host was watched: workstations around the clock, laptops while they are open."""

from __future__ import annotations

import polars as pl

from pipelines.sample.people import Person
from pipelines.sample.plan import MINUTE_MS, Plan

DOCKED_SHARE = 0.4
"""How often a laptop runs on a weekday on which its owner does not work."""


def watches(
    plan: Plan, staff: list[Person], hosts: dict[str, int], days: pl.DataFrame, holes: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows of `watch_interval`; a hole, or a day without an agent, is left out.

    Parameters
    ----------
    hosts
        Id of each host by name.
    days
        As `workdays.working_days` returns them.
    holes
        As `stories.holes` returns them.
    """
    all_days = _calendar(plan, staff, hosts)
    at_work = days.select("person", "day", "arrive", "finish", "dark")
    known = all_days.join(at_work, on=["person", "day"], how="left", maintain_order="left")
    awake = pl.concat([_around_the_clock(known), _while_open(plan, known)])
    split = _without(awake.filter(~pl.col("dark").fill_null(value=False)), holes)
    return (
        split.with_columns(end=pl.min_horizontal("end", pl.lit(plan.horizon_ms)))
        .filter(pl.col("end") > pl.col("start"))
        .sort("host_id", "start")
        .select(
            id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
            host_id="host_id",
            agent_id=pl.format("sample-{}", pl.col("host_id").cast(pl.String).str.zfill(4)),
            start_ms="start",
            end_ms="end",
            sees_focus=pl.lit(value=True),
            sees_input=pl.lit(value=True),
            sees_lock=pl.lit(value=True),
        )
    )


def _calendar(plan: Plan, staff: list[Person], hosts: dict[str, int]) -> pl.DataFrame:
    """Return one row per host and day of the directory, with its local midnights."""
    owners = pl.DataFrame(
        {
            "person": [p.id for p in staff],
            "host_id": [hosts[p.host] for p in staff],
            "zone": [p.office.zone for p in staff],
            "opens": [p.office.opens_minute for p in staff],
            "closes": [p.office.closes_minute for p in staff],
            "laptop": [p.laptop for p in staff],
            "first": [p.metered_from for p in staff],
            "last": [p.valid_to or plan.last_day for p in staff],
        }
    )
    calendar = pl.DataFrame({"day": pl.date_range(plan.start, plan.last_day, eager=True)})
    rows = owners.join(calendar, how="cross").filter(pl.col("day").is_between("first", "last", closed="left"))
    return pl.concat(
        part.with_columns(midnight=_midnight(zone), next_midnight=_midnight(zone, plus_days=1))
        for (zone,), part in rows.partition_by("zone", as_dict=True).items()
    ).sort("person", "day")


def _midnight(zone: str, plus_days: int = 0) -> pl.Expr:
    day = pl.col("day").cast(pl.Datetime("ms")) + pl.duration(days=plus_days)
    return day.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.epoch("ms")


def _around_the_clock(known: pl.DataFrame) -> pl.DataFrame:
    always = known.filter(~pl.col("laptop"))
    return always.select("host_id", "person", "day", "dark", start="midnight", end="next_midnight")


def _while_open(plan: Plan, known: pl.DataFrame) -> pl.DataFrame:
    laptops = known.filter("laptop")
    docked = pl.Series(plan.random("docked").random(laptops.height) < DOCKED_SHARE)
    opens, closes = (pl.col("midnight") + pl.col(name) * MINUTE_MS for name in ("opens", "closes"))
    return laptops.filter(
        pl.col("arrive").is_not_null() | (docked & (pl.col("day").dt.weekday() <= 5))
    ).select(
        "host_id", "person", "day", "dark",
        start=pl.coalesce(pl.col("arrive") - 6 * MINUTE_MS, opens),
        end=pl.coalesce(pl.col("finish") + 4 * MINUTE_MS, closes),
    )  # fmt: skip


def _without(awake: pl.DataFrame, holes: pl.DataFrame) -> pl.DataFrame:
    """Cut each hole, at most one a day, out of the stretch that it interrupts."""
    pierced = awake.join(
        holes.rename({"start": "hole_start", "end": "hole_end"}), on="person", how="inner"
    ).filter(pl.col("hole_start") >= pl.col("start"), pl.col("hole_end") <= pl.col("end"))
    whole = awake.join(pierced.select("host_id", "start"), on=["host_id", "start"], how="anti")
    before = pierced.with_columns(end="hole_start")
    after = pierced.with_columns(start="hole_end")
    return pl.concat([whole, *(part.select(whole.columns) for part in (before, after))])
