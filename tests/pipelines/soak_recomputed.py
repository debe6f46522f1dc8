"""SQL comes to every line: of the sample organization's whole year, and of months drawn at random."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
import random_months
import recomputed
from closed_periods import close_period
from month_on_paper import CUT_OFF, LATER
from sqlalchemy import Engine

from pipelines import billing
from pipelines.sample.load import load
from pipelines.sample.plan import HOUR_MS, Plan, add_months, instant_ms
from warehouse import ledger, store

PLAN = Plan(today=date(2026, 11, 24), earlier_months=0)


SEEDS = 100


@pytest.mark.timeout(3_600)
def test_sql_with_whole_numbers_comes_to_every_line_of_the_year(
    empty_warehouse: Path, tmp_path: Path
) -> None:
    engine = _copy(empty_warehouse, tmp_path)
    load(engine, PLAN)
    months = [add_months(PLAN.month, -back) for back in range(PLAN.months, 0, -1)]
    _compare(
        engine,
        tmp_path,
        {f"{month:%Y-%m}": instant_ms(add_months(month, 1)) + 8 * HOUR_MS for month in months},
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_sql_with_whole_numbers_comes_to_every_line_of_a_random_month(
    empty_warehouse: Path, tmp_path: Path, seed: int
) -> None:
    engine = _copy(empty_warehouse, tmp_path)
    random_months.fill(engine, seed)
    _compare(engine, tmp_path, {"2026-10": CUT_OFF, "2026-11": LATER})


def _copy(empty: Path, folder: Path) -> Engine:
    shutil.copyfile(empty, folder / "warehouse.sqlite")
    return store.open_warehouse(f"sqlite:///{folder / 'warehouse.sqlite'}")


def _compare(engine: Engine, folder: Path, closes: dict[str, int]) -> None:
    """Close periods one after the other, and compare their lines, and what stands of them in the end."""
    runs = [close_period(engine, period, now_ms) for period, now_ms in closes.items()]
    connection = recomputed.load(engine, folder)
    for run in runs:
        recomputed.compute(connection, run)
        assert recomputed.lines(connection) == recomputed.booked(recomputed.own_lines(engine, run))
        assert recomputed.unbilled(connection) == recomputed.left_out(engine, run)
    for run in runs[:-1]:
        recomputed.compute(connection, run, runs[-1].cut_off_ms)
        standing, _ = ledger.standing_lines(engine, run.period)
        assert recomputed.lines(connection, of_any_kind=True) == recomputed.booked(standing, of_any_kind=True)
    assert billing.verify(engine) == []
    connection.close()
    engine.dispose()
