"""The workbook of a run of 100,000 lines against bare openpyxl, write-only, of the same cells: 1.3 times.

The bare one gets finished Python values and gives them no look at all: no format, no table, no check of what
it cannot hold. Each runs in a process of its own, so that processor time and memory are its own; what the
workbook is made of lies ready in frames.

Run: python benchmarks/workbook.py [LINES]
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import polars as pl
from openpyxl import Workbook

from pipelines.book import BUDGETS, SIGN_OFFS, Book
from pipelines.spreadsheet import Table
from pipelines.workbook import write_book
from pipelines.workbook_import import importing
from pipelines.workbook_sheets import definitions, tables
from warehouse import ledger
from warehouse.frames.projects import RATES
from warehouse.ledger import Run
from warehouse.ledger.late import EXCEPTIONS
from warehouse.ledger.reading import REVIEWS
from warehouse.ledger.run_events import EVENTS
from warehouse.metrics.tie_out import SIGNS
from warehouse.money import HOUR_MS
from warehouse.periods import INSTANT

LIMIT, LINES = 1.3, 100_000
SEED, PEOPLE, PROJECTS, APPLICATIONS = 20261129, 1_500, 300, 20
START_MS = 1_790_812_800_000  # 2026-10-01 00:00 UTC
RATE_SCALED = 125_500


def book(count: int) -> Book:
    """A closed run of so many lines, a fifth more sessions, and what every run has."""
    lines = _lines(count)
    nothing = {name: pl.DataFrame(schema=schema) for name, schema in _NOTHING.items()}
    return Book(run=_run(lines), lines=lines, sessions=_sessions(count), rates=_rates(), **nothing)


_NOTHING: dict[str, Any] = {
    "exceptions": EXCEPTIONS,
    "reviews": REVIEWS,
    "events": EVENTS,
    "sign_offs": SIGN_OFFS,
    "budgets": BUDGETS,
}


def _lines(count: int) -> pl.DataFrame:
    rows = pl.int_range(1, count + 1, dtype=pl.Int64, eager=True).to_frame("line")
    dice = pl.col("line").hash(SEED)
    person, project = (dice % PEOPLE).cast(pl.Int64), (dice // 7 % PROJECTS).cast(pl.Int64)
    active, pause = (dice % HOUR_MS).cast(pl.Int64), (dice // 3 % (HOUR_MS // 4)).cast(pl.Int64)
    made = rows.with_columns(
        run=pl.lit("2026-10/1"), kind=pl.lit("usage"), line_id=pl.col("line"), person_id=person,
        day=pl.lit(date(2026, 10, 1)) + pl.duration(days=pl.col("line") % 31),
        application=pl.format("app{}", dice % APPLICATIONS), office=pl.lit("BER"),
        project=pl.format("{}-00", project + 1000), phase=pl.format("{}", dice % 5 * 10),
        rate_id=pl.lit(1, pl.Int64), billable=pl.lit(True), active_ms=active, pause_ms=pause,
        buffer_ms=pl.lit(0, pl.Int64), quantity=(active + pause) // (HOUR_MS // 1000),
        rate_scaled=pl.lit(RATE_SCALED, pl.Int64), currency=pl.lit("EUR"), tax_code=pl.lit("V19"),
        session_count=pl.lit(1, pl.Int64), period=pl.lit("2026-10"), unit=pl.lit("hour"),
        project_kind=pl.lit("project"), person=pl.format("Ada Example {}", person),
        employee_number=pl.format("{}", person + 10_000), application_name=pl.format("Program {}", dice % 20),
        client=pl.lit("PORT"), client_name=pl.lit("Port & Sons"), payer=pl.lit("Port & Sons"),
        payer_code=pl.lit("PORT"), project_name=pl.format("Container terminal, berth {}", project),
        is_correction=pl.lit(False), is_billed=pl.lit(True),
    )  # fmt: skip
    priced = (pl.col("quantity") * RATE_SCALED * 2 + 100_000) // 200_000
    missing = [name for name in (*ledger.LINES, *_NAMES) if name not in (*made.columns, "amount_minor")]
    kinds = {**ledger.LINES, **_NAMES}
    return made.with_columns(
        priced.alias("amount_minor"), *(pl.lit(None, kinds[name]).alias(name) for name in missing)
    )


_NAMES: dict[str, Any] = {
    "cost_center": pl.String, "project_office": pl.String, "original_run": pl.String,
    "original_line": pl.Int64,
}  # fmt: skip


def _sessions(count: int) -> pl.DataFrame:
    rows = pl.int_range(0, count + count // 5, dtype=pl.Int64, eager=True).to_frame("session")
    dice = pl.col("session").hash(SEED)
    started = (START_MS + pl.col("session") * 20_000).cast(INSTANT)
    return rows.select(
        (pl.col("session") % count + 1).alias("line"), "session", pl.lit("usage").alias("kind"),
        pl.format("H-{}", dice % 10**8).alias("device"), pl.lit("Europe/Berlin").alias("zone"),
        pl.lit("agent").alias("source"), started.alias("started"),
        (started + pl.duration(minutes=47)).alias("ended"),
        (started + pl.duration(minutes=48)).alias("received"),
        (dice % HOUR_MS).cast(pl.Int64).alias("active_ms"), pl.lit(0, pl.Int64).alias("pause_ms"),
        pl.lit(0, pl.Int64).alias("buffer_ms"),
    ).sort("line", "session")  # fmt: skip


def _rates() -> pl.DataFrame:
    row = {"rate_id": 1, "rate_scaled": RATE_SCALED, "currency": "EUR", "valid_from": date(2026, 1, 1)}
    zero = {"increment_ms": 0, "minimum_ms": 0, "free_ms": 0, "direction": "nearest", "level": "line"}
    return pl.DataFrame([dict.fromkeys(RATES) | row | zero | {"author": "rita"}], schema=RATES)


def _run(lines: pl.DataFrame) -> Run:
    amount = {"EUR": int(lines["amount_minor"].sum())}
    same = {"amount_minor": amount}
    control = dict.fromkeys(
        ("segments", "sessions", "project_entries", "lines", "people", "projects"), lines.height
    )
    totals = {
        "tie_out_ms": {**dict.fromkeys(SIGNS, 0), "billed": 0}, "buffer_0": same, "buffer_t": same,
        "lower_bound": same, "upper_bound": same, "session_coverage": 1.0, "fleet_coverage": 1.0,
        "control": control, "exceptions": {}, "newest_rate": 1, "calendar_digest": "0" * 64,
        "words": {"applications": {}, "projects": {}, "organization": "Trial"},
    }  # fmt: skip
    return Run(
        id=1, number="2026-10/1", period="2026-10", period_id=1, starts_on=date(2026, 10, 1),
        ends_on=date(2026, 11, 1), status="closed", target="generic", quantum_per_hour=1000,
        overlap_policy="union", cut_off_ms=START_MS, policy_version=1, policy_document={}, prepared_by="pat",
        prepared_ms=START_MS, approved_by="ann", approved_ms=START_MS, closed_by="ann", closed_ms=START_MS,
        input_digest="0" * 64, totals=totals, previous_digest=None, digest="0" * 64, chain_version=2,
        showback=False, review_until_ms=None,
    )  # fmt: skip


# --- The two -----------------------------------------------------------------------------------------------


def ours(count: int, path: Path) -> Callable[[], object]:
    made = book(count)
    return lambda: write_book(made, path)


def bare(count: int, path: Path) -> Callable[[], object]:
    made = book(count)
    sheets = [(table.sheet, _values(table)) for table in (*tables(made), importing(made), definitions())]

    def write() -> None:
        workbook = Workbook(write_only=True)
        for name, rows in sheets:
            sheet = workbook.create_sheet(name)
            for row in rows:
                sheet.append(row)
        workbook.save(path)

    return write


def _values(table: Table) -> list[tuple[Any, ...]]:
    """Give a sheet's cells as finished values, its header first."""
    scales = {"money": 100, "time": HOUR_MS, "hours": 1000, "rate": 10_000}
    shown = [
        pl.col(column.key).dt.replace_time_zone(None)
        if column.kind == "instant"
        else pl.col(column.key) / scales[column.kind]
        if column.kind in scales
        else pl.col(column.key)
        for column in table.columns
    ]
    return [tuple(column.title for column in table.columns), *table.frame.select(shown).iter_rows()]


def measured(which: str, count: int) -> tuple[float, float]:
    """Seconds of processor, and megabytes, of one of the two in a process of its own."""
    told = subprocess.run(
        [sys.executable, __file__, str(count), which], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
    return float(told[0]), float(told[1])


def measure(which: str, count: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.xlsx"
        work = {"ours": ours, "bare": bare}[which](count, path)
        began = process_time()
        work()
        print(process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(count: int) -> None:
    (seconds, megabytes), (least, others) = measured("ours", count), measured("bare", count)
    print(f"{count:,} lines: {seconds:.1f} s of processor, {megabytes:,.0f} MB with the frames")
    print(f"bare openpyxl: {least:.1f} s, {others:,.0f} MB with the values")
    print(f"ratio {seconds / least:.2f}, limit {LIMIT}; share of the limit: {seconds / least / LIMIT:.2f}")


if __name__ == "__main__":
    lines_wanted = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    if len(sys.argv) > 2:
        measure(sys.argv[2], lines_wanted)
    else:
        main(lines_wanted)
