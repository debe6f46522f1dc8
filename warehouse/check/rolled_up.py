"""The rollups against the evidence, all of them: by sums that hold under any policy.

A session runs whenever it is neither suspended nor unobserved, so its hours of use sum to the same as its
segments, whatever is idle; a second sum weighs each hour by its place in time. The key `session` merges
nothing, so the area under its demand is the use of that hour; so is that of `token` in units. Demand by other
keys is at most that by session; what it is exactly, and what is active, rolled_up_days.py measures.
"""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection, Engine

from warehouse import frames
from warehouse.check import rolled_up_days
from warehouse.check.findings import EXAMPLES, Findings, instant
from warehouse.check.mirrored import landed_after
from warehouse.check.rolled_up_days import DAY_MS, Odd, Unsure
from warehouse.check.snapshot import Snapshot, rows
from warehouse.check.tiling import OPEN, label
from warehouse.metrics.concurrency import KEYS
from warehouse.metrics.states import BASES
from warehouse.money import HOUR_MS
from warehouse.rollups import stand

USED = ("session", "run_ms", "unknown_ms", "unit_ms", "moment", "bad", "least_id", "most_id")
IN_HOURS = ("application_id", "hour_ms", "run", "busy", "active", "token")
_NUMBERS = ("hour_ms", "peak", "peak_at_ms")
DEMAND = pl.Schema(dict.fromkeys(("key", "basis", *_NUMBERS, "levels"), pl.String))
_LEVELS = r"^\[\[\d{1,9},\d{1,9}\](,\[\d{1,9},\d{1,9}\])*\]$"

_USED = """
    SELECT session_id, CAST(sum(run_ms) AS BIGINT), CAST(sum(unknown_ms) AS BIGINT),
           CAST(sum(unit_ms) AS BIGINT),
           CAST(sum(run_ms % 10000019 * (hour_ms / 3600000 % 1000003)) AS BIGINT),
           count(*) FILTER (
               WHERE hour_ms % 3600000 <> 0 OR run_ms + unknown_ms > 3600000 OR active_ms < 0 OR pause_ms < 0
                  OR held_ms < 0 OR unknown_ms < 0 OR active_ms + pause_ms + held_ms > run_ms
           ),
           min(application_id), max(application_id)
    FROM use_hour GROUP BY session_id
"""
_IN_HOURS = """
    SELECT application_id, hour_ms, CAST(sum(run_ms) AS BIGINT), CAST(sum(active_ms + pause_ms) AS BIGINT),
           CAST(sum(active_ms) AS BIGINT), CAST(sum(unit_ms) AS BIGINT)
    FROM use_hour GROUP BY application_id, hour_ms
"""
# All hours of a key and basis in one row, as texts: one by one they take longer to fetch than to check.
_DEMAND = """
    SELECT key, basis, {gather}({text}(hour_ms), :between), {gather}({text}(peak), :between),
           {gather}({text}(peak_at_ms), :between), {gather}(replace(levels, :between, ''), :between)
    FROM demand_hour WHERE application_id = :application GROUP BY key, basis
"""
BETWEEN = "\x1e"
_WORDS = {
    "sqlite": {"gather": "group_concat", "text": ""},
    "postgresql": {"gather": "string_agg", "text": "text"},
}
_HOURS_OF = "SELECT application_id, hour_ms FROM use_hour WHERE session_id = :session"
MANY = 100
_WEIGHTS = """
    SELECT application.id, application.code, coalesce(product.token_weight, 1)
    FROM application LEFT JOIN product ON product.id = application.product_id ORDER BY application.id
"""


def check(
    engine: Engine, snapshot: Snapshot, known: pl.DataFrame, evidence: pl.DataFrame, findings: Findings
) -> None:
    """Compare the rollups with `tiling.seen`, as far as they stand; where there are none, nothing.

    What is found once is left out of the questions that follow: one fault, one finding.
    """
    stored = stand.stored(engine)
    if stored is None:
        return
    sessions = known.join(evidence, on="session", how="full", coalesce=True)
    landed = landed_after(engine, min(stored.landing, snapshot.newest))
    wrong = _check_use(snapshot, sessions, landed, findings)
    hours = [_hours(sessions, landed, DAY_MS), _hours(sessions, wrong, 0), _hours_of_use(snapshot, wrong)]
    unsure = Unsure(landed + wrong, pl.concat(hours).unique(), Odd())
    policy = frames.policy(engine, "license")
    is_current = stored.under == stand.current(engine, policy).under
    odd = _check_demand(snapshot, unsure, findings, is_current=is_current)
    if is_current:
        rolled_up_days.check(snapshot, known, policy, unsure._replace(demand=odd), findings)


def _hours(sessions: pl.DataFrame, numbers: list[int], margin_ms: int) -> pl.DataFrame:
    """Return `application_id` and `hour_ms` of the hours in which sessions are, and some before and after."""
    mine = sessions.filter(pl.col("session").is_in(numbers), pl.col("application_id").is_not_null())
    ends = pl.max_horizontal(pl.when(pl.col("ended") < OPEN).then("ended"), "last", "started")
    first, last = (pl.col("started") - margin_ms) // HOUR_MS, (ends + margin_ms) // HOUR_MS + 1
    hours = mine.select("application_id", hour_ms=pl.int_ranges(first, last)).explode("hour_ms")
    return hours.with_columns(pl.col("hour_ms") * HOUR_MS)


def _hours_of_use(snapshot: Snapshot, sessions: list[int]) -> pl.DataFrame:
    """Return `application_id` and `hour_ms` of the rows of sessions, if they are not too many."""
    found = [row for session in sessions[:MANY] for row in snapshot.rows(_HOURS_OF, {"session": session})]
    return pl.DataFrame(found, schema={"application_id": pl.Int64, "hour_ms": pl.Int64}, orient="row")


# --- Use ---------------------------------------------------------------------------------------------------


def _check_use(
    snapshot: Snapshot, sessions: pl.DataFrame, landed: list[int], findings: Findings
) -> list[int]:
    """Compare the use of each session with its segments; return the sessions of which it is wrong."""
    used = snapshot.numbers(_USED, USED)
    expected = sessions.select(
        "session", "application_id", "moment", "unit_ms", unknown_ms="unobserved_ms",
        run_ms=pl.col("length_ms") - pl.col("suspended_ms") - pl.col("unobserved_ms"),
    )  # fmt: skip
    both = expected.join(used, on="session", how="full", coalesce=True, suffix="_used").fill_null(0)
    measures = ("run_ms", "unknown_ms", "unit_ms", "moment")
    differs = [pl.col(name) != pl.col(f"{name}_used") for name in measures]
    has_use = pl.col("most_id") > 0
    is_others = has_use & (
        (pl.col("least_id") != pl.col("application_id")) | (pl.col("most_id") != pl.col("application_id"))
    )
    wrong = both.filter(pl.any_horizontal(*differs, is_others, pl.col("bad") > 0))
    wrong = wrong.filter(~pl.col("session").is_in(landed)).sort("session")
    for row in wrong.head(EXAMPLES).iter_rows(named=True):
        findings.add("rollup", label(snapshot, row["session"]), _of_use(row))
    findings.add_more("rollup", max(0, wrong.height - EXAMPLES))
    return wrong["session"].to_list()


def _of_use(row: dict[str, int]) -> str:
    for name, words in (("run_ms", "run time"), ("unknown_ms", "unknown time"), ("unit_ms", "units x time")):
        used, expected = row[f"{name}_used"], row[name]
        if used != expected:
            return f"its hours of use have {used:,} ms of {words}, its segments {expected:,} ms"
    if row["moment"] != row["moment_used"]:
        return "its hours of use are not those in which it ran"
    return "its hours of use cannot be: of another application, negative, or longer than an hour"


# --- Demand ------------------------------------------------------------------------------------------------


def _check_demand(snapshot: Snapshot, unsure: Unsure, findings: Findings, *, is_current: bool) -> Odd:
    """Compare the area under each hour's demand with the use in it; return what of which days is wrong."""
    used = snapshot.numbers(_IN_HOURS, IN_HOURS)
    gathered = _DEMAND.format(**_WORDS[snapshot.connection.dialect.name])

    def look(connection: Connection, application: tuple[int, str, int]) -> pl.DataFrame:
        number, _, weight = application
        unclear = unsure.hours.filter(pl.col("application_id") == number)
        stored = pl.DataFrame(
            rows(connection, gathered, {"application": number, "between": BETWEEN}),
            schema=DEMAND,
            orient="row",
        )
        demand = _areas(_apart(stored).join(unclear, on="hour_ms", how="anti"))
        hours = used.filter(pl.col("application_id") == number).join(unclear, on="hour_ms", how="anti")
        # Tokens may weigh something else since the rollups were derived.
        return _wrong(demand, _expected(hours, weight if is_current else None))

    odd, applications = Odd(), snapshot.rows(_WEIGHTS)
    for (_, code, _), wrong in zip(applications, snapshot.spread(look, applications), strict=True):
        for key, basis, hour, detail in wrong.sort("hour_ms", "key", "basis").rows():
            findings.add("rollup", f"demand for {code} by {key}, {basis}, from {instant(hour)}", detail)
            odd.add((code, key, basis, hour // DAY_MS * DAY_MS))
    return odd


def _expected(hours: pl.DataFrame, weight: int | None) -> pl.DataFrame:
    """Return the areas that demand by session and by token must have, as far as use tells them."""
    known = [("session", "run", "run"), ("session", "busy", "busy"), ("session", "active", "active")]
    if weight is not None:
        known.append(("token", "run", "token"))
        hours = hours.with_columns(pl.col("token") * weight)
    parts = [
        hours.select("hour_ms", key=pl.lit(key), basis=pl.lit(basis), used_ms=measure)
        for key, basis, measure in known
    ]
    return pl.concat(parts).filter(pl.col("used_ms") > 0)


def _apart(gathered: pl.DataFrame) -> pl.DataFrame:
    """Take the hours of each key and basis apart: one row per hour, the first three columns as numbers."""
    columns = [*_NUMBERS, "levels"]
    hours = gathered.with_columns(pl.col(columns).str.split(BETWEEN)).explode(columns, empty_as_null=False)
    return hours.with_columns(pl.col(_NUMBERS).cast(pl.Int64, strict=False).fill_null(0))


def _areas(demand: pl.DataFrame) -> pl.DataFrame:
    """Add the `area` under the levels of each hour, and whether they `fit` its peak and the whole hour."""
    is_sound = pl.col("levels").str.contains(_LEVELS)
    sound = demand.filter(is_sound)
    numbers = sound["levels"].str.replace_all("],[", ",", literal=True).str.strip_chars("[]").str.split(",")
    flat = numbers.explode(empty_as_null=False).cast(pl.Int64)
    levels, times = flat.gather_every(2), flat.gather_every(2, 1)
    ends = numbers.list.len().cast(pl.Int64).cum_sum() // 2 - 1
    falls = (levels <= levels.shift(1, fill_value=-1)).cast(pl.Int64).cum_sum()
    climbs = falls.gather(ends) == falls.gather(ends.shift(1, fill_value=-1) + 1)
    whole, area = (total.gather(ends) for total in (times.cum_sum(), (levels * times).cum_sum()))
    is_inside = pl.col("peak_at_ms") // HOUR_MS * HOUR_MS == pl.col("hour_ms")
    fits = climbs & (levels.gather(ends) == sound["peak"]) & (whole.diff().fill_null(whole) == HOUR_MS)
    added = sound.with_columns(fits=fits & is_inside & (pl.col("peak") > 0), area=area.diff().fill_null(area))
    broken = demand.filter(~is_sound).with_columns(fits=pl.lit(value=False), area=pl.lit(0, pl.Int64))
    return pl.concat([added, broken])


def _wrong(demand: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Return `key`, `basis`, `hour_ms` and `detail` of what is wrong, once for each."""
    is_known = pl.col("key").is_in(KEYS) & pl.col("basis").is_in(list(BASES))
    unknown = _told(demand.filter(~is_known), pl.lit("there is no such key or basis"))
    demand = demand.filter(is_known)
    misfits = _told(demand.filter(~pl.col("fits")), pl.lit("its levels and its peak do not fit together"))
    odd, sound = pl.concat([unknown, misfits]), demand.filter("fits")
    others = _other_areas(sound, expected).join(odd, on=_HOUR, how="anti")
    lost = pl.concat([odd, others]).filter(pl.col("key") == "session")
    return pl.concat([odd, others, _above(sound, lost).join(odd, on=_HOUR, how="anti")])


_HOUR = ["key", "basis", "hour_ms"]


def _told(rows: pl.DataFrame, detail: pl.Expr) -> pl.DataFrame:
    return rows.select(*_HOUR, detail.alias("detail"))


def _other_areas(demand: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Find hours whose demand is not what was used in them."""
    of_key = demand.join(expected.select("key", "basis").unique(), on=["key", "basis"], how="semi")
    both = of_key.join(expected, on=_HOUR, how="full", coalesce=True)
    differ = both.with_columns(pl.col("area", "used_ms").fill_null(0)).filter(
        pl.col("area") != pl.col("used_ms")
    )
    return _told(differ, pl.format("it comes to {} ms of use, the hours of use to {} ms", "area", "used_ms"))


def _above(demand: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """Find hours in which demand by a key is more than that by session, or only one of both is there."""
    hour = ["basis", "hour_ms"]
    by_session = demand.filter(pl.col("key") == "session").drop("key")
    keys = pl.DataFrame({"key": ["user", "device", "user_device"]})
    mine = demand.join(keys, on="key", how="semi").join(lost, on=hour, how="anti")
    most = by_session.join(lost, on=hour, how="anti").join(keys, how="cross")
    both = mine.join(most, on=_HOUR, how="full", coalesce=True, suffix="_most")
    alone = pl.col("peak").is_null() | pl.col("peak_most").is_null()
    above = (pl.col("peak") > pl.col("peak_most")) | (pl.col("area") > pl.col("area_most"))
    words = pl.when(alone).then(pl.lit("it is there without that by session, or missing"))
    return _told(both.filter(alone | above), words.otherwise(pl.lit("it is more than that by session")))
