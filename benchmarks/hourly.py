"""Use of 10 million segments by hour, person, application and project, against DuckDB; and month by month.

DuckDB has its segments in a table of its own, in the same order, with states, whole numbers for instants, and
the project of each session found already; ours finds it among the entries. Both give their rows in order of
hour, person, application and project; what DuckDB takes without is shown beside. Then the same from the
mirror's kind of files: read, judged and summed at once, and month by month, with its memory.

Run: python benchmarks/hourly.py [SEGMENTS [ROUNDS]]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from racing import lap, race, show, started, tell
from racing.mirror_tree import month_start, read, write

from warehouse.metrics.hourly import MEASURES, by_chunks, hourly_usage
from warehouse.metrics.states import STATES, Policy, Rule, states

MONTHS, MODULUS = 12, 1_000_003
LIMIT, LIMIT_OF_PARTS, LIMIT_MB = 0.5, 1.5, 300
WINDOW = month_start(0), month_start(MONTHS + 1)
POLICY = Policy(default=Rule(idle_timeout_ms=300_000))
STATED = ("session", "start", "end", "state")


def main(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        written = write(folder, count, MONTHS)
        _prepare(folder)
        print(f"{written:,} segments of {MONTHS} months")
        laps = race(__file__, ("hourly_usage", "DuckDB", "DuckDB, in any order"), text, rounds=rounds)
        show(laps)
        tell(laps, "hourly_usage", "DuckDB", LIMIT)
        laps = race(__file__, ("at once", "month by month"), text, rounds=rounds)
        show(laps)
        tell(laps, "month by month", "at once", LIMIT_OF_PARTS)
        most = max(each.megabytes for each in laps["month by month"])
        print(f"month by month: {most:,.0f} MB at most, {most / LIMIT_MB:.2f} of {LIMIT_MB} MB")


def _prepare(folder: Path) -> None:
    """Judge everything once, for those who are timed on sums alone."""
    segments, sessions, entries = read(folder, *WINDOW)
    states(segments, POLICY).select(STATED).collect().write_parquet(folder / "stated.parquet")
    projects = entries.select("session", "project")
    described = sessions.join(projects, on="session", how="left")
    described.select("session", "person", "application", "project").collect().write_parquet(
        folder / "described.parquet"
    )


def run(name: str, text: str) -> None:
    folder = Path(text)
    if name.startswith("DuckDB"):
        _duckdb(folder, "" if "any order" in name else " ORDER BY hour, person, application, project")
    elif name == "hourly_usage":
        stated = pl.read_parquet(folder / "stated.parquet").lazy()
        sessions, entries = (frame.collect().lazy() for frame in read(folder, *WINDOW)[1:])
        lap(lambda: hourly_usage(stated, sessions, entries, *WINDOW).collect(), _answer)
    else:
        every = {"at once": "10y", "month by month": "1mo"}[name]
        lap(lambda: _from_files(folder, every), lambda parts: _answer(pl.concat(map(pl.read_parquet, parts))))


def _from_files(folder: Path, every: str) -> list[Path]:
    """Read, judge and sum part by part; each part goes to a file, as an export would."""

    def judged(*window: Any) -> Any:
        segments, sessions, entries = read(folder, *window)
        return states(segments, POLICY).select(STATED), sessions, entries

    paths = []
    for number, part in enumerate(by_chunks(judged, *WINDOW, every)):
        paths.append(folder / f"part-{number:02}.parquet")
        part.write_parquet(paths[-1])
    return paths


def _answer(found: pl.DataFrame) -> list[int]:
    """Count and weigh every row, whatever their order."""
    hour = pl.col("hour").cast(pl.Int64) // 3_600_000
    weight = pl.col("project").str.slice(3).cast(pl.Int64) + pl.col("person").str.slice(2).cast(pl.Int64)
    weighed = (hour * 31 + weight + pl.col("application").str.slice(12).cast(pl.Int64)) % MODULUS
    sums = [(weighed * (pl.col(name) % MODULUS)).sum().alias(f"_{name}") for name in MEASURES]
    return [int(value) for value in found.select(pl.len(), pl.col(*MEASURES).sum(), *sums).row(0)]


def _duckdb(folder: Path, order: str) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute(
        f"""CREATE TABLE stated AS SELECT session, epoch_ms(start) AS start_ms, epoch_ms("end") AS end_ms,
            state::ENUM {STATES} AS state FROM read_parquet('{folder}/stated.parquet')"""
    )
    connection.execute(f"CREATE TABLE described AS FROM read_parquet('{folder}/described.parquet')")
    result = folder / "duckdb.parquet"

    def answer(_: Any) -> list[int]:
        connection.execute(f"COPY found TO '{result}'")
        hour = pl.col("hour") * 3_600_000
        rows = pl.read_parquet(result).with_columns(hour, pl.col(*MEASURES).cast(pl.Int64))
        return _answer(rows.filter(pl.any_horizontal(pl.col(*MEASURES) > 0)))

    lap(lambda: connection.execute(_CLIP + order), answer)


_CLIP = f"""
    CREATE OR REPLACE TABLE found AS
    SELECT start_ms // 3600000 AS hour, person, application, project, {
    ", ".join(
        f"sum(CASE WHEN state = '{state}' THEN end_ms - start_ms ELSE 0 END) AS {name}"
        for name, state in MEASURES.items()
    )
}
    FROM stated JOIN described USING (session) GROUP BY ALL
"""


if __name__ == "__main__":
    if (given := started()) is not None:
        run(*given)
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["10000000", "3"][len(sys.argv) - 1 :])))
