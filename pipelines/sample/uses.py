"""Which application has the focus when: desk time is cut into uses, each use into input and gaps."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipelines.sample.people import Person
from pipelines.sample.plan import DAY_MS, MINUTE_MS, SECOND_MS, Plan
from pipelines.sample.products import ADOPTION, APPLICATION_ID, APPLICATIONS, HABITS
from pipelines.sample.workdays import SCREEN_LOCK_MS

MEAN_USE_MS = 14 * MINUTE_MS
SHORTEST_USE_MS = 5 * SECOND_MS
GAP_FLOOR_MS = 60_000
GAP_TAIL = 1.05
"""Exponent of the Pareto tail of gaps: most are short, and a few last for hours."""
NEXT_INPUT_MS = 2 * SECOND_MS
LONE_KEY_SHARE = 0.12
SHOWN = ("foliant-sheets", "pagewright-pdf")
INPUT, NO_INPUT = 0, 1


def uses(plan: Plan, staff: list[Person], days: pl.DataFrame, desk: pl.DataFrame) -> pl.DataFrame:
    """Return one row per use: a stretch in which one metered application has a person's focus.

    Parameters
    ----------
    days, desk
        As `workdays.working_days` and `workdays.stretches` return them.

    Returns
    -------
    pl.DataFrame
        `person`, `application` (id), `day_id`, `stretch`, `start`, `end`, `presenting`; disjoint by person.
    """
    lit = days.filter(~pl.col("dark")).select("day_id", "person")
    desk = desk.with_columns(stretch=pl.int_range(pl.len(), dtype=pl.Int64)).join(
        lit, on="day_id", maintain_order="left"
    )
    cut = _cut(plan, desk)
    weights = _cumulative_weights(plan, staff, days)
    draw = plan.random("application").random(cut.height)
    chosen = (draw[:, None] >= weights[cut["day_id"].to_numpy()]).sum(axis=1) + 1
    shown = _shown(plan, staff, cut["person"].to_numpy())
    application = np.where(cut["presenting"].to_numpy(), shown, chosen)
    # One beyond the last application: a program that nobody meters.
    return _joined(cut.with_columns(application=pl.Series(application))).filter(
        pl.col("application") <= len(APPLICATIONS), pl.col("end") - pl.col("start") >= SHORTEST_USE_MS
    )


def _cut(plan: Plan, desk: pl.DataFrame) -> pl.DataFrame:
    """Cut each stretch at random instants; a presentation stays whole."""
    random = plan.random("uses")
    length = (desk["end"] - desk["start"]).to_numpy()
    counts = np.where(desk["presenting"].to_numpy(), 0, random.poisson(length / MEAN_USE_MS))
    row = np.repeat(np.arange(desk.height), counts)
    at = desk["start"].to_numpy()[row] + (random.random(row.size) * length[row]).astype(np.int64)
    edges = pl.concat([desk, desk[row].with_columns(start=pl.Series(at))]).sort("stretch", "start")
    following = pl.col("start").shift(-1).over("stretch")
    return edges.with_columns(end=following.fill_null(pl.col("end")))


def _joined(cut: pl.DataFrame) -> pl.DataFrame:
    """Join uses of one application that follow each other in one stretch."""
    same = (pl.col("application") == pl.col("application").shift(1)) & (
        pl.col("stretch") == pl.col("stretch").shift(1)
    )
    return (
        cut.with_columns(use=(~same.fill_null(value=False)).cum_sum())
        .group_by("use", maintain_order=True)
        .agg(
            pl.col("person", "application", "day_id", "stretch", "presenting", "start").first(),
            pl.col("end").last(),
        )
        .drop("use")
    )


def _cumulative_weights(plan: Plan, staff: list[Person], days: pl.DataFrame) -> np.ndarray:
    """Return per working day and application the upper edge of its share of the time at the desk."""
    share, frequency = habits(plan, staff)
    person = days["person"].to_numpy() - 1
    used = plan.random("used today").random((days.height, len(APPLICATIONS))) < frequency[person]
    weights: np.ndarray = np.cumsum(share[person] * used, axis=1)
    # Something is always left for the programs that nobody meters.
    return weights / np.maximum(1.0, weights[:, -1:] / 0.85)


def habits(plan: Plan, staff: list[Person]) -> tuple[np.ndarray, np.ndarray]:
    """Return per person and application its share of desk time on a day of use, and of such days."""
    random = plan.random("adoption")
    share, frequency = np.zeros((2, len(staff), len(APPLICATIONS)))
    for person in staff:
        for code, (time, often) in HABITS[person.department].items():
            place = person.id - 1, APPLICATION_ID[code] - 1
            adopted = random.random() < ADOPTION.get(code, 1.0)
            share[place] = time * person.metered_share
            frequency[place] = often * adopted
    return share, frequency


def _shown(plan: Plan, staff: list[Person], person: np.ndarray) -> np.ndarray:
    _, frequency = habits(plan, staff)
    sheets, pages = (APPLICATION_ID[code] for code in SHOWN)
    wants_pages = plan.random("shown").random(person.size) < 0.4
    return np.where(wants_pages & (frequency[person - 1, pages - 1] > 0), pages, sheets)


# --- Input and gaps ----------------------------------------------------------------------------------------


def pieces(plan: Plan, used: pl.DataFrame, waits: pl.DataFrame) -> pl.DataFrame:
    """Cut each use into input and gaps of the gap floor or more.

    Parameters
    ----------
    used
        Uses with `row` (which numbers them), `start` (of the focus) and `end`, ordered.
    waits
        Their gaps, as `gaps` returns them.

    Returns
    -------
    pl.DataFrame
        `row`, `start`, `end`, `attention` (0 input, 1 no input), `since`, `last_input`; the rest of a gap in
        which the screen has locked itself is left out.
    """
    typing = _typing(plan, used, waits)
    waiting = waits.select(
        "row", "start", end=pl.min_horizontal("end", pl.col("start") + SCREEN_LOCK_MS), attention=NO_INPUT,
        since="start", last_input="start",
    )  # fmt: skip
    columns = ["row", "start", "end", "attention", "since", "last_input"]
    return pl.concat([typing.select(columns), _with_lone_keys(plan, waiting).select(columns)]).sort(
        "row", "start"
    )


def self_locks(used: pl.DataFrame, waits: pl.DataFrame) -> pl.DataFrame:
    """Return where a gap lasted so long that the screen locked itself: `person`, `start`, `end`."""
    return (
        waits.filter(pl.col("end") - pl.col("start") > SCREEN_LOCK_MS)
        .join(used.select("row", "person"), on="row", maintain_order="left")
        .select("person", start=pl.col("start") + SCREEN_LOCK_MS, end="end")
    )


def gaps(plan: Plan, used: pl.DataFrame) -> pl.DataFrame:
    """Return the gaps of every use: `row`, `start` (the last input before it), `end` (the next input)."""
    random = plan.random("gaps")
    spacing = np.array([application.gap_minutes for application in APPLICATIONS]) * MINUTE_MS
    length = (used["end"] - used["start"]).to_numpy()
    # Whoever presents touches the keyboard for the next page only.
    mean = np.where(used["presenting"].to_numpy(), 3 * MINUTE_MS, spacing[used["application"].to_numpy() - 1])
    row = np.repeat(np.arange(used.height), random.poisson(length / mean))
    begin = (
        used["start"].to_numpy()[row]
        + 1_000
        + (random.random(row.size) * (length[row] - 1_000)).astype(np.int64)
    )
    tail = np.minimum(GAP_FLOOR_MS * random.random(row.size) ** (-1 / GAP_TAIL), DAY_MS / 6)
    drawn = pl.DataFrame(
        {
            "row": row,
            "start": begin,
            "wanted": begin + tail.astype(np.int64),
            "last": used["end"].to_numpy()[row],
        }
    ).sort("row", "start")
    following = pl.col("start").shift(-1).over("row") - NEXT_INPUT_MS
    return drawn.select(
        "row", "start", end=pl.min_horizontal("wanted", "last", following.fill_null(pl.col("last")))
    ).filter(pl.col("end") - pl.col("start") >= GAP_FLOOR_MS)


def _typing(plan: Plan, used: pl.DataFrame, waits: pl.DataFrame) -> pl.DataFrame:
    """Return what lies between gaps. Where the focus leaves, the last input is some seconds old."""
    edges = pl.concat(
        [
            used.select("row", begin="start", until="start"),
            waits.select("row", begin="start", until="end"),
            used.select("row", begin="end", until="end"),
        ]
    ).sort("row", "begin", "until")
    is_last = (pl.col("row").shift(-2) != pl.col("row")).fill_null(value=True)
    typing = edges.select(
        "row", is_last.alias("is_last"), start="until", end=pl.col("begin").shift(-1).over("row")
    ).filter(pl.col("end") > pl.col("start"))
    quiet = pl.Series(plan.random("last input").integers(0, 25_000, typing.height))
    silent = pl.when("is_last").then(quiet).otherwise(0)
    return typing.with_columns(
        attention=INPUT, since="start", last_input=pl.max_horizontal("start", pl.col("end") - silent)
    )


def _with_lone_keys(plan: Plan, waiting: pl.DataFrame) -> pl.DataFrame:
    """Cut some gaps in two by a single key stroke: the attention stays, `since` moves."""
    random = plan.random("lone keys")
    length = (waiting["end"] - waiting["start"]).to_numpy()
    in_reach = (length > 3 * GAP_FLOOR_MS) & (length < SCREEN_LOCK_MS)
    struck = in_reach & (random.random(waiting.height) < LONE_KEY_SHARE)
    share = random.uniform(0.35, 0.65, waiting.height)
    at = pl.col("start") + ((pl.col("end") - pl.col("start")) * pl.Series(share)).cast(pl.Int64)
    marked = waiting.with_columns(key=pl.when(pl.Series(struck)).then(at))
    second = marked.drop_nulls("key").with_columns(start="key", since="key", last_input="key")
    return pl.concat([marked.with_columns(end=pl.coalesce("key", "end")), second]).drop("key")
