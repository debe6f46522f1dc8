"""The chain's third form: what a digest is taken of, as text that an auditor can write down and hash.

A line's digest is SHA-256 over the digest before it, a bar, and the line's text. The first line follows the
digest of the run's header; the run's own digest is taken of its last line's and of the header's once more, so
that a changed header and a changed first line can be told apart. docs/audit.md has an example by hand.

A row's text is its values in the order of the columns, parted by bars: whole numbers in decimals, true and
false as 1 and 0, nothing as `~`, text as its length in bytes, a colon and the text itself. So no text can
look like the end of its value.

No number of a row that billing itself writes is in it: who drafts again, as after a fault, gets other
numbers from the database and the same chain. A line is known by its place in the run, the line that it
corrects by run and place, an act of review by its place on the line; master data by their codes, see `words`.
What stays is the numbers of rows that are entered once and are the same in every copy of the warehouse: of
people, whose codes an erasure takes away, of sessions, and of versions of rates.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from warehouse.ledger.audit import canonical
from warehouse.ledger.runs import Run

if TYPE_CHECKING:
    from warehouse.ledger.links import Batch

VERSION = 3
"""The form in which runs are closed now; docs/audit.md describes the earlier ones as well."""

LINE = pl.Schema(
    {
        "line_number": pl.Int64, "kind": pl.String, "day_on": pl.String, "person_id": pl.Int64,
        "application": pl.String, "office": pl.String, "project": pl.String, "phase": pl.String,
        "task": pl.String, "rate_id": pl.Int64, "billable": pl.Int64, "active_ms": pl.Int64,
        "pause_ms": pl.Int64, "buffer_ms": pl.Int64, "quantity": pl.Int64, "rate_scaled": pl.Int64,
        "currency": pl.String, "amount_minor": pl.Int64, "tax_code": pl.String, "session_count": pl.Int64,
        "original_run": pl.String, "original_line": pl.Int64, "period": pl.String, "note": pl.String,
        "unit": pl.String, "rate_currency": pl.String, "conversion_scaled": pl.Int64,
        "cost_minor": pl.Int64,
    }
)  # fmt: skip
"""Columns of a charge line in the order of its text; its run is in the header.

`billable` is 1 or 0; `application`, `office`, `project`, `phase`, `task` and `period` as `words` gives them.
"""

SHARE = pl.Schema(dict.fromkeys(("session_id", "active_ms", "pause_ms", "buffer_ms"), pl.Int64))
"""Columns of a share in the order of its text."""

REVIEW = pl.Schema(
    {"action": pl.String, "actor": pl.String, "reason": pl.String, "at_ms": pl.Int64, "detail": pl.String}
)
"""Columns of an act of review in the order of its text; `detail` is canonical JSON."""


HEADER = (
    "approved_by", "approved_ms", "chain_version", "closed_by", "closed_ms", "cut_off_ms", "ends_on",
    "input_digest", "number", "overlap_policy", "period", "policy_document", "policy_version",
    "prepared_by", "prepared_ms", "previous_digest", "quantum_per_hour", "review_until_ms", "showback",
    "starts_on", "target", "totals",
)  # fmt: skip
"""What a run's header says: names of `runs.Run`."""


def row_text(columns: pl.Schema) -> pl.Expr:
    """Write rows as the text that digests are taken of."""
    return pl.concat_str([_value(name, dtype) for name, dtype in columns.items()], separator="|")


def _value(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if dtype == pl.String:
        text = pl.concat_str(value.str.len_bytes().cast(pl.String), pl.lit(":"), value)
    else:
        text = value.cast(pl.String)
    return text.fill_null("~")


def line_texts(batch: Batch, line: pl.Schema, review: pl.Schema) -> pl.Series:
    """Write each line of a batch, its shares and its acts of review as the text that its digest is taken of.

    Parameters
    ----------
    line, review
        Columns of a line and of an act of review, in the order of their texts.

    Returns
    -------
    pl.Series
        In the order of the lines: the line, a bar, its shares parted by semicolons, a bar, its acts of review
        parted by semicolons.
    """
    said = batch.reviews.with_columns(detail=canonical_json(batch.reviews["detail"]))
    joined = batch.lines.select("id", text=row_text(line))
    for rows, columns, name in ((batch.shares, SHARE, "shares"), (said, review, "reviews")):
        texts = rows.select(id="charge_line_id", text=row_text(columns)).group_by("id", maintain_order=True)
        joined = joined.join(
            texts.agg(pl.col("text").str.join(";").alias(name)), on="id", how="left", maintain_order="left"
        )
    parts = pl.concat_str("text", pl.col("shares", "reviews").fill_null(""), separator="|")
    return joined.select(parts.alias("text"))["text"]


def texts(batch: Batch) -> pl.Series:
    """Write each line of a batch as the text that its digest is taken of."""
    return line_texts(batch, LINE, REVIEW)


def canonical_json(column: pl.Series) -> pl.Series:
    """Write JSON texts in the one way that digests are taken of; what is no JSON stays as it is."""
    return pl.Series(column.name, [_canonical_text(text) for text in column], dtype=pl.String)


def _canonical_text(text: str | None) -> str | None:
    if text is None or text == "{}":
        return text
    try:
        return canonical(json.loads(text)).decode()
    except ValueError:
        return text


def header_text(run: Run) -> str:
    """Write what a closed run says of itself as canonical JSON: the text that its header's digest is of."""
    said = {name: getattr(run, name) for name in HEADER}
    days = {name: str(said[name]) for name in ("starts_on", "ends_on")}
    return canonical(said | days).decode()


def header_digest(run: Run) -> str:
    """Digest what a closed run says of itself: the chain's first link, before its lines."""
    return sha256(header_text(run).encode()).hexdigest()


def link(before: str, text: str) -> str:
    """Digest a link of the chain: the digest before it, a bar, its own text."""
    return sha256(f"{before}|{text}".encode()).hexdigest()


def links(before: pl.Series, texts: pl.Series) -> list[str]:
    """Digest many links at once, each upon the digest that is given with it."""
    whole = pl.select(pl.concat_str(before.fill_null("~"), texts, separator="|")).to_series()
    return [sha256(link).hexdigest() for link in whole.cast(pl.Binary)]


def end(last: str, header: str) -> str:
    """Return the digest of a run whose last line (none: its header) has this one."""
    return link(last, header)
