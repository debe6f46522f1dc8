"""A peer's own answers: XDMoD's daily figures for one cluster, from the same accounting records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from warehouse.metrics.capacity import capacity_by_day
from warehouse.metrics.states import Policy, states
from warehouse.metrics.utilization import daily_usage
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

pytestmark = pytest.mark.realdata

QUARTER = "15m"
CLUSTER, PARTITION, USER, START, END, CPUS, NODES = 2, 3, 8, 12, 13, 18, 24
"""Fields of a Slurm accounting record, counted from 0."""

FIRST_DAY, END_DAY = datetime(2016, 12, 22, tzinfo=UTC), datetime(2017, 1, 2, tzinfo=UTC)

OUR_WORDS = {
    "total_wallduration_hours": pl.col("session_hours"),
    "total_cpu_hours": pl.col("unit_hours"),
    "running_job_count": pl.col("sessions"),
    "active_person_count": pl.col("active_users"),
    "job_count": pl.col("sessions_ended"),
    "utilization": pl.col("utilization") * 100,  # XDMoD gives percent
}


def jobs(records: Path) -> pl.LazyFrame:
    """One session per job that got a node: nobody sees a batch job's focus, so it is held."""
    raw = pl.read_csv(
        records,
        separator="|",
        has_header=False,
        new_columns=[str(number) for number in range(26)],
        infer_schema=False,
        quote_char=None,
    )

    def text(number: int) -> pl.Expr:
        return pl.col(str(number))

    def instant(number: int) -> pl.Expr:
        return text(number).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", time_zone="UTC")

    return (
        raw.lazy()
        .filter(text(NODES) != "None assigned")
        .with_row_index("session")
        .select(
            pl.col("session").cast(pl.Int64),
            application=text(PARTITION),
            person=text(USER),
            account=text(USER),
            host=text(CLUSTER),
            started=instant(START),
            ended=instant(END),
            units=text(CPUS).cast(pl.Int32),
        )
    )


def quarters(sessions: pl.LazyFrame) -> pl.LazyFrame:
    """Segments of the sessions: cut at every UTC quarter of an hour, none of zero length."""
    cuts = pl.datetime_ranges(pl.col("started").dt.truncate(QUARTER), "ended", QUARTER, closed="left")
    return (
        sessions.filter(pl.col("started") < pl.col("ended"))
        .with_columns(_quarter=cuts)
        .explode("_quarter")
        .select(
            "session",
            "application",
            start=pl.max_horizontal("_quarter", "started").cast(INSTANT),
            end=pl.min_horizontal(pl.col("_quarter") + timedelta(minutes=15), "ended").cast(INSTANT),
            attention=pl.lit("held", pl.Enum(ATTENTIONS)),
            cpu_percent=pl.lit(0.0),
            units="units",
            inhibiting=pl.lit(value=False),
            since=pl.col("started"),
        )
    )


def test_the_66_daily_figures_of_xdmod_come_out_to_four_decimals(real_data: Path) -> None:
    folder = real_data / "xdmod-phillips"
    theirs = pl.read_csv(folder / "expected_daily.csv", try_parse_dates=True).filter(
        pl.col("metric").is_in(list(OUR_WORDS))
    )
    sessions = jobs(folder / "phillips.sacct")
    stated = states(quarters(sessions), Policy())
    readings = pl.LazyFrame(
        {
            "source": ["slurm"],
            "server": ["phillips"],
            "application": [None],
            "at": [END_DAY],
            "issued": [4_000],
        },
        schema_overrides={"application": pl.String},
    )
    capacity = capacity_by_day(readings, "UTC", FIRST_DAY, END_DAY)
    daily = daily_usage(stated, sessions, "UTC", FIRST_DAY, END_DAY, capacity)
    ours = daily.select("day", **OUR_WORDS).unpivot(index="day", variable_name="metric", value_name="ours")
    compared = theirs.join(ours.collect(), on=["metric", "day"])
    assert compared.height == 66
    differing = compared.filter((pl.col("value") - pl.col("ours")).abs() > 0.00005 + 1e-12)
    assert differing.rows() == []
