"""The audited events, checked: their chain, and what they say of closed runs and of rates that were ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from warehouse.ledger.audit import event_digest
from warehouse.ledger.links import Read
from warehouse.ledger.runs import Run

Told = list[dict[str, Any]]
"""Rows of `audit_event`, in the order written; `detail` is None where it cannot be read.

`place` counts them 1, 2, ..., as the Audit log of a workbook does.
"""

_EVENT = pl.Schema(
    {
        "id": pl.Int64, "at_ms": pl.Int64, "actor": pl.String, "action": pl.String, "subject": pl.String,
        "detail": pl.String, "previous_digest": pl.String, "digest": pl.String,
    }
)  # fmt: skip
_SELECT = """
    SELECT id, at_ms, actor, action, subject, CAST(detail AS TEXT), previous_digest, digest
    FROM audit_event ORDER BY id
"""


def read_events(read: Read) -> Told:
    """Read all events."""
    rows = read(_SELECT, _EVENT, {}).drop("id").iter_rows(named=True)
    return [{**row, "place": place, "detail": _detail(row["detail"])} for place, row in enumerate(rows, 1)]


def _detail(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def broken_events(told: Told) -> Iterator[str]:
    """Check the whole chain; give one sentence per event that is not what was written."""
    previous = should = None
    for row in told:
        computed = event_digest(row)
        follows = row["previous_digest"] == previous
        if row["digest"] != computed or (not follows and row["previous_digest"] != should):
            # What only lost its place stands after one that is gone or moved.
            moved = row["digest"] == computed
            yield (
                f"audit event {row['place']} does not follow the one before it"
                if moved
                else f"audit event {row['place']} was changed after it was written"
            )
        previous, should = row["digest"], computed


def broken_closings(told: Told, closed: Sequence[Run]) -> Iterator[str]:
    """Check that every run that was ever closed still is, with the digest that its event names, and no other.

    A run that nobody closed is named as well: it has no event.
    """
    digests = {run.number: run.digest for run in closed}
    known = {row["subject"] for row in told if row["action"] == "billing close"}
    for number in digests:
        if number not in known:
            yield f"run {number}: no audited event says that it was closed"
    for row in told:
        if row["action"] == "billing close" and isinstance(row["detail"], dict):
            number, said = row["subject"], row["detail"].get("digest")
            if number not in digests:
                yield f"run {number}: audit event {row['place']} says that it was closed, and it is not there"
            elif digests[number] != said:
                yield f"run {number}: audit event {row['place']} says that it was closed with another digest"


def rate_ends(told: Told) -> dict[str, str | None]:
    """Return the last days that imports have given to rate versions, by their ids."""
    ends: dict[str, str | None] = {}
    for row in told:
        detail = row["detail"] if isinstance(row["detail"], dict) else {}
        for note in detail.get("notes", []):
            if isinstance(note, dict) and "rate" in note and "valid_to_on" in note:
                ends[str(note["rate"])] = note["valid_to_on"][1]
    return ends
