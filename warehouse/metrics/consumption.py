"""Which right each use consumes, where several cover it: no two rights are set against the same use.

The order of consumption. Rights are asked one after the other: the lower `consumption_order` first; among
equals seats (named user, device, subscription), then suites (concurrent rights that cover several
applications), then other concurrent rights, then tokens; among those the code decides. Each takes what it can
of what those before it left:

- a **seat** takes all use of its holder while the seat and the right are valid, and nobody else's;
- a **concurrent** right takes an unbroken use of a person in any of its applications, as one, if a license is
  free at its start, and keeps it to its end; an end at the same instant frees a license;
- a **token** right takes an unbroken use of a session, of constant units, if so many tokens are free at its
  start; a later one that needs fewer may still find some, as on a license server.

What no right took then is beyond what is owned. It counts against the last shared right that covers it, or
where none is shared against the first, whose seat the person or device lacks. What no right covers at all
stays without one. The parts are the use, to the millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush

import polars as pl

from warehouse.metrics.concurrency import check
from warehouse.metrics.states import BASES
from warehouse.periods import INSTANT, check_window, clip, collapse, day_bounds, union

SEAT_HOLDER = {"named_user": "person", "subscription": "person", "device": "host"}
"""Metrics of which every holder needs one, and the column of a use that names the holder."""

KEY_OF_METRIC = {
    "named_user": "user",
    "subscription": "user",
    "concurrent": "user",
    "device": "device",
    "token": "token",
}
"""What a license counts, in the words of concurrency.KEYS."""

USES: dict[str, pl.DataType | type[pl.DataType]] = {
    "session": pl.Int64,
    "application": pl.String,
    "person": pl.String,
    "device": pl.String,
    "host": pl.String,
    "office": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "units": pl.Int64,
}
_TAKEN = {**USES, "entitlement": pl.String, "is_seated": pl.Boolean}


def uses(
    stated: pl.LazyFrame, sessions: pl.LazyFrame, basis: str, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Find when each session was in use.

    Parameters
    ----------
    stated
        What `states` gives: the rows of each session together and in order of start.
    sessions
        `session`, `application`, `person`, `device`, `host`, `office`.
    basis
        One of `states.BASES`.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `session`, `application`, `person`, `device`, `host`, `office`, `start`, `end`, `units` (Int64: as
        checked out): one row per session and unbroken use of constant units that overlaps the window, whole,
        in order.

    Raises
    ------
    Problem
        Unknown basis, an end that is not after the start.
    """
    check_window(start, end)
    check("basis", basis, list(BASES))
    used = stated.filter(pl.col("state").is_in(BASES[basis])).select("session", "start", "end", "units")
    columns = ("session", "application", "person", "device", "host", "office")
    return (
        used.pipe(collapse, ~_follows())
        .filter(pl.col("start") < end, pl.col("end") > start)
        .join(sessions.select(columns), on="session")
        .select(pl.col(name).cast(kind) for name, kind in USES.items())
        .sort("session", "start")
    )


def consumption(  # noqa: PLR0913, PLR0917 - use, rights, what they cover, and who holds a seat
    used: pl.LazyFrame,
    entitlements: pl.LazyFrame,
    covers: pl.LazyFrame,
    assignments: pl.LazyFrame,
    zone: str = "UTC",
    weights: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Let each use consume one right, in the order that this module names.

    Parameters
    ----------
    used
        What `uses` gives.
    entitlements
        `entitlement`, `metric`, `quantity`, `valid_from`, `valid_to` (null: without limit) and
        `consumption_order`; `offices` (List of codes: the right holds there alone; null: everywhere) where
        the frame has it.
    covers
        `entitlement`, `application`.
    assignments
        `entitlement`, `person`, `host`, `valid_from`, `valid_to`: seats.
    zone
        IANA zone whose days validity is told in.
    weights
        `application`, `token_weight`; without it every unit weighs 1.

    Returns
    -------
    pl.LazyFrame
        The columns of `uses`, `entitlement` (null: no right covers it) and `is_seated` (a holder's own seat
        covers it). One row per part of a use; the parts of a use make it up, and none overlaps another.

    Raises
    ------
    Problem
        Unknown zone.
    """
    rights = _ordered(entitlements, covers, zone)
    seats = _seats(assignments, zone)
    rest, taken = used.collect().select(pl.col(name).cast(kind) for name, kind in USES.items()), []
    for place, right in enumerate(rights):
        if right.holder:
            mine, rest = _by_seat(rest, right, seats)
        elif any(right.applications & later.applications for later in rights[place + 1 :]):
            mine, rest = _while_free(rest, right, _weight(weights))
        else:  # whatever it does not take would come back to it
            mine, rest = _in_reach(rest, right)
        taken.append(_of(mine, right, is_seated=bool(right.holder)))
    for right in _last_resort(rights):
        mine, rest = _in_reach(rest, right)
        taken.append(_of(mine, right, is_seated=False))
    nobody = rest.with_columns(entitlement=pl.lit(None, pl.String), is_seated=pl.lit(value=False))
    whole = pl.concat([*taken, nobody.select(*_TAKEN)]).lazy()
    return whole.sort("session", "start", "end", "entitlement")


@dataclass(frozen=True)
class _Right:
    """A right as uses meet it: what it covers, where, from when to when (None: without limit)."""

    code: str
    metric: str
    quantity: int
    applications: frozenset[str]
    offices: frozenset[str] | None
    start: datetime | None
    end: datetime | None
    order: int

    @property
    def holder(self) -> str:
        """The column of a use that names who needs a seat; empty where the right is shared."""
        return SEAT_HOLDER.get(self.metric, "")

    def rank(self) -> tuple[int, int, str]:
        """Say when it is asked."""
        is_suite = len(self.applications) > 1
        kinds = {"concurrent": 1 if is_suite else 2, "token": 3}
        return self.order, kinds.get(self.metric, 0), self.code


def _ordered(entitlements: pl.LazyFrame, covers: pl.LazyFrame, zone: str) -> list[_Right]:
    covered = covers.select(pl.col("entitlement", "application").cast(pl.String))
    by_right = dict(covered.group_by("entitlement").agg("application").collect().iter_rows())
    found = [
        _Right(
            code=row["entitlement"],
            metric=row["metric"],
            quantity=row["quantity"],
            applications=frozenset(by_right.get(row["entitlement"], ())),
            offices=None if row.get("offices") is None else frozenset(row["offices"]),
            start=row["valid_from"] and day_bounds(zone, row["valid_from"])[0],
            end=row["valid_to"] and day_bounds(zone, row["valid_to"])[0],
            order=row["consumption_order"],
        )
        for row in entitlements.collect().to_dicts()
    ]
    return sorted((right for right in found if right.applications), key=_Right.rank)


def _last_resort(rights: list[_Right]) -> Iterator[_Right]:
    """Name who is charged with what is beyond: the last shared right, else the first that needs seats."""
    yield from (right for right in reversed(rights) if not right.holder)
    yield from (right for right in rights if right.holder)


def _seats(assignments: pl.LazyFrame, zone: str) -> pl.DataFrame:
    """Give seats as intervals: `entitlement`, `person`, `host`, `_from`, `_to` (null: without limit)."""
    found = assignments.select("entitlement", "person", "host", "valid_from", "valid_to").collect()
    days = pl.concat([found["valid_from"], found["valid_to"]]).drop_nulls().unique().sort()
    instants = pl.Series([day_bounds(zone, day)[0] for day in days], dtype=INSTANT)

    def instant(name: str) -> pl.Expr:
        return pl.col(name).replace_strict(days, instants, default=None, return_dtype=INSTANT)

    return found.select("entitlement", "person", "host", _from=instant("valid_from"), _to=instant("valid_to"))


def _of(mine: pl.DataFrame, right: _Right, *, is_seated: bool) -> pl.DataFrame:
    return mine.with_columns(entitlement=pl.lit(right.code), is_seated=pl.lit(is_seated)).select(*_TAKEN)


# --- Who takes what ----------------------------------------------------------------------------------------


def _in_reach(rest: pl.DataFrame, right: _Right) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split uses into the parts that a right covers, there and then, and all others."""
    covered = pl.col("application").is_in(list(right.applications))
    if right.offices is not None:
        covered &= pl.col("office").is_in(list(right.offices)).fill_null(value=False)
    inside = pl.lit(value=True)
    if right.start is not None:
        inside &= pl.col("end") > right.start
    if right.end is not None:
        inside &= pl.col("start") < right.end
    reached, others = rest.filter(covered & inside), rest.filter(~(covered & inside))
    cut = reached.with_columns(_from=pl.lit(right.start, INSTANT), _to=pl.lit(right.end, INSTANT))
    mine, outside = _cut(cut)
    return mine, pl.concat([others, outside])


def _cut(uses: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cut each use to [`_from`, `_to`), with which it overlaps; give what is inside, and what is left."""
    after, before = pl.col("_from") > pl.col("start"), pl.col("_to") < pl.col("end")
    inside = uses.with_columns(start=pl.max_horizontal("start", "_from"), end=pl.min_horizontal("end", "_to"))
    left = uses.filter(after).with_columns(end="_from")
    right = uses.filter(before).with_columns(start="_to")
    return inside.select(*USES), pl.concat([left, right]).select(*USES)


def _by_seat(rest: pl.DataFrame, right: _Right, seats: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let the holders of seats use them, seat by seat of a holder: those of one do not overlap."""
    reached, others = _in_reach(rest, right)
    held = seats.filter(pl.col("entitlement") == right.code)
    taken, waiting = [], reached
    for holder in ("person", "host"):
        own = held.filter(pl.col(holder).is_not_null()).sort(holder, "_from", nulls_last=False)
        numbered = own.with_columns(_turn=pl.int_range(pl.len()).over(holder))
        for turn in numbered["_turn"].unique().sort():
            mine = numbered.filter(pl.col("_turn") == turn).select(holder, "_from", "_to")
            inside, waiting = _in_turn(waiting, mine, holder)
            taken.append(inside)
    return pl.concat([reached.clear(), *taken]), pl.concat([others, waiting])


def _in_turn(waiting: pl.DataFrame, seats: pl.DataFrame, holder: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let each holder use one seat."""
    has_seat = pl.Series(waiting[holder].is_in(seats[holder].implode()).fill_null(value=False))
    met = waiting.filter(has_seat).join(seats, on=holder)
    starts, ends = pl.col("_from"), pl.col("_to")
    meets = (starts.is_null() | (starts < pl.col("end"))) & (ends.is_null() | (ends > pl.col("start")))
    inside, outside = _cut(met.filter(meets))
    return inside, pl.concat([waiting.filter(~has_seat), met.filter(~meets).select(*USES), outside])


def _while_free(rest: pl.DataFrame, right: _Right, weight: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let those take a license, or tokens, who find enough free at the start of an unbroken use."""
    reached, others = _in_reach(rest, right)
    if right.metric == "token":
        asked = _rejoined(reached).with_columns(needs=pl.col("units") * weight).sort("start", "session")
        is_admitted = _admitted(asked, right.quantity)
        mine, turned_away = asked.filter(is_admitted), asked.filter(~is_admitted)
        return mine.select(*USES), pl.concat([others, turned_away.select(*USES)])
    # A session of nobody known is merged with no other one.
    keyed = reached.with_columns(_key=pl.coalesce("person", pl.format("\0{}", "session")))
    asked = union(keyed.lazy(), ["_key"]).collect().sort("start", "_key").with_columns(needs=pl.lit(1))
    admitted = asked.filter(_admitted(asked, right.quantity)).select("_key", _since="start", _until="end")
    found = keyed.sort("start").join_asof(
        admitted.sort("_since"), left_on="start", right_on="_since", by="_key", check_sortedness=False
    )
    inside = (pl.col("start") < pl.col("_until")).fill_null(value=False)
    return found.filter(inside).select(*USES), pl.concat([others, found.filter(~inside).select(*USES)])


def _rejoined(parts: pl.DataFrame) -> pl.DataFrame:
    """Make parts of one use whole again, which another right's days have cut: a request is asked once."""
    return parts.lazy().sort("session", "start").pipe(collapse, ~_follows()).collect()


def _follows() -> pl.Expr:
    """Say of each row whether it goes on where the one before it ends: same session, same units."""
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in ("session", "units"))
    return (same & (pl.col("start") == pl.col("end").shift(1))).fill_null(value=False)


def _admitted(asked: pl.DataFrame, quantity: int) -> pl.Series:
    """Say of each request (`start`, `end`, `needs`; in order of start) whether enough was free."""
    free = quantity
    open_ones: list[tuple[int, int]] = []
    answers = []
    instants = asked.select(pl.col("start", "end").cast(pl.Int64), "needs")
    for start, end, needs in instants.iter_rows():
        while open_ones and open_ones[0][0] <= start:
            free += heappop(open_ones)[1]
        answers.append(needs <= free)
        if needs <= free:
            heappush(open_ones, (end, needs))
            free -= needs
    return pl.Series(answers, dtype=pl.Boolean)


# --- What it comes to --------------------------------------------------------------------------------------


def consumed_intervals(
    consumed: pl.LazyFrame,
    entitlements: pl.LazyFrame,
    start: datetime,
    end: datetime,
    weights: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Find when each key consumed a right, in the unit of its metric: what `curve` and `peak` are made from.

    Parameters
    ----------
    consumed
        What `consumption` gives; its `entitlement` may have been replaced by a coarser group of one metric.
    entitlements
        `entitlement` (or that group) and `metric`.
    start, end
        The window, [start, end).
    weights
        `application`, `token_weight`; without it every unit weighs 1.

    Returns
    -------
    pl.LazyFrame
        What `concurrency.intervals` gives by entitlement: people for seats of people and concurrent rights,
        devices for those of devices, units x weight for tokens.
    """
    check_window(start, end)
    keyed = entitlements.select(
        pl.col("entitlement").cast(pl.String),
        _of=pl.col("metric").cast(pl.String).replace_strict(KEY_OF_METRIC, return_dtype=pl.String),
    ).unique()
    by_person, by_token = pl.col("_of") == "user", pl.col("_of") == "token"
    key = pl.when(by_person).then("person").when(~by_token).then("device")
    rows = consumed.join(keyed, on="entitlement").with_columns(key=key)
    rows = rows.with_columns(_own=pl.when(pl.col("key").is_null()).then("session"))
    once = union(rows.filter(~by_token), ["entitlement", "key", "_own"]).with_columns(
        units=pl.lit(1, pl.Int64)
    )
    columns = ("entitlement", "key", "_own", "start", "end", "units")
    tokens = rows.filter(by_token).with_columns(units=pl.col("units") * _weight(weights))
    used = pl.concat([once.select(columns), tokens.select(columns)])
    return (
        clip(used.with_columns(carried=pl.col("start") < start), start, end)
        .sort("entitlement", "key", "_own", "start")
        .drop("_own")
    )


def _weight(weights: pl.LazyFrame | None) -> pl.Expr:
    if weights is None:
        return pl.lit(1, pl.Int64)
    known = weights.select(pl.col("application").cast(pl.String), pl.col("token_weight")).collect()
    return pl.col("application").replace_strict(
        known["application"], known["token_weight"], default=1, return_dtype=pl.Int64
    )
