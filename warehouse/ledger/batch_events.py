"""Export batches, checked against the audited events that tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from warehouse.ledger.events import Told
from warehouse.ledger.links import Read

_BATCH = pl.Schema(
    {
        "run": pl.String, "target": pl.String, "batch": pl.String, "digest": pl.String,
        "row_count": pl.Int64, "actor": pl.String, "at_ms": pl.Int64, "voided_by": pl.String,
        "voided_ms": pl.Int64, "void_reason": pl.String,
    }
)  # fmt: skip
_SELECT = """
    SELECT billing_run.number, export_batch.target, export_batch.batch, export_batch.digest,
           export_batch.row_count, export_batch.actor, export_batch.at_ms, export_batch.voided_by,
           export_batch.voided_ms, export_batch.void_reason
    FROM export_batch LEFT JOIN billing_run ON billing_run.id = export_batch.billing_run_id
    ORDER BY export_batch.id
"""
_VOID = ("voided_by", "voided_ms", "void_reason")


def broken_batches(read: Read, told: Told) -> Iterator[str]:
    """Give one sentence for each export batch that is not what its events say, or that is gone."""
    wanted = _told_batches(told)
    for row in read(_SELECT, _BATCH, {}).to_dicts():
        said = wanted.pop(row["batch"], None)
        if said is None:
            yield f"run {row['run']}: no audited event tells of its export batch {row['batch']}"
        elif said != row:
            names = ", ".join(name for name in row if row[name] != said[name])
            yield f"run {said['run']}: its export batch {row['batch']} is not what was exported ({names})"
    for batch, said in wanted.items():
        yield f"run {said['run']}: its export batch {batch} is not there any more"


def _told_batches(told: Told) -> dict[str, dict[str, Any]]:
    """Return the batches as the events tell of them, by their ids."""
    batches: dict[str, dict[str, Any]] = {}
    for event in told:
        detail = event["detail"] if isinstance(event["detail"], dict) else {}
        if event["action"] == "billing export" and detail.get("again") is False:
            batches[detail["batch"]] = {
                "run": event["subject"],
                **{name: detail[name] for name in ("target", "batch", "digest")},
                "row_count": detail["rows"],
                **{name: event[name] for name in ("actor", "at_ms")},
                **dict.fromkeys(_VOID),
            }
        elif event["action"] == "billing void-export" and detail.get("batch") in batches:
            void = (event["actor"], event["at_ms"], detail.get("reason"))
            batches[detail["batch"]].update(zip(_VOID, void, strict=True))
    return batches
