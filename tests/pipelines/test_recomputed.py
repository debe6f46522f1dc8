"""Every charge line of closed months, computed a second time in SQL from the warehouse's tables alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
import recomputed
from closed_periods import close_period
from sqlalchemy import Engine

from pipelines.sample.load import load
from pipelines.sample.plan import HOUR_MS, Plan, instant_ms
from warehouse import ledger, store
from warehouse.ledger import Run

PLAN = Plan(today=date(2026, 11, 24), people=14, months=2, earlier_months=0)
CLOSES = {"2026-09": date(2026, 10, 1), "2026-10": date(2026, 11, 1)}

Closed = tuple[Engine, list[Run], duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def closed(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """Two months of a small sample organization, closed at once: some of the first arrives late."""
    folder = tmp_path_factory.mktemp("recomputed")
    shutil.copyfile(empty_warehouse, folder / "warehouse.sqlite")
    engine = store.open_warehouse(f"sqlite:///{folder / 'warehouse.sqlite'}")
    load(engine, PLAN)
    runs = [close_period(engine, period, instant_ms(day) + 8 * HOUR_MS) for period, day in CLOSES.items()]
    connection = recomputed.load(engine, folder)
    yield engine, runs, connection
    connection.close()
    engine.dispose()


@pytest.mark.parametrize("month", [0, 1])
def test_sql_with_whole_numbers_comes_to_every_line_and_to_all_that_is_on_none(
    closed: Closed, month: int
) -> None:
    engine, runs, connection = closed
    recomputed.compute(connection, runs[month])
    lines = recomputed.lines(connection)
    assert lines == recomputed.booked(recomputed.own_lines(engine, runs[month]))
    assert recomputed.unbilled(connection) == recomputed.left_out(engine, runs[month])
    assert {line[0] for line in lines} == {"usage", "month_rounding", "cap"}


def test_what_stands_of_a_month_after_its_corrections_is_what_sql_makes_of_all_evidence(
    closed: Closed,
) -> None:
    engine, (first, second), connection = closed
    assert "reversal" in ledger.lines_of(engine, second.number)["kind"]
    recomputed.compute(connection, first, second.cut_off_ms)
    standing, _ = ledger.standing_lines(engine, first.period)
    assert recomputed.lines(connection, of_any_kind=True) == recomputed.booked(standing, of_any_kind=True)
