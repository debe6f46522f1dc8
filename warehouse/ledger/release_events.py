"""Releases of held lines, checked against the audited events that tell of them: drafts bill by them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from warehouse.ledger.events import Told
from warehouse.ledger.links import Read

_RELEASE = pl.Schema(
    {
        "run": pl.String, "line": pl.Int64, "actor": pl.String, "reason": pl.String, "at_ms": pl.Int64,
    }
)  # fmt: skip
_SELECT = """
    SELECT billing_run.number, charge_line.line_number, line_release.actor, line_release.reason,
           line_release.at_ms
    FROM line_release LEFT JOIN charge_line ON charge_line.id = line_release.charge_line_id
    LEFT JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    ORDER BY line_release.id
"""


def broken_releases(read: Read, told: Told) -> Iterator[str]:
    """Give one sentence for each release that is not what its event says, that has none, or that is gone."""
    said = {_release(event) for event in told if event["action"] == "billing release"}
    found = set(read(_SELECT, _RELEASE, {}).rows())
    for run, line, *_ in sorted(found - said, key=str):
        yield f"run {run}: no audited event tells of this release of its line {line}"
    for run, line, *_ in sorted(said - found, key=str):
        yield f"run {run}: the release of its line {line} is not what its audited event says"


def _release(event: dict[str, object]) -> tuple[object, ...]:
    detail = event["detail"] if isinstance(event["detail"], dict) else {}
    return event["subject"], detail.get("line"), event["actor"], detail.get("reason"), event["at_ms"]
