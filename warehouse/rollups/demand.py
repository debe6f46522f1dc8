"""Hourly demand of each application: for each key and basis its exact peak, and the time at each level.

The definitions are those of `metrics.concurrency`, which answers for one key and basis at a time. Here all of
them share the work: each (application, key, basis) is a lane of one sweep, and what lies in between is whole
numbers; instants are in ms after the start of the stretch. Tests hold the two together.
"""

from __future__ import annotations

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.concurrency import KEYS, LIMIT
from warehouse.metrics.states import BASES
from warehouse.money import HOUR_MS
from warehouse.periods import collapse
from warehouse.rollups.evidence import Evidence
from warehouse.rollups.stretches import Stretch

_KEYS, _BASES = len(KEYS), len(BASES)


def demand_hours(evidence: Evidence, stretch: Stretch) -> pl.DataFrame:
    """Find demand in the hours of a stretch, as rows of the table `demand_hour`; without demand, no row.

    Raises
    ------
    Problem
        More sessions and days than one sort key can hold.
    """
    span = stretch.to_ms - stretch.from_ms + 1
    if 2 * span * _BASES * (_KEYS * evidence.sessions.height + 1) >= LIMIT:
        raise Problem("too many sessions for one sweep of the rollups", "report this: nothing was changed")
    applications = evidence.sessions["application_id"].unique().sort()
    used = pl.concat([_used(evidence.stated, basis, stretch) for basis in range(_BASES)])
    places = applications.search_sorted(evidence.sessions["application_id"])
    sessions = evidence.sessions.with_columns(first_lane=places.cast(pl.Int64) * (_KEYS * _BASES))
    steps = pl.concat([_tokens(used, sessions), _counted_once(used, sessions, span)])
    return _named(_hours(_levels(steps, span)), applications, stretch)


def _used(stated: pl.DataFrame, basis: int, stretch: Stretch) -> pl.DataFrame:
    """One row per session and unbroken use of a constant number of units, cut to the stretch."""
    same = [pl.col(name) == pl.col(name).shift(1) for name in ("session", "units")]
    follows = pl.all_horizontal(*same, pl.col("start") == pl.col("end").shift(1)).fill_null(value=False)
    return (
        stated.lazy()
        .filter(pl.col("state").is_in(list(BASES.values())[basis]))
        .pipe(collapse, ~follows)
        .select(
            "session",
            pl.col("units").cast(pl.Int64),
            (pl.col("start").cast(pl.Int64) - stretch.from_ms).clip(lower_bound=0),
            (pl.col("end").cast(pl.Int64) - stretch.from_ms).clip(
                upper_bound=stretch.to_ms - stretch.from_ms
            ),
            basis=pl.lit(basis, pl.Int64),
        )
        .filter(pl.col("start") < pl.col("end"))
        .collect()
    )


# --- Steps of demand: lane, at, step -----------------------------------------------------------------------


def _tokens(used: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Give the steps of the key `token`, under which nothing is merged."""
    lane = pl.col("first_lane") + KEYS.index("token") * _BASES + pl.col("basis")
    units = pl.col("units") * pl.col("token_weight")
    known = used.join(sessions, on="session")
    return pl.concat(
        [known.select(lane, at="start", step=units), known.select(lane, at="end", step=-units)],
    ).rename({"first_lane": "lane"})


def _counted_once(used: pl.DataFrame, sessions: pl.DataFrame, span: int) -> pl.DataFrame:
    """Give the steps of the other keys, whose holders count once, however many sessions they have open."""
    holders = _holders(sessions)
    known = used.join(holders.explode("session"), on="session")
    course = (pl.col("holder") * _BASES + pl.col("basis")) * span
    edges = [
        known.select(edge=(course + pl.col("start")) * 2),
        known.select(edge=(course + pl.col("end")) * 2 + 1),
    ]
    is_end, course = pl.col("edge") % 2, pl.col("edge") // 2 // span
    # At one instant starts are before ends, so that what touches is one: the outermost edges stay.
    outermost = pl.concat(edges).sort("edge").filter((1 - 2 * is_end).cum_sum() == 1 - is_end)
    return outermost.select(
        lane=pl.lit(holders["first_lane"]).gather(course // _BASES) + course % _BASES,
        at=pl.col("edge") // 2 % span,
        step=1 - 2 * is_end,
    )


def _holders(sessions: pl.DataFrame) -> pl.DataFrame:
    """List what counts once, with its sessions: `holder`, `first_lane` (of its bases), `session` (List)."""
    nobody = pl.lit(0, pl.Int64)
    # A session of a shared account is merged with no other one.
    who = pl.coalesce("person", -2 * pl.col("session") - 1)
    parts = {
        "user": (who, nobody),
        "device": (nobody, pl.col("device")),
        "user_device": (who, pl.col("device")),
        "session": (pl.col("session"), nobody),
    }
    each = [
        sessions.select(
            "session", pl.col("first_lane") + KEYS.index(key) * _BASES, who=person, device_=device
        )
        for key, (person, device) in parts.items()
    ]
    grouped = pl.concat(each).group_by("first_lane", "who", "device_").agg("session")
    return grouped.with_row_index("holder").with_columns(pl.col("holder").cast(pl.Int64))


# --- From steps to hours -----------------------------------------------------------------------------------


def _levels(steps: pl.DataFrame, span: int) -> pl.DataFrame:
    """Sweep: one row per lane and stay at a level above 0: `lane`, `demand`, `at`, `until`."""
    place = pl.col("lane") * span + pl.col("at")
    swept = (
        steps.lazy()
        .select("step", place=place)
        .sort("place")
        # The steps of a lane sum to zero, so one running sum serves them all.
        .select("place", demand=pl.col("step").cum_sum())
        .filter(pl.col("place").ne_missing(pl.col("place").shift(-1)))
        .filter(pl.col("demand") != pl.col("demand").shift(1, fill_value=0))
        .with_columns(until=pl.col("place").shift(-1) % span)
        .filter(pl.col("demand") > 0)
    )
    return swept.select("demand", "until", lane=pl.col("place") // span, at=pl.col("place") % span).collect()


def _hours(levels: pl.DataFrame) -> pl.DataFrame:
    """Gather the stays of each hour, in order: `lane`, `hour`, `peak`, `peak_at`, `levels`."""
    count = pl.lit(levels["until"].max() or 0, pl.Int64) // HOUR_MS + 1
    width = pl.lit(levels["demand"].max() or 0, pl.Int64) + 1
    hour = pl.col("slot") // width
    each = (
        _cut_at_hours(levels)
        .group_by(slot=(pl.col("lane") * count + pl.col("hour")) * width + pl.col("demand"))
        .agg(pl.col("at").min(), ms=(pl.col("until") - pl.col("at")).sum())
        .sort("slot")
        .with_columns(demand=pl.col("slot") % width)
    )
    level = pl.format("[{},{}]", "demand", "ms")
    gathered = each.group_by(hour, maintain_order=True).agg(
        pl.col("demand", "at").last(), pl.col("ms").sum(), levels=level
    )
    text = pl.format("[[0,{}],{}]", HOUR_MS - pl.col("ms"), pl.col("levels").list.join(","))
    lane, hour = pl.col("slot") // count, pl.col("slot") % count
    return gathered.select(lane=lane, hour=hour, peak="demand", peak_at="at", levels=text).collect()


def _cut_at_hours(levels: pl.DataFrame) -> pl.LazyFrame:
    """Add `hour`, and give stays that go on over the hour a row for each."""
    first, last = pl.col("at") // HOUR_MS, (pl.col("until") - 1) // HOUR_MS
    begins, ends = pl.col("hour") * HOUR_MS, (pl.col("hour") + 1) * HOUR_MS
    within = levels.lazy().with_columns(hour=first).filter(first == last)
    across = (
        levels.lazy().filter(first < last).with_columns(hour=pl.int_ranges(first, last + 1)).explode("hour")
    )
    cut = across.with_columns(pl.max_horizontal("at", begins), pl.min_horizontal("until", ends))
    return pl.concat([within, cut])


def _named(hours: pl.DataFrame, applications: pl.Series, stretch: Stretch) -> pl.DataFrame:
    """Turn lanes back into applications, keys and bases."""
    lane = pl.col("lane")
    return hours.select(
        pl.lit(applications).gather(lane // (_KEYS * _BASES)).alias("application_id"),
        pl.lit(pl.Series(KEYS)).gather(lane // _BASES % _KEYS).alias("key"),
        pl.lit(pl.Series(list(BASES))).gather(lane % _BASES).alias("basis"),
        pl.col("peak", "levels"),
        hour_ms=pl.col("hour") * HOUR_MS + stretch.from_ms,
        peak_at_ms=pl.col("peak_at") + stretch.from_ms,
    )
