"""A vendor's counts of a week beside ours, with the reason for each difference."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import polars as pl
import pytest
import small_warehouse
import sqlalchemy as sa
from small_warehouse import DAYS, NOW, WINDOW, at_ms
from sqlalchemy import Engine

from apps import charts
from pipelines.answers import vendor_reconciliation
from pipelines.answers.question import ask
from pipelines.answers.vendor_reconciliation import (
    ACCOUNTS,
    PARTIAL,
    SESSIONS,
    SHORT_USES,
    VendorReconciliation,
)
from warehouse.errors import Problem
from warehouse.metrics.reconciliation import EQUAL, UNEXPLAINED
from warehouse.store import append

Counts = list[tuple[int, str, date, int]]
"""Product, unit, day, count; of the whole day but for devices, which are those from 09:00 to 09:10."""
Reconcile = Callable[..., VendorReconciliation]


@pytest.fixture
def reconcile(engine: Engine) -> Reconcile:
    small_warehouse.fill(engine, with_charges=False)

    def reconciled(counts: Counts, *statements: str, application: str = "") -> VendorReconciliation:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))
        rows = [
            (
                product,
                "portal",
                unit,
                at_ms(day, 9 if unit == "devices" else 3),
                _end_ms(day, unit),
                number,
                0,
            )
            for product, unit, day, number in counts
        ]
        columns = ["product_id", "source", "unit", "start_ms", "end_ms", "count", "received_ms"]
        append(engine, "vendor_count", pl.DataFrame(rows, columns, orient="row"))
        question = ask(engine, **WINDOW, application=application, now=NOW)
        return vendor_reconciliation.answer(question)

    return reconciled


def _end_ms(day: date, unit: str) -> int:
    return at_ms(day, 9, 10) if unit == "devices" else at_ms(day, 23)


def reasons(found: VendorReconciliation) -> list[tuple[int, int, str]]:
    return found.rows.select("vendor", "ours", "reason").rows()


# Six people and as many machines use CAD each day from 09:00 to 11:00 local.
SEGMENT = """
    INSERT INTO segment (session_id, start_ms, end_ms, attention, cpu_percent, since_ms, policy_version,
                         received_ms)
    VALUES ({0}, {1}, {2}, 0, 0.0, {1}, 1, 0)
"""
NINE, LATER = at_ms(DAYS[0], 9), at_ms(DAYS[0], 9, 15)
SHORTEN = (
    "DELETE FROM segment WHERE session_id = 1 AND start_ms > 0",
    SEGMENT.format(1, NINE, at_ms(DAYS[0], 9, 4)),
)
SECOND_ACCOUNT = (
    "INSERT INTO account (id, name, person_id) VALUES (77, 'guest', 1)",
    f"""
    INSERT INTO session (id, key, source, application_id, account_id, host_id, logon_session, zone,
                         started_ms, ended_ms, received_ms)
    VALUES (900, 'x', 'agent', 1, 77, 1, '2', 'Europe/Berlin', {NINE}, {LATER}, 0)
    """,
    SEGMENT.format(900, NINE, LATER),
)


def test_user_days_equal_ours_or_say_why_not(reconcile: Reconcile) -> None:
    found = reconcile(
        [(1, "user_days", DAYS[0], 6), (1, "user_days", DAYS[1], 6), (1, "user_days", DAYS[2], 9)], *SHORTEN
    )
    assert reasons(found) == [(6, 5, SHORT_USES), (6, 6, EQUAL), (9, 6, UNEXPLAINED)]
    assert found.by_product.rows() == [("Drawing", "user-days", 3, 1, 1, 1, 21, 17)]
    assert found.differing["difference"].to_list() == [3, 1]
    assert found.claims["products"] == (
        "Of 3 counts of vendors **33 % equal ours**; 1 differs for a reason that is known, and 1 for none "
        "that was found."
    )
    assert found.claims["shown"] == (
        "Of Drawing the vendor counts **21 in all, 4 more than we do**. The widest gap is 3, from 2026-10-07 "
        "03:00 on."
    )
    assert found.results == {"counts": 3, "equal": 1, "explained": 1, "unexplained": 1}


def test_a_vendor_that_counts_accounts_or_sessions_is_found_out(reconcile: Reconcile) -> None:
    counts: Counts = [(1, "user_days", DAYS[0], 7), (1, "licenses", DAYS[0], 7), (1, "licenses", DAYS[1], 6)]
    found = reconcile(counts, *SECOND_ACCOUNT)
    assert [row[2] for row in reasons(found)] == [SESSIONS, EQUAL, ACCOUNTS]


def test_devices_count_from_their_first_whole_interval_on(reconcile: Reconcile) -> None:
    late = f"UPDATE session SET started_ms = {at_ms(DAYS[0], 9, 5)} WHERE id = 1"
    cut = f"UPDATE segment SET start_ms = {at_ms(DAYS[0], 9, 5)} WHERE start_ms = {at_ms(DAYS[0], 9)}"
    found = reconcile(
        [(1, "devices", DAYS[0], 6), (1, "devices", DAYS[1], 6)], late, f"{cut} AND session_id = 1"
    )
    assert reasons(found) == [(6, 5, PARTIAL), (6, 6, EQUAL)]


def test_tokens_are_counted_as_they_are_in_use(reconcile: Reconcile) -> None:
    assert reasons(reconcile([(2, "tokens", DAYS[0], 40)])) == [(40, 40, EQUAL)]


def test_one_product_can_be_asked_for_and_what_is_not_there_says_how_to_bring_it(
    reconcile: Reconcile,
) -> None:
    counts: Counts = [(1, "licenses", DAYS[0], 6), (2, "tokens", DAYS[0], 40)]
    assert reconcile(counts, application="sim").by_product["product"].to_list() == ["Simulation"]
    with pytest.raises(Problem, match="There are no vendor's counts of lt from 2026-10-05") as told:
        reconcile([], application="lt")
    assert "process-meter import table FILE --mapping user-days" in told.value.remedy


def test_the_chart_has_both_counts(reconcile: Reconcile) -> None:
    found = reconcile([(1, "licenses", DAYS[0], 6), (1, "licenses", DAYS[1], 9)])
    vendor, ours = charts.vendor_counts(found.shown, unit=found.unit).data
    assert (vendor.name, list(vendor.y)) == ("vendor's count", [6, 9])
    assert (ours.name, list(ours.y)) == ("our count by the vendor's rule", [6, 6])
