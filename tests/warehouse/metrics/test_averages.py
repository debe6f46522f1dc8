"""How many were in use on average."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from use_cases import Session, at, cells, demand_at, found, session, weekends

from warehouse.metrics.averages import average_demand
from warehouse.metrics.concurrency import curve
from warehouse.periods import local_days


def test_the_average_is_weighted_by_time_over_the_hours_that_count() -> None:
    crowd = [session(1, (0, 60, "active")), session(2, (30, 60, "active"), person="P-2")]
    demand = curve(found(crowd))
    hours = local_days("UTC", at(0), at(120))
    assert average_demand(demand, hours).collect().rows() == [("cad", date(2026, 10, 5), 0.75)]
    later = local_days("UTC", at(45), at(60))
    assert average_demand(demand, later).collect().rows() == [("cad", date(2026, 10, 5), 2.0)]


def test_a_day_without_use_has_an_average_of_zero() -> None:
    demand = curve(found([session(1, (0, 60, "active"))]))
    days = average_demand(demand, local_days("UTC", at(0), at(48 * 60))).collect()
    assert days["average"].to_list() == [pytest.approx(1 / 15), 0.0, 0.0]
    assert average_demand(curve(found([])), local_days("UTC", at(0), at(60))).collect().is_empty()


@given(weekends())
def test_the_average_agrees_with_the_mean_of_every_ten_minutes_of_a_local_day(
    weekend: tuple[list[Session], datetime, datetime],
) -> None:
    sessions, start, end = weekend
    zone = "Europe/Berlin"
    demand = curve(found(sessions, "session", "run", start=start, end=end))
    answer = average_demand(demand, local_days(zone, start, end)).collect()
    seen: dict[tuple[str, date], list[int]] = {}
    for moment in cells(start, end):
        now = demand_at(sessions, "session", "run", moment)
        for name in demand.collect()["application"].unique():
            day = moment.astimezone(ZoneInfo(zone)).date()
            seen.setdefault((name, day), []).append(sum(now.get(name, {}).values()))
    assert {(name, day): average for name, day, average in answer.rows()} == {
        key: pytest.approx(sum(values) / len(values)) for key, values in seen.items()
    }
