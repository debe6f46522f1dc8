"""Importing rates: exact, one at a time per scope, frozen once used."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from warehouse import frames, store

Use = Callable[[Engine, str], None]


def test_rates_are_exact_and_name_their_author(filled: Engine, files: Any, samples: dict[str, str]) -> None:
    assert files.bring(filled, "rates", samples["rates"]) == "rates: 3 new, 0 changed, 0 unchanged"
    new_year = date(2027, 1, 1)
    assert frames.rates(filled).select(
        "project", "application", "rate_scaled", "currency", "valid_from", "valid_to", "increment_ms",
        "direction", "level", "author",
    ).collect().rows() == [
        (None, "draw", 125_000, "EUR", date(2026, 1, 1), new_year, 0, "nearest", "line", "eva"),
        (None, "draw", 132_575, "EUR", new_year, None, 360_000, "up", "month", "eva"),
        ("0042", "draw", 990_000, "EUR", date(2026, 1, 1), None, 0, "nearest", "line", "eva"),
    ]  # fmt: skip


def test_a_rate_no_run_has_used_can_change(rated: Engine, files: Any) -> None:
    text = "rate,currency,valid_from,application\n14,EUR,2026-01-01,draw\n"
    assert files.bring(rated, "rates", text) == "rates: 0 new, 1 changed, 0 unchanged"
    changed = frames.rates(rated).collect().row(0, named=True)
    assert (changed["rate_scaled"], changed["valid_to"]) == (140_000, date(2027, 1, 1))


def test_an_empty_cell_leaves_the_terms_of_a_rate(rated: Engine, files: Any) -> None:
    text = (
        "rate,currency,valid_from,application,increment_minutes,direction,level\n15,EUR,2027-01-01,draw,,,\n"
    )
    files.bring(rated, "rates", text)
    changed = frames.rates(rated).collect().row(1, named=True)
    assert (changed["rate_scaled"], changed["increment_ms"], changed["direction"], changed["level"]) == (
        *(150_000, 360_000, "up", "month"),
    )


def test_a_changed_rate_is_audited_with_what_it_was(rated: Engine, files: Any) -> None:
    files.bring(rated, "rates", CHANGE)
    files.bring(rated, "rates", CHANGE)  # changes nothing
    events = store.read(rated, "SELECT actor, action, subject, at_ms, detail FROM audit_event ORDER BY id")
    assert [row[:4] for row in events.rows()[-2:]] == [("eva", "import", "rates.csv", 1_700)] * 2
    assert json.loads(events["detail"][-1]) == {
        "rates": {"changed": 1},
        "notes": [{"rate": 1, "rate_scaled": [125_000, 140_000]}],
    }


def test_the_same_scope_in_two_currencies_is_two_scopes(filled: Engine, files: Any) -> None:
    text = "rate,currency,valid_from\n14,EUR,2026-01-01\n15,USD,2026-01-01\n"
    assert files.bring(filled, "rates", text) == "rates: 2 new, 0 changed, 0 unchanged"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "rate,currency,valid_from\n-1,EUR,2026-01-01\n",
            "row 2, column rate: the rate -1 is negative or not finite; write a number of 0 or more",
        ),
        (
            "rate,currency,valid_from\n1.23456,EUR,2026-01-01\n",
            "row 2, column rate: the rate 1.23456 is finer than four decimals; round it to 1/10,000",
        ),
        (
            'rate,currency,valid_from\n"12,50",EUR,2026-01-01\n',
            "row 2, column rate: '12,50' is not a rate; write a number such as 85.50",
        ),
        (
            "rate,currency,valid_from\n,EUR,2026-01-01\n",
            "row 2, column rate: '' is not a rate; write a number such as 85.50",
        ),
        (
            "rate,currency,valid_from\n1,,2026-01-01\n",
            "row 2, column currency: the cell is empty; fill it in",
        ),
        (
            "rate,currency,valid_from\n1,EUR,\n",
            "row 2, column valid_from: the cell is empty; write the first day, as 2026-01-01",
        ),
        (
            "rate,currency,valid_from,valid_to\n1,EUR,2026-01-01,2026-01-01\n",
            "row 2, column valid_to: 2026-01-01 is not after valid_from 2026-01-01; swap or widen them",
        ),
        (
            "rate,currency,valid_from\n1,EUR,2026-01-01\n2,EUR,2026-01-01\n",
            "row 3, column valid_from: the same scope and first day as row 2; remove one of them",
        ),
        (
            "rate,currency,valid_from\n2,EUR,2026-06-01\n1,EUR,2026-01-01\n",
            (
                "row 2, column valid_from: overlaps row 3: two rates of the same scope are valid "
                "on 2026-06-01; give the earlier one valid_to 2026-06-01"
            ),
        ),
        (
            "rate,currency,valid_from,valid_to,application\n1,EUR,2025-01-01,2026-02-01,draw\n",
            (
                "row 2, column valid_from: overlaps the one stored from 2026-01-01: two rates of the same "
                "scope are valid on 2026-01-01; give the earlier one valid_to 2026-01-01"
            ),
        ),
        (
            "rate,currency,valid_from,application\n1,EUR,2026-01-01,drwa\n",
            (
                "row 2, column application: unknown application 'drwa'; "
                "apply a policy that names it first: `process-meter manager policy apply FILE.toml`"
            ),
        ),
        (
            "rate,currency,valid_from,project\n1,EUR,2026-01-01,42\n",
            (
                "row 2, column project: unknown project '42'; "
                "import it first: `process-meter project import FILE`"
            ),
        ),
        (
            "rate,currency,valid_from,increment_minutes\n1,EUR,2026-01-01,15\n",
            "row 2, column direction: an increment needs a direction; write one of up, nearest, down",
        ),
        (
            "rate,currency,valid_from,increment_minutes,direction\n1,EUR,2026-01-01,0.00001,up\n",
            (
                "row 2, column increment_minutes: 0.00001 minutes are no increment; "
                "write whole milliseconds of at most a day, such as 15"
            ),
        ),
        (
            "rate,currency,valid_from,level\n1,EUR,2026-01-01,day\n",
            "row 2, column level: unknown word 'day'; write one of line, session, month",
        ),
    ],
)
def test_a_bad_rate_file_changes_nothing(rated: Engine, files: Any, text: str, message: str) -> None:
    assert files.refusal(rated, "rates", text) == message


CHANGE = "rate,currency,valid_from,application\n14,EUR,2026-01-01,draw\n"


@pytest.mark.parametrize("status", ["approved", "closed"])
def test_a_rate_that_a_settled_run_has_used_is_frozen(
    rated: Engine, files: Any, use_the_first_rate: Use, status: str
) -> None:
    use_the_first_rate(rated, status)
    assert files.refusal(rated, "rates", CHANGE) == (
        "row 2, column rate: run 2026-06/1 has used this rate: it is frozen; "
        "give it a valid_to, and the new rate a row of its own"
    )
    end = "rate,currency,valid_from,valid_to,application\n12.5,EUR,2026-01-01,{},draw\n"
    assert files.refusal(rated, "rates", end.format("2026-06-15")) == (
        "row 2, column valid_to: run 2026-06/1 has used this rate on 2026-06-15; end it on a later day"
    )
    assert files.bring(rated, "rates", end.format("2026-06-16")) == "rates: 0 new, 1 changed, 0 unchanged"


def test_a_rate_that_a_draft_has_used_is_not_frozen(
    rated: Engine, files: Any, use_the_first_rate: Use
) -> None:
    use_the_first_rate(rated, "draft")
    assert files.bring(rated, "rates", CHANGE) == "rates: 0 new, 1 changed, 0 unchanged"


# --- Terms beside the price --------------------------------------------------------------------------------

TERMS = (
    "rate,currency,valid_from,application,cost_rate,minimum_minutes,daily_cap,monthly_cap,tier_kind,tiers,"
    "package_hours,free_hours\n"
)
FULL = "12,EUR,2026-01-01,solve,8.25,15,40,500.50 EUR,graduated,50: 9.00; 100.05: 7.5,,2.5\n"


def terms(engine: Engine) -> dict[str, Any]:
    found = frames.rates(engine).collect().row(-1, named=True)
    return {
        name: found[name]
        for name in (
            "cost_rate_scaled", "minimum_ms", "daily_cap_minor", "monthly_cap_minor", "tier_kind", "tiers",
            "package_ms", "free_ms",
        )
    }  # fmt: skip


def test_a_rate_has_terms_beside_its_price(filled: Engine, files: Any) -> None:
    files.bring(filled, "rates", TERMS + FULL)
    assert terms(filled) == {
        "cost_rate_scaled": 82_500, "minimum_ms": 900_000, "daily_cap_minor": 4_000,
        "monthly_cap_minor": 50_050, "tier_kind": "graduated",
        "tiers": "[[180000000, 90000], [360180000, 75000]]", "package_ms": None, "free_ms": 9_000_000,
    }  # fmt: skip
    assert files.bring(filled, "rates", TERMS + FULL) == "rates: 0 new, 0 changed, 1 unchanged"


def test_a_dash_takes_terms_away_and_an_empty_cell_leaves_them(filled: Engine, files: Any) -> None:
    files.bring(filled, "rates", TERMS + FULL)
    told = files.bring(filled, "rates", TERMS + "12,EUR,2026-01-01,solve,,-,,,,,,\n")
    assert told == "rates: 0 new, 1 changed, 0 unchanged"
    assert terms(filled)["minimum_ms"] == 0
    assert terms(filled)["daily_cap_minor"] == 4_000
    files.bring(filled, "rates", TERMS + "12,EUR,2026-01-01,solve,-,-,-,-,-,-,-,-\n")
    assert terms(filled) == {
        "cost_rate_scaled": None, "minimum_ms": 0, "daily_cap_minor": None, "monthly_cap_minor": None,
        "tier_kind": None, "tiers": "[]", "package_ms": None, "free_ms": 0,
    }  # fmt: skip


def test_a_cap_has_the_decimals_of_its_currency(filled: Engine, files: Any) -> None:
    files.bring(filled, "rates", "rate,currency,valid_from,daily_cap\n900,JPY,2026-01-01,4500 JPY\n")
    assert terms(filled)["daily_cap_minor"] == 4_500


@pytest.mark.parametrize(
    ("columns", "cells", "message"),
    [
        ("cost_rate", "-1", "cost_rate: the rate -1 is negative or not finite; write a number of 0 or more"),
        ("cost_rate", "1e9", "cost_rate: the rate 1e9 is over a million an hour; check the decimal point"),
        (
            "minimum_minutes", "1441",
            ("minimum_minutes: 1441 minutes are no minimum; "
            "write whole milliseconds of at most a day, such as 15"),
        ),
        ("minimum_minutes", "-5", "minimum_minutes: -5 is negative; write 0 or more"),
        (
            "daily_cap", "40 USD",
            "daily_cap: a cap in USD on a rate in EUR; write it in EUR: it is converted where the rate is",
        ),
        ("daily_cap", "40.005", "daily_cap: 40.005 is finer than EUR can be paid; round it"),
        ("daily_cap", "0", "daily_cap: a cap of 0 caps everything; check it; a dash takes a cap away"),
        (
            "monthly_cap", "1e10",
            "monthly_cap: a cap of 1e10 is over a thousand million; check it; a dash takes a cap away",
        ),
        ("monthly_cap", "lots", "monthly_cap: 'lots' is not a number; write it as 1234.50"),
        (
            "daily_cap,monthly_cap", "50,40",
            "daily_cap: the cap of a day is over that of the month; swap them",
        ),
        ("tier_kind", "steps", "tier_kind: unknown word 'steps'; write one of graduated, volume, package"),
        (
            "tier_kind,tiers", "volume,50 9.00",
            "tiers: '50 9.00' is no tier; write hours and rate, as 50: 9.00; 100: 7.50",
        ),
        (
            "tier_kind,tiers", "volume,100: 7; 50: 9",
            ("tiers: the tier from 50 hours does not begin after 100 hours; "
            "write the tiers in order; the rate itself is the price before the first of them"),
        ),
        (
            "tier_kind,tiers", "volume,0: 7",
            ("tiers: the tier from 0 hours does not begin above 0 hours; "
            "write the tiers in order; the rate itself is the price before the first of them"),
        ),
        (
            "tier_kind,tiers", "volume,50.01: 7",
            "tiers: 50.01 hours are no multiple of 0.05; write it in steps of 3 minutes",
        ),
        (
            "tier_kind,tiers", "volume,50: -7",
            "tiers: the rate -7 is negative or not finite; write a number of 0 or more",
        ),
        ("tier_kind", "volume", "tiers: tier_kind volume has no tiers; write them, as 50: 9.00; 100: 7.50"),
        (
            "tiers", "50: 7",
            ("tier_kind: there are tiers, and nothing says how they count; "
            "write one of graduated, volume, package"),
        ),
        (
            "tier_kind", "package",
            "package_hours: tier_kind package has no size; write how many hours a package holds",
        ),
        (
            "package_hours", "10",
            ("tier_kind: package_hours is given, and this is no package; "
            "write package, or take package_hours away"),
        ),
        (
            "tier_kind,package_hours", "package,0",
            "package_hours: a package of 0 hours holds nothing; write how many hours it holds",
        ),
        (
            "tier_kind,package_hours,daily_cap", "package,10,40",
            "daily_cap: packages are charged for the period, not for a day; write a monthly_cap",
        ),
        ("free_hours", "10001", "free_hours: 10001 hours are over 10000; check the decimal point"),
        (
            "free_hours,level", "2,month",
            ("level: the month is rounded after all its hours are priced; "
            "write line or session beside tiers or free_hours"),
        ),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_are_named(
    filled: Engine, files: Any, columns: str, cells: str, message: str
) -> None:
    text = f"rate,currency,valid_from,{columns}\n12,EUR,2026-01-01,{cells}\n"
    assert files.refusal(filled, "rates", text) == f"row 2, column {message}"


def test_terms_are_judged_with_those_that_are_stored(filled: Engine, files: Any) -> None:
    files.bring(filled, "rates", TERMS + FULL)
    low = "rate,currency,valid_from,application,monthly_cap\n12,EUR,2026-01-01,solve,30\n"
    assert files.refusal(filled, "rates", low) == (
        "row 2, column daily_cap: the cap of a day is over that of the month; swap them"
    )


@pytest.mark.parametrize(
    "change", ["cost_rate\n9", "minimum_minutes\n5", "daily_cap\n9", "free_hours\n1", "monthly_cap\n9"]
)
def test_terms_of_a_frozen_rate_are_frozen(
    rated: Engine, files: Any, use_the_first_rate: Use, change: str
) -> None:
    use_the_first_rate(rated, "closed")
    column, value = change.split("\n")
    text = f"rate,currency,valid_from,application,{column}\n12.5,EUR,2026-01-01,draw,{value}\n"
    assert files.refusal(rated, "rates", text) == (
        "row 2, column rate: run 2026-06/1 has used this rate: it is frozen; "
        "give it a valid_to, and the new rate a row of its own"
    )
