"""How much of the fleet is watched, office by office, and which machines were never heard from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from warehouse import frames
from warehouse.metrics.utilization import fleet_coverage
from warehouse.periods import day_bounds

DAYS = 30


@dataclass(frozen=True)
class Fleet:
    """Fleet coverage of the last 30 local days up to yesterday.

    Attributes
    ----------
    first_day, end_day
        Local days of `zone`, [first_day, end_day).
    share
        Observed host-workdays / host-workdays, 0-1.
    observed_workdays, workdays, hosts, unseen
        Their numbers; `unseen` are hosts with workdays of which none was observed.
    by_office
        One row per office, least covered first: office, name, hosts, unseen, observed_workdays, workdays,
        coverage (0-1).
    """

    first_day: date
    end_day: date
    zone: str
    share: float
    observed_workdays: int
    workdays: int
    hosts: int
    unseen: int
    by_office: pl.DataFrame


def answer(engine: Engine, now: datetime) -> Fleet:
    """Measure fleet coverage.

    Raises
    ------
    Problem
        No host of the directory has a workday in the window.
    """
    zone = str(frames.organization(engine)["zone"])
    end_day = now.astimezone(ZoneInfo(zone)).date()
    first_day = end_day - timedelta(days=DAYS)
    start, end = day_bounds(zone, first_day)[0], day_bounds(zone, end_day)[0]
    hosts, offices = frames.hosts(engine), frames.offices(engine)
    covered = fleet_coverage(
        frames.watches(engine, start, end), hosts, offices, frames.holidays(engine), start, end
    )
    summed = by_office(covered.by_host, hosts, offices)
    sums = summed.select(pl.col("observed_workdays", "workdays", "hosts", "unseen").sum())
    return Fleet(first_day, end_day, zone, covered.share, **sums.row(0, named=True), by_office=summed)


def by_office(by_host: pl.LazyFrame, hosts: pl.LazyFrame, offices: pl.LazyFrame) -> pl.DataFrame:
    """Add up what `fleet_coverage` gives by host: the columns of `Fleet.by_office`, least covered first."""
    observed, workdays = pl.col("observed_workdays").cast(pl.Int64), pl.col("workdays").cast(pl.Int64)
    return (
        by_host.join(hosts.select("host", "office").unique("host"), on="host", how="left")
        .join(offices.select("office", "name"), on="office", how="left")
        .group_by("office")
        .agg(
            pl.col("name").first().fill_null("No office"),
            hosts=pl.len().cast(pl.Int64),
            unseen=(observed == 0).sum().cast(pl.Int64),
            observed_workdays=observed.sum(),
            workdays=workdays.sum(),
        )
        .with_columns(coverage=pl.col("observed_workdays") / pl.col("workdays"))
        .sort("coverage", "name")
        .collect()
    )
