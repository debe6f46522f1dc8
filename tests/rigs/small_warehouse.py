"""A warehouse of one week, small enough to count by hand: six people, three applications, five working days.

Office HQ in Berlin, Monday 5 to Friday 9 October 2026 (UTC + 2), business hours 8 to 18. Each of six people
opens `cad` at 09:00 local and closes it at 11:00: 90 minutes of input, then 30 minutes without (idle). Two of
them open `sim` from 10:00 to 10:30 and give it input all the time; each holds 4 licenses of 5 tokens. Nobody
opens `lt`, of which three people hold a seat; the machine of the third was never watched.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse.schema import ATTENTIONS
from warehouse.store import append

PEOPLE = range(1, 7)
DAYS = [date(2026, 10, 5) + timedelta(days=place) for place in range(5)]
WINDOW = {"start": "2026-10-05", "end": "2026-10-12"}
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
SINCE = "2026-01-01"
QUARTER_MS = 900_000

Rows = tuple[str, str, list[tuple[Any, ...]]]
"""Table, its columns, the rows."""


def fill(engine: Engine, *, with_charges: bool = True) -> None:
    """Write the whole week."""
    charges = CHARGES if with_charges else ()
    for rows in (*ORGANIZATION, *LICENSES, *charges, *_evidence()):
        put(engine, rows)


def put(engine: Engine, given: Rows) -> None:
    """Write the rows of one table."""
    table, columns, rows = given
    append(engine, table, pl.DataFrame(rows, columns.split(), orient="row", infer_schema_length=None))


ORGANIZATION: tuple[Rows, ...] = (
    ("organization", "id name zone currency settings", [(1, "Tiny Works", "Europe/Berlin", "EUR", "{}")]),
    ("office", "id code name zone currency business_weekdays",
     [(1, "HQ", "Berlin", "Europe/Berlin", "EUR", "12345")]),
    ("fiscal_period", "id name starts_on ends_on", [(1, "2026-10", "2026-10-01", "2026-11-01")]),
    ("person", "id code name employment valid_from_on",
     [(n, f"p{n}", f"Person {n}", "employee", SINCE) for n in PEOPLE]),
    ("placement", "id person_id office_id valid_from_on", [(n, n, 1, SINCE) for n in PEOPLE]),
    ("account", "id name person_id", [(n, f"person{n}", n) for n in PEOPLE]),
    ("host", "id name kind office_id zone in_directory valid_from_on",
     [(n, f"ws{n}", "workstation", 1, "Europe/Berlin", True, SINCE) for n in PEOPLE]),
    ("policy", "id name purpose", [(1, "licenses", "license"), (2, "billing", "billing")]),
    ("policy_version", "id policy_id version created_ms created_by document",
     [(n, n, 3, 0, "test", '{"default": {}}') for n in (1, 2)]),
)  # fmt: skip

LICENSES: tuple[Rows, ...] = (
    ("product", "id code name vendor token_weight",
     [(1, "cad-product", "Drawing", "Maker", 1), (2, "sim-product", "Simulation", "Maker", 5),
      (3, "lt-product", "Drawing LT", "Maker", 1)]),
    ("application", "id code name product_id metered billed",
     [(1, "cad", "Drawing", 1, True, True), (2, "sim", "Simulation", 2, True, True),
      (3, "lt", "Drawing LT", 3, True, False)]),
    ("entitlement", "id code product_id metric quantity valid_from_on unit_cost_minor currency counting_rule",
     [(1, "CAD-1", 1, "concurrent", 5, SINCE, 120_000, "EUR", "exact_sweep"),
      (2, "SIM-1", 2, "token", 30, SINCE, 120_000, "EUR", "exact_sweep"),
      (3, "LT-1", 3, "named_user", 4, SINCE, 120_000, "EUR", "exact_sweep")]),
    ("entitlement_application", "entitlement_id application_id", [(n, n) for n in (1, 2, 3)]),
    ("assignment", "id entitlement_id person_id valid_from_on", [(n, 3, n, SINCE) for n in (1, 2, 3)]),
)  # fmt: skip

RUN_COLUMNS = """
    id number fiscal_period_id status target quantum_per_hour overlap_policy cut_off_ms policy_version_id
    prepared_by prepared_ms input_digest totals
"""
LINE_COLUMNS = """
    id billing_run_id line_number kind day_on person_id application_id office_id project_id rate_id quantity
    currency amount_minor billable active_ms pause_ms buffer_ms rate_scaled session_count fiscal_period_id
"""
MINE = (True, 0, 0, 0, 100_000, 1, 1)

CHARGES: tuple[Rows, ...] = (
    ("client", "id code name", [(1, "CITY", "City of <b>Rivers</b>")]),
    ("project", "id number name client_id currency",
     [(1, "0077", "Harbor bridge", 1, "EUR"), (2, "0078", "Museum", 1, "USD")]),
    ("rate", "id rate_scaled currency valid_from_on direction level author created_ms",
     [(1, 100_000, "EUR", SINCE, "nearest", "line", "rates", 0),
      (2, 100_000, "USD", SINCE, "nearest", "line", "rates", 0)]),
    ("billing_run", RUN_COLUMNS,
     [(1, "2026-10/1", 1, "closed", "generic", 1000, "union", 0, 2, "pat", 0, "", "{}")]),
    ("charge_line", LINE_COLUMNS,
     [(1, 1, 1, "usage", "2026-10-05", 1, 1, 1, 1, 1, 90_000, "EUR", 90_000, *MINE),
      (2, 1, 2, "usage", "2026-10-05", 2, 2, 1, 2, 2, 1_500, "USD", 1_500, *MINE),
      (3, 1, 3, "reversal", "2026-10-05", 1, 1, 1, 1, 1, -1_000, "EUR", -1_000, *MINE)]),
)  # fmt: skip


def at_ms(day: date, hour: int, minute: int = 0) -> int:
    """Return an instant of Berlin's summer time."""
    return round(datetime(day.year, day.month, day.day, hour - 2, minute, tzinfo=UTC).timestamp() * 1000)


def _evidence() -> Iterator[Rows]:
    sessions: list[tuple[Any, ...]] = []
    segments: list[tuple[Any, ...]] = []
    for day in DAYS:
        for person in PEOPLE:
            number = 10 * len(sessions) + 1
            half, end = at_ms(day, 10, 30), at_ms(day, 11)
            sessions.append((number, f"s{number}", 1, person, person, at_ms(day, 9), end))
            segments += [(number, *cut, 1) for cut in _quarters(at_ms(day, 9), half, "input", None)]
            segments += [(number, *cut, 1) for cut in _quarters(half, end, "no_input", half)]
            if person <= 2:
                sessions.append((number + 1, f"s{number + 1}", 2, person, person, at_ms(day, 10), half))
                segments += [(number + 1, *cut, 4) for cut in _quarters(at_ms(day, 10), half, "input", None)]
    fixed = ("agent", "1", "Europe/Berlin", 0)
    yield (
        "session",
        "id key application_id account_id host_id started_ms ended_ms source logon_session zone received_ms",
        [(*row, *fixed) for row in sessions],
    )
    yield (
        "segment",
        "session_id start_ms end_ms attention since_ms units cpu_percent policy_version received_ms",
        [(*row, 0.0, 1, 0) for row in segments],
    )
    yield (
        "watch_interval",
        "host_id start_ms end_ms sees_focus sees_input sees_lock",
        [(n, at_ms(day, 8), at_ms(day, 18), True, True, True) for n in PEOPLE if n != 3 for day in DAYS],
    )


def _quarters(start_ms: int, end_ms: int, attention: str, since_ms: int | None) -> Iterator[tuple[int, ...]]:
    """Cut a stretch at every quarter of an hour; without `since_ms` each part begins with an input."""
    for start, end in pairwise([*range(start_ms, end_ms, QUARTER_MS), end_ms]):
        yield start, end, ATTENTIONS.index(attention), start if since_ms is None else since_ms
