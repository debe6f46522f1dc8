"""Seats without busy time in the last 90 days, against DuckDB's anti-join of the same question.

Ten million segments of a year with their states, 20,000 seats of 30 entitlements. DuckDB has them in tables
of its own and answers with the seats alone; `unused` also says when each was last active, how much of its
holder's days was seen, and what is proposed. The seats without use are compared.

Run: python benchmarks/unused.py [SEGMENTS [ROUNDS]]
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from racing import lap, race, show, started, tell
from racing.mirror_tree import APPLICATIONS, PEOPLE, SEED, month_start, read, write

from warehouse.metrics.licenses import unused
from warehouse.metrics.states import Policy, states
from warehouse.metrics.utilization import FleetCoverage

MONTHS, DAYS, LIMIT = 12, 90, 1.0
END = month_start(MONTHS)
START = END - timedelta(days=DAYS)
SEATS_A_PERSON = 10
STATED = ("session", "start", "end", "units", "state")


def main(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        written = write(folder, count, MONTHS)
        _prepare(folder)
        print(f"{written:,} segments of {MONTHS} months, {PEOPLE * SEATS_A_PERSON:,} seats")
        laps = race(__file__, ("unused", "DuckDB's anti-join"), text, rounds=rounds)
    show(laps)
    tell(laps, "unused", "DuckDB's anti-join", LIMIT)


def _prepare(folder: Path) -> None:
    """Judge the window once, and give every person seats of some applications, used by them or not."""
    segments, sessions, _ = read(folder, START, END)
    states(segments, Policy()).select(STATED).sink_parquet(folder / "stated.parquet")
    sessions.sink_parquet(folder / "described.parquet")
    draw = np.random.default_rng(SEED)
    ranked = draw.random((PEOPLE, APPLICATIONS)).argsort(axis=1)[:, :SEATS_A_PERSON]
    pl.DataFrame(
        {
            "entitlement": pl.Series([f"E-{place:02}" for place in range(APPLICATIONS)]).gather(
                ranked.ravel()
            ),
            "person": pl.Series([f"P-{place:06}" for place in range(PEOPLE)]).gather(
                np.repeat(np.arange(PEOPLE), SEATS_A_PERSON)
            ),
        }
    ).write_parquet(folder / "seats.parquet")
    pl.DataFrame(
        {
            "entitlement": [f"E-{place:02}" for place in range(APPLICATIONS)],
            "application": [f"application {place:02}" for place in range(APPLICATIONS)],
        }
    ).write_parquet(folder / "covers.parquet")


def run(name: str, text: str) -> None:
    folder = Path(text)
    if name == "unused":
        _ours(folder)
    else:
        _duckdb(folder)


def _ours(folder: Path) -> None:
    stated, sessions, seats, covers = (
        pl.read_parquet(folder / f"{name}.parquet").lazy()
        for name in ("stated", "described", "seats", "covers")
    )
    since = pl.lit(None, pl.Date)
    assignments = seats.with_columns(
        host=pl.lit(None, pl.String), valid_from=pl.lit(date(2020, 1, 1)), valid_to=since
    )
    hosts = sessions.select("host").unique().with_columns(observed_workdays=60, workdays=64)
    fleet = FleetCoverage(hosts.collect().lazy(), 0.95)
    lap(
        lambda: unused(assignments, covers, stated, sessions, fleet, START, END).collect(),
        lambda found: _answer(found.filter(pl.col("busy_ms") == 0).select("entitlement", "person")),
    )


def _answer(seats: pl.DataFrame) -> list[Any]:
    ordered = seats.sort("entitlement", "person")
    return [ordered.height, ordered.head(3).rows(), ordered.tail(3).rows(), int(_weight(ordered))]


def _weight(seats: pl.DataFrame) -> Any:
    place = pl.col("person").str.slice(2).cast(pl.Int64) * 31
    return seats.select((place + pl.col("entitlement").str.slice(2).cast(pl.Int64)).sum()).item()


def _duckdb(folder: Path) -> None:
    import duckdb

    connection = duckdb.connect()
    for name in ("stated", "described", "seats", "covers"):
        connection.execute(f"CREATE TABLE {name} AS FROM read_parquet('{folder / name}.parquet')")
    connection.execute("SET TimeZone = 'UTC'")
    window = [START, END]

    def answer(rows: list[tuple[Any, ...]]) -> list[Any]:
        return _answer(pl.DataFrame(rows, schema=["entitlement", "person"], orient="row"))

    lap(lambda: connection.execute(_ANTI_JOIN, window).fetchall(), answer)


_ANTI_JOIN = """
    SELECT entitlement, person FROM seats ANTI JOIN (
        SELECT DISTINCT entitlement, person FROM stated
        JOIN described USING (session) JOIN covers USING (application)
        WHERE state IN ('active', 'pause') AND stated."end" > ? AND stated.start < ?
    ) USING (entitlement, person)
"""


if __name__ == "__main__":
    if (given := started()) is not None:
        run(*given)
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["10000000", "3"][len(sys.argv) - 1 :])))
