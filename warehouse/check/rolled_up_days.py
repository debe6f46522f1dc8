"""The rollups of some days against the metrics themselves: what is active, and exact peaks by every key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from warehouse.check.findings import Findings
from warehouse.check.snapshot import Snapshot
from warehouse.check.tiling import label
from warehouse.metrics.concurrency import KEYS, intervals, peak
from warehouse.metrics.states import BASES, Policy, states
from warehouse.metrics.utilization import usage
from warehouse.periods import INSTANT
from warehouse.schema import ATTENTIONS

DAYS = 3
"""So many days are measured: the first one, the last one, and those evenly between."""
DAY_MS = 86_400_000
MEASURED = ("active_ms", "pause_ms", "held_ms", "unknown_ms")

_SEGMENTS = """
    SELECT segment.session_id, application.code, start_ms, end_ms, attention, cpu_percent, units,
           CASE WHEN inhibiting THEN 1 ELSE 0 END, since_ms
    FROM segment JOIN session ON session.id = segment.session_id
    JOIN application ON application.id = session.application_id
    WHERE segment.session_id IN :sessions ORDER BY segment.session_id, start_ms
"""
_SEGMENT = pl.Schema(
    {
        "session": pl.Int64, "application": pl.String, "start": pl.Int64, "end": pl.Int64,
        "attention": pl.Int64, "cpu_percent": pl.Float64, "units": pl.Int64, "inhibiting": pl.Int64,
        "since": pl.Int64,
    }
)  # fmt: skip
_SESSIONS = """
    SELECT session.id, application.code, product.code,
           CASE WHEN NOT account.shared THEN coalesce(account.person_id, -account.id) END, account.id,
           coalesce(session.client_device_id, -session.host_id), session.started_ms, session.ended_ms,
           coalesce(product.token_weight, 1)
    FROM session JOIN application ON application.id = session.application_id
    LEFT JOIN product ON product.id = application.product_id
    JOIN account ON account.id = session.account_id
    WHERE session.id IN :sessions
"""
_SESSION = pl.Schema(
    {
        "session": pl.Int64, "application": pl.String, "product": pl.String, "person": pl.Int64,
        "account": pl.Int64, "device": pl.Int64, "started": pl.Int64, "ended": pl.Int64,
        "token_weight": pl.Int64,
    }
)  # fmt: skip
_USE = """
    SELECT session_id, hour_ms, CAST(sum(active_ms) AS BIGINT), CAST(sum(pause_ms) AS BIGINT),
           CAST(sum(held_ms) AS BIGINT), CAST(sum(unknown_ms) AS BIGINT)
    FROM use_hour WHERE hour_ms >= :first AND hour_ms < :until GROUP BY session_id, hour_ms
"""
# All keys and bases: named, so that the primary key finds the hours. Others are found hour by hour.
_PEAKS = f"""
    SELECT application.code, key, basis, peak, peak_at_ms
    FROM demand_hour JOIN application ON application.id = demand_hour.application_id
    WHERE hour_ms >= :first AND hour_ms < :until AND key IN ('{"', '".join(KEYS)}')
      AND basis IN ('{"', '".join(BASES)}')
    ORDER BY hour_ms
"""  # noqa: S608
_PEAK = pl.Schema(
    {
        "application": pl.String, "key": pl.String, "basis": pl.String, "peak": pl.Int64, "at": pl.Int64,
    }
)  # fmt: skip
# Whatever is in demand is so by session. Each of these is a look at the primary key for every application.
_HOUR = """(
    SELECT {which}(hour_ms) FROM demand_hour
    WHERE application_id = application.id AND key = 'session' AND basis = 'run' AND hour_ms >= {since}
)"""
_NEXT = f"SELECT min({_HOUR.format(which='min', since=':from_ms')}) FROM application"  # noqa: S608
_ENDS = f"""
    SELECT min({_HOUR.format(which="min", since=0)}), max({_HOUR.format(which="max", since=0)})
    FROM application
"""  # noqa: S608


Odd = set[tuple[str, str, str, int]]
"""Application, key, basis and day of demand that was found to be wrong already."""


class Unsure(NamedTuple):
    """What cannot be told by now, because it landed lately, or was found to be wrong already."""

    sessions: list[int]
    hours: pl.DataFrame
    """`application_id`, `hour_ms` of demand."""
    demand: Odd


def check(
    snapshot: Snapshot, known: pl.DataFrame, policy: Policy, unsure: Unsure, findings: Findings
) -> None:
    """Measure some days anew; `known` is what `tiling.sessions` gave."""
    for first in _days(snapshot):
        is_there = (pl.col("started") < first + DAY_MS) & (pl.col("ended") > first)
        sessions = known.filter(is_there)["session"].sort().to_list()
        _check_day(snapshot, _Day(first, sessions, unsure), policy, findings)


class _Day(NamedTuple):
    first: int
    sessions: list[int]
    unsure: Unsure

    @property
    def start(self) -> datetime:
        return datetime.fromtimestamp(self.first / 1000, UTC)

    @property
    def window(self) -> dict[str, int]:
        return {"first": self.first, "until": self.first + DAY_MS}


def _days(snapshot: Snapshot) -> list[int]:
    """Return the starts of the days to measure: days with any demand."""
    ((first, last),) = snapshot.rows(_ENDS)
    if first is None:
        return []
    targets = {first + (last - first) * place // (DAYS - 1) for place in range(DAYS)}
    hours = [snapshot.rows(_NEXT, {"from_ms": target})[0][0] for target in sorted(targets)]
    return sorted({hour // DAY_MS * DAY_MS for hour in hours if hour is not None})


def _check_day(snapshot: Snapshot, day: _Day, policy: Policy, findings: Findings) -> None:
    start = day.start
    segments = pl.DataFrame(snapshot.rows_of(_SEGMENTS, day.sessions), schema=_SEGMENT, orient="row")
    segments = segments.with_columns(
        pl.col("start", "end", "since").cast(INSTANT), pl.col("inhibiting").cast(pl.Boolean),
        attention=pl.lit(_WORDS).gather(pl.col("attention").clip(0, len(_WORDS) - 1)),
    )  # fmt: skip
    sessions = pl.DataFrame(snapshot.rows_of(_SESSIONS, day.sessions), schema=_SESSION, orient="row")
    sessions = sessions.with_columns(pl.col("started", "ended").cast(INSTANT))
    stated = states(segments.lazy(), policy).collect()
    for session in _wrong_use(stated, sessions, snapshot, day):
        detail = f"its hours of use on {start:%Y-%m-%d} are not those of the policy in force"
        findings.add("rollup", label(snapshot, session), detail)
    for subject, detail in _wrong_peaks(stated, sessions, snapshot, day):
        findings.add("rollup", subject, detail)


_WORDS = pl.Series(ATTENTIONS, dtype=pl.Enum(ATTENTIONS))


def _wrong_use(stated: pl.DataFrame, sessions: pl.DataFrame, snapshot: Snapshot, day: _Day) -> list[int]:
    """Return the sessions whose hours of a day do not agree."""
    start, window = day.start, day.window
    end = start + timedelta(days=1)
    measured = usage(stated.lazy(), sessions.lazy(), ["session", "hour"], start, end)
    columns = ["session", "hour", *MEASURED]
    mine = measured.select(columns).collect().with_columns(pl.col("hour").cast(pl.Int64))
    used = snapshot.numbers(_USE, ("session", "hour_ms", *MEASURED), window)
    theirs = used.select("session", (pl.col("hour_ms") - window["first"]) // 3_600_000, *MEASURED)
    theirs = theirs.rename({"hour_ms": "hour"})
    has_any = pl.any_horizontal(pl.col(name) != 0 for name in MEASURED)
    mine, theirs = (each.filter(has_any) for each in (mine, theirs))
    differ = pl.concat([mine.join(theirs, on=columns, how="anti"), theirs.join(mine, on=columns, how="anti")])
    return differ.filter(~pl.col("session").is_in(day.unsure.sessions))["session"].unique().sort().to_list()


def _wrong_peaks(
    stated: pl.DataFrame, sessions: pl.DataFrame, snapshot: Snapshot, day: _Day
) -> Iterator[tuple[str, str]]:
    """Give each peak of a day that is not the one of its hours."""
    start, window = day.start, day.window
    mine = pl.concat(_measured_peaks(stated, sessions, start))
    theirs = _stored_peaks(pl.DataFrame(snapshot.rows(_PEAKS, window), schema=_PEAK, orient="row"))
    both = mine.join(theirs, on=["application", "key", "basis"], how="full", coalesce=True, suffix="_stored")
    differs = pl.col("peak").ne_missing(pl.col("peak_stored")) | pl.col("at").ne_missing(pl.col("at_stored"))
    order = ["application", "key", "basis"]
    unclear = _unclear(snapshot, day)
    for row in both.filter(differs).sort(order).iter_rows(named=True):
        name = row["application"]
        if name in unclear or (name, row["key"], row["basis"], day.first) in day.unsure.demand:
            continue
        subject = f"demand for {name} by {row['key']}, {row['basis']}, on {start:%Y-%m-%d}"
        detail = f"its peak is {row['peak'] or 0:,}, its hours say {row['peak_stored'] or 0:,}"
        yield subject, detail if row["peak"] != row["peak_stored"] else "its peak was first reached elsewhere"


def _unclear(snapshot: Snapshot, day: _Day) -> set[str]:
    """Return the codes of the applications whose peaks of a day cannot be told."""
    inside = (pl.col("hour_ms") >= day.first) & (pl.col("hour_ms") < day.first + DAY_MS)
    numbers = set(day.unsure.hours.filter(inside)["application_id"])
    return {code for number, code in snapshot.rows("SELECT id, code FROM application") if number in numbers}


def _measured_peaks(stated: pl.DataFrame, sessions: pl.DataFrame, start: datetime) -> Iterator[pl.DataFrame]:
    weights = sessions.select("application", "token_weight").unique().lazy()
    for key in KEYS:
        for basis in BASES:
            found = intervals(
                stated.lazy(), sessions.lazy(), key, basis, start, start + timedelta(days=1), weights=weights
            )
            yield peak(found).collect().select(
                "application", "peak", key=pl.lit(key), basis=pl.lit(basis),
                at=pl.col("first_reached").cast(pl.Int64),
            ).select(_PEAK.names())  # fmt: skip


def _stored_peaks(hours: pl.DataFrame) -> pl.DataFrame:
    """Return the highest peak of a day's hours, and when it was first reached."""
    highest = pl.col("peak") == pl.col("peak").max().over("application", "key", "basis")
    return (
        hours.filter(highest)
        .group_by("application", "key", "basis")
        .agg(pl.col("peak").first(), pl.col("at").min())
    )
