"""A second, independent computation of charge lines: `recomputed.sql`, run by DuckDB over the warehouse.

It shares no code with warehouse/metrics: only the tables' rows, and the terms that a run states, go in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from sqlalchemy import Engine

from warehouse import ledger, store
from warehouse.ledger import Run

SQL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")

TABLES = {
    "session": "id application_id account_id zone:t started_ms ended_ms received_ms",
    "segment": "session_id start_ms end_ms attention cpu_percent:r inhibiting:b instance since_ms "
    "received_ms",
    "application": "id code:t billed:b",
    "account": "id person_id shared:b",
    "placement": "person_id office_id department_id cost_center_id valid_from_on:t",
    "office": "id code:t zone:t",
    "department": "id code:t",
    "cost_center": "id code:t",
    "project_entry": "id session_id instance from_ms to_ms project_number:t phase_number:t task_number:t "
    "created_ms",
    "project": "id number:t currency:t chargeable:b opened_on:d closed_on:d kind:t cost_center_id",
    "phase": "id project_id number:t chargeable:b opened_on:d closed_on:d",
    "task": "id phase_id number:t",
    "project_member": "project_id person_id valid_from_on:d valid_to_on:d",
    "project_preset": "id person_id department_id office_id application_id project_id phase_id task_id "
    "valid_from_on:d valid_to_on:d",
    "rate": "id person_id project_id office_id application_id rate_scaled currency:t valid_from_on:d "
    "valid_to_on:d increment_ms direction:t level:t minimum_ms daily_cap_minor monthly_cap_minor "
    "tier_kind:t tiers:j free_ms",
    "conversion_rate": "from_currency:t to_currency:t from_on:d factor_scaled",
}
"""What goes in. Whole numbers but for `t` text, `b` yes or no, `d` a day, `j` JSON, `r` a measured share."""

TYPES = {"": "BIGINT", "t": "VARCHAR", "b": "BOOLEAN", "d": "DATE", "j": "VARCHAR", "r": "DOUBLE"}

RULE = {
    "idle_timeout_ms": 900_000,
    "buffer_ms": 0,
    "signal": "input",
    "cpu_threshold": 5,
    "held_is_active": False,
}
"""What a billing policy says that says nothing (docs/policy-file.md)."""

LINE = ("kind", "day", "person_id", "application", "office", "project", "phase", "task", "rate_id",
        "billable", "active_ms", "pause_ms", "buffer_ms", "quantity", "unit", "rate_scaled", "currency",
        "amount_minor", "rate_currency", "conversion_scaled")  # fmt: skip
"""What of a line is compared."""

LEFT_OUT = ("unknown_person", "unassigned", "invalid_project", "closed_project", "not_a_member", "no_account",
            "no_rate", "no_conversion")  # fmt: skip
"""Exceptions of time that is on no line."""

Line = tuple[Any, ...]


def load(engine: Engine, folder: Path) -> duckdb.DuckDBPyConnection:
    """Copy the tables of a warehouse into a DuckDB of their own."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET default_null_order = 'nulls_first'; SET threads = 2")
    for table, described in TABLES.items():
        columns = [each.partition(":") for each in described.split()]
        wanted = ", ".join(
            f"CAST({name} AS TEXT) AS {name}" if kind == "j" else name for name, _, kind in columns
        )
        path = folder / f"{table}.parquet"
        store.read(engine, f"SELECT {wanted} FROM {table}").write_parquet(path)
        typed = ", ".join(f"CAST({name} AS {TYPES[kind]}) AS {name}" for name, _, kind in columns)
        connection.execute(f"CREATE TABLE {table} AS SELECT {typed} FROM '{path}'")
    return connection


def compute(connection: duckdb.DuckDBPyConnection, run: Run, cut_off_ms: int | None = None) -> None:
    """Compute the period of a run anew, up to its cut-off, or as corrections up to a later one do.

    Leaves the tables of `recomputed.sql`, in the place of those computed before.
    """
    document = run.policy_document
    assert run.overlap_policy == "union"
    assert document.get("charge_to", "project") == "project"
    connection.execute("DROP SCHEMA IF EXISTS computed CASCADE; CREATE SCHEMA computed")
    connection.execute("SET search_path = 'computed,main'")
    rows = connection.execute("SELECT code FROM application").fetchall()
    connection.execute(
        "CREATE TABLE rule (application VARCHAR, timeout_ms BIGINT, buffer_ms BIGINT, signal VARCHAR, "
        "cpu_threshold DOUBLE, held_is_active BOOLEAN)"
    )
    connection.executemany(
        "INSERT INTO rule VALUES (?, ?, ?, ?, ?, ?)", [_rule(code, document) for (code,) in rows]
    )
    variables = {
        "starts_on": f"DATE '{run.starts_on}'",
        "ends_on": f"DATE '{run.ends_on}'",
        "cut_off_ms": cut_off_ms or run.cut_off_ms,
        "quantum": 3_600_000 // run.quantum_per_hour,
        "newest_rate": "NULL" if cut_off_ms is None else run.totals["newest_rate"],
    }
    for name, value in variables.items():
        connection.execute(f"SET VARIABLE {name} = {value}")
    connection.execute(SQL)


def _rule(code: str, document: Mapping[str, Any]) -> tuple[Any, ...]:
    rule = {**RULE, **document.get("default", {}), **document.get("applications", {}).get(code, {})}
    return (code, *(rule[name] for name in RULE))


def lines(connection: duckdb.DuckDBPyConnection, *, of_any_kind: bool = False) -> list[Line]:
    """Return the computed lines, `LINE` each (without the kind), sorted."""
    names = ", ".join(LINE[of_any_kind:])
    return _sorted(connection.execute(f"SELECT {names} FROM line").fetchall())


def unbilled(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Return kind, session and milliseconds of what is computed to be on no line, sorted."""
    return sorted(connection.execute("SELECT kind, session, milliseconds FROM unbilled").fetchall())


# --- What the product has booked ---------------------------------------------------------------------------


def own_lines(engine: Engine, run: Run) -> pl.DataFrame:
    """Return the lines of a run that are not corrections of other periods."""
    return ledger.lines_of(engine, run.number).filter(pl.col("period") == run.period)


def booked(stored: pl.DataFrame, *, of_any_kind: bool = False) -> list[Line]:
    """Return stored lines in the form of `lines`."""
    return _sorted(stored.with_columns(pl.col("day").cast(pl.String)).select(LINE[of_any_kind:]).rows())


def left_out(engine: Engine, run: Run) -> list[tuple[Any, ...]]:
    """Return the exceptions of a run in the form of `unbilled`."""
    time = ledger.exceptions_of(engine, run.number).filter(pl.col("kind").is_in(LEFT_OUT))
    return sorted(time.group_by("kind", "session").agg(pl.col("milliseconds").sum()).rows())


def _sorted(rows: list[Line]) -> list[Line]:
    return sorted(rows, key=lambda row: tuple((value is not None, value) for value in row))
