"""Where demand is heading: a straight line through months, with the band in which the next ones will lie.

Ordinary least squares with the textbook prediction interval (N. R. Draper and H. Smith, Applied Regression
Analysis, 3rd edition, section 1.4): a month x ahead lies, with the confidence asked for, in

    line(x) +/- t(n - 2) x s x sqrt(1 + 1/n + (x - mean)^2 / sum of (x - mean)^2)

where s is the residual standard error. It takes the months' deviations from the line to be independent and
normal, and knows no seasons: a year of months is the least that should be trusted far ahead.
"""

from __future__ import annotations

from math import sqrt

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.student_t import t_quantile

LEAST_MONTHS = 3
"""Two points make a line without any deviation to judge it by."""

FEW_MONTHS = 12
"""Fewer months than this are said to be few: they hold no whole year."""


def trend(monthly: pl.LazyFrame, ahead: int = 12, *, confidence: float = 0.8) -> pl.LazyFrame:
    """Draw the line through monthly figures and continue it.

    Parameters
    ----------
    monthly
        `month` (Date, its first day), `demand`: one row per month, without gaps; whole months alone.
    ahead
        Months to continue it by.
    confidence
        Share of months that the band is meant to hold, between 0 and 1.

    Returns
    -------
    pl.LazyFrame
        `month` (Date), `demand` (Float64; null: ahead), `line`, `lower`, `upper` (Float64, 0 or more: there
        is no negative demand), `months` (Int64: how many it rests on). One row per month, in order. With
        fewer than `LEAST_MONTHS` the last three columns but one are null, and no month is ahead.

    Raises
    ------
    Problem
        A gap between months, a negative horizon, or a confidence that is not between 0 and 1.
    """
    if ahead < 0 or not 0 < confidence < 1:
        raise Problem(f"a trend {ahead} months ahead, confidence {confidence}", "give months, and e.g. 0.8")
    known = monthly.select("month", pl.col("demand").cast(pl.Float64)).sort("month").collect()
    _refuse_gaps(known)
    counted = pl.lit(known.height, pl.Int64).alias("months")
    if known.height < LEAST_MONTHS:
        nothing = (pl.lit(None, pl.Float64).alias(name) for name in ("line", "lower", "upper"))
        return known.lazy().with_columns(*nothing, counted)
    last = pl.lit(known["month"][-1])
    coming = pl.select(month=last.dt.offset_by(pl.format("{}mo", pl.int_range(1, ahead + 1))))
    months = pl.concat([known, coming], how="diagonal")
    return _with_band(months, known["demand"].to_list(), confidence).lazy().with_columns(counted)


def _refuse_gaps(known: pl.DataFrame) -> None:
    wrong = known.filter(pl.col("month") != pl.col("month").first().dt.offset_by(pl.format("{}mo", _PLACE)))
    if not wrong.is_empty():
        raise Problem(f"the months have a gap before {wrong['month'][0]}", "give 0 where nothing was used")


_PLACE = pl.int_range(pl.len())


def _with_band(months: pl.DataFrame, demands: list[float], confidence: float) -> pl.DataFrame:
    number = len(demands)
    middle, average = (number - 1) / 2, sum(demands) / number
    spread = sum((place - middle) ** 2 for place in range(number))
    slope = sum((place - middle) * demand for place, demand in enumerate(demands)) / spread
    residuals = (demand - average - slope * (place - middle) for place, demand in enumerate(demands))
    error = sqrt(sum(residual**2 for residual in residuals) / (number - 2))
    away = _PLACE.cast(pl.Float64) - middle
    half = t_quantile((1 + confidence) / 2, number - 2) * error * (1 + 1 / number + away**2 / spread).sqrt()
    line = average + slope * away
    bands = {"line": line, "lower": line - half, "upper": line + half}
    return months.with_columns(**{name: band.clip(lower_bound=0) for name, band in bands.items()})
