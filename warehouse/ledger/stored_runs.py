"""Closed runs as they are stored, whatever somebody has made of them: what cannot be read is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from warehouse.ledger.links import Read
from warehouse.ledger.runs import Run

_NUMBERS = (
    "id", "period_id", "quantum_per_hour", "cut_off_ms", "policy_version", "prepared_ms", "approved_ms",
    "closed_ms", "chain_version", "showback", "review_until_ms",
)  # fmt: skip
_COLUMNS = pl.Schema(
    {
        name: pl.Int64 if name in _NUMBERS else pl.String
        for name in (
            "id", "number", "period", "period_id", "starts_on", "ends_on", "status", "target",
            "quantum_per_hour", "overlap_policy", "cut_off_ms", "policy_version", "policy_document",
            "prepared_by", "prepared_ms", "approved_by", "approved_ms", "closed_by", "closed_ms",
            "input_digest", "totals", "previous_digest", "digest", "chain_version", "showback",
            "review_until_ms",
        )
    }
)  # fmt: skip
# A run that was closed is known by its digest as well: a changed status does not hide it.
_SELECT = """
    SELECT billing_run.id, billing_run.number, fiscal_period.name, billing_run.fiscal_period_id,
           fiscal_period.starts_on, fiscal_period.ends_on, billing_run.status, billing_run.target,
           billing_run.quantum_per_hour, billing_run.overlap_policy, billing_run.cut_off_ms,
           policy_version.version, CAST(policy_version.document AS TEXT), billing_run.prepared_by,
           billing_run.prepared_ms, billing_run.approved_by, billing_run.approved_ms, billing_run.closed_by,
           billing_run.closed_ms, billing_run.input_digest, CAST(billing_run.totals AS TEXT),
           billing_run.previous_digest, billing_run.digest, billing_run.chain_version,
           CAST(billing_run.showback AS INTEGER), billing_run.review_until_ms
    FROM billing_run
    LEFT JOIN fiscal_period ON fiscal_period.id = billing_run.fiscal_period_id
    LEFT JOIN policy_version ON policy_version.id = billing_run.policy_version_id
    WHERE billing_run.status = 'closed' OR billing_run.digest IS NOT NULL
       OR billing_run.closed_ms IS NOT NULL
    ORDER BY billing_run.id
"""


class StoredRun(NamedTuple):
    """A closed run.

    Attributes
    ----------
    run
        What it says of itself; what cannot be read is None, empty or the first day of all.
    unreadable
        In words: which parts of it cannot be read.
    """

    run: Run
    unreadable: list[str]


def stored_runs(read: Read) -> list[StoredRun]:
    """Return the runs that are closed, or once were, in the order of the chain; the unchained ones last."""
    found = [_stored(row) for row in read(_SELECT, _COLUMNS, {}).to_dicts()]
    by_previous = {stored.run.previous_digest: stored for stored in found}
    ordered: list[StoredRun] = []
    while (stored := by_previous.get(ordered[-1].run.digest if ordered else None)) and stored not in ordered:
        ordered.append(stored)
    return ordered + [stored for stored in found if stored not in ordered]


def _stored(row: Mapping[str, Any]) -> StoredRun:
    unreadable: list[str] = []
    read = dict(row)
    for name, words in (("policy_document", "its billing policy"), ("totals", "its totals")):
        read[name] = _document(row[name], words, unreadable)
    for name in ("starts_on", "ends_on"):
        read[name] = _day(row[name], unreadable)
    # Anything but 0 and 1 is neither, and must not pass for one of them.
    read["showback"] = {0: False, 1: True}.get(row["showback"], row["showback"])
    return StoredRun(Run(**read), unreadable)


def _document(text: str | None, words: str, unreadable: list[str]) -> dict[str, Any]:
    try:
        document = json.loads(text or "")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        unreadable.append(words)
        return {}
    return document


def _day(text: str | None, unreadable: list[str]) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        unreadable.append("the days of its period")
        return date.min
