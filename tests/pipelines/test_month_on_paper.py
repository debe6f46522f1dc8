"""A month worked by hand on paper: 40 sessions, and the product comes to every millisecond and cent of it.

The sheet, the people, projects and prices stand in tests/rigs/month_on_paper. Prices, by number: 1 anything,
40 EUR; 2 cad, 90 EUR until the 14th, 6 minutes upwards; 3 the same, 96 EUR from the 15th; 4 fem in New York,
120 USD, each session 6 minutes upwards; 5 fem on B, 75.50 EUR, the month up to whole hours; 6 Ben on A,
110 EUR, at least 15 minutes; 7 view, 10 EUR, half an hour free, 8 EUR from 3 hours on; 8 sim, 50 EUR, at most
100 EUR a day; 9 cad, 99 EUR from November.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import month_on_paper
import polars as pl
import pytest
import recomputed
from closed_periods import close_period, run_of
from month_on_paper import CUT_OFF, LATER, PEOPLE
from sqlalchemy import Engine

from pipelines import billing
from warehouse import ledger, store
from warehouse.ledger import Run

Line = tuple[Any, ...]

LINES: list[Line] = [
    # day, person, application, office, project, rate, active, pause and buffer ms, 1/1000 h, 1/10000, minor
    # Session 25: 23:30 to 00:30 in New York, of which half an hour is October's.
    ("10-01", "cleo", "fem", "NYC", "U", 4, 1_800_000, 0, 0, 500, 1_200_000, 6_000, "USD"),
    # 33 to 35: 0.333 of the free 0.500 h; then 0.167 free and 1.500 paid; then 1.500 up to 3 h, 0.500 beyond.
    ("10-01", "eve", "view", "BER", "A", 7, 1_200_000, 0, 0, 333, 0, 0, "EUR"),
    ("10-02", "eve", "view", "BER", "A", 7, 601_079, 0, 0, 167, 0, 0, "EUR"),  # 100 min x 167 / 1667
    ("10-02", "eve", "view", "BER", "A", 7, 5_398_921, 0, 0, 1_500, 100_000, 1_500, "EUR"),
    ("10-05", "eve", "view", "BER", "B/01/X", 7, 1_800_000, 0, 0, 500, 80_000, 400, "EUR"),
    ("10-05", "eve", "view", "BER", "B/01/X", 7, 5_400_000, 0, 0, 1_500, 100_000, 1_500, "EUR"),
    # 1 and 2: 16:40 + 45:30, a pause of 3:20, a minute of buffer: 66:30, upwards 72.
    ("10-05", "ada", "cad", "BER", "A", 2, 3_730_000, 200_000, 60_000, 1_200, 900_000, 10_800, "EUR"),
    # 22 and 23: 7 minutes upwards 12, 13 upwards 18.
    ("10-05", "cleo", "fem", "NYC", "U", 4, 1_200_000, 0, 0, 500, 1_200_000, 6_000, "USD"),
    # 3: 30 minutes to the millisecond, so nothing is rounded up.
    ("10-06", "ada", "cad", "BER", "A", 2, 1_500_250, 299_750, 0, 500, 900_000, 4_500, "EUR"),
    # 4: a gap of 5:00 is idle, a minute of it buffer; not chargeable, so 25:00.001 is 0.417 h for nothing.
    ("10-06", "ada", "cad", "BER", "LEAVE", None, 1_440_001, 0, 60_000, 417, 0, 0, "EUR"),
    # 5 and 6: 5 minutes raised to 15; 23:30 is 0.39167 h.
    ("10-06", "ben", "cad", "BER", "A", 6, 300_000, 0, 0, 250, 1_100_000, 2_750, "EUR"),
    ("10-07", "ben", "cad", "BER", "A", 6, 1_275_000, 135_000, 0, 392, 1_100_000, 4_312, "EUR"),
    # 26: 60 known minutes at 90 EUR x 1.08; and 27: 33 upwards 36 at 96 EUR x 1.10.
    ("10-06", "cleo", "cad", "NYC", "U", 2, 3_600_000, 0, 0, 1_000, 972_000, 9_720, "USD"),
    ("10-20", "cleo", "cad", "NYC", "U", 3, 1_980_000, 0, 0, 600, 1_056_000, 6_336, "USD"),
    # 7: 22:30 to midnight; the hour after it has no project any more.
    ("10-07", "ben", "cad", "BER", "C", 2, 5_400_000, 0, 0, 1_500, 900_000, 13_500, "EUR"),
    # 8: as corrected; 10: 20 minutes at Ben's own price, 40 upwards 42 at that of cad.
    ("10-08", "ben", "cad", "BER", "B/01/X", 2, 3_600_000, 0, 0, 1_000, 900_000, 9_000, "EUR"),
    ("10-09", "ben", "cad", "BER", "A", 6, 1_200_000, 0, 0, 333, 1_100_000, 3_663, "EUR"),
    ("10-09", "ben", "cad", "BER", "B/01", 2, 2_400_000, 0, 0, 700, 900_000, 6_300, "EUR"),
    # 38: 45 minutes held are not billed, 10 of input upwards 12.
    ("10-08", "cleo", "fem", "NYC", "U", 4, 600_000, 0, 0, 200, 1_200_000, 2_400, "USD"),
    # 11 and 12 at once: A has 9:00 to 9:20 and 9:40 to 10:00, B what lies between; 13 is another application.
    ("10-12", "ada", "cad", "BER", "A", 2, 2_400_000, 0, 0, 700, 900_000, 6_300, "EUR"),
    ("10-12", "ada", "cad", "BER", "B/01/X", 2, 1_200_000, 0, 0, 400, 900_000, 3_600, "EUR"),
    # 13, 15 and 16: 77:17.017 in the month, upwards 2 h: 0.712 h more than 0.500 + 0.500 + 0.288.
    ("10-12", "ada", "fem", "BER", "B/02", 5, 1_800_000, 0, 0, 500, 755_000, 3_775, "EUR"),
    ("10-14", "ada", "fem", "BER", "B/02", 5, 1_530_000, 270_000, 0, 500, 755_000, 3_775, "EUR"),
    ("10-16", "ada", "fem", "BER", "B/02", 5, 1_037_017, 0, 0, 288, 755_000, 2_174, "EUR"),
    ("10-16", "ada", "fem", "BER", "B/02", 5, 0, 0, 0, 712, 755_000, 5_376, "EUR"),
    # 29 and 30: 20 minutes upwards 24 by the preset of the office; 0.333 h by that of the person.
    ("10-12", "dan", "fem", "NYC", "U", 4, 1_200_000, 0, 0, 400, 1_200_000, 4_800, "USD"),
    ("10-21", "dan", "fem", "NYC", "20", 1, 1_200_000, 0, 0, 333, 400_000, 1_332, "EUR"),
    # 14: for fem 9:59 is a pause, and 10:00 idle without a buffer: 44:59.
    ("10-13", "eve", "fem", "BER", "A", 1, 2_100_000, 599_000, 0, 750, 400_000, 3_000, "EUR"),
    # 36 and 37: 138.35 EUR on a day of at most 100: 38.35 off, 27.7196 : 10.6304 by what each was charged.
    ("10-13", "eve", "sim", "BER", "A", 8, 7_200_000, 0, 0, 2_000, 500_000, 10_000, "EUR"),
    ("10-13", "eve", "sim", "BER", "B/01/X", 8, 2_700_000, 0, 60_000, 767, 500_000, 3_835, "EUR"),
    ("10-13", "eve", "sim", "BER", "A", 8, 0, 0, 0, -1_000, 277_200, -2_772, "EUR"),
    ("10-13", "eve", "sim", "BER", "B/01/X", 8, 0, 0, 0, -1_000, 106_300, -1_063, "EUR"),
    # 17: half an hour before and after the midnight of the new price; 18: 31 minutes upwards 36.
    ("10-14", "ada", "cad", "BER", "A", 2, 1_800_000, 0, 0, 500, 900_000, 4_500, "EUR"),
    ("10-15", "ada", "cad", "BER", "A", 3, 1_800_000, 0, 0, 500, 960_000, 4_800, "EUR"),
    ("10-15", "ada", "cad", "BER", "B/01/X", 3, 1_860_000, 0, 0, 600, 960_000, 5_760, "EUR"),
    # 32: Eve's home is New York from its midnight on, 06:00 in Berlin; both halves are the 19th.
    ("10-19", "eve", "cad", "BER", "A", 3, 1_800_000, 0, 0, 500, 960_000, 4_800, "EUR"),
    ("10-19", "eve", "cad", "NYC", "A", 3, 1_800_000, 0, 0, 500, 960_000, 4_800, "EUR"),
    # 31: 96 EUR x 0.8675.
    ("10-22", "dan", "cad", "NYC", "P", 3, 1_800_000, 0, 0, 500, 832_800, 4_164, "GBP"),
    # 20: 10 minutes before midnight upwards 12; 20 + 25 after it upwards 48; asleep in between.
    ("10-24", "ben", "cad", "BER", "B/01/X", 3, 600_000, 0, 0, 200, 960_000, 1_920, "EUR"),
    ("10-25", "ben", "cad", "BER", "B/01/X", 3, 2_700_000, 0, 0, 800, 960_000, 7_680, "EUR"),
    # 19: 01:30 to 03:05 on a day with two hours from 2 to 3: 155 minutes, 4 of them not billed: upwards 156.
    ("10-25", "ada", "cad", "BER", "A", 3, 8_760_000, 240_000, 60_000, 2_600, 960_000, 24_960, "EUR"),
    # 24: 45 of 90 minutes are October's, upwards 48.
    ("10-31", "cleo", "fem", "NYC", "U", 4, 2_700_000, 0, 0, 800, 1_200_000, 9_600, "USD"),
]  # fmt: skip

NOVEMBER: list[Line] = [
    ("11-01", "cleo", "fem", "NYC", "U", 4, 2_700_000, 0, 0, 800, 1_200_000, 9_600, "USD"),
    # 18 and the late 40: 31:00 + 50:30 upwards 84, at the price of October.
    ("10-15", "ada", "cad", "BER", "B/01/X", 3, -1_860_000, 0, 0, -600, 960_000, -5_760, "EUR"),
    ("10-15", "ada", "cad", "BER", "B/01/X", 3, 4_890_000, 0, 0, 1_400, 960_000, 13_440, "EUR"),
]  # fmt: skip

MINUTE = 60_000
TIE_OUT = {
    "run": 1_935 * MINUTE + 16_018,
    # Sessions 1, 2, 4, 11, 14, 19, 22, 37.
    "idle_beyond_buffer": (9 + 5 + 4 + 9 + 10 + 4 + 11 + 14) * MINUTE,
    "overlap": (21 + 20) * MINUTE,  # of 11 and 12; all of 21
    "held": 45 * MINUTE,
    "non_chargeable": 25 * MINUTE + 1,
    "not_assigned": 210 * MINUTE,
    "without_rate": 0,
    "rounding": 6_193_983,  # 27.525 h - 1,548 min 16.017 s
    "billed": 99_090_000,
}


def figures(lines: pl.DataFrame) -> list[Line]:
    """Return stored lines as the tables above have them."""
    names = {number: name for name, number in PEOPLE.items()}
    codes = pl.concat_str("project", "phase", "task", separator="/", ignore_nulls=True)
    shown = lines.select(
        pl.col("day").dt.to_string("%m-%d"), pl.col("person_id").replace_strict(names), "application",
        "office", codes, "rate_id", "active_ms", "pause_ms", "buffer_ms", "quantity", "rate_scaled",
        "amount_minor", "currency",
    )  # fmt: skip
    return shown.rows()


def in_any_order(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=str)


@pytest.fixture(scope="module")
def paper(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The month, drafted, closed, and November drafted after it."""
    path = tmp_path_factory.mktemp("paper") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    bill(engine)
    yield engine
    engine.dispose()


def bill(engine: Engine) -> None:
    month_on_paper.fill(engine)
    close_period(engine, "2026-10", CUT_OFF)
    billing.draft(engine, "2026-11", "generic", "pat", LATER)


@pytest.fixture(scope="module")
def october(paper: Engine) -> Run:
    return run_of(paper, "2026-10/1")


def test_every_line_is_the_one_on_paper(paper: Engine) -> None:
    assert in_any_order(figures(ledger.lines_of(paper, "2026-10/1"))) == in_any_order(LINES)


def test_every_term_of_the_tie_out_is_the_one_on_paper(october: Run) -> None:
    assert october.totals["tie_out_ms"] == TIE_OUT
    assert october.totals["outside_ms"] == {
        "suspended": 60 * MINUTE,
        "unknown": 20 * MINUTE,
        "provisional": 0,
    }


def test_totals_by_currency_and_project_are_those_on_paper(paper: Engine, october: Run) -> None:
    assert october.totals["amount_minor"] == {"EUR": 156_777, "GBP": 4_164, "USD": 44_856}
    lines = ledger.lines_of(paper, "2026-10/1")
    assert dict(lines.group_by("project").agg(pl.col("amount_minor").sum()).iter_rows()) == {
        "20": 1_332, "A": 87_913, "B": 54_032, "C": 13_500, "LEAVE": 0, "P": 4_164, "U": 44_856,
    }  # fmt: skip


def test_everything_that_is_on_no_line_is_told(paper: Engine) -> None:
    told = ledger.exceptions_of(paper, "2026-10/1").select("kind", "session", "milliseconds", "detail")
    assert in_any_order(told.rows()) == [
        ("below_minimum", None, 600_000, "the minimum of rate version 6 raised 1 lines of cad"),
        ("cap", None, 0, "the cap of rate version 8 took 38.35 EUR off sim, in 2 lines"),
        ("closed_project", 7, 3_600_000, "project C is closed from 2026-10-08"),
        ("invalid_project", 9, 3_600_000, "phase 99 is not a phase of project B"),
        ("preset", None, 1_200_000, "preset 1 assigned time that had no project to U"),
        ("preset", None, 1_200_000, "preset 2 assigned time that had no project to 20"),
        ("unassigned", 28, 3_600_000, "no project was set"),
        ("unknown_person", 39, 1_800_000, "the account belongs to no person of the directory"),
    ]


@pytest.mark.parametrize(
    ("name", "hours_1000", "euro_cents", "dollar_cents"),
    [
        # Session 1 is 65:30 upwards 66, 37 is 45:00 below its cap, 19 is 150.
        ("buffer_0", 27_308, 154_917, 44_856),
        # 14 is 54:59, 22 is 17 upwards 18; the others round to what they were, or are capped.
        ("buffer_t", 27_857, 157_441, 46_056),
        # Had somebody been at work in the 20 minutes of session 26: 80 upwards 84.
        ("upper_bound", 27_925, 156_777, 48_744),
        ("lower_bound", 27_525, 156_777, 44_856),
        # 11: 51 upwards 54; 12: 30; 21: 20 upwards 24.
        ("full", 28_225, 163_317, 44_856),
        # 13 keeps 5 minutes of 30, so that its month is 1 h; 11: 35 upwards 36; 37: 45 below its cap.
        ("foreground", 26_408, 148_327, 44_856),
        # 11: 40:30; 12: 19:30; of the 20 minutes of 21 half: 144 and 12 instead of 156.
        ("equal_split", 27_525, 156_777, 44_856),
    ],
)
def test_other_ways_to_bill_the_month_come_to_what_they_come_to_on_paper(
    october: Run, name: str, hours_1000: int, euro_cents: int, dollar_cents: int
) -> None:
    assert {**october.totals, **october.totals["overlaps"]}[name] == {
        "billed_ms": hours_1000 * 3_600,
        "amount_minor": {"EUR": euro_cents, "GBP": 4_164, "USD": dollar_cents},
    }


def test_the_late_laptop_is_booked_in_november_at_the_price_of_october(paper: Engine) -> None:
    lines = ledger.lines_of(paper, "2026-11/1")
    assert figures(lines) == NOVEMBER
    assert lines.select("kind", "period").rows() == [
        ("usage", "2026-11"),
        ("reversal", "2026-10"),
        ("replacement", "2026-10"),
    ]
    assert run_of(paper, "2026-11/1").totals["adjustment_minor"] == {"EUR": 7_680}


def test_lines_in_another_currency_keep_the_factor(paper: Engine) -> None:
    foreign = ledger.lines_of(paper, "2026-10/1").drop_nulls("conversion_scaled")
    columns = ("day", "currency", "rate_currency", "conversion_scaled")
    shown = foreign.with_columns(pl.col("day").dt.to_string("%m-%d")).select(columns).sort(columns).rows()
    assert shown == [
        ("10-06", "USD", "EUR", 108_000_000),
        ("10-20", "USD", "EUR", 110_000_000),
        ("10-22", "GBP", "EUR", 86_750_000),
    ]


def test_sql_comes_to_the_month_on_paper_as_well(paper: Engine, october: Run, tmp_path: Path) -> None:
    connection = recomputed.load(paper, tmp_path)
    recomputed.compute(connection, october)
    assert recomputed.lines(connection) == recomputed.booked(ledger.lines_of(paper, october.number))
    assert recomputed.unbilled(connection) == recomputed.left_out(paper, october)
    connection.close()


def test_the_month_is_the_same_on_postgresql(postgres_engine: Engine) -> None:
    bill(postgres_engine)
    assert in_any_order(figures(ledger.lines_of(postgres_engine, "2026-10/1"))) == in_any_order(LINES)
    assert run_of(postgres_engine, "2026-10/1").totals["tie_out_ms"] == TIE_OUT
    assert figures(ledger.lines_of(postgres_engine, "2026-11/1")) == NOVEMBER
