"""Minimum, free allowance and tiers, worked by hand."""

from __future__ import annotations

from datetime import date

import pytest
from billing_cases import rate
from rating_cases import HOUR, MINUTE, rated, rows, use

EUR_12 = 120_000
EUR_9 = 90_000
EUR_8 = 80_000
FROM_10_H = [[10 * HOUR, EUR_9]]


def day(number: int) -> date:
    return date(2026, 10, number)


# --- Minimum -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "direction", "quantity"),
    [(2, "up", 250), (11, "up", 250), (16, "up", 300), (16, "down", 250), (20, "down", 300), (15, "up", 300)],
)
def test_a_line_is_rounded_and_then_raised_to_the_minimum(
    minutes: int, direction: str, quantity: int
) -> None:
    # Steps of 6 minutes, at least 15: 16 minutes are 18 upwards; downwards they are 12, which is raised.
    terms = {"increment_ms": 6 * MINUTE, "direction": direction, "minimum_ms": 15 * MINUTE}
    found = rated(use(5, minutes), at=rate(1, EUR_12, **terms))
    assert rows(found, "quantity", "amount_minor") == [(quantity, quantity * 12 // 10)]


def test_a_minimum_without_an_increment_raises_and_rounds_nothing() -> None:
    found = rated(use(5, 2), use(6, 20), at=rate(1, EUR_12, minimum_ms=15 * MINUTE))
    assert rows(found, "quantity") == [(250,), (333,)]


def test_a_minimum_of_level_session_counts_for_each_session() -> None:
    terms = {"level": "session", "minimum_ms": 15 * MINUTE}
    found = rated(use(5, 2), use(5, 3), use(5, 40), at=rate(1, EUR_12, **terms))
    # 15 + 15 + 40 minutes.
    assert rows(found, "quantity", "amount_minor", "session_count") == [(1167, 1400, 3)]


def test_a_minimum_of_level_month_is_one_further_line() -> None:
    found = rated(use(5, 6), use(7, 12), at=rate(1, EUR_12, level="month", minimum_ms=HOUR))
    assert rows(found, "kind", "day", "quantity", "amount_minor") == [
        ("usage", day(5), 100, 120),
        ("usage", day(7), 200, 240),
        ("month_rounding", day(7), 700, 840),
    ]


def test_what_a_minimum_raised_is_told_by_rate_version() -> None:
    found = rated(use(5, 2), use(6, 5), use(7, 20), at=rate(9, EUR_12, minimum_ms=15 * MINUTE))
    assert found.notices.rows() == [
        ("below_minimum", None, 23 * MINUTE, "the minimum of rate version 9 raised 2 lines of cad")
    ]


# --- Free allowance ----------------------------------------------------------------------------------------


def test_the_first_hours_of_a_person_and_application_cost_nothing() -> None:
    found = rated(use(5, 60), use(6, 90), use(7, 30), at=rate(1, EUR_12, free_ms=2 * HOUR))
    assert rows(found, "day", "quantity", "rate_scaled", "amount_minor", "active_ms", "note") == [
        (day(5), 1000, 0, 0, 60 * MINUTE, "within the free allowance"),
        (day(6), 500, EUR_12, 600, 30 * MINUTE, None),
        (day(6), 1000, 0, 0, 60 * MINUTE, "within the free allowance"),
        (day(7), 500, EUR_12, 600, 30 * MINUTE, None),
    ]
    assert found.shares.rows() == [
        (1, 1, HOUR, 0, 0),
        (2, 2, 30 * MINUTE, 0, 0),
        (3, 2, HOUR, 0, 0),
        (4, 3, 30 * MINUTE, 0, 0),
    ]


def test_the_allowance_of_one_person_or_application_is_not_anothers() -> None:
    found = rated(
        use(5, 60), use(5, 60, person_id=2), use(5, 60, application="fem"),
        at=rate(1, EUR_12, free_ms=HOUR),
    )  # fmt: skip
    assert rows(found, "rate_scaled") == [(0,), (0,), (0,)]


def test_hours_at_another_rate_use_up_the_allowance_too() -> None:
    # The first hour is on B, whose rate gives none away; A's rate frees the first two: one is left.
    prices = [rate(1, EUR_12, free_ms=2 * HOUR), rate(2, EUR_9, project="B")]
    found = rated(use(5, 60, "B"), use(6, 120, "A"), at=prices)
    assert rows(found, "project", "quantity", "rate_scaled") == [
        ("A", 1000, EUR_12),
        ("A", 1000, 0),
        ("B", 1000, EUR_9),
    ]


# --- Graduated ---------------------------------------------------------------------------------------------

GRADUATED = rate(1, EUR_12, tier_kind="graduated", tiers=[*FROM_10_H, [20 * HOUR, EUR_8]])


def test_graduated_hours_cost_what_their_own_tier_costs() -> None:
    found = rated(use(5, 8 * 60), use(6, 8 * 60, "B"), use(7, 8 * 60), at=GRADUATED)
    # Used in the order of days: 8 on A; 2 and 6 on B; 4 and 4 on A.
    assert rows(found, "project", "day", "quantity", "rate_scaled", "amount_minor") == [
        ("A", day(5), 8000, EUR_12, 9600),
        ("A", day(7), 4000, EUR_9, 3600),
        ("A", day(7), 4000, EUR_8, 3200),
        ("B", day(6), 2000, EUR_12, 2400),
        ("B", day(6), 6000, EUR_9, 5400),
    ]


@pytest.mark.parametrize(
    ("minutes", "lines"),
    [
        (599.94, [(9999, EUR_12)]),
        (600, [(10_000, EUR_12)]),
        (600.06, [(10_000, EUR_12), (1, EUR_9)]),
        (1200, [(10_000, EUR_12), (10_000, EUR_9)]),
        (1200.06, [(10_000, EUR_12), (10_000, EUR_9), (1, EUR_8)]),
    ],
)
def test_a_graduated_tier_begins_with_the_first_quantum_beyond_its_edge(
    minutes: float, lines: list[tuple[int, int]]
) -> None:
    assert rows(rated(use(5, minutes), at=GRADUATED), "quantity", "rate_scaled") == lines


def test_a_line_in_two_tiers_divides_the_time_of_its_sessions_in_their_order() -> None:
    # 4 h + 12 h (1 h of it pause, 1 h buffer) on one day: the tier's edge lies 6 h into the second session.
    first, second = use(5, 4 * 60), use(5, 10 * 60, pause=60, buffer=60)
    found = rated(first, second, at=GRADUATED)
    assert rows(found, "active_ms", "pause_ms", "buffer_ms", "quantity", "session_count") == [
        (10 * HOUR, 0, 0, 10_000, 2),
        (4 * HOUR, HOUR, HOUR, 6000, 1),
    ]
    assert found.shares.rows() == [
        (1, 1, 4 * HOUR, 0, 0),
        (1, 2, 6 * HOUR, 0, 0),
        (2, 2, 4 * HOUR, HOUR, HOUR),
    ]


def test_the_allowance_goes_before_the_tiers() -> None:
    found = rated(
        use(5, 14 * 60), at=rate(1, EUR_12, tier_kind="graduated", tiers=FROM_10_H, free_ms=2 * HOUR)
    )
    assert rows(found, "quantity", "rate_scaled") == [(10_000, EUR_12), (2000, EUR_9), (2000, 0)]


def test_the_tiers_of_each_rate_version_are_counted_apart() -> None:
    prices = [
        rate(1, EUR_12, tier_kind="graduated", tiers=FROM_10_H, valid_to=day(6)),
        rate(2, EUR_12, tier_kind="graduated", tiers=FROM_10_H, valid_from=day(6)),
    ]
    found = rated(use(5, 8 * 60), use(6, 8 * 60), at=prices)
    assert rows(found, "rate_id", "quantity", "rate_scaled") == [(1, 8000, EUR_12), (2, 8000, EUR_12)]


# --- Volume ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "scaled"), [(599, EUR_12), (600, EUR_9), (601, EUR_9)])
def test_in_volume_all_hours_cost_what_the_reached_tier_costs(minutes: int, scaled: int) -> None:
    volume = rate(1, EUR_12, tier_kind="volume", tiers=FROM_10_H)
    found = rated(use(5, 60), use(6, minutes - 60, "B"), at=volume)
    assert rows(found, "rate_scaled") == [(scaled,), (scaled,)]


def test_two_tiers_of_one_price_make_one_line() -> None:
    flat = rate(1, EUR_12, tier_kind="graduated", tiers=[[10 * HOUR, EUR_12]])
    assert rows(rated(use(5, 12 * 60), at=flat), "quantity", "rate_scaled") == [(12_000, EUR_12)]


# --- Packages ----------------------------------------------------------------------------------------------

TEN_HOURS = rate(1, EUR_12, tier_kind="package", package_ms=10 * HOUR)


def test_hours_in_packages_cost_nothing_and_each_package_begun_a_fixed_amount() -> None:
    found = rated(use(5, 11 * 60), use(7, 60), at=TEN_HOURS)
    assert rows(found, "kind", "day", "unit", "quantity", "rate_scaled", "amount_minor", "note") == [
        ("usage", day(5), "hour", 11_000, 0, 0, "within a package"),
        ("usage", day(7), "hour", 1000, 0, 0, "within a package"),
        ("package", day(7), "each", 1000, 2_400_000, 24_000, "2 packages of 10 h"),
    ]


@pytest.mark.parametrize(("minutes", "amount"), [(0.06, 12_000), (600, 12_000), (600.06, 24_000)])
def test_a_package_is_begun_by_its_first_quantum(minutes: float, amount: int) -> None:
    assert rated(use(5, minutes), at=TEN_HOURS).lines["amount_minor"].sum() == amount


def test_packages_are_divided_among_the_projects_by_use_to_the_cent() -> None:
    thirds = rated(use(5, 60, "A"), use(6, 60, "B"), use(7, 60, "B", phase="01"), at=TEN_HOURS)
    fixed = thirds.lines.filter(kind="package")
    assert fixed.select("project", "phase", "day", "amount_minor").rows() == [
        ("A", None, day(5), 4000),
        ("B", None, day(6), 4000),
        ("B", "01", day(7), 4000),
    ]
    cents = rated(use(5, 60, "A"), use(6, 60, "B"), use(7, 60, "B", phase="01"),
                  at=rate(1, 10_001, tier_kind="package", package_ms=10 * HOUR))  # fmt: skip
    assert cents.lines.filter(kind="package")["amount_minor"].to_list() == [334, 333, 333]


def test_a_later_package_costs_what_the_tier_costs_in_which_it_begins() -> None:
    tiered = rate(1, EUR_12, tier_kind="package", package_ms=10 * HOUR, tiers=[[15 * HOUR, EUR_9]])
    # Packages begin at 0, 10 and 20 h: 120 + 120 + 90.
    assert rated(use(5, 21 * 60), at=tiered).lines["amount_minor"].sum() == 33_000


def test_free_hours_are_in_no_package() -> None:
    found = rated(
        use(5, 11 * 60), at=rate(1, EUR_12, tier_kind="package", package_ms=10 * HOUR, free_ms=HOUR)
    )
    assert found.lines["amount_minor"].sum() == 12_000


def test_a_target_that_takes_minutes_counts_packages_and_tiers_in_minutes() -> None:
    found = rated(use(5, 601), at=GRADUATED, per_hour=60)
    assert rows(found, "quantity", "rate_scaled", "amount_minor") == [(600, EUR_12, 12_000), (1, EUR_9, 15)]
    packed = rated(use(5, 601), at=TEN_HOURS, per_hour=60)
    assert rows(packed, "unit", "quantity", "amount_minor") == [("hour", 601, 0), ("each", 60, 24_000)]
