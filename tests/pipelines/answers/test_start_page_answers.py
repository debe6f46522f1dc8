from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import NOW
from sqlalchemy import Engine

from pipelines.answers import about_you, fleet, last_period, renewals
from pipelines.answers.question import AS_LICENSED, ask
from warehouse.directory import pseudonym, pseudonym_key
from warehouse.errors import Problem


@pytest.fixture
def week(engine: Engine) -> Engine:
    small_warehouse.fill(engine)
    return engine


def _run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def test_money_at_risk_is_what_is_owned_beyond_the_need_at_a_year_s_price(week: Engine) -> None:
    _run(week, "UPDATE entitlement SET valid_to_on = '2027-01-01', notice_on = '2026-12-01' WHERE id < 3")
    _run(week, "UPDATE entitlement SET valid_to_on = '2027-11-04' WHERE id = 3")
    question = ask(week, start="2026-10-05", end="2026-10-10", key=AS_LICENSED, now=NOW)
    found = renewals.answer(question)
    # Fifty business hours: six people at CAD in 7.5 of them, forty tokens in 2.5 of them: 5 % of 50.
    assert found.contracts.select(
        "product_name", "notice_on", "owned", "peak", "need_95", "need", "money_at_risk_minor", "currency"
    ).rows() == [
        ("Drawing", date(2026, 12, 1), 5, 6, 6, 6, 0, "EUR"),
        ("Simulation", date(2026, 12, 1), 30, 40, 0, 0, 3_600_000, "EUR"),
    ]
    assert found.at_risk_minor == {"EUR": 3_600_000}


def test_the_need_for_seats_is_their_holders_with_any_use(week: Engine) -> None:
    _run(
        week,
        "UPDATE entitlement SET valid_to_on = '2027-01-01' WHERE id = 3",
        "INSERT INTO entitlement_application (entitlement_id, application_id) VALUES (3, 1)",
    )
    found = renewals.answer(ask(week, start="2026-10-05", end="2026-10-10", key=AS_LICENSED, now=NOW))
    assert found.contracts.select("product_name", "owned", "need", "money_at_risk_minor").rows() == [
        ("Drawing LT", 4, 3, 120_000)
    ]


def test_contracts_without_an_end_are_no_renewals(week: Engine) -> None:
    found = renewals.answer(ask(week, start="2026-10-05", end="2026-10-10", key=AS_LICENSED, now=NOW))
    assert found.contracts.is_empty()
    assert found.at_risk_minor == {}


def test_fleet_coverage_is_told_by_office_with_the_machines_never_seen(week: Engine) -> None:
    found = fleet.answer(week, datetime(2026, 10, 10, 12, tzinfo=UTC))
    # From 10 September: 22 workdays of six machines; five of the machines were watched on five days.
    assert (found.first_day, found.end_day, found.zone) == (
        date(2026, 9, 10),
        date(2026, 10, 10),
        "Europe/Berlin",
    )
    assert (found.observed_workdays, found.workdays, found.hosts, found.unseen) == (25, 132, 6, 1)
    assert found.share == pytest.approx(25 / 132)
    assert found.by_office.rows() == [("HQ", "Berlin", 6, 1, 25, 132, 25 / 132)]


def test_a_directory_without_machines_has_no_coverage(engine: Engine) -> None:
    _run(
        engine,
        "INSERT INTO organization (name, zone, currency) VALUES ('Tiny Works', 'Europe/Berlin', 'EUR')",
    )
    with pytest.raises(Problem, match="no host of the directory"):
        fleet.answer(engine, NOW)


def test_the_last_period_is_billed_held_and_not_assigned_in_each_currency(week: Engine) -> None:
    _run(
        week,
        'UPDATE billing_run SET totals = \'{"tie_out_ms": {"not_assigned": 5400000}}\'',
        "INSERT INTO line_review (charge_line_id, action, actor, reason, at_ms) VALUES "
        "(1, 'hold', 'm', 'r', 1), (1, 'accept', 'm', 'r', 2), (2, 'hold', 'm', 'r', 1)",
    )
    found = last_period.answer(week, NOW)
    assert (found.run, found.period, found.status) == ("2026-10/1", "2026-10", "closed")
    assert found.billed_minor == {"EUR": 89_000}
    assert found.held_minor == {"USD": 1_500}
    assert found.not_assigned_ms == 5_400_000
    assert found.by_payer.rows() == [
        ("City of <b>Rivers</b>", 2, 89_000, 0, "EUR"),
        ("City of <b>Rivers</b>", 1, 0, 1_500, "USD"),
    ]


def test_before_the_first_run_there_is_no_last_period(engine: Engine) -> None:
    with pytest.raises(Problem, match="no billing run yet"):
        last_period.answer(engine, NOW)


def test_each_sees_their_own_sessions_of_seven_days_and_who_saw_their_name(week: Engine) -> None:
    mine = pseudonym("P", 1, pseudonym_key(week.url))
    _run(
        week,
        "INSERT INTO audit_event (at_ms, actor, action, subject, digest) VALUES "
        f"(5000, 'boss', 'name shown', '{mine}', ''), (6000, 'boss', 'name shown', 'P-00000000', '')",
    )
    found = about_you.answer(week, "PERSON1", datetime(2026, 10, 10, 12, tzinfo=UTC))
    assert found.pseudonyms[-1] == mine
    assert found.applications.rows() == [
        ("Drawing", 5, datetime(2026, 10, 5, 7, tzinfo=UTC), datetime(2026, 10, 9, 7, tzinfo=UTC)),
        ("Simulation", 5, datetime(2026, 10, 5, 8, tzinfo=UTC), datetime(2026, 10, 9, 8, tzinfo=UTC)),
    ]
    assert found.views.rows() == [(datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), "boss", "name shown")]


def test_the_other_accounts_of_a_person_are_their_own_too(week: Engine) -> None:
    _run(week, "INSERT INTO account (name, person_id) VALUES ('laptop\\person1', 1)")
    found = about_you.answer(week, "laptop\\person1", datetime(2026, 10, 10, 12, tzinfo=UTC))
    assert found.applications["sessions"].to_list() == [5, 5]
    assert len(found.pseudonyms) == 3


def test_nothing_is_told_to_an_unknown_or_a_shared_account(week: Engine) -> None:
    _run(week, "UPDATE account SET shared = 1 WHERE id = 2")
    for account in ("nobody", "person2"):
        found = about_you.answer(week, account, datetime(2026, 10, 10, 12, tzinfo=UTC))
        assert found.pseudonyms == []
        assert found.applications.is_empty()
        assert found.views.is_empty()
