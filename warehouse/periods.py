"""Half-open intervals, local days and business hours: everything that cuts time into parts.

An interval frame has the columns `start` and `end`, both Datetime("ms", "UTC"); [start, end) is half-open, so
that parts which touch share no instant and sum to the whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from warehouse.errors import Problem

INSTANT = pl.Datetime("ms", "UTC")
"""Polars data type of every instant."""

DAY = timedelta(days=1)
QUARTER_S = 900


def check_window(start: datetime, end: datetime) -> None:
    """Refuse a window without a zone, or one that ends before it starts.

    Raises
    ------
    Problem
        Naming the window.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise Problem(
            f"the window {start} to {end} has no time zone", "give instants with their zone, e.g. UTC"
        )
    if end <= start:
        raise Problem(f"the window ends at {end}, which is not after its start {start}", "swap or widen it")


def zone_of(name: str) -> ZoneInfo:
    """Look up a time zone.

    Raises
    ------
    Problem
        No zone of the tz database is called so.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # absent, malformed, a folder of the database
        raise Problem(f"unknown time zone {name!r}", "give an IANA name such as Europe/Berlin") from None


def day_bounds(zone: str, day: date) -> tuple[datetime, datetime]:
    """Find start and end of a local day, in UTC; 23, 23.5, 24, 24.5 or 25 hours apart.

    Where midnight does not exist the day starts at the first instant after the jump; where it comes twice, at
    the first.
    """
    place = zone_of(zone)
    return _local(place, day, 0), _local(place, day + DAY, 0)


def _local(place: ZoneInfo, day: date, minute: int) -> datetime:
    """Instant of a local wall time. Minute 1440 is the next day's midnight."""
    day, minute = day + DAY * (minute // 1440), minute % 1440
    wall = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=place)
    return wall.astimezone(UTC)


def _days(place: ZoneInfo, start: datetime, end: datetime) -> Iterator[date]:
    """Every local day that [start, end) touches."""
    day, last = start.astimezone(place).date(), (end - timedelta(milliseconds=1)).astimezone(place).date()
    while day <= last:
        yield day
        day += DAY


def local_days(zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Cut a window into the local days of a zone.

    Parameters
    ----------
    zone
        IANA name.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `day` (Date), `start`, `end`: one row per local day that the window touches, cut to the window, in
        order of time; together they are the window. A day that a zone left out has no row.

    Raises
    ------
    Problem
        Unknown zone, or an end that is not after the start.
    """
    check_window(start, end)
    place = zone_of(zone)
    days = [
        (day, max(start, _local(place, day, 0)), min(end, _local(place, day + DAY, 0)))
        for day in _days(place, start, end)
    ]
    return _frame(days, {"day": pl.Date})


def local_quarters(zone: str, start: datetime, end: datetime) -> pl.LazyFrame:
    """Tell the local time of every UTC quarter of an hour, for engines that know no time zones.

    Every local hour begins at a UTC quarter, so a quarter lies in one local hour.

    Parameters
    ----------
    zone
        IANA name.
    start, end
        The window, [start, end).

    Returns
    -------
    pl.LazyFrame
        `quarter` (Int64: quarters since 1970), `month` (Date: its first day), `day` (Date), `weekday` (Int8,
        ISO 1-7), `hour` (Int8, 0-23): one row per quarter that the window touches.

    Raises
    ------
    Problem
        Unknown zone, or an end that is not after the start.
    """
    check_window(start, end)
    zone_of(zone)
    first, last = start.timestamp() // QUARTER_S, (end - timedelta(milliseconds=1)).timestamp() // QUARTER_S
    local = pl.from_epoch(pl.col("quarter") * QUARTER_S, "s").dt.replace_time_zone("UTC")
    local = local.dt.convert_time_zone(zone)
    quarters = pl.LazyFrame({"quarter": range(int(first), int(last) + 1)}, schema={"quarter": pl.Int64})
    return quarters.with_columns(
        month=local.dt.date().dt.month_start(),
        day=local.dt.date(),
        weekday=local.dt.weekday(),
        hour=local.dt.hour(),
    )


def _frame(rows: Sequence[tuple[object, ...]], keys: dict[str, type[pl.DataType]]) -> pl.LazyFrame:
    """Build an interval frame, without empty intervals."""
    frame = pl.LazyFrame(rows, schema={**keys, "start": INSTANT, "end": INSTANT}, orient="row")
    return frame.filter(pl.col("start") < pl.col("end"))


def business_days(
    offices: pl.LazyFrame, holidays: pl.LazyFrame, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Find the business hours of every office in a window.

    Parameters
    ----------
    offices
        `office`, `zone`, `opens_minute`, `closes_minute` (local minutes of the day), `business_weekdays`
        (ISO weekdays, e.g. "12345").
    holidays
        `office`, `day`.
    start, end
        The window, [start, end); hours beyond it are cut off.

    Returns
    -------
    pl.LazyFrame
        `office`, `day`, `start`, `end`: one row per office and local business day, holidays left out.
    """
    check_window(start, end)
    rows = [
        (office["office"], day, max(start, opens), min(end, closes))
        for office in offices.collect().to_dicts()
        for day, opens, closes in _open_days(office, start, end)
    ]
    hours = _frame(rows, {"office": pl.String, "day": pl.Date})
    return hours.join(holidays, on=["office", "day"], how="anti", maintain_order="left")


def _open_days(
    office: dict[str, str | int], start: datetime, end: datetime
) -> Iterator[tuple[date, datetime, datetime]]:
    place, weekdays = zone_of(str(office["zone"])), str(office["business_weekdays"])
    for day in _days(place, start, end):
        if str(day.isoweekday()) in weekdays:
            opens, closes = int(office["opens_minute"]), int(office["closes_minute"])
            yield day, _local(place, day, opens), _local(place, day, closes)


def business_hours(
    offices: pl.LazyFrame, holidays: pl.LazyFrame, office: str, start: datetime, end: datetime
) -> pl.LazyFrame:
    """Find the business hours of one office in a window, as a calendar.

    Returns
    -------
    pl.LazyFrame
        `start`, `end`: one row per business day; see `business_days`.

    Raises
    ------
    Problem
        No such office.
    """
    mine = offices.filter(pl.col("office") == office)
    if mine.collect().is_empty():
        raise Problem(f"unknown office {office!r}", "give the code of an office")
    return business_days(mine, holidays, start, end).select("start", "end")


def union(intervals: pl.LazyFrame, by: Sequence[str] = ()) -> pl.LazyFrame:
    """Merge what overlaps or touches.

    Parameters
    ----------
    intervals
        `by...`, `start`, `end`; empty intervals are left out.
    by
        Only intervals that agree in these columns are merged; null agrees with null.

    Returns
    -------
    pl.LazyFrame
        `by...`, `start`, `end`: disjoint, ordered by the columns of `by` and start.
    """
    start, end, reach = (pl.col(name) for name in ("start", "end", "_reach"))
    changes = pl.any_horizontal(
        pl.lit(False), *(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in by)
    )
    # The running maximum of the ends must not reach into the next group: each group gets a span of its own.
    span = (end.max() - start.min()).dt.total_milliseconds() + 1
    offset = changes.cum_sum().cast(pl.Int64) * span
    opens = (pl.col("_start") > reach.shift(1)).fill_null(value=True)
    return (
        intervals.filter(start < end)
        .select(*by, "start", "end")
        .sort(*by, "start")
        .with_columns(
            _start=offset + (start - start.min()).dt.total_milliseconds(),
            _reach=(offset + (end - start.min()).dt.total_milliseconds()).cum_max(),
        )
        .with_columns(end=start.min() + pl.duration(milliseconds=reach % span, time_unit="ms"))
        .pipe(collapse, opens)
        .select(*by, "start", "end")
    )


def clip(intervals: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Cut intervals to a window, [start, end); what lies outside is left out."""
    return intervals.filter(pl.col("start") < end, pl.col("end") > start).with_columns(
        start=pl.max_horizontal("start", pl.lit(start, INSTANT)),
        end=pl.min_horizontal("end", pl.lit(end, INSTANT)),
    )


def collapse(intervals: pl.LazyFrame, opens: pl.Expr) -> pl.LazyFrame:
    """Turn each run of neighboring rows into one row: the first, which then ends where the last one ends.

    Parameters
    ----------
    intervals
        Any columns, `end` among them, in the order that makes neighbors.
    opens
        True on the first row of a run.
    """
    closes = pl.col("_opens").shift(-1, fill_value=True)
    return (
        intervals.with_columns(_opens=opens)
        .with_columns(end=pl.when(closes).then("end").backward_fill())
        .filter("_opens")
        .drop("_opens")
    )


def intersect(left: pl.LazyFrame, right: pl.LazyFrame, by: Sequence[str] = ()) -> pl.LazyFrame:
    """Keep what both cover.

    Parameters
    ----------
    left, right
        `by...`, `start`, `end` each.
    by
        Only intervals that agree in these columns meet; null agrees with null.

    Returns
    -------
    pl.LazyFrame
        `by...`, `start`, `end`: disjoint, ordered by the columns of `by` and start.
    """
    both = pl.concat([union(left, by), union(right, by)])
    edges = pl.concat(
        [
            both.select(*by, at="start", step=pl.lit(1, pl.Int8)),
            both.select(*by, at="end", step=pl.lit(-1, pl.Int8)),
        ]
    )
    # Within a group the steps sum to zero, so one running sum serves them all.
    return (
        edges.sort(*by, "at", "step")
        .with_columns(depth=pl.col("step").cast(pl.Int64).cum_sum(), end=pl.col("at").shift(-1))
        .filter(pl.col("depth") == 2)
        .select(*by, pl.col("at").alias("start"), "end")
    )


def covered_before(rows: pl.LazyFrame, at: str, intervals: pl.LazyFrame, by: str) -> pl.LazyFrame:
    """Measure how much of an interval frame lies before each instant.

    What lies between two instants is then a difference, and no row has to meet every interval.

    Parameters
    ----------
    rows
        `by` and the instants `at`, ascending within each value of `by`.
    at
        Name of the column of instants.
    intervals
        `by`, `start`, `end`, disjoint, as `union` gives them.
    by
        The one column in which rows and intervals must agree.

    Returns
    -------
    pl.LazyFrame
        The rows, in their order, with `covered_ms` (Int64).
    """
    length = (pl.col("_until") - pl.col("_since")).dt.total_milliseconds()
    current = (pl.min_horizontal(at, "_until") - pl.col("_since")).dt.total_milliseconds()
    earlier = (
        intervals.select(by, _since="start", _until="end")
        .sort(by, "_since")
        .with_columns(_earlier=(length.cum_sum() - length).over(by))
    )
    return (
        rows.join_asof(earlier, left_on=at, right_on="_since", by=by, check_sortedness=False)
        .with_columns(covered_ms=(pl.col("_earlier") + current).fill_null(0))
        .drop("_since", "_until", "_earlier", strict=False)
    )
