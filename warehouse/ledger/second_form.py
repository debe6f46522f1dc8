"""The chain's second form, in which runs of chain version 2 were closed: read and checked, no longer written.

It is the third one, see `chain`, but for what a row is known by: here by the numbers that the database gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from warehouse.ledger.chain import end, header_digest, line_texts, link, links

if TYPE_CHECKING:
    from warehouse.ledger.links import Batch

__all__ = ["LINE", "REVIEW", "end", "header_digest", "link", "links", "texts"]

LINE = pl.Schema(
    {
        "id": pl.Int64, "line_number": pl.Int64, "kind": pl.String, "day_on": pl.String,
        "person_id": pl.Int64, "application_id": pl.Int64, "office_id": pl.Int64, "project_id": pl.Int64,
        "phase_id": pl.Int64, "task_id": pl.Int64, "rate_id": pl.Int64, "billable": pl.Int64,
        "active_ms": pl.Int64, "pause_ms": pl.Int64, "buffer_ms": pl.Int64, "quantity": pl.Int64,
        "rate_scaled": pl.Int64, "currency": pl.String, "amount_minor": pl.Int64, "tax_code": pl.String,
        "session_count": pl.Int64, "original_line_id": pl.Int64, "fiscal_period_id": pl.Int64,
        "note": pl.String, "unit": pl.String, "rate_currency": pl.String, "conversion_scaled": pl.Int64,
        "cost_minor": pl.Int64,
    }
)  # fmt: skip
REVIEW = pl.Schema(
    {
        "id": pl.Int64, "action": pl.String, "actor": pl.String, "reason": pl.String, "at_ms": pl.Int64,
        "detail": pl.String,
    }
)  # fmt: skip


def texts(batch: Batch) -> pl.Series:
    """Write each line of a batch as the text that its digest is taken of."""
    return line_texts(batch, LINE, REVIEW)
