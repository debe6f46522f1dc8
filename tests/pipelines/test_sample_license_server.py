"""The sample's license server: what it refused follows from who had the product open."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pipelines.sample import license_server
from pipelines.sample.plan import DAY_MS, HOUR_MS, MINUTE_MS, Plan, instant_ms
from pipelines.sample.products import APPLICATION_ID
from warehouse import schema
from warehouse.metrics.denials import classified

PLAN = Plan(today=date(2026, 11, 24), months=2, earlier_months=0)
CULVERT = APPLICATION_ID["culvert"]


def _sessions() -> pl.DataFrame:
    """Thirty people take turns: each works for three hours, and one begins every half hour."""
    rows = [
        (1 + place % 30, 101 + place % 30, CULVERT, start, start + 3 * HOUR_MS)
        for place, start in enumerate(
            range(instant_ms(PLAN.rollout), instant_ms(PLAN.rollout) + 14 * DAY_MS, 30 * MINUTE_MS)
        )
    ]
    columns = ["account_id", "host_id", "application_id", "started_ms", "ended_ms"]
    return pl.DataFrame(rows, columns, orient="row")


@pytest.fixture(scope="module")
def made() -> dict[str, pl.DataFrame]:
    return license_server.tables(PLAN, _sessions())


def _frame(rows: pl.DataFrame, *instants: str) -> pl.LazyFrame:
    moments = (
        pl.col(name).cast(pl.Datetime("ms", "UTC")).alias(name.removesuffix("_ms")) for name in instants
    )
    return rows.lazy().select(
        pl.exclude(instants), *moments, application=pl.lit("culvert"), person=pl.lit(None, pl.String),
        account=pl.col("account_id").cast(pl.String),
    )  # fmt: skip


def test_launches_beyond_the_seats_were_refused_at_first_and_some_people_gave_up(
    made: dict[str, pl.DataFrame],
) -> None:
    asked = _frame(made["denial"], "at_ms")
    found = classified(asked, _frame(_sessions(), "started_ms", "ended_ms")).collect()
    counts = dict(found["class"].value_counts().iter_rows())
    assert counts["retried"] > 300
    assert counts["real"] > 20
    assert 0 < counts["policy"] < 30
    full = found.filter(pl.col("reason") == license_server.FULL)
    assert set(full["class"]) == {"real", "retried"}


def test_nothing_is_refused_while_seats_are_free() -> None:
    alone = _sessions().filter(pl.col("account_id") == 1)
    found = license_server.tables(PLAN, alone)["denial"]
    assert set(found["reason"]) <= {license_server.EXCLUDED, license_server.UNKNOWN_FEATURE}


def test_the_server_says_what_it_has_every_four_hours(made: dict[str, pl.DataFrame]) -> None:
    readings = made["capacity_reading"]
    assert set(readings["issued"]) == {3}
    assert readings["in_use"].max() == 3
    assert set(readings["at_ms"].diff().drop_nulls()) == {4 * HOUR_MS}


def test_rows_have_the_columns_of_their_tables_and_keys_of_their_own(made: dict[str, pl.DataFrame]) -> None:
    for table, rows in made.items():
        assert set(rows.columns) <= set(schema.metadata.tables[table].columns.keys())
        assert rows["key"].is_unique().all()
        assert (rows["received_ms"] <= PLAN.horizon_ms).all()


def test_the_same_plan_gives_the_same_denials(made: dict[str, pl.DataFrame]) -> None:
    again = license_server.tables(PLAN, _sessions())
    assert again["denial"].equals(made["denial"])
    assert license_server.tables(PLAN, _sessions().clear())["denial"].is_empty()
