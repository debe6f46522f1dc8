"""Concurrency by running sums: every stretch is a step up and a step down, and demand is what they add up to.

A running sum over all of a group would put its whole history on one worker. So steps are first added up by
UTC day: a running sum over days says what each day begins with, and each day is swept by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoLazyFrameT

from warehouse.errors import Problem
from warehouse.periods import check_window
from warehouse.portable.instants import DAY_MS, within
from warehouse.portable.states import BASES

KEYS = ("user", "device", "user_device", "session", "token")
GROUPS = ("application", "product", "entitlement")
MINUTE_MS = 60_000.0


def intervals(  # noqa: PLR0913, PLR0917 - a figure names its key, basis, window and group
    stated: IntoLazyFrameT,
    sessions: IntoLazyFrameT,
    key: str,
    basis: str,
    start: datetime,
    end: datetime,
    *,
    weights: IntoLazyFrameT | None = None,
    group: str = "application",
    suites: IntoLazyFrameT | None = None,
) -> IntoLazyFrameT:
    """Find when each key was in use.

    Parameters
    ----------
    stated
        What `states` gives: at least `session` (Int64), `start`, `end` (Int64, milliseconds), `units` (Int32)
        and `state` (String), of whole sessions.
    sessions
        `session` (Int64), `application`, `product`, `person`, `device` (String).
    key
        One of `KEYS`. What overlaps or touches under one key is one stretch; a null key is merged with
        nothing. Under `token` nothing is merged.
    basis
        One of `states.BASES`: the states that count as use.
    start, end
        The window, [start, end), with zones.
    weights
        `application` (String), `token_weight` (integer): for the key `token`; without it every unit weighs 1.
    group
        One of `GROUPS`.
    suites
        `entitlement`, `application` (String): for the group `entitlement`.

    Returns
    -------
    IntoLazyFrameT
        `group...`, `key` (String; null where unknown), `start`, `end`, `units` (Int64; 1 but for `token`) and
        `carried` (Boolean: the use began before the window). One row per key and unbroken stretch of use, cut
        to the window.

    Raises
    ------
    Problem
        Unknown key, basis or group, an end that is not after the start, a suite without its applications.
    """
    check_window(start, end)
    for what, given, known in (("key", key, KEYS), ("basis", basis, tuple(BASES)), ("group", group, GROUPS)):
        _refuse_unknown(what, given, known)
    used = nw.from_native(stated).filter(nw.col("state").cast(nw.String).is_in(BASES[basis]))
    taken = nw.col("units").cast(nw.Int64) if key == "token" else _one()
    # Within a session most steps cancel out, and numbers are cheaper to compare than names.
    steps = _steps(used.with_columns(units=taken), ["session", "units"], _one())
    owned = steps.join(_owners(nw.from_native(sessions), key, group, suites), on="session")
    weighed = owned.with_columns(_weight=_one()) if key != "token" else _weighed(owned, weights)
    stretches = _stretches(weighed, [group, "key", "_own", "units", "_weight"])
    return (
        within(stretches, start, end)
        .with_columns(units=nw.col("units") * nw.col("_weight"), carried=nw.col("began") < nw.col("start"))
        .select(group, "key", "start", "end", "units", "carried")
        .to_native()
    )


def _refuse_unknown(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise Problem(f"unknown {what} {given!r}", f"give one of {', '.join(known)}")


def _one() -> nw.Expr:
    return nw.lit(1, nw.Int64)


def _owners(
    sessions: nw.LazyFrame[IntoLazyFrameT], key: str, group: str, suites: IntoLazyFrameT | None
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Give each session its group and key; `_own` tells those apart whose key is unknown."""
    number = nw.col("session").cast(nw.String)
    keys = {
        "user": nw.col("person"),
        "device": nw.col("device"),
        "user_device": nw.concat_str(["person", "device"], separator=" "),
        "session": number,
        "token": number,
    }
    keyed = sessions.with_columns(key=keys[key].cast(nw.String)).with_columns(
        _own=nw.when(nw.col("key").is_null()).then(nw.col("session")).otherwise(nw.lit(-1))
    )
    if group == "entitlement":
        if suites is None:
            raise Problem(
                "concurrent use by entitlement needs `suites`", "pass the applications each one covers"
            )
        covered = nw.from_native(suites).select("entitlement", "application")
        keyed = keyed.join(covered, on="application")
    elif group == "product":
        keyed = keyed.with_columns(product=nw.coalesce("product", "application"))
    return keyed.select(
        "session", nw.col(group).cast(nw.String), "key", "_own", _application=nw.col("application")
    )


def _weighed(
    keyed: nw.LazyFrame[IntoLazyFrameT], weights: IntoLazyFrameT | None
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Add the token weight of each row's application; one that nobody weighed weighs 1."""
    if weights is None:
        return keyed.with_columns(_weight=_one())
    table = nw.from_native(weights).select(
        _application=nw.col("application"), _weight=nw.col("token_weight").cast(nw.Int64)
    )
    joined = keyed.join(table, on="_application", how="left")
    return joined.with_columns(nw.col("_weight").fill_null(1))


def _steps(
    frame: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str], height: nw.Expr
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Turn intervals into steps, added up at each instant: `by...`, `at`, `step`."""
    up = frame.select(*by, at=nw.col("start"), step=height)
    down = frame.select(*by, at=nw.col("end"), step=-height)
    return _added(nw.concat([up, down]), by)


def _added(steps: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """Add up the steps of each instant, and leave out those that cancel out."""
    return steps.group_by(*by, "at").agg(nw.col("step").sum()).filter(nw.col("step") != 0)


def _stretches(steps: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """Merge what overlaps or touches: a stretch lasts from where depth leaves 0 to where it is 0 again."""
    depth = nw.col("step").cum_sum().over(*by, order_by="at")
    borders = (
        _added(steps, by)
        .with_columns(_depth=depth)
        .filter((nw.col("_depth") == 0) | (nw.col("_depth") == nw.col("step")))
    )
    return (
        borders.with_columns(end=nw.col("at").shift(-1).over(*by, order_by="at"))
        .filter(nw.col("_depth") > 0)
        .select(*by, "end", start=nw.col("at"))
    )


def curve(intervals: IntoLazyFrameT) -> IntoLazyFrameT:
    """Sweep intervals into demand over time.

    Parameters
    ----------
    intervals
        What `intervals` gives: `group...`, `start`, `end`, `units`.

    Returns
    -------
    IntoLazyFrameT
        `group...`, `at` (Int64, milliseconds), `demand` (Int64): one row per group and instant at which
        demand changes; it holds until the group's next row, and is 0 before its first.
    """
    swept, group = _sweep(nw.from_native(intervals))
    return swept.select(group, "at", "demand").to_native()


def peak(intervals: IntoLazyFrameT) -> IntoLazyFrameT:
    """Find the highest demand.

    Parameters
    ----------
    intervals
        What `intervals` gives.

    Returns
    -------
    IntoLazyFrameT
        `group...`, `peak` (Int64), `first_reached` (Int64, milliseconds), `minutes_at_peak` (Float64): one
        row per group that was in use.
    """
    swept, group = _sweep(nw.from_native(intervals))
    lasts_ms = nw.col("until") - nw.col("at")
    return (
        swept.with_columns(peak=nw.col("demand").max().over(group), _ms=lasts_ms)
        .filter(nw.col("demand") == nw.col("peak"))
        .group_by(group)
        .agg(nw.col("peak").max(), first_reached=nw.col("at").min(), _ms=nw.col("_ms").sum())
        .select(group, "peak", "first_reached", minutes_at_peak=nw.col("_ms") / MINUTE_MS)
        .to_native()
    )


def _sweep(intervals: nw.LazyFrame[IntoLazyFrameT]) -> tuple[nw.LazyFrame[IntoLazyFrameT], str]:
    """Give `group...`, `at`, `until` (null after the last), `demand`, and the name of the group's column."""
    group = next(name for name in GROUPS if name in intervals.columns)
    held = intervals.filter(nw.col("start") < nw.col("end"), nw.col("units") > 0)
    steps = _steps(held, [group], nw.col("units")).with_columns(_day=nw.col("at") // DAY_MS)
    days = (
        steps.group_by(group, "_day")
        .agg(_step=nw.col("step").sum(), _first=nw.col("at").min())
        .with_columns(
            _before=nw.col("_step").cum_sum().over(group, order_by="_day") - nw.col("_step"),
            _next=nw.col("_first").shift(-1).over(group, order_by="_day"),
        )
        .select(group, "_day", "_before", "_next")
    )
    of_day = [group, "_day"]
    swept = steps.join(days, on=of_day).with_columns(
        demand=nw.col("_before") + nw.col("step").cum_sum().over(*of_day, order_by="at"),
        until=nw.coalesce(nw.col("at").shift(-1).over(*of_day, order_by="at"), "_next"),
    )
    return swept, group
