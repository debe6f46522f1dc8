from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.answers.groups import SMALLEST, at_least_five, over_time


def _frame(*rows: tuple[str, int, float]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"name": pl.String, "people": pl.Int64, "hours": pl.Float64}, orient="row"
    )


def test_groups_of_five_stay_as_they_are() -> None:
    frame = _frame(("CAD", 12, 100.0), ("Solver", 5, 40.0))
    assert at_least_five(frame, ["hours"], other="Others").rows() == frame.rows()


def test_a_small_group_is_folded_with_the_smallest_large_one_so_that_the_total_tells_nothing() -> None:
    frame = _frame(("CAD", 12, 100.0), ("Viewer", 6, 60.0), ("Solver", 2, 40.0), ("Editor", 1, 1.0))
    assert at_least_five(frame, ["hours"], other="Others").rows() == [
        ("CAD", 12, 100.0),
        ("Others", None, 101.0),
    ]


def test_without_any_group_of_five_nothing_is_shown() -> None:
    assert at_least_five(_frame(("CAD", 4, 100.0), ("Viewer", 4, 60.0)), ["hours"], other="Others").is_empty()


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1000)), max_size=8))
def test_what_is_shown_sums_to_the_whole_or_is_nothing(groups: list[tuple[int, int]]) -> None:
    frame = _frame(*[(f"A{number}", people, float(hours)) for number, (people, hours) in enumerate(groups)])
    shown = at_least_five(frame, ["hours"], other="Others")
    assert shown.is_empty() or shown["hours"].sum() == frame["hours"].sum()
    assert all(people >= SMALLEST for people in shown["people"].drop_nulls())


def _days(first: date, people: list[int]) -> pl.DataFrame:
    days = [first + timedelta(days=number) for number in range(len(people))]
    hours = [float(number) for number in people]
    schema = {"day": pl.Date, "people": pl.Int64, "hours": pl.Float64}
    return pl.DataFrame({"day": days, "people": people, "hours": hours}, schema=schema)


def test_days_with_five_people_or_none_are_shown_by_day() -> None:
    found = over_time(_days(date(2026, 10, 1), [6, 0, 5]), ["hours"], date(2026, 10, 1))
    assert found is not None
    assert (found[0], found[1].rows()) == (
        "day",
        [(date(2026, 10, 1), 6, 6.0), (date(2026, 10, 2), 0, 0.0), (date(2026, 10, 3), 5, 5.0)],
    )


def test_one_person_on_a_sunday_makes_weeks_of_the_days() -> None:
    found = over_time(_days(date(2026, 10, 1), [6] * 6 + [1] + [7] * 7), ["hours"], date(2026, 10, 1))
    assert found is not None
    assert (found[0], found[1].rows()) == (
        "week",
        [(date(2026, 10, 1), 6, 37.0), (date(2026, 10, 8), 7, 49.0)],
    )


def test_fewer_than_five_people_are_never_shown_over_time() -> None:
    assert over_time(_days(date(2026, 10, 1), [4] * 60), ["hours"], date(2026, 10, 1)) is None
    assert over_time(_days(date(2026, 10, 1), [0] * 60), ["hours"], date(2026, 10, 1)) is None
