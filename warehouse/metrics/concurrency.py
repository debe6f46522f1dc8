"""How many were in use at once: exact demand over time, its peak and its witnesses.

An exact sweep over half-open intervals: an end and a start at the same instant do not overlap. Frames of this
module are grouped by `application`, `product` or `entitlement` (a suite: its applications count together);
below, `group...` stands for that one column. A group that was never in use has no rows: its demand is 0.

Results are computed at once, so that a curve may be asked many questions and is swept once; the questions are
in percentiles.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.states import BASES
from warehouse.periods import INSTANT, check_window, clip, collapse

Key = Literal["user", "device", "user_device", "session", "token"]

KEYS: tuple[Key, ...] = get_args(Key)
GROUPS = ("application", "product", "entitlement")

KEY_OF: dict[str, pl.Expr] = {
    "user": pl.col("person"),
    "device": pl.col("device"),
    "user_device": pl.concat_str("person", "device", separator=" "),  # null when either is unknown
}
"""What counts once under each key that merges."""

APART = ("session", "token")
"""Keys under which nothing is merged: the stretches of a session never overlap."""

MINUTE_MS = 60_000
_ONE = pl.lit(1, pl.Int64)
LIMIT = 2**63
"""A packed sort key must stay below this."""


def intervals(  # noqa: PLR0913, PLR0917 - a figure names its key, basis, window and group
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    key: str,
    basis: str,
    start: datetime,
    end: datetime,
    *,
    weights: pl.LazyFrame | None = None,
    group: str = "application",
    suites: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Find when each key was in use.

    Parameters
    ----------
    stated
        What `states` gives: whole sessions, the rows of each together and in order of start.
    sessions
        `session`, `application`, `product`, `person`, `device`.
    key
        One of `KEYS`. What overlaps or touches under one key is merged, so that a key counts once; a null key
        is merged with nothing. Under `token` nothing is merged.
    basis
        One of `states.BASES`: the states that count as use.
    start, end
        The window, [start, end).
    weights
        `application`, `token_weight`: for the key `token`, else not read; without it every unit weighs 1.
    group
        One of `GROUPS`.
    suites
        `entitlement`, `application`: which applications an entitlement covers; for the group `entitlement`.

    Returns
    -------
    pl.LazyFrame
        `group...`, `key` (String; null where unknown), `start`, `end`, `units` (Int64; 1 but for `token`) and
        `carried` (Boolean: the use began before the window). One row per key and unbroken stretch of use,
        cut to the window, ordered by group, key (sessions by number, those without a key first) and start.

    Raises
    ------
    Problem
        Unknown key, basis or group, an end that is not after the start, a suite without its applications,
        more holders and time than one sort key can hold.
    """
    check_window(start, end)
    check("key", key, KEYS)
    stretches = _stretches(stated, basis, by_units=key == "token").collect()
    known = _grouped(sessions, group, suites).collect()
    groups = known[group].unique().sort()
    coded = known.with_columns(_group=_code(pl.col(group), groups))
    if key in APART:
        used, named = _apart(stretches, coded, _units(key, weights)), pl.col("session").cast(pl.String)
    else:
        used, named = _merged(stretches, coded, key)
    found = clip(used.with_columns(carried=pl.col("start") < start), start, end).collect()
    # Who asks for demand alone need not wait for names.
    return found.lazy().select(
        pl.lit(groups).gather("_group").alias(group),
        named.alias("key"),
        *("start", "end", "units", "carried"),
    )


def check(what: str, given: str, known: Sequence[str]) -> None:
    """Refuse a word that is not one of the known ones."""
    if given not in known:
        raise Problem(f"unknown {what} {given!r}", f"give one of {', '.join(known)}")


def _stretches(stated: pl.LazyFrame, basis: str, *, by_units: bool) -> pl.LazyFrame:
    """One row per session and unbroken stretch of use; `by_units`: of a constant number of units, too."""
    check("basis", basis, list(BASES))
    names = ["session", "units"] if by_units else ["session"]
    before = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in names)
    follows = (before & (pl.col("start") == pl.col("end").shift(1))).fill_null(value=False)
    return (
        stated.filter(pl.col("state").is_in(BASES[basis]))
        .select("start", "end", *names)
        .pipe(collapse, ~follows)
    )


def _grouped(sessions: pl.LazyFrame, group: str, suites: pl.LazyFrame | None) -> pl.LazyFrame:
    """Give the group, or the groups, of each session."""
    check("group", group, GROUPS)
    if group == "entitlement":
        if suites is None:
            raise Problem(
                "concurrent use by entitlement needs `suites`", "pass the applications each one covers"
            )
        sessions = sessions.join(suites.select("entitlement", "application"), on="application")
    elif group == "product":  # an application without a product is its own
        sessions = sessions.with_columns(product=pl.coalesce("product", "application"))
    return sessions.with_columns(pl.col(group).cast(pl.String), _application="application")


def _apart(stretches: pl.DataFrame, coded: pl.DataFrame, units: pl.Expr) -> pl.LazyFrame:
    """Give each stretch its group and `units`, in order of group and session."""
    read = [name for name in units.meta.root_names() if name in coded.columns]
    held = _by_group(_joined(stretches, coded.select("session", "_group", *read)))
    return held.lazy().with_columns(units=units)


def _merged(stretches: pl.DataFrame, coded: pl.DataFrame, key: str) -> tuple[pl.LazyFrame, pl.Expr]:
    """Merge the stretches of each key in a group; and say how to name it.

    What counts once is a number, place of the group x number of keys + place of the key, so that sorting and
    comparing never touch text.
    """
    keys, places = _places(coded, key)
    holders = coded.select("session", _holder=pl.col("_group") * len(keys) + pl.lit(places))
    once = _counted_once(_joined(stretches, holders))
    used = once.select(
        *("start", "end"),
        _group=pl.col("_holder") // len(keys),
        _key=pl.col("_holder") % len(keys),
        units=_ONE,
    )
    return used, pl.lit(keys).gather("_key")


def _joined(stretches: pl.DataFrame, holders: pl.DataFrame) -> pl.DataFrame:
    """Join by session, in its order: both mostly come in it, and then nothing has to be hashed."""
    return _in_order(stretches).join(_in_order(holders), on="session", maintain_order="left")


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    if rows["session"].is_sorted():
        return rows.with_columns(pl.col("session").set_sorted())
    return rows.sort("session", maintain_order=True)


def _by_group(rows: pl.DataFrame) -> pl.DataFrame:
    """Order by group, and within it as they are: groups are few, which is less work than to sort."""
    numbered = rows.select("_group", _row=pl.int_range(pl.len(), dtype=pl.get_index_type()))
    places = numbered.group_by("_group").agg("_row").sort("_group").explode("_row")["_row"]
    return rows.select(pl.all().gather(places))


def _places(known: pl.DataFrame, key: str) -> tuple[pl.Series, pl.Series]:
    """List the keys in order, and say which place each session has among them; without a key, its own."""
    named = known.select("session", key=KEY_OF[key].cast(pl.String))
    nobody = pl.col("key").is_null()
    own, names = named.filter(nobody)["session"].unique().sort(), named["key"].drop_nulls().unique().sort()
    own_place = pl.lit(own).search_sorted(pl.col("session")).cast(pl.Int64)
    place = pl.when(nobody).then(own_place).otherwise(_code(pl.col("key"), names) + len(own))
    keys = pl.concat([pl.Series([None], dtype=pl.String).new_from_index(0, len(own)), names])
    return keys, named.select(place)[:, 0]


def _code(text: pl.Expr, names: pl.Series) -> pl.Expr:
    """Place of each text among names in order."""
    return text.cast(pl.Enum(names)).to_physical().cast(pl.Int64)


def _counted_once(held: pl.DataFrame) -> pl.LazyFrame:
    """Merge what overlaps or touches under one holder: `_holder`, `start`, `end`, in order.

    Every start and end is one packed integer, (holder, instant, is it an end), so that at one instant starts
    come before ends. The outermost of them are where the number of open ones leaves or reaches zero; they
    alternate, so that the starts and the ends need no pairing.
    """
    if held.is_empty():
        return held.lazy()
    first, until = pl.col("start").min().cast(pl.Int64), pl.col("end").max().cast(pl.Int64)
    origin, last, highest = held.select(first, until, pl.col("_holder").max()).row(0)
    span = last - origin + 1
    if 2 * span * (highest + 1) >= LIMIT:
        raise Problem("too many people, devices and days for one sweep", "ask for a shorter window")

    def packed(instant: str, is_end: int) -> pl.LazyFrame:
        course = pl.col("_holder") * span + pl.col(instant).cast(pl.Int64) - origin
        return held.lazy().select(_edge=course * 2 + is_end)

    is_end = pl.col("_edge") & 1
    outermost = (
        pl.concat([packed("start", 0), packed("end", 1)])
        .sort("_edge")
        .filter((1 - 2 * is_end).cum_sum() == 1 - is_end)
        .select(pl.col("_edge") // 2)
        .collect()["_edge"]
    )
    starts, ends = outermost.gather_every(2), outermost.gather_every(2, 1)
    return pl.LazyFrame({"_start": starts, "_end": ends}).select(
        _holder=pl.col("_start") // span,
        start=(pl.col("_start") % span + origin).cast(INSTANT),
        end=(pl.col("_end") % span + origin).cast(INSTANT),
    )


def _units(key: str, weights: pl.LazyFrame | None) -> pl.Expr:
    """How many each stretch counts: under `token` its units times the weight of its application."""
    if key != "token":
        return _ONE
    units = pl.col("units").cast(pl.Int64)
    if weights is None:
        return units
    table = weights.select("application", pl.col("token_weight").cast(pl.Int64)).collect()
    return units * pl.col("_application").replace_strict(
        table["application"], table["token_weight"], default=1, return_dtype=pl.Int64
    )


def group_of(frame: pl.DataFrame) -> str:
    """Find the column that a frame of this module is grouped by."""
    return next(name for name in GROUPS if name in frame.columns)


def curve(intervals: pl.LazyFrame) -> pl.LazyFrame:
    """Sweep intervals into demand over time.

    Parameters
    ----------
    intervals
        What `intervals` gives: `group...`, `start`, `end`, `units`.

    Returns
    -------
    pl.LazyFrame
        `group...`, `at`, `demand` (Int64): one row per group and instant at which demand changes, in order;
        demand holds from `at` to the next row. Before its first row and after its last it is 0.

    Raises
    ------
    Problem
        More groups, time and units than one sort key can hold.
    """
    swept = _sweep(intervals)
    steps = swept.steps.select(*("_code", "demand"), at=swept.instant("_place"))
    return steps.select(swept.named(), "at", "demand").lazy()


@dataclass(frozen=True)
class _Sweep:
    """Demand over time of every group.

    Attributes
    ----------
    steps
        `_code` (place among the names), `_place` (code x span + ms since the origin), `demand`, in order.
    origin, span
        ms since 1970 of the first instant, and how many may follow it in one group.
    names, group
        What the codes stand for, and the column they are from.
    """

    steps: pl.DataFrame
    origin: int
    span: int
    names: pl.Series
    group: str

    def named(self) -> pl.Expr:
        """Name the groups."""
        return pl.lit(self.names).gather("_code").alias(self.group)

    def instant(self, place: str) -> pl.Expr:
        """Turn a place into its instant."""
        return (pl.col(place) % self.span + self.origin).cast(INSTANT)


def _sweep(intervals: pl.LazyFrame) -> _Sweep:
    """Add up the steps up and down, sorted as one packed integer each: (group, instant, step).

    Each group's steps sum to zero, so one running sum serves them all. benchmarks/peak.py says what that
    saves.
    """
    used = intervals.filter(pl.col("start") < pl.col("end"), pl.col("units") > 0)
    group = next(name for name in GROUPS if name in intervals.collect_schema())
    frame = used.select(group, "start", "end", "units").collect()
    names = frame[group].unique().sort()
    if frame.is_empty():
        empty = pl.DataFrame(schema={"_code": pl.Int64, "_place": pl.Int64, "demand": pl.Int64})
        return _Sweep(empty, 0, 1, names, group)
    coded = frame.select(*("start", "end", "units"), _code=_code(pl.col(group), names))
    first, until = pl.col("start").min().cast(pl.Int64), pl.col("end").max().cast(pl.Int64)
    origin, last, most = coded.select(first, until, pl.col("units").max()).row(0)
    span = last - origin + 1
    return _Sweep(_running_sum(coded, len(names), origin, span, most), origin, span, names, group)


def _running_sum(coded: pl.DataFrame, groups: int, origin: int, span: int, most: int) -> pl.DataFrame:
    width = 1 << (2 * most).bit_length()  # a power of two: a mask is three times as fast as a remainder
    if groups * span * width >= LIMIT:
        raise Problem("too many groups, days and units for one sweep", "ask for a shorter window")

    def packed(instant: str, step: pl.Expr) -> pl.Series:
        place = pl.col("_code") * span + pl.col(instant).cast(pl.Int64) - origin
        return coded.select(place * width + (step + most))[:, 0]

    # A sort on its own: as a part of a plan it takes half as long again.
    steps = pl.concat([packed("start", pl.col("units")), packed("end", -pl.col("units"))]).sort()
    place, step = pl.col("_step") // width, (pl.col("_step") & (width - 1)) - most
    return (
        steps.to_frame("_step")
        .select(_place=place, demand=step.cum_sum())
        .lazy()
        .filter(pl.col("_place").ne_missing(pl.col("_place").shift(-1)))
        .filter(pl.col("demand") != pl.col("demand").shift(1, fill_value=0))
        .select((pl.col("_place") // span).set_sorted().alias("_code"), "_place", "demand")
        .collect()
    )


def peak(intervals: pl.LazyFrame) -> pl.LazyFrame:
    """Find the highest demand.

    Parameters
    ----------
    intervals
        What `intervals` gives.

    Returns
    -------
    pl.LazyFrame
        `group...`, `peak` (Int64), `first_reached` (Datetime), `minutes_at_peak` (Float64): one row per group
        that was in use, in order of the group.
    """
    swept = _sweep(intervals)
    highest = swept.steps.group_by("_code").agg(pl.col("demand").max()).sort("_code")["demand"]
    return (
        swept.steps.lazy()
        # The last row of a group has demand 0: its length is never read.
        .with_columns(_ms=pl.col("_place").shift(-1) - pl.col("_place"))
        .filter(pl.col("demand") == pl.lit(highest).gather("_code"))
        .group_by("_code", maintain_order=True)
        .agg(pl.col("demand", "_place").first(), pl.col("_ms").sum())
        .select(
            swept.named(),
            peak="demand",
            first_reached=swept.instant("_place"),
            minutes_at_peak=pl.col("_ms") / MINUTE_MS,
        )
    )


def witnesses(stated: pl.LazyFrame, sessions: pl.LazyFrame, basis: str, at: datetime) -> pl.LazyFrame:
    """List who was in use at an instant.

    Parameters
    ----------
    stated
        What `states` gives.
    sessions
        `session`, `application`, `person`, `account`, `host`, `device`, `office`, `started`.
    basis
        One of `states.BASES`.
    at
        The instant, with its zone.

    Returns
    -------
    pl.LazyFrame
        `application`, `session`, `person`, `account`, `host`, `device`, `office` (pseudonyms and codes),
        `state` at the instant, `since` (when the unbroken use of this session began) and `started`: one row
        per session in use, longest first. A person with two sessions has two rows, and counts once in a peak
        by user.

    Raises
    ------
    Problem
        Unknown basis.
    """
    check("basis", basis, list(BASES))
    now = (pl.col("start") <= at) & (pl.col("end") > at)
    state = stated.filter(now).select("session", "state")
    stretch = _stretches(stated, basis, by_units=False).filter(now).select("session", since="start")
    who = ["application", "session", "person", "account", "host", "device", "office"]
    return (
        stretch.join(state, on="session")
        .join(sessions.select(*who, "started"), on="session")
        .select(*who, "state", "since", "started")
        .sort("application", "since", "session")
    )
