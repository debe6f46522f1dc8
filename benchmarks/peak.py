"""Peak of 2 million sessions by session and by person, against a sweep written by hand in Numba.

The rivals get what a hand-written program would have: arrays of whole numbers, the application and the holder
coded already. Ours get frames with names in text. `peak` sweeps intervals, one per session or stretch of a
person; for persons the merging of their sessions is timed with it, on both sides. `intervals and peak` is the
whole way from states and sessions, joins included. For context: the obvious Polars, and DuckDB's windows.

Run: python benchmarks/peak.py [SESSIONS [ROUNDS]]
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from racing import lap, race, show, started, tell

from warehouse.metrics.concurrency import intervals, peak
from warehouse.metrics.states import StateEnum
from warehouse.periods import INSTANT

APPLICATIONS, PEOPLE = 20, 2_000
YEAR_MS, LONGEST_MS, NEW_YEAR_MS = 31_536_000_000, 14_400_000, 1_767_225_600_000
WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
SEED, LIMIT = 20261005, 1.5

Arrays = dict[str, Any]


def main(count: int, rounds: int) -> None:
    print(f"{count:,} sessions of {PEOPLE:,} people in {APPLICATIONS} applications, a year")
    by_session = ("peak, by session", "Numba, by session", "intervals and peak, by session", "obvious Polars")
    laps = race(__file__, by_session, count, rounds=rounds)
    show(laps)
    tell(laps, "peak, by session", "Numba, by session", LIMIT)
    by_user = ("intervals and peak, by user", "Numba, by user", "DuckDB, by user")
    laps = race(__file__, by_user, count, rounds=rounds)
    show(laps)
    tell(laps, "intervals and peak, by user", "Numba, by user", LIMIT)


def run(name: str, count: int) -> None:
    arrays = _arrays(count)
    contestants = {
        "peak, by session": _peak,
        "intervals and peak, by session": lambda given: _whole(given, "session"),
        "intervals and peak, by user": lambda given: _whole(given, "user"),
        "Numba, by session": lambda given: _numba(given, by_user=False),
        "Numba, by user": lambda given: _numba(given, by_user=True),
        "obvious Polars": _obvious,
        "DuckDB, by user": _duckdb,
    }
    lap(contestants[name](arrays), lambda found: found)


def _arrays(count: int) -> Arrays:
    """A year of use, in order of start, up to four hours at a time."""
    draw = np.random.default_rng(SEED)
    start = np.sort(NEW_YEAR_MS + draw.integers(0, YEAR_MS, count))
    return {
        "start": start,
        "end": start + 1 + draw.integers(0, LONGEST_MS, count),
        "application": draw.integers(0, APPLICATIONS, count),
        "person": draw.integers(0, PEOPLE, count),
    }


# --- Ours --------------------------------------------------------------------------------------------------


def _frame(arrays: Arrays) -> pl.DataFrame:
    applications = pl.Series([f"application {place:02}" for place in range(APPLICATIONS)])
    people = pl.Series([f"P-{place:06}" for place in range(PEOPLE)])
    return pl.DataFrame(
        {
            "session": np.arange(arrays["start"].size),
            "application": applications.gather(arrays["application"]),
            "person": people.gather(arrays["person"]),
            "start": pl.Series(arrays["start"]).cast(INSTANT),
            "end": pl.Series(arrays["end"]).cast(INSTANT),
        }
    ).with_columns(units=pl.lit(1, pl.Int64))


def _peak(arrays: Arrays) -> Any:
    frame = _frame(arrays).drop("session", "person")
    return lambda: _rows(peak(frame.lazy()).collect())


def _whole(arrays: Arrays, key: str) -> Any:
    frame = _frame(arrays)
    stated = frame.select("session", "start", "end", pl.col("units").cast(pl.Int32)).with_columns(
        state=pl.lit("active", StateEnum)
    )
    described = frame.select("session", "application", "person").with_columns(device=pl.lit("D"))
    return lambda: _rows(peak(intervals(stated.lazy(), described.lazy(), key, "run", *WINDOW)).collect())


def _rows(found: pl.DataFrame) -> list[list[int]]:
    at_ms = (pl.col("minutes_at_peak") * 60_000).round().cast(pl.Int64)
    return [list(row) for row in found.select("peak", pl.col("first_reached").cast(pl.Int64), at_ms).rows()]


# --- Theirs ------------------------------------------------------------------------------------------------


def _numba(arrays: Arrays, *, by_user: bool) -> Any:
    from racing.numba_sweep import peaks

    application = arrays["application"]
    holder = application * PEOPLE + arrays["person"] if by_user else application
    people = PEOPLE if by_user else 0
    return lambda: peaks(holder, arrays["start"], arrays["end"], APPLICATIONS, people)


def _obvious(arrays: Arrays) -> Any:
    frame = _frame(arrays)

    def work() -> list[list[int]]:
        edges = [
            frame.lazy().select("application", at=pl.col(edge).cast(pl.Int64), step=pl.lit(step, pl.Int64))
            for edge, step in (("start", 1), ("end", -1))
        ]
        lasts = pl.col("at").shift(-1) - pl.col("at")
        swept = (
            pl.concat(edges)
            .sort("application", "at", "step")
            .with_columns(demand=pl.col("step").cum_sum().over("application"), ms=lasts)
            .with_columns(highest=pl.col("demand").max().over("application"))
            .filter(pl.col("demand") == pl.col("highest"), pl.col("ms") > 0)
            .group_by("application")
            .agg(pl.col("demand").first(), pl.col("at").first(), pl.col("ms").sum())
            .sort("application")
        )
        return [list(row) for row in swept.select("demand", "at", "ms").collect().rows()]

    return work


def _duckdb(arrays: Arrays) -> Any:
    import duckdb

    connection = duckdb.connect()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/used.parquet"
        _frame(arrays).with_columns(pl.col("start", "end").cast(pl.Int64)).write_parquet(path)
        connection.execute("CREATE TABLE used AS FROM read_parquet(?)", [path])
    return lambda: [list(row) for row in connection.execute(_BY_USER).fetchall()]


_BY_USER = """
    WITH edges AS (
        SELECT application, person, start AS instant, 1 AS step FROM used
        UNION ALL SELECT application, person, "end", -1 FROM used
    ), depths AS (
        SELECT application, instant, step,
               sum(step) OVER (PARTITION BY application, person ORDER BY instant, step DESC
                               ROWS UNBOUNDED PRECEDING) AS depth
        FROM edges
    ), changes AS (
        SELECT application, instant, sum(step) AS step FROM depths
        WHERE (step = 1 AND depth = 1) OR (step = -1 AND depth = 0) GROUP BY ALL HAVING sum(step) <> 0
    ), demand AS (
        SELECT application, instant, sum(step) OVER ordered AS demand,
               lead(instant) OVER ordered - instant AS ms
        FROM changes WINDOW ordered AS (PARTITION BY application ORDER BY instant)
    )
    SELECT CAST(demand AS BIGINT), min(instant), CAST(sum(ms) AS BIGINT) FROM demand
    WHERE demand = (SELECT max(d.demand) FROM demand d WHERE d.application = demand.application)
    GROUP BY application, demand ORDER BY application
"""


if __name__ == "__main__":
    if (given := started()) is not None:
        run(given[0], int(given[1]))
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["2000000", "3"][len(sys.argv) - 1 :])))
