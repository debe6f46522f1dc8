"""The ledger: one standing run of a period, lines that lead to evidence, sums that agree, unbroken chains."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import ledger
from warehouse.check.findings import Findings
from warehouse.check.snapshot import Snapshot
from warehouse.money import amount_minor_expr

KINDS_MS = ("active_ms", "pause_ms", "buffer_ms")
LINE = pl.Schema(
    {
        "line_id": pl.Int64, "run": pl.String, "line": pl.Int64, "quantum_per_hour": pl.Int64,
        **dict.fromkeys(KINDS_MS, pl.Int64), "quantity": pl.Int64, "rate_scaled": pl.Int64,
        "currency": pl.String, "amount_minor": pl.Int64, "billable": pl.Boolean,
    }
)  # fmt: skip
SHARE = pl.Schema({"line_id": pl.Int64, "session": pl.Int64, **dict.fromkeys(KINDS_MS, pl.Int64)})

_LINES = """
    SELECT charge_line.id, billing_run.number, charge_line.line_number, billing_run.quantum_per_hour,
           active_ms, pause_ms, buffer_ms, quantity, rate_scaled, currency, amount_minor, billable
    FROM charge_line JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    WHERE billing_run.status <> 'void' ORDER BY billing_run.id, charge_line.line_number
"""
_SHARES = """
    SELECT charge_line_id, session_id, charge_share.active_ms, charge_share.pause_ms, charge_share.buffer_ms
    FROM charge_share JOIN charge_line ON charge_line.id = charge_share.charge_line_id
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    WHERE billing_run.status <> 'void' ORDER BY charge_line_id, session_id
"""
_STANDING = """
    SELECT fiscal_period.name, billing_run.number, billing_run.status
    FROM billing_run JOIN fiscal_period ON fiscal_period.id = billing_run.fiscal_period_id
    WHERE billing_run.status <> 'void' ORDER BY fiscal_period.starts_on, billing_run.id
"""
_TOTALS = """
    SELECT number, CAST(totals AS TEXT) FROM billing_run WHERE status <> 'void' ORDER BY id
"""


def check(engine: Engine, snapshot: Snapshot, evidence: pl.DataFrame, findings: Findings) -> None:
    """Check runs, lines and shares against each other and against `tiling.seen`; then the chains."""
    lines = pl.DataFrame(snapshot.rows(_LINES), schema=LINE, orient="row")
    shares = pl.DataFrame(snapshot.numbers(_SHARES, SHARE.names()), schema=SHARE)
    _check_standing(snapshot, findings)
    _check_evidence(lines, shares, evidence, findings)
    _check_shares(lines, shares, findings)
    _check_amounts(lines, findings)
    _check_totals(snapshot, lines, findings)
    for sentence in ledger.broken_chains(engine):
        subject, _, detail = sentence.partition(": ")
        findings.add("chain", *((subject, detail) if detail else ("ledger", sentence)))


def _check_standing(snapshot: Snapshot, findings: Findings) -> None:
    """Find periods with more than one run that is not void."""
    runs: dict[str, list[str]] = {}
    for period, number, status in snapshot.rows(_STANDING):
        runs.setdefault(period, []).append(f"{number} ({status})")
    for period, standing in runs.items():
        if len(standing) > 1:
            findings.add("run", f"period {period}", f"has several standing runs: {', '.join(standing)}")


def _check_evidence(
    lines: pl.DataFrame, shares: pl.DataFrame, evidence: pl.DataFrame, findings: Findings
) -> None:
    """Find lines with time but no session behind them, and sessions behind lines without any segment."""
    has_time = pl.any_horizontal(pl.col(name) != 0 for name in KINDS_MS)
    bare = lines.filter(has_time).join(shares, on="line_id", how="anti", maintain_order="left")
    for run, line in bare.select("run", "line").iter_rows():
        findings.add("evidence", _line(run, line), "has time and no session behind it")
    blank = shares.join(evidence, on="session", how="anti", maintain_order="left")
    for run, line, session in blank.join(lines, on="line_id").select("run", "line", "session").iter_rows():
        findings.add("evidence", _line(run, line), f"rests on session {session}, which has no segment")


def _check_shares(lines: pl.DataFrame, shares: pl.DataFrame, findings: Findings) -> None:
    """Find lines that are not the sum of their shares; those without any are told elsewhere."""
    sums = shares.group_by("line_id").agg(pl.col(name).sum().name.suffix("_shared") for name in KINDS_MS)
    traced = lines.join(sums, on="line_id", maintain_order="left")
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_shared") for name in KINDS_MS)
    for run, line in traced.filter(differs).select("run", "line").iter_rows():
        findings.add("sum", _line(run, line), "is not the sum of its sessions' shares")


def _check_amounts(lines: pl.DataFrame, findings: Findings) -> None:
    """Find amounts that are not rate x quantity."""
    for (quantum,), group in lines.group_by("quantum_per_hour", maintain_order=True):
        priced = amount_minor_expr(
            pl.col("quantity"), int(str(quantum)), pl.col("rate_scaled"), pl.col("currency")
        )
        for run, line in group.filter(pl.col("amount_minor") != priced).select("run", "line").iter_rows():
            findings.add("sum", _line(run, line), "has an amount that is not rate x quantity")


def _check_totals(snapshot: Snapshot, lines: pl.DataFrame, findings: Findings) -> None:
    """Find runs whose totals are not the sum of their lines."""
    sums: dict[str, dict[str, int]] = {}
    billed = lines.filter("billable").group_by("run", "currency").agg(pl.col("amount_minor").sum())
    for run, currency, amount in billed.iter_rows():
        sums.setdefault(run, {})[currency] = amount
    for run, text in snapshot.rows(_TOTALS):
        said: dict[str, Any] = json.loads(text)
        if said.get("amount_minor") != sums.get(run, {}):
            findings.add("sum", f"run {run}", "says other totals than its lines come to")


def _line(run: str, line: int) -> str:
    return f"line {line} of run {run}"
