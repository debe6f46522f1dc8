"""Readings of license servers and clusters, as steps in time."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from warehouse.metrics.capacity import capacity_by_day, in_force

HOUR_MS = 3_600_000
DAY = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)


def readings(*rows: tuple[str, str | None, int, int | None]) -> pl.LazyFrame:
    """`server`, `application`, hour of 2 March, `issued`."""
    return pl.LazyFrame(
        [("lmstat", server, app, datetime(2026, 3, 2, hour, tzinfo=UTC), n) for server, app, hour, n in rows],
        schema={
            "source": pl.String,
            "server": pl.String,
            "application": pl.String,
            "at": pl.Datetime("ms", "UTC"),
            "issued": pl.Int64,
        },
        orient="row",
    )


def stretches(given: pl.LazyFrame) -> list[tuple[str, str | None, int, int, int]]:
    rows = in_force(given, *DAY).sort("server", "application", "start").collect()
    return [
        (server, app, start.hour, end.hour or 24, units) for _, server, app, start, end, units in rows.rows()
    ]


def test_a_reading_holds_until_the_next_and_the_first_one_also_before_itself() -> None:
    given = readings(("adsk", "cad", 8, 10), ("adsk", "cad", 12, 20), ("adsk", "cad", 14, None))
    assert stretches(given) == [("adsk", "cad", 0, 12, 10), ("adsk", "cad", 12, 24, 20)]


def test_a_reading_of_the_whole_server_is_not_added_to_those_of_its_applications() -> None:
    given = readings(("cluster", None, 8, 4000), ("cluster", "gpu", 8, 500), ("other", "cad", 8, 5))
    assert stretches(given) == [("cluster", None, 0, 24, 4000), ("other", "cad", 0, 24, 5)]


def test_a_days_capacity_is_units_times_time_over_all_servers() -> None:
    given = readings(("adsk", "cad", 8, 10), ("adsk", "cad", 12, 20), ("other", "gis", 9, 1))
    days = capacity_by_day(given, "UTC", *DAY).collect()
    assert days.rows() == [(date(2026, 3, 2), (12 * 10 + 12 * 20 + 24) * HOUR_MS)]


def test_a_day_without_known_capacity_has_no_row() -> None:
    assert capacity_by_day(readings(), "UTC", *DAY).collect().is_empty()
    assert capacity_by_day(readings(("adsk", "cad", 8, 0)), "UTC", *DAY).collect().is_empty()
