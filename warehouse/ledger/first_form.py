"""The chain's first form, in which runs of chain version 1 were closed: read and checked, no longer written.

A line's digest is SHA-256 over the 32 bytes of the digest before it and the line as a JSON array: its
columns, its shares, its last act of review. The run's digest is that of its last line.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from warehouse.ledger.audit import canonical
from warehouse.ledger.runs import Run

if TYPE_CHECKING:
    from warehouse.ledger.links import Batch

_LINE = (
    "line_number", "kind", "day_on", "person_id", "application_id", "office_id", "project_id", "phase_id",
    "task_id", "rate_id", "billable", "active_ms", "pause_ms", "buffer_ms", "quantity", "rate_scaled",
    "currency", "amount_minor", "tax_code", "session_count", "original_line_id", "fiscal_period_id", "note",
)  # fmt: skip
_REVIEW = ("action", "actor", "reason")


def header_digest(run: Run) -> str:
    """Digest what a closed run says of itself: the chain's first link, before its lines."""
    values = [
        run.previous_digest, run.number, run.period, str(run.starts_on), str(run.ends_on), run.target,
        run.quantum_per_hour, run.overlap_policy, run.cut_off_ms, run.policy_version, run.policy_document,
        run.prepared_by, run.prepared_ms, run.approved_by, run.approved_ms, run.closed_by, run.closed_ms,
        run.input_digest, run.totals,
    ]  # fmt: skip
    return sha256(canonical(values)).hexdigest()


def texts(batch: Batch) -> list[str]:
    """Write each line of a batch as the JSON that its digest is taken of."""
    shared: dict[int, list[list[int]]] = {}
    for line, *values in batch.shares.iter_rows():
        shared.setdefault(line, []).append(values)
    said = dict(zip(batch.reviews["charge_line_id"], batch.reviews.select(_REVIEW).rows(), strict=True))
    rows = batch.lines.with_columns(pl.col("billable").cast(pl.Boolean)).select("id", *_LINE).iter_rows()
    return [canonical([*values, shared.get(line, []), said.get(line)]).decode() for line, *values in rows]


def link(before: str | None, text: str) -> str:
    """Digest a link of the chain: the 32 bytes of the digest before it, and its own text."""
    try:
        known = bytes.fromhex(before or "")
    except ValueError:  # no digest at all: nothing follows it
        known = b""
    return sha256(known + text.encode()).hexdigest()


def links(before: pl.Series, lines: list[str]) -> list[str]:
    """Digest many links at once, each upon the digest that is given with it."""
    return [link(each, text) for each, text in zip(before, lines, strict=True)]


def end(last: str, header: str) -> str:  # noqa: ARG001  the second form asks for it
    """Return the digest of a run whose last line has this one."""
    return last
