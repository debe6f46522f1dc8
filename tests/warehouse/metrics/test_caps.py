"""Caps in money, worked by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
from billing_cases import rate
from hypothesis import given
from hypothesis import strategies as st
from rating_cases import HOUR, rated, rows, use

from warehouse.metrics import caps
from warehouse.metrics.charges import Rated

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


# --- Lines that go together --------------------------------------------------------------------------------


def test_a_daily_cap_binds_the_lines_of_its_day_on_the_same_codes() -> None:
    found = rated(use(5, 300, "A"), use(5, 300, "B"), use(6, 60, "A"), at=DAILY)
    assert rows(found, "line", "kind", "project", "day") == [
        (1, "usage", "A", day(5)), (2, "cap", "A", day(5)), (3, "usage", "A", day(6)),
        (4, "usage", "B", day(5)), (5, "cap", "B", day(5)),
    ]  # fmt: skip
    assert together(found).rows() == [(1, 2), (2, 2), (4, 5), (5, 5)]


def test_a_monthly_cap_binds_all_lines_on_the_same_codes_packages_and_roundings_too() -> None:
    packed = rate(1, 120_000, tier_kind="package", package_ms=10 * HOUR, monthly_cap_minor=20_000)
    found = rated(use(5, 330), use(6, 330), at=packed)
    assert rows(found, "line", "kind") == [(1, "usage"), (2, "usage"), (3, "package"), (4, "cap")]
    assert together(found).rows() == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_lines_under_no_cap_and_corrections_go_alone() -> None:
    found = rated(use(5, 300), use(5, 300, person_id=2), at=DAILY)
    corrected = found.lines.with_columns(original_line_id=pl.when(pl.col("person_id") == 2).then(7))
    assert together(found).height == 4
    assert caps.together(corrected).rows() == [(1, 2), (2, 2)]
    assert together(rated(use(5, 60), at=DAILY)).is_empty()


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(1, 600), st.sampled_from([("A", None), ("B", None), ("B", "01")])
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([(4000, None), (None, 9000), (3000, 7000)]),
    st.data(),
)
def test_whatever_is_held_with_what_goes_with_it_nobody_pays_more_than_the_cap(
    uses: list[tuple[int, int, tuple[str, str | None]]],
    capped: tuple[int | None, int | None],
    data: st.DataObject,
) -> None:
    daily, monthly = capped
    at = rate(1, 120_000, daily_cap_minor=daily, monthly_cap_minor=monthly)
    found = rated(*(use(on, minutes, project, phase=phase) for on, minutes, (project, phase) in uses), at=at)
    with_it = dict(together(found).rows())
    chosen = data.draw(st.sets(st.sampled_from(found.lines["line"].to_list())))
    caps_held = {with_it[line] for line in chosen if line in with_it}
    held = chosen | {line for line, cap in with_it.items() if cap in caps_held}
    left = found.lines.filter(~pl.col("line").is_in(list(held)))
    assert left["amount_minor"].sum() >= 0
    if monthly:
        assert left["amount_minor"].sum() <= monthly
    if daily and not monthly:
        assert (
            left.group_by("day")
            .agg(pl.col("amount_minor").sum())
            .filter(pl.col("amount_minor") > daily)
            .is_empty()
        )


def together(found: Rated) -> pl.DataFrame:
    """Tell which lines go together, as the ledger would ask."""
    return caps.together(found.lines.with_columns(original_line_id=pl.lit(None, pl.Int64)))
