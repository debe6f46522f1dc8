"""What a billing run looks like from outside, as plain JSON: its state, totals, exceptions, sign-offs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines import budgets, rating, settling, signing_off
from pipelines.closing import billed_amounts
from pipelines.explaining import explanation
from warehouse import ledger
from warehouse.errors import Problem
from warehouse.ledger import Run


def show(engine: Engine, run: str | None = None, line: int | None = None) -> dict[str, Any]:
    """Return what the command line shows, as plain JSON: all runs, one run, or one line and its sessions.

    People appear under no name, amounts in minor units.

    Raises
    ------
    Problem
        There is no such run or line.
    """
    with engine.connect() as connection:
        if run is None:
            return {
                "runs": [
                    _summary(found, ledger.lines_of(engine, found.number))
                    for found in ledger.runs(connection)
                ]
            }
        found = ledger.find_run(connection, run)
    lines = ledger.lines_of(engine, run)
    if line is None:
        return _summary(found, lines) | _state(engine, found) | {
            "totals": {name: value for name, value in found.totals.items() if name != "words"}
        }  # fmt: skip
    mine = lines.filter(pl.col("line") == line)
    if mine.is_empty():
        raise Problem(f"run {run} has no line {line}", f"see them: `process-meter billing lines {run}`")
    sessions = ledger.sessions_of(engine, found).filter(pl.col("line") == line)
    reviews = ledger.review_rows(engine, run).filter(pl.col("line") == line)
    return {
        "line": plain(mine.drop("line_id", "person_id"))[0],
        "sessions": plain(sessions.drop("line")),
        "reviews": plain(reviews.drop("line")),
        **explanation(engine, found, mine.to_dicts()[0]),
    }


def plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON takes them: days and instants as ISO text."""
    temporal = [name for name, dtype in rows.schema.items() if dtype.is_temporal()]
    return rows.with_columns(pl.col(temporal).dt.to_string("iso")).to_dicts()


def _summary(run: Run, lines: pl.DataFrame) -> dict[str, Any]:
    held = lines.filter(pl.col("review") == "hold")
    return {
        "run": run.number,
        "period": run.period,
        "status": run.status,
        "target": run.target,
        "showback": run.showback,
        "prepared_by": run.prepared_by,
        "approved_by": run.approved_by,
        "closed_by": run.closed_by,
        "review_until": instant(run.review_until_ms),
        "lines": lines.height,
        "billed_minor": billed_amounts(lines),
        "held_minor": rating.amounts(held),
        "disputed_lines": lines.filter(pl.col("review") == "dispute")["line"].to_list(),
        "transferred_lines": lines.filter(pl.col("review") == "transfer")["line"].to_list(),
        "exceptions": run.totals.get("exceptions", {}),
    }


def instant(at_ms: int | None) -> str | None:
    """Return an instant as ISO text; None stays None."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


def _state(engine: Engine, run: Run) -> dict[str, Any]:
    """Say what a run waits for, and what its projects have left."""
    found = settling.exceptions(engine, run.number)
    states = {
        state: _counts(row["kind"] for row in found if row["state"] == state)
        for state in ("open", "settled", "waived")
    }
    with engine.connect() as connection:
        blocking = settling.open_exceptions(connection, run)
    agreed = pl.col("budget_minor").is_not_null() | pl.col("not_to_exceed_minor").is_not_null()
    left = budgets.standing(engine, run.number).filter(agreed & (pl.col("this_run_minor") != 0))
    return {
        "exceptions_by_state": states,
        "blocking": blocking,
        "sign_offs": signing_off.sign_offs(engine, run.number),
        "budgets": left.to_dicts(),
    }


def _counts(kinds: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))
