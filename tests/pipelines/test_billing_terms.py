"""Tiers, caps, packages, conversions, presets and cost centers through whole runs, late evidence included."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import hour, ms, on, organize, price, use, waive_all
from sqlalchemy import Engine

from pipelines import billing
from warehouse import ledger, schema, store
from warehouse.metrics import tie_out

SEPTEMBER, OCTOBER, NOVEMBER = (ms(f"2026-{month:02}-02 08:00") for month in (10, 11, 12))
HOUR = 3_600_000


def close(engine: Engine, period: str, now_ms: int) -> str:
    run = billing.draft(engine, period, "generic", "pat", now_ms)
    waive_all(engine, run, now_ms)
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)
    return run


def worked(
    engine: Engine, number: int, day: str, minutes: int, project: str = "A", *, late: str = ""
) -> None:
    use(engine, hour(number, day, minutes=minutes), received=late or None)
    on(engine, number, project, at_=f"{day} 09:00", created=late or None)


def lines(engine: Engine, run: str, *columns: str) -> list[tuple[Any, ...]]:
    return ledger.lines_of(engine, run).select(columns).rows()


def totals(engine: Engine, run: str) -> dict[str, Any]:
    with engine.connect() as connection:
        return ledger.find_run(connection, run).totals


def standing(engine: Engine, period: str = "2026-09") -> int:
    return int(ledger.standing_lines(engine, period)[0]["amount_minor"].sum())


BOOKED = ("kind", "day", "project", "unit", "quantity", "rate_scaled", "amount_minor")


def booked(engine: Engine, run: str) -> list[tuple[Any, ...]]:
    found = ledger.lines_of(engine, run).filter(pl.col("period") == "2026-09")
    return [(kind, day.day, *rest) for kind, day, *rest in found.select(BOOKED).rows()]


# --- Late evidence -----------------------------------------------------------------------------------------


def test_a_late_session_moves_the_lines_after_it_through_tiers_and_into_the_cap(both_engines: Engine) -> None:
    # 12.00 an hour, from the third hour on 9.00, at most 35.00 a month.
    organize(both_engines)
    price(
        both_engines, 1, 120_000, tier_kind="graduated", tiers=json.dumps([[2 * HOUR, 90_000]]),
        monthly_cap_minor=3_500,
    )  # fmt: skip
    worked(both_engines, 1, "2026-09-07", 60)
    worked(both_engines, 2, "2026-09-09", 90)
    worked(both_engines, 3, "2026-10-07", 60)
    worked(both_engines, 4, "2026-11-09", 60)
    first = close(both_engines, "2026-09", SEPTEMBER)
    assert booked(both_engines, first) == [
        ("usage", 7, "A", "hour", 1000, 120_000, 1200),
        ("usage", 9, "A", "hour", 1000, 120_000, 1200),
        ("usage", 9, "A", "hour", 500, 90_000, 450),
    ]
    # An hour of the 8th on B arrives on October 20th: the 9th is in the second tier now, and the sum,
    # 37.50, over the cap: A was charged 25.50 and bears 1.70, B 12.00 and bears 0.80.
    worked(both_engines, 11, "2026-09-08", 60, "B", late="2026-10-20 08:00")
    second = close(both_engines, "2026-10", OCTOBER)
    assert booked(both_engines, second) == [
        ("reversal", 9, "A", "hour", -1000, 120_000, -1200),
        ("reversal", 9, "A", "hour", -500, 90_000, -450),
        ("replacement", 9, "A", "hour", 1500, 90_000, 1350),
        ("cap", 9, "A", "each", -1000, 17_000, -170),
        ("usage", 8, "B", "hour", 1000, 120_000, 1200),
        ("cap", 8, "B", "each", -1000, 8_000, -80),
    ]
    assert standing(both_engines) == 3_500
    # And another one of the 10th, in November: only the cap moves, and with it what each project bears.
    worked(both_engines, 12, "2026-09-10", 60, "A", late="2026-11-20 08:00")
    third = close(both_engines, "2026-11", NOVEMBER)
    assert booked(both_engines, third) == [
        ("reversal", 9, "A", "each", 1000, 17_000, 170),
        ("usage", 10, "A", "hour", 1000, 90_000, 900),
        ("cap", 10, "A", "each", -1000, 85_300, -853),
        ("reversal", 8, "B", "each", 1000, 8_000, 80),
        ("replacement", 8, "B", "each", -1000, 29_700, -297),
    ]
    assert standing(both_engines) == 3_500
    assert billing.verify(both_engines) == []


def test_a_late_session_that_begins_another_package_books_its_price(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 100_000, tier_kind="package", package_ms=2 * HOUR, free_ms=HOUR)
    worked(engine, 1, "2026-09-07", 150)
    worked(engine, 2, "2026-10-07", 60)
    first = close(engine, "2026-09", SEPTEMBER)
    assert booked(engine, first) == [
        ("usage", 7, "A", "hour", 2500, 0, 0),
        ("package", 7, "A", "each", 1000, 200_000, 2000),
    ]
    worked(engine, 11, "2026-09-08", 90, late="2026-10-20 08:00")
    assert booked(engine, close(engine, "2026-10", OCTOBER)) == [
        ("reversal", 7, "A", "each", -1000, 200_000, -2000),
        ("usage", 8, "A", "hour", 1500, 0, 0),
        ("replacement", 8, "A", "each", 1000, 400_000, 4000),
    ]
    assert billing.verify(engine) == []


def test_an_act_of_review_stays_with_its_part_of_a_line_in_two_tiers(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 120_000, tier_kind="graduated", tiers=json.dumps([[HOUR, 90_000]]))
    worked(engine, 1, "2026-09-07", 90)
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    billing.review(engine, run, 2, "hold", "pat", "not agreed", SEPTEMBER)
    again = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    assert lines(engine, again, "rate_scaled", "review") == [(120_000, None), (90_000, "hold")]


# --- One run -----------------------------------------------------------------------------------------------


def test_a_converted_line_keeps_currency_and_factor_and_verifies(engine: Engine) -> None:
    organize(engine)
    price(engine, 1, 123_456, currency="USD", cost_rate_scaled=80_000)
    with store.writing(engine) as connection:
        connection.execute(
            schema.conversion_rate.insert().values(
                from_currency="USD", to_currency="EUR", from_on="2026-09-01", factor_scaled=92_345_678,
                author="fay", created_ms=0,
            )
        )  # fmt: skip
    worked(engine, 1, "2026-09-07", 120)
    run = close(engine, "2026-09", SEPTEMBER)
    columns = ("rate_scaled", "amount_minor", "currency", "rate_currency", "conversion_scaled", "cost_minor")
    assert lines(engine, run, *columns) == [(114_006, 2280, "EUR", "USD", 92_345_678, 1478)]
    assert billing.verify(engine) == []


def with_cost_center(engine: Engine) -> None:
    """Let persons 1 and 2 belong to CC-1, which has an account."""
    store.append(engine, "cost_center", pl.DataFrame([{"id": 1, "code": "CC-1", "name": "Overhead"}]))
    account = {
        "id": 99, "number": "CC-1", "name": "Overhead", "cost_center_id": 1, "currency": "EUR",
        "chargeable": True, "kind": "cost_center",
    }  # fmt: skip
    store.append(engine, "project", pl.DataFrame([account]))
    with store.writing(engine) as connection:
        connection.execute(
            sa.update(schema.placement).where(schema.placement.c.person_id < 3).values(cost_center_id=1)
        )


def test_presets_and_cost_centers_take_time_that_nobody_entered_a_project_for(engine: Engine) -> None:
    organize(engine)
    with_cost_center(engine)
    price(engine, 1, 120_000)
    with store.writing(engine) as connection:
        fixed = {"valid_from_on": "2026-01-01", "author": "pm", "reason": "team", "created_ms": 0}
        connection.execute(schema.project_preset.insert().values(id=1, **fixed))
        connection.execute(
            schema.project_preset.insert().values(id=2, application_id=2, project_id=1, **fixed)
        )
    use(
        engine,
        hour(1, "2026-09-07"),
        hour(2, "2026-09-08", application="fem"),
        hour(3, "2026-09-09", person=3),
    )
    run = billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER)
    assert lines(engine, run, "project", "application", "amount_minor", "project_kind") == [
        ("A", "fem", 1200, "project"),
        ("CC-1", "cad", 1200, "cost_center"),
    ]
    assert totals(engine, run)["exceptions"] == {"no_account": 1, "preset": 2}
    assert billing.show(engine, run)["blocking"] == {"no_account": 1}


def test_chargeback_bills_cost_centers_whatever_the_project(engine: Engine) -> None:
    organize(engine, {"default": {"idle_timeout_ms": 300_000}, "charge_to": "cost_center"})
    with_cost_center(engine)
    price(engine, 1, 120_000)
    worked(engine, 1, "2026-09-07", 60, "A")
    worked(engine, 2, "2026-09-08", 60, "LEAVE")
    worked(engine, 4, "2026-10-08", 60, "A")
    run = close(engine, "2026-09", SEPTEMBER)
    assert lines(engine, run, "project", "amount_minor") == [("CC-1", 1200), ("CC-1", 1200)]
    # What comes late for the closed period is charged back as the period was.
    worked(engine, 11, "2026-09-09", 60, "B", late="2026-10-20 08:00")
    assert [row[2] for row in booked(engine, close(engine, "2026-10", OCTOBER))] == ["CC-1"]


@pytest.mark.parametrize("overlap", ["union", "full", "foreground", "equal_split"])
def test_a_draft_says_what_each_overlap_policy_would_bill(engine: Engine, overlap: str) -> None:
    # Two sessions of one program: 9 to 10 and 9:30 to 10:30; the second is behind for the first five minutes.
    organize(engine, {"default": {"idle_timeout_ms": 600_000}, "overlap": overlap})
    price(engine, 1, 120_000)
    behind = ("2026-09-07 09:30", "2026-09-07 09:35", "background")
    use(engine, hour(1, "2026-09-07"), session(2, behind, ("2026-09-07 09:35", "2026-09-07 10:30", "input")))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    on(engine, 2, "A", at_="2026-09-07 09:30")
    found = totals(engine, billing.draft(engine, "2026-09", "generic", "pat", SEPTEMBER))
    once, twice = ({"billed_ms": h * 360_000, "amount_minor": {"EUR": h * 120}} for h in (15, 20))
    assert found["overlaps"] == {"union": once, "full": twice, "foreground": once, "equal_split": once}
    assert found["lower_bound"] == found["overlaps"][overlap]
    tie_out.check(found["tie_out_ms"])
