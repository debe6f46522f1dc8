"""One page for an executive, of a week that can be counted by hand."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW, WINDOW
from sqlalchemy import Engine

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.answers import compliance, executive_summary
from pipelines.answers.evidence import gather
from pipelines.answers.executive_figures import measure
from pipelines.answers.executive_summary import FOLDED, Summary
from pipelines.answers.question import ask
from pipelines.answers.unused_licenses import Guard
from warehouse.errors import Problem

FIGURES = (
    "name",
    "people",
    "owned",
    "peak",
    "need_95",
    "position",
    "unused",
    "trend",
    "idle_cost",
    "recovered",
)


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


@pytest.fixture
def seated(week: Engine) -> Engine:
    """Five people hold a seat of Drawing LT, which is paid in dollars."""
    change(
        week,
        "INSERT INTO assignment (id, entitlement_id, person_id, valid_from_on) VALUES "
        "(4, 3, 4, '2026-01-01'), (5, 3, 5, '2026-01-01')",
        "UPDATE entitlement SET currency = 'USD' WHERE id = 3",
    )
    return week


def change(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def summed(engine: Engine, **parameters: Any) -> Summary:
    return executive_summary.answer(ask(engine, **{**WINDOW, "now": NOW, **parameters}))


def test_what_few_people_use_stands_in_one_row_of_five_or_more_with_sums_alone(week: Engine) -> None:
    # Two people use Simulation and three hold a seat of Drawing LT: too few, so that Drawing joins them.
    found = summed(week)
    assert found.licenses.select(FIGURES).rows() == [
        (FOLDED, None, None, None, None, None, 2, None, None, "890.00 EUR, 15.00 USD")
    ]
    assert found.shared.is_empty()


def test_the_week_license_by_license(seated: Engine) -> None:
    found = summed(seated)
    # Drawing: 5 x 1,200.00 a year for 7 days, a quarter of the run time idle. LT: 4 owned, 5 seats given.
    assert found.licenses.select(FIGURES).rows() == [
        ("Drawing", 6, 5, 6, 6, -1, None, None, "28.77 EUR", "890.00 EUR"),
        (FOLDED, None, None, None, None, None, 4, None, None, "15.00 USD"),
    ]


def test_the_tiles_sum_up_all_licenses_currency_by_currency(week: Engine) -> None:
    assert summed(week).tiles == [
        ("Products short", ("2",), "of 3 products owned"),
        ("Idle cost", ("28.77 EUR",), "of 897.53 EUR license cost"),
        ("Unused seats", ("2",), "of 3 assigned"),
        ("Recovered by E2P", ("890.00 EUR", "15.00 USD"), "billed to projects, closed"),
        ("Growing", ("—",), "of 0 licenses with a trend"),
        ("Fleet coverage", ("83 %",), "of host-workdays observed"),
    ]


def test_positions_are_those_of_compliance_which_counts_what_is_open(week: Engine) -> None:
    told = compliance.answer(ask(week, **WINDOW, basis="run", now=NOW)).positions
    figures = measure(ask(week, **WINDOW, now=NOW), gather(ask(week, **WINDOW, now=NOW)), Guard()).licenses
    owned = figures.filter(pl.col("owned").is_not_null())
    assert dict(owned.select("name", "position").iter_rows()) == dict(
        told.select("product", "difference").iter_rows()
    )


def test_the_claims_say_what_is_short_what_idles_and_where_it_heads(seated: Engine) -> None:
    assert summed(seated).claims == {
        "licenses": "**Drawing (1 short)** takes more than is owned; 2 more are short. The chart "
        "shows what can be shared.",
        "idle": "Of 805.48 EUR and 92.05 USD for licenses, **28.77 EUR** paid for time in which applications "
        "were open and nobody was at work; the most for **Drawing** (28.77 EUR). 1 license is not in it: "
        "never open, or open where nobody can tell who was at work.",
        "trend": "A trend needs more whole months than the 0 of this window.",
    }


def test_the_key_figures_are_plain_numbers(seated: Engine) -> None:
    assert summed(seated).results == {
        "licenses": 3,
        "short": 3,
        "unused_seats": 4,
        "license_cost_minor": {"EUR": 80_548, "USD": 9_205},
        "idle_cost_minor": {"EUR": 2_877},
        "recovered_minor": {"EUR": 89_000, "USD": 1_500},
        "fleet_coverage": 25 / 30,
    }


def test_nobody_is_named_not_even_by_a_pseudonym(seated: Engine) -> None:
    found = summed(seated)
    said = json.dumps([found.licenses.rows(), found.idle.rows(), found.tiles, found.claims, found.results])
    assert re.findall(r"\b[PAH]-[0-9A-F]{8}\b", said) == []
    assert "person" not in said.lower()


def test_the_trend_runs_from_the_first_to_the_last_whole_month(seated: Engine) -> None:
    found = summed(seated, start="2026-08-15", end="2026-12-01", now=datetime(2026, 12, 2, tzinfo=UTC))
    # Peaks of September, October and November: 0, 6 and 0 people, through which the line is level.
    assert found.licenses["trend"].to_list() == [0.0, None]
    assert found.claims["trend"] == (
        "Over 3 whole months the monthly peak of 0 licenses **rose**, and that of 0 **fell**."
    )
    shorter = summed(seated, start="2026-08-01", end="2026-11-01")
    assert shorter.licenses["trend"].to_list() == [6.0, None]
    assert shorter.tiles[4] == ("Growing", ("2",), "of 2 licenses with a trend")


def test_only_closed_runs_and_days_of_the_window_recover(seated: Engine) -> None:
    assert summed(seated, start="2026-10-06").tiles[3][1] == ("—",)
    change(seated, "INSERT INTO line_review (charge_line_id, action, actor, reason, at_ms) VALUES "
           "(1, 'hold', 'm', 'r', 1)")  # fmt: skip
    assert summed(seated).results["recovered_minor"] == {"EUR": -1_000, "USD": 1_500}
    change(seated, "UPDATE billing_run SET status = 'approved'")
    found = summed(seated)
    assert found.results["recovered_minor"] == {}
    (said,) = found.missing
    assert said.startswith("**No billing run is closed**, so nothing was recovered from projects")


def test_what_is_missing_is_said_with_how_to_get_it(engine: Engine) -> None:
    small_warehouse.fill(engine, with_charges=False)
    change(
        engine,
        "DELETE FROM assignment",
        "UPDATE entitlement SET unit_cost_minor = NULL, currency = NULL WHERE id = 1",
    )
    found = summed(engine)
    assert [sentence.split("**")[1] for sentence in found.missing] == [
        "1 license has no cost",
        "No billing run is closed",
        "Unused seats are not known.",
    ]
    assert found.missing[2].endswith("import them with `process-meter assignment import FILE`.")
    assert found.results["unused_seats"] is None
    assert found.results["license_cost_minor"] == {"EUR": 78_246}


def test_use_without_any_entitlement_has_peaks_and_no_position(engine: Engine) -> None:
    small_warehouse.fill(engine, with_charges=False)
    change(
        engine,
        *(f"DELETE FROM {table}" for table in ("assignment", "entitlement_application", "entitlement")),
    )
    found = summed(engine)
    assert found.licenses.select(FIGURES).rows() == [(FOLDED, *[None] * 9)]
    assert found.missing[0].startswith("**What is owned is not known**")
    change(engine, "DELETE FROM segment WHERE session_id % 10 = 2", "DELETE FROM session WHERE id % 10 = 2")
    alone = summed(engine)
    assert alone.licenses.select("name", "owned", "peak").rows() == [("Drawing", None, 6)]
    assert alone.shared.height == 1
    assert alone.claims["licenses"] == (
        "What was used is known, and what is owned is not: they cannot be compared."
    )
    assert alone.claims["idle"].startswith(
        "What idle time cost is not known: for that a license needs a price,"
    )


def test_a_log_alone_is_asked_for_what_was_open(engine: Engine, tmp_path: Path) -> None:
    outs = "".join(f' 9:0{n}:00 (vendord) OUT: "SOLVER" user{n}@pc{n}\n' for n in range(6))
    ins = "".join(f'10:0{n}:00 (vendord) IN: "SOLVER" user{n}@pc{n}\n' for n in range(6))
    log = tmp_path / "debug.log"
    log.write_text(f" 8:00:00 (vendord) TIMESTAMP 10/5/2026\n{outs}{ins}")
    import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="test", at_ms=1)
    with pytest.raises(Problem, match="ask with basis=run"):
        summed(engine)
    found = summed(engine, basis="run")
    assert found.licenses.select("name", "people", "owned", "peak").rows() == [("SOLVER", 6, None, 6)]
    assert found.tiles[0] == ("Products short", ("—",), "of 0 products owned")
    assert len(found.missing) == 3


def test_fewer_than_five_people_are_not_summed_up(week: Engine) -> None:
    change(week, "DELETE FROM segment WHERE session_id IN (SELECT id FROM session WHERE account_id > 4)")
    change(week, "DELETE FROM session WHERE account_id > 4")
    with pytest.raises(Problem, match="Fewer than five people used anything in this window"):
        summed(week)
    with pytest.raises(Problem, match="There are no sessions"):
        summed(week, start="2025-01-01", end="2025-02-01")
