"""One billing run as the E2P reports read it: its lines with names, and quantities and amounts in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.footer import Footer, source
from warehouse import frames
from warehouse.errors import Problem
from warehouse.money import format_minor, hours, hours_and_minutes


def find(engine: Engine, period: str) -> dict[str, Any]:
    """Return the row of `frames.runs` that a report is about.

    Parameters
    ----------
    period
        Name of a fiscal period; empty: that of the newest closed run, or of the newest run where none is
        closed.

    Raises
    ------
    Problem
        There is no such run.
    """
    found = frames.runs(engine).filter(pl.col("status") != "void").collect()
    if found.is_empty():
        raise Problem("There is no billing run yet", _how_to_prepare(engine, period))
    if period:
        found = found.filter(pl.col("period") == period)
        if found.is_empty():
            raise Problem(f"There is no billing run of period {period!r}", _how_to_prepare(engine, period))
    closed = found.filter(pl.col("status") == "closed")
    return (closed if closed.height and not period else found).row(-1, named=True)


def _how_to_prepare(engine: Engine, period: str) -> str:
    known = frames.periods(engine).collect()["period"].to_list()
    draft = "prepare one with `process-meter billing draft --period"
    if period in known:
        return f"{draft} {period}`"
    if known:
        return f"{draft} PERIOD`; the calendar has {known[0]} to {known[-1]}"
    return f"import the fiscal periods with `process-meter calendar import FILE`, then {draft} PERIOD`"


def with_names(engine: Engine, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to lines `payer`, `client_name`, `cost_center`, the application's name, `adjustment_minor`.

    An adjustment (`is_adjustment`) is a line for use in an earlier period than that of its run, as on the
    workbook's sheets: it reverses, replaces, or bills what was not billed before.
    """
    periods = frames.runs(engine).select("run", "period").collect()
    projects = frames.projects(engine).select("project", "client_name", "cost_center").collect()
    names = frames.applications(engine).select("application", application_name="name").collect()
    cost_center = pl.lit("cost center ") + pl.col("cost_center")
    payer = pl.coalesce("client_name", "client", cost_center, pl.lit("no payer"))
    return (
        lines.join(periods, on="run", how="left", maintain_order="left")
        .with_columns(is_adjustment=pl.col("period_incurred") != pl.col("period"))
        .drop("period")
        .join(projects, on="project", how="left", maintain_order="left")
        .join(names, on="application", how="left", maintain_order="left")
        .with_columns(
            payer=payer,
            application=pl.coalesce("application_name", "application"),
            adjustment_minor=pl.when("is_adjustment").then("amount_minor").otherwise(0),
        )
    )


def read_out(frame: pl.DataFrame) -> pl.DataFrame:
    """Write quantities and amounts as people read them; of a fixed amount, as of a cap, that it is one."""
    quantity = pl.struct("quantity", "quantum_per_hour").map_elements(
        lambda row: in_hours(row["quantity"], row["quantum_per_hour"]), return_dtype=pl.String
    )
    found = frame.with_columns(quantity=quantity, amount=in_words("amount_minor", format_minor))
    if "unit" not in frame.columns:  # sums of lines
        return found
    return found.with_columns(
        quantity=pl.when(pl.col("unit") == "hour").then("quantity").otherwise(pl.lit("fixed"))
    )


REVIEWED = {
    "dispute": "in dispute",
    "accept": "accepted",
    "hold": "held",
    "writeoff": "written off",
    "transfer": "transferred",
}
"""What a line is after its last act of review."""


def reviewed() -> pl.Expr:
    """Say in words where review has left each line; nothing where there was none."""
    return pl.col("review").replace_strict(REVIEWED, default=pl.col("review")).fill_null("")


def in_hours(quantity: int, quantum_per_hour: int) -> str:
    """Write a quantity as people read it: 12.500, or 12:30 where the run counts minutes."""
    return hours_and_minutes(quantity) if quantum_per_hour == 60 else f"{hours(quantity, quantum_per_hour):,}"


def in_words(column: str, words: Callable[[int, str], str]) -> pl.Expr:
    """Write each row's amount or rate in its currency."""
    return pl.struct(column, "currency").map_elements(
        lambda row: None if row[column] is None else words(row[column], row["currency"]),
        return_dtype=pl.String,
    )


def footer(engine: Engine, run: dict[str, Any], lines: pl.DataFrame, now: datetime) -> Footer:
    """Return the conditions of a report on one run."""
    totals = json.loads(run["totals"] or "{}")
    return Footer(
        basis="billable: busy time and the buffer of each idle gap, as the billing policy says",
        key=f"charge lines, overlap policy {run['overlap_policy']}",
        window=f"fiscal period {run['period']}, run {run['run']}, target {run['target']}",
        zone=str(frames.organization(engine)["zone"]),
        calendar="local days of each person's home office",
        session_coverage=totals.get("session_coverage"),
        fleet_coverage=totals.get("fleet_coverage"),
        policy=f"billing policy, version {run['policy_version']}",
        rows={"charge lines": lines.height},
        made_at=now,
        source=source(engine),
    )
