"""A closed month written out again and again, a year later each time: workbook and import file as digests."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa
from billing_cases import session
from billing_warehouse import billed_hours, hour, ms, on, organize, price, use, waive_all
from sqlalchemy import Engine

from pipelines import billing, exporting
from pipelines.workbook import write_workbook

SEPTEMBER, OCTOBER = ms("2026-10-02 12:00"), ms("2026-11-02 12:00")
YEAR_MS = 365 * 86_400_000


WRITTEN = ("audit_event", "billing_exception", "billing_run", "export_batch", "line_review")


def count_from(engine: Engine, first: int) -> None:
    """Let PostgreSQL number what billing writes from here on, as after transactions that failed."""
    with engine.begin() as connection:
        for table in WRITTEN:
            connection.execute(sa.text(f"ALTER SEQUENCE {table}_id_seq RESTART WITH {first}"))


def closed_month(engine: Engine) -> str:
    """Close September and October, the second one with late usage, a held line and exceptions."""
    organize(engine)
    billed_hours(engine, ["2026-09-07", "2026-10-07", "2026-10-08"])
    price(engine, 2, 1_000_000, currency="USD")
    use(engine, hour(11, "2026-10-07", person=2, minutes=20), hour(12, "2026-10-08", person=2))
    for number, project in ((11, "US"), (12, "B")):
        on(engine, number, project, at_="2026-10-07 09:00", phase="01" if project == "B" else None)
    _close(engine, "2026-09", SEPTEMBER)
    use(engine, session(21, ("2026-09-07 12:00", "2026-09-07 12:30", "input")), received="2026-10-20 08:00")
    on(engine, 21, "A", at_="2026-09-07 12:00", created="2026-10-20 08:00")
    return _close(engine, "2026-10", OCTOBER)


def _close(engine: Engine, period: str, now_ms: int) -> str:
    run = billing.draft(engine, period, "generic", "pat", now_ms)
    billing.review(engine, run, 1, "hold", "pm", "ask the client", now_ms)
    waive_all(engine, run, now_ms)
    billing.approve(engine, run, "ann", now_ms)
    billing.close(engine, run, "ann", now_ms)
    return run


def digests(engine: Engine, run: str, folder: Path, times: int) -> set[tuple[str, ...]]:
    """Write workbook and import file so many times, and read both back as SHA-256."""
    found = set()
    for place in range(times):
        now_ms = OCTOBER + place * YEAR_MS
        workbook, export = folder / f"{place}.xlsx", folder / f"{place}.csv"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda now=now_ms: now / 1000)
            patch.setattr(time, "time_ns", lambda now=now_ms: now * 1_000_000)
            write_workbook(engine, run, workbook, f"reader {place}", now_ms)
            exporting.export(engine, run, "generic", export, "ann", now_ms)
        found.add(tuple(sha256(path.read_bytes()).hexdigest() for path in (workbook, export)))
    return found
