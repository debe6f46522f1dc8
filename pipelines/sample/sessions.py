"""Uses become sessions: opened with the first use, closed after one, in the evening, or some days later."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.sample.people import Person
from pipelines.sample.plan import DAY_MS, MINUTE_MS, SECOND_MS, Plan
from pipelines.sample.products import APPLICATIONS

LONGEST_LEFT_OPEN_DAYS = 4
RELAUNCH_AFTER_MS = 10 * MINUTE_MS


def assign(plan: Plan, staff: list[Person], days: pl.DataFrame, used: pl.DataFrame) -> pl.DataFrame:
    """Give every use its session.

    Returns
    -------
    pl.DataFrame
        The uses, ordered by person, application and start, with `row`, `session` (a number), `opens` (the
        session's start), `closes` (its end) and `focus` (when the use's focus starts: a program takes a while
        to load).
    """
    ordered = used.sort("person", "application", "start").join(
        days.select("day_id", "day", "finish"), on="day_id", how="left", maintain_order="left"
    )
    marked = _with_closings(plan, staff, ordered)
    session = pl.col("is_closed").shift(1, fill_value=False).cast(pl.Int64).cum_sum()
    grouped = marked.with_columns(session=session).with_columns(
        opens=pl.col("start").first().over("session"), closes=pl.col("closed_at").last().over("session")
    )
    return _with_focus(plan, grouped).with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64)).select(
        "row", "session", "person", "application", "day_id", "stretch", "presenting", "start", "end", "opens",
        "closes", "focus",
    )  # fmt: skip


def _with_closings(plan: Plan, staff: list[Person], ordered: pl.DataFrame) -> pl.DataFrame:
    """Decide after each use whether the application is closed (`is_closed`), and at which instant."""
    random, count = plan.random("closing"), ordered.height
    place = ordered["application"].to_numpy() - 1
    person = ordered["person"].to_numpy() - 1
    close_share, stay_share, overnight = (
        np.array([getattr(a, name) for a in APPLICATIONS])[place]
        for name in ("close_share", "stay_share", "overnight")
    )
    left_open = np.array([p.left_open_share for p in staff])[person] * overnight
    same = pl.all_horizontal(pl.col(c) == pl.col(c).shift(-1) for c in ("person", "application"))
    return (
        ordered.with_columns(
            _closes=pl.Series(random.random(count) < close_share),
            _stays=pl.Series(random.random(count) < stay_share),
            _left=pl.Series(random.random(count) < left_open),
            _quit=pl.Series(random.integers(20 * SECOND_MS, 3 * MINUTE_MS, count)),
            _follows=same.fill_null(value=False),
        )
        .with_columns(
            _same_day=pl.col("_follows") & (pl.col("day_id") == pl.col("day_id").shift(-1)),
            _pause=pl.col("start").shift(-1) - pl.col("end"),
        )
        .with_columns(_left_open())
        .with_columns(_is_closed(), _closed_at())
    )


def _left_open() -> pl.Expr:
    near = pl.col("_pause") <= LONGEST_LEFT_OPEN_DAYS * DAY_MS
    return (pl.col("_left") & pl.col("_stays") & pl.col("_follows") & ~pl.col("_same_day") & near).alias(
        "_left_open"
    )


def _is_closed() -> pl.Expr:
    during_day = pl.col("_closes") & (pl.col("_pause") > RELAUNCH_AFTER_MS)
    return pl.when("_same_day").then(during_day).otherwise(~pl.col("_left_open")).alias("is_closed")


def _closed_at() -> pl.Expr:
    evening = pl.max_horizontal("end", pl.col("finish") - pl.col("_quit"))
    stays = ~pl.col("_same_day") & pl.col("_stays") & ~pl.col("_closes")
    return pl.when(stays).then(evening).otherwise("end").alias("closed_at")


def _with_focus(plan: Plan, grouped: pl.DataFrame) -> pl.DataFrame:
    """Begin a session with loading: the window, and with it the focus, comes later."""
    random = plan.random("loading")
    seconds = np.array([a.load_seconds for a in APPLICATIONS])[grouped["application"].to_numpy() - 1]
    loading = (seconds * SECOND_MS * random.uniform(0.6, 1.7, grouped.height)).astype(np.int64)
    shortest = pl.min_horizontal(pl.Series(loading), (pl.col("end") - pl.col("start")) // 2)
    is_first = pl.col("start") == pl.col("opens")
    return grouped.with_columns(focus=pl.col("start") + pl.when(is_first).then(shortest).otherwise(0))
