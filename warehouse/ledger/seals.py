"""What else a closed run rests on, sealed in its totals: rates, conversions, exceptions, signatures, names.

The totals are in the run's header, and the header is in the chain. So a seal cannot be changed together with
what it seals, and the row that was changed can still be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from sqlalchemy import Connection

from warehouse.ledger import chain
from warehouse.ledger.links import Read, chained, within
from warehouse.ledger.names import broken_names, keep_names
from warehouse.ledger.runs import Run
from warehouse.ledger.words import Words

SECOND = 2
"""The chain's second form: it was the first one with seals."""

RATE = pl.Schema(
    {
        "id": pl.Int64, "person_id": pl.Int64, "project": pl.String, "office": pl.String,
        "application": pl.String, "rate_scaled": pl.Int64, "currency": pl.String,
        "valid_from_on": pl.String, "increment_ms": pl.Int64, "direction": pl.String, "level": pl.String,
        "cost_rate_scaled": pl.Int64, "minimum_ms": pl.Int64, "daily_cap_minor": pl.Int64,
        "monthly_cap_minor": pl.Int64, "tier_kind": pl.String, "tiers": pl.String, "package_ms": pl.Int64,
        "free_ms": pl.Int64, "author": pl.String, "created_ms": pl.Int64,
    }
)  # fmt: skip
"""What is frozen of a rate: all but its last day. A used rate can still be ended, and an event says so."""

CONVERSION = pl.Schema(
    {
        "id": pl.Int64, "from_currency": pl.String, "to_currency": pl.String, "from_on": pl.String,
        "factor_scaled": pl.Int64, "author": pl.String, "created_ms": pl.Int64,
    }
)  # fmt: skip
EXCEPTION = pl.Schema(
    {
        "number": pl.Int64, "kind": pl.String, "session_number": pl.Int64, "milliseconds": pl.Int64,
        "detail": pl.String, "settled_by": pl.String, "settlement": pl.String,
        "settlement_reason": pl.String, "settled_ms": pl.Int64,
    }
)  # fmt: skip
SIGN_OFF = pl.Schema(
    {
        "number": pl.Int64, "project": pl.String, "action": pl.String, "actor": pl.String,
        "reason": pl.String, "lines_digest": pl.String, "at_ms": pl.Int64,
    }
)  # fmt: skip
"""`number` counts a run's signatures, and its exceptions, 1, 2, ... in the order written."""
_STORED = {"number": "id", **{name: f"{name}_id" for name in ("project", "office", "application")}}
"""What stands in the table in the place of some columns; the chain's second form takes that."""
# What is no plain column. Retention and erasures may take a session away: the exception still says which.
_READ = {
    "tiers": "CAST(tiers AS TEXT)",
    "session_number": """
        CASE WHEN session_number IS NULL THEN session_id
             WHEN session_id = session_number THEN session_number
             WHEN session_id IS NULL
                  AND NOT EXISTS (SELECT 1 FROM session WHERE session.id = session_number) THEN session_number
             ELSE -1 END""",
}

_SELECT = {
    "rates": (
        RATE,
        "FROM rate WHERE id IN (SELECT rate_id FROM charge_line WHERE billing_run_id = :run)",
    ),
    "conversion_rates": (
        CONVERSION,
        """FROM conversion_rate WHERE EXISTS (
            SELECT 1 FROM charge_line WHERE billing_run_id = :run AND day_on >= from_on
            AND charge_line.rate_currency = conversion_rate.from_currency
            AND charge_line.currency = conversion_rate.to_currency)""",
    ),
    "exceptions": (EXCEPTION, "FROM billing_exception WHERE billing_run_id = :run"),
    "sign_offs": (SIGN_OFF, "FROM project_sign_off WHERE billing_run_id = :run"),
}
_NAMED = {
    "rates": "rate version {}",
    "conversion_rates": "conversion rate {}",
    "exceptions": "an exception of kind {}",
    "sign_offs": "signature {}",
}


def sealing(connection: Connection, run: Run) -> dict[str, Any]:
    """Return the columns of `billing_run` that seal a run: `move` writes them with the close.

    It also keeps the names of the run's people, see `names`.

    Returns
    -------
    dict
        chain_version, and totals with `sealed`: for rates and conversion_rates by id, sign_offs by number,
        and exceptions by kind, the SHA-256 of what they are; rate_ends: their last days, by id; names: the
        seal of the names.
    """
    read, form = within(connection), chain.VERSION
    sealed: dict[str, Any] = {kind: _digests(read, kind, run.id, form) for kind in _SELECT}
    sealed["rate_ends"] = _ends(read, run.id)
    sealed["names"] = keep_names(connection, run)
    return {"chain_version": form, "totals": {**run.totals, "sealed": sealed}}


def broken_seals(read: Read, run: Run, ended: Mapping[str, str | None]) -> Iterator[str]:
    """Give one sentence for each thing that a run, from version 2 on, rests on and that was changed since.

    Parameters
    ----------
    ended
        By rate version: the last day that the newest audited event about it has set.
    """
    sealed = run.totals.get("sealed")
    if not isinstance(sealed, dict):
        yield f"run {run.number}: its seals of rates, exceptions and signatures are gone"
        return
    for kind, named in _NAMED.items():
        said, found = sealed.get(kind), _digests(read, kind, run.id, run.chain_version)
        for name in _differing(said if isinstance(said, dict) else {}, found):
            yield f"run {run.number}: {named.format(name)} is not what it was when the run was closed"
    ends = sealed.get("rate_ends", {}) | ended
    for name, day in _ends(read, run.id).items():
        if day != ends.get(name):
            yield f"run {run.number}: rate version {name} was ended, and no audited event says so"
    yield from broken_names(read, run)


def _ends(read: Read, run_id: int) -> dict[str, str | None]:
    columns, source = pl.Schema({"id": pl.Int64, "valid_to_on": pl.String}), _SELECT["rates"][1]
    rows = read(f"SELECT id, valid_to_on {source} ORDER BY id", columns, {"run": run_id})
    return {str(number): day for number, day in rows.iter_rows()}


def _differing(said: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [name for name in dict.fromkeys([*said, *found]) if said.get(name) != found.get(name)]


def _digests(read: Read, kind: str, run_id: int, form: int) -> dict[str, str]:
    """Digest each row as a form of the chain writes it; exceptions, which are many, all of a kind at once."""
    columns, source = _SELECT[kind]
    stored = _named_as(columns, _STORED)
    rows = read(f"SELECT {_listed(stored)} {source} ORDER BY id", stored, {"run": run_id})
    if "tiers" in columns:
        rows = rows.with_columns(chain.canonical_json(rows["tiers"]))
    if form != SECOND:
        rows = Words(read).told(rows).with_columns(number=pl.int_range(1, pl.len() + 1))
    texts = _texts(rows, stored if form == SECOND else columns)
    if kind == "exceptions":
        groups = texts.group_by("kind", maintain_order=True)
        return {str(name): chained(chain.link, "", group["text"])[-1] for (name,), group in groups}
    return {number: chain.link("", text) for number, text in texts.select("name", "text").iter_rows()}


def _texts(rows: pl.DataFrame, columns: pl.Schema) -> pl.DataFrame:
    """Write each row as text, beside its first two columns: what it is known by, and its kind."""
    name, kind = columns.names()[:2]
    return rows.select(name=pl.col(name).cast(pl.String), kind=kind, text=chain.row_text(columns))


def _named_as(columns: pl.Schema, stored: Mapping[str, str]) -> pl.Schema:
    return pl.Schema(
        {stored.get(name, name): pl.Int64() if name in stored else dtype for name, dtype in columns.items()}
    )


def _listed(columns: pl.Schema) -> str:
    return ", ".join(_READ.get(name, name) for name in columns)
