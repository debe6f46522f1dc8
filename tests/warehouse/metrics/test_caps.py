"""Caps in money, worked by hand."""

from __future__ import annotations

from datetime import date

from billing_cases import rate
from rating_cases import HOUR, rated, rows, use

DAILY = rate(1, 120_000, daily_cap_minor=4000)
MONTHLY = rate(1, 120_000, monthly_cap_minor=10_000)
COLUMNS = ("kind", "project", "day", "unit", "quantity", "rate_scaled", "amount_minor", "note")


def day(number: int) -> date:
    return date(2026, 10, number)


def test_a_day_costs_at_most_its_cap() -> None:
    # 5 h at 12.00 are 60.00; the cap of 40.00 takes 20.00 off.
    assert rows(rated(use(5, 300), use(6, 60), at=DAILY), *COLUMNS) == [
        ("usage", "A", day(5), "hour", 5000, 120_000, 6000, None),
        ("cap", "A", day(5), "each", -1000, 200_000, -2000, "daily cap of 40.00 EUR"),
        ("usage", "A", day(6), "hour", 1000, 120_000, 1200, None),
    ]


def test_a_cap_that_is_just_reached_takes_nothing() -> None:
    found = rated(use(5, 200), at=DAILY)
    assert rows(found, "kind", "amount_minor") == [("usage", 4000)]
    assert found.notices.is_empty()


def test_what_a_cap_takes_is_divided_among_the_projects_by_what_each_was_charged() -> None:
    # 24.00 and 36.00: of 20.00 the first bears 8.00, the second 12.00; both pay 40.00 together.
    found = rated(use(5, 120, "A"), use(5, 180, "B"), at=DAILY)
    assert rows(found, "kind", "project", "amount_minor") == [
        ("usage", "A", 2400),
        ("cap", "A", -800),
        ("usage", "B", 3600),
        ("cap", "B", -1200),
    ]


def test_a_cent_that_cannot_be_divided_goes_to_the_largest_remainder() -> None:
    capped = rate(1, 120_000, daily_cap_minor=3500)
    found = rated(use(5, 60, "A"), use(5, 60, "B"), use(5, 60, "B", phase="01"), at=capped)
    assert found.lines.filter(kind="cap")["amount_minor"].to_list() == [-34, -33, -33]
    assert found.lines["amount_minor"].sum() == 3500


def test_a_period_costs_at_most_its_cap_and_the_line_is_dated_the_last_day_used() -> None:
    found = rated(use(5, 300), use(9, 300), at=MONTHLY)
    assert rows(found, *COLUMNS)[-1] == (
        *("cap", "A", day(9), "each", -1000, 200_000, -2000, "monthly cap of 100.00 EUR"),
    )
    assert found.lines["amount_minor"].sum() == 10_000


def test_what_the_cap_of_a_day_has_taken_does_not_count_towards_the_periods() -> None:
    both = rate(1, 120_000, daily_cap_minor=4000, monthly_cap_minor=10_000)
    found = rated(use(5, 300), use(6, 300), at=both)
    # 40 + 40 are under the 100 of the period.
    assert found.lines["amount_minor"].to_list() == [6000, -2000, 6000, -2000]
    three = rated(use(5, 300), use(6, 300), use(7, 300), at=both)
    assert three.lines.filter(kind="cap").select("day", "amount_minor", "note").rows() == [
        (day(5), -2000, "daily cap of 40.00 EUR"),
        (day(6), -2000, "daily cap of 40.00 EUR"),
        (day(7), -4000, "daily cap of 40.00 EUR and monthly cap of 100.00 EUR"),
    ]


def test_caps_are_of_one_person_and_application() -> None:
    found = rated(use(5, 200), use(5, 200, person_id=2), use(5, 200, application="fem"), at=DAILY)
    assert rows(found, "kind") == [("usage",)] * 3


def test_packages_and_the_rounding_of_a_month_count_towards_the_periods_cap() -> None:
    packed = rate(1, 120_000, tier_kind="package", package_ms=10 * HOUR, monthly_cap_minor=20_000)
    assert rows(rated(use(5, 660), at=packed), "kind", "amount_minor") == [
        ("usage", 0),
        ("package", 24_000),
        ("cap", -4000),
    ]
    monthly = rate(1, 120_000, level="month", minimum_ms=10 * HOUR, monthly_cap_minor=10_000)
    assert rows(rated(use(5, 60), at=monthly), "kind", "amount_minor") == [
        ("usage", 1200),
        ("month_rounding", 10_800),
        ("cap", -2000),
    ]


def test_a_cap_that_was_hit_is_told_by_rate_version() -> None:
    found = rated(use(5, 300), use(6, 300), at=DAILY)
    assert found.notices.rows() == [
        ("cap", None, 0, "the cap of rate version 1 took 40.00 EUR off cad, in 2 lines")
    ]
