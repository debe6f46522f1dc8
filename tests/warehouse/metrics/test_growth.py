"""The line through months and its band: a textbook's numbers, and what is refused."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from warehouse.errors import Problem
from warehouse.metrics.growth import trend


def months(*demands: float, first: int = 1) -> pl.LazyFrame:
    days = [date(2026, first + place, 1) for place in range(len(demands))]
    return pl.LazyFrame({"month": days, "demand": demands}, schema={"month": pl.Date, "demand": pl.Float64})


def test_a_line_and_its_band_go_on_ahead() -> None:
    found = trend(months(10, 12, 11, 14, 13), 2).collect()
    assert found["month"].to_list() == [date(2026, month, 1) for month in range(1, 8)]
    assert found["line"].to_list() == pytest.approx([10.4, 11.2, 12.0, 12.8, 13.6, 14.4, 15.2])
    # June: s = sqrt(3.6 / 3), and 1.6377 x s x sqrt(1 + 1/5 + 9/10).
    june = found.row(5, named=True)
    assert (june["lower"], june["upper"]) == pytest.approx((11.8002, 16.9998), abs=1e-4)
    assert (june["demand"], june["months"]) == (None, 5)


def test_the_band_widens_ahead_and_never_falls_below_nothing() -> None:
    rising = trend(months(1, 3, 2, 4, 6, 5), 12).collect()
    width = (rising["upper"] - rising["line"]).to_list()
    assert width[6:] == sorted(width[6:])
    assert rising["lower"].min() == 0
    falling = trend(months(5, 1, 2, 0, 1, 0), 12).collect()
    assert falling.select("line", "lower").row(-1) == (0.0, 0.0)


def test_two_months_are_too_few_for_a_line() -> None:
    found = trend(months(5, 6), 12).collect()
    assert found.rows() == [
        (date(2026, 1, 1), 5.0, None, None, None, 2),
        (date(2026, 2, 1), 6.0, None, None, None, 2),
    ]
    assert trend(months(), 12).collect().is_empty()


def test_what_is_no_row_of_months_is_refused() -> None:
    gap = pl.concat([months(1, 2, 3), months(4, first=5)])
    with pytest.raises(Problem, match="the months have a gap before 2026-05-01"):
        trend(gap)
    with pytest.raises(Problem, match="a trend -1 months ahead"):
        trend(months(1, 2, 3), -1)
    with pytest.raises(Problem, match="confidence 1"):
        trend(months(1, 2, 3), confidence=1)
