"""Importing conversion rates, and what became of rates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import directory, frames, schema, store
from warehouse.directory import Change
from warehouse.errors import Problem

Use = Callable[[Engine, str], None]
HEAD = "from,to,valid_from,factor\n"


def bring(engine: Engine, folder: Path, text: str, at_ms: int = 1_800) -> str:
    path = folder / "factors.csv"
    path.write_text(HEAD + text)
    return str(directory.import_conversions(engine, path, "fay", at_ms=at_ms))


def refusal(engine: Engine, folder: Path, text: str) -> str:
    with pytest.raises(Problem) as caught:
        bring(engine, folder, text)
    return str(caught.value).removeprefix("factors.csv, ")


def test_conversions_are_exact_and_name_their_author(bare: Engine, tmp_path: Path) -> None:
    told = bring(bare, tmp_path, "USD,EUR,2026-01-01,0.92345678\nEUR,USD,2026-01-01,1.0829\n")
    assert told == "conversions: 2 new, 0 changed, 0 unchanged"
    assert frames.conversions(bare).drop("conversion_id").collect().rows() == [
        ("USD", "EUR", date(2026, 1, 1), 92_345_678, "fay"),
        ("EUR", "USD", date(2026, 1, 1), 108_290_000, "fay"),
    ]
    again = bring(bare, tmp_path, "USD,EUR,2026-01-01,0.92345678\nEUR,USD,2026-01-01,1.09\n")
    assert again == "conversions: 0 new, 1 changed, 1 unchanged"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("USD,EUR,2026-01-01,0\n", "factor: 0 is not over 0; check the decimal point"),
        ("USD,EUR,2026-01-01,-1\n", "factor: -1 is negative; write 0 or more"),
        ("USD,EUR,2026-01-01,0.923456789\n", "factor: 0.923456789 is finer than 8 decimals; round it"),
        ("USD,EUR,2026-01-01,1000001\n", "factor: 1000001 is over a million; check the decimal point"),
        ("USD,EUR,2026-01-01,one\n", "factor: 'one' is not a number; write it as 1234.50"),
        (
            "USD,EUR,2026-01-01,\n",
            "factor: the cell is empty; write units of `to` for one of `from`, as 0.92345678",
        ),
        ("USD,USD,2026-01-01,1\n", "to: USD needs no conversion to itself; leave the row out"),
        ("usd,EUR,2026-01-01,1\n", "from: 'usd' is not a currency; give its ISO 4217 code, such as EUR"),
        ("USD,EUR,,1\n", "valid_from: the cell is empty; write the first day, as 2026-01-01"),
    ],
)
def test_a_bad_conversion_is_named(engine: Engine, tmp_path: Path, row: str, message: str) -> None:
    assert refusal(engine, tmp_path, row) == f"row 2, column {message}"
    assert frames.conversions(engine).collect().is_empty()


def test_the_same_pair_and_day_twice_is_refused(engine: Engine, tmp_path: Path) -> None:
    twice = "USD,EUR,2026-01-01,0.9\nUSD,EUR,2026-01-01,0.8\n"
    assert refusal(engine, tmp_path, twice) == (
        "row 3, column valid_from: the same currencies and first day as row 2; remove one of them"
    )


def converted_line(engine: Engine) -> None:
    """Let the line of 2026-06-15 be one whose rate was converted from USD."""
    with store.writing(engine) as connection:
        connection.execute(
            sa.update(schema.charge_line).values(rate_currency="USD", currency="EUR", conversion_scaled=9)
        )


def test_a_factor_that_a_settled_run_has_used_is_frozen(
    rated: Engine, tmp_path: Path, use_the_first_rate: Use
) -> None:
    bring(rated, tmp_path, "USD,EUR,2026-01-01,0.9\nUSD,EUR,2026-07-01,0.8\n")
    use_the_first_rate(rated, "closed")
    converted_line(rated)
    frozen = (
        "row 2, column valid_from: run 2026-06/1 has converted by the factor in force on 2026-06-15: "
        "it is frozen; let the new factor begin on a later day"
    )
    # The factor itself, and one that would come between it and the day of its use.
    assert refusal(rated, tmp_path, "USD,EUR,2026-01-01,0.95\n") == frozen
    assert refusal(rated, tmp_path, "USD,EUR,2026-06-15,0.95\n") == frozen
    fine = "USD,EUR,2026-06-16,0.95\nUSD,EUR,2026-07-01,0.85\nUSD,EUR,2025-01-01,0.7\nUSD,CHF,2026-01-01,1\n"
    assert bring(rated, tmp_path, fine) == "conversions: 3 new, 1 changed, 0 unchanged"


def test_a_factor_that_a_draft_has_used_can_change(
    rated: Engine, tmp_path: Path, use_the_first_rate: Use
) -> None:
    bring(rated, tmp_path, "USD,EUR,2026-01-01,0.9\n")
    use_the_first_rate(rated, "draft")
    converted_line(rated)
    assert bring(rated, tmp_path, "USD,EUR,2026-01-01,0.95\n") == "conversions: 0 new, 1 changed, 0 unchanged"


# --- History -----------------------------------------------------------------------------------------------


def test_the_history_of_a_rate_tells_who_changed_what_when(
    filled: Engine, files: Any, tmp_path: Path
) -> None:
    files.bring(filled, "rates", "rate,currency,valid_from,application\n12.5,EUR,2026-01-01,draw\n")
    files.bring(
        filled, "rates", "rate,currency,valid_from,application,free_hours\n14,EUR,2026-01-01,draw,2\n"
    )
    bring(filled, tmp_path, "USD,EUR,2026-01-01,0.9\n", at_ms=1_900)
    bring(filled, tmp_path, "USD,EUR,2026-01-01,0.8\n", at_ms=2_000)
    application = frames.applications(filled).collect()["application"].to_list().index("draw") + 1
    new = {
        "application_id": application, "currency": "EUR", "direction": "nearest", "level": "line",
        "rate_scaled": 125_000, "valid_from_on": "2026-01-01",
    }  # fmt: skip
    assert directory.rate_history(filled) == [
        Change(1, 1_700, "eva", "new", None, new),
        Change(1, 1_700, "eva", "free_ms", 0, 7_200_000),
        Change(1, 1_700, "eva", "rate_scaled", 125_000, 140_000),
        Change("USD-EUR 2026-01-01", 1_900, "fay", "factor_scaled", None, 90_000_000),
        Change("USD-EUR 2026-01-01", 2_000, "fay", "factor_scaled", 90_000_000, 80_000_000),
    ]
    assert [change.what for change in directory.rate_history(filled, 1)] == ["new", "free_ms", "rate_scaled"]


def test_a_rate_that_no_import_brought_is_told_by_its_row(filled: Engine) -> None:
    row = {
        "rate_scaled": 9_000, "currency": "EUR", "valid_from_on": "2026-02-01", "increment_ms": 0,
        "direction": "nearest", "level": "line", "author": "old", "created_ms": 5,
    }  # fmt: skip
    with store.writing(filled) as connection:
        connection.execute(schema.rate.insert().values(row))
    told = {"rate_scaled": 9_000, "currency": "EUR", "valid_from_on": "2026-02-01"}
    assert directory.rate_history(filled) == [Change(1, 5, "old", "stored", None, told)]


# --- Check -------------------------------------------------------------------------------------------------

JUNE = date(2026, 6, 1)


def billed(engine: Engine) -> None:
    with store.writing(engine) as connection:
        connection.execute(sa.update(schema.application).values(billed=True))


def test_gaps_and_ended_rates_are_named(filled: Engine, files: Any) -> None:
    files.bring(
        filled, "rates",
        "rate,currency,valid_from,valid_to,application,project\n"
        "1,EUR,2026-01-01,2026-02-01,draw,\n2,EUR,2026-03-01,2026-05-01,draw,\n"
        "3,EUR,2026-01-01,2026-03-01,draw,0042\n4,EUR,2026-03-01,,draw,0042\n",
    )  # fmt: skip
    assert directory.check_rates(filled, JUNE) == [
        "gap: from 2026-02-01 to 2026-03-01 there is no rate for draw in EUR (between versions 1 and 2)",
        "ended: the last rate for draw in EUR ended on 2026-05-01 (version 2)",
    ]


def test_a_billed_application_without_a_rate_in_a_projects_currency_is_named(
    filled: Engine, files: Any, tmp_path: Path
) -> None:
    # The open chargeable project is in dollars.
    billed(filled)
    files.bring(
        filled, "rates", "rate,currency,valid_from,application,project\n1,EUR,2026-01-01,draw,\n"
        "1,USD,2026-01-01,draw,0042\n1,USD,2026-01-01,solve,\n",
    )  # fmt: skip
    missing = "missing: draw has no general rate in USD, nor one to convert"
    assert directory.check_rates(filled, JUNE) == [missing]
    bring(filled, tmp_path, "EUR,USD,2026-01-01,1.08\n")
    assert directory.check_rates(filled, JUNE) == []


def test_terms_that_begin_within_a_period_and_prices_below_cost_are_named(filled: Engine, files: Any) -> None:
    files.bring(
        filled, "calendar",
        "record,name,starts_on,ends_on\nperiod,2026-01,2026-01-01,2026-02-01\n"
        "period,2026-02,2026-02-01,2026-03-01\n",
    )  # fmt: skip
    files.bring(
        filled, "rates",
        "rate,currency,valid_from,application,monthly_cap,cost_rate\n1,USD,2026-02-01,draw,10,\n"
        "1,USD,2026-02-10,solve,10,1.5\n",
    )  # fmt: skip
    assert directory.check_rates(filled, JUNE) == [
        (
            "mid-period: version 2 for solve in USD begins on 2026-02-10, within a fiscal period: its tiers, "
            "packages and monthly cap begin anew on that day"
        ),
        "below cost: version 2 for solve in USD is 1.00 USD/h and costs 1.50 USD/h",
    ]
