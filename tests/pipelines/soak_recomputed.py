"""The sample organization's whole year, closed month by month: SQL comes to every line of it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
import recomputed
from closed_periods import close_period

from pipelines.sample.load import load
from pipelines.sample.plan import HOUR_MS, Plan, add_months, instant_ms
from warehouse import ledger, store

PLAN = Plan(today=date(2026, 11, 24), earlier_months=0)


@pytest.mark.timeout(3_600)
def test_sql_with_whole_numbers_comes_to_every_line_of_the_year(
    empty_warehouse: Path, tmp_path: Path
) -> None:
    shutil.copyfile(empty_warehouse, tmp_path / "warehouse.sqlite")
    engine = store.open_warehouse(f"sqlite:///{tmp_path / 'warehouse.sqlite'}")
    load(engine, PLAN)
    months = [add_months(PLAN.month, -back) for back in range(PLAN.months, 0, -1)]
    runs = [
        close_period(engine, f"{month:%Y-%m}", instant_ms(add_months(month, 1)) + 8 * HOUR_MS)
        for month in months
    ]
    connection = recomputed.load(engine, tmp_path)
    for run in runs:
        recomputed.compute(connection, run)
        assert recomputed.lines(connection) == recomputed.booked(recomputed.own_lines(engine, run))
        assert recomputed.unbilled(connection) == recomputed.left_out(engine, run)
        if run is not runs[-1]:
            recomputed.compute(connection, run, runs[-1].cut_off_ms)
            standing, _ = ledger.standing_lines(engine, run.period)
            assert recomputed.lines(connection, of_any_kind=True) == recomputed.booked(
                standing, of_any_kind=True
            )
    connection.close()
    engine.dispose()
