"""A peer's own answers: XDMoD's daily figures for one cluster, from the same accounting records."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import import_files
from warehouse import frames
from warehouse.metrics.capacity import capacity_by_day
from warehouse.metrics.states import Policy, states
from warehouse.metrics.utilization import daily_usage

pytestmark = pytest.mark.realdata

FIRST_DAY, END_DAY = datetime(2016, 12, 22, tzinfo=UTC), datetime(2017, 1, 2, tzinfo=UTC)

OUR_WORDS = {
    "total_wallduration_hours": pl.col("session_hours"),
    "total_cpu_hours": pl.col("unit_hours"),
    "running_job_count": pl.col("sessions"),
    "active_person_count": pl.col("active_users"),
    "job_count": pl.col("sessions_ended"),
    "utilization": pl.col("utilization") * 100,  # XDMoD gives percent
}


def test_the_66_daily_figures_of_xdmod_come_out_to_four_decimals(engine: Engine, real_data: Path) -> None:
    folder = real_data / "xdmod-phillips"
    theirs = pl.read_csv(folder / "expected_daily.csv", try_parse_dates=True).filter(
        pl.col("metric").is_in(list(OUR_WORDS))
    )
    records, options = folder / "phillips.sacct", Options(capacity=4_000)
    import_files(engine, "slurm", [records], options, actor="somebody", at_ms=1_800_000_000_000)
    stated = states(frames.segments(engine, FIRST_DAY, END_DAY), Policy())
    sessions = frames.sessions(engine, FIRST_DAY, END_DAY)
    capacity = capacity_by_day(frames.capacity_readings(engine), "UTC", FIRST_DAY, END_DAY)
    daily = daily_usage(stated, sessions, "UTC", FIRST_DAY, END_DAY, capacity)
    ours = daily.select("day", **OUR_WORDS).unpivot(index="day", variable_name="metric", value_name="ours")
    compared = theirs.join(ours.collect(), on=["metric", "day"])
    assert compared.height == 66
    differing = compared.filter((pl.col("value") - pl.col("ours")).abs() > 0.00005 + 1e-12)
    assert differing.rows() == []
