"""A small list of open projects, as a manager sends it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

BRIDGE = {
    "number": "0815",
    "name": "Harbor Bridge",
    "payer": "Port Authority",
    "phases": [
        {"number": "10", "name": "Design", "tasks": [["A", "Drawings"], ["B", "Models"]]},
        {"number": "20", "name": "Site", "chargeable": False},
        {"number": "30", "name": "Handover", "opened_on": "2027-01-01"},
    ],
}
LEAVE = {"number": "LEAVE", "name": "Leave", "chargeable": False}
MALL = {"number": "4711", "name": "Mall East", "payer": "ACME", "closed_on": "2026-12-01"}
TOWER = {"number": "4712", "name": "Tower Bridge", "payer": "ACME", "opened_on": "2027-02-01"}
ORDER = {"name": "order", "label": "Work order", "required": True, "pattern": "WO-[0-9]{5}"}


def gzipped(text: bytes) -> bytes:
    """Return one gzip member."""
    stream = zlib.compressobj(wbits=31)
    return stream.compress(text) + stream.flush()


def lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def project_list(
    *projects: dict[str, Any], rules: Sequence[dict[str, Any]] = (), version: str = "1"
) -> bytes:
    """Return a list of projects: in two gzip members, as a manager makes it."""
    head = {"version": version, "projects": len(projects), "fields": list(rules)}
    return gzipped(lines([head, *projects[:1]])) + gzipped(lines(projects[1:]))
