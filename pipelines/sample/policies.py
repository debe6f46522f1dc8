"""The sample's policies: what is metered, what counts as use of a license, what is billed."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from pipelines.sample.plan import Plan, instant_ms
from pipelines.sample.products import APPLICATIONS, SOLVER

POLICY_AUTHOR = "service:sample-policies"
PURPOSES = ("collection", "license", "billing")

LICENSE_POLICY: dict[str, Any] = {
    "default": {"idle_timeout_ms": 900_000, "signal": "input"},
    "applications": {
        SOLVER: {"signal": "input+cpu", "cpu_threshold": 50},
        "draftline-render": {"signal": "input+cpu", "cpu_threshold": 50},
        "pagewright-pdf": {"signal": "presenting"},
        "foliant-sheets": {"signal": "presenting"},
        "foliant-writer": {"signal": "presenting"},
    },
}
BILLING_POLICY: dict[str, Any] = {
    "default": {"idle_timeout_ms": 600_000, "signal": "input", "buffer_ms": 0},
    "applications": {
        SOLVER: {"signal": "input+cpu", "cpu_threshold": 50},
        "draftline-render": {"signal": "input+cpu", "cpu_threshold": 50},
    },
}


def collection_document() -> dict[str, Any]:
    """Return what the agents of the sample were told to meter."""
    metered = [
        {
            "code": a.code,
            "name": a.name,
            "product": a.product,
            "version": a.version,
            "billed": a.billed,
            "signatures": [{"executable": a.executable}],
        }
        for a in APPLICATIONS
    ]
    return {"applications": metered, "gap_floor_ms": 60_000}


def policies() -> pl.DataFrame:
    """Return one policy of each purpose."""
    return pl.DataFrame({"id": [1, 2, 3], "name": list(PURPOSES), "purpose": list(PURPOSES)})


def versions(plan: Plan) -> pl.DataFrame:
    """Return the versions: the pilot's collection, the rollout's, and one each for licenses and bills."""
    before, rollout = instant_ms(plan.start) - 1, instant_ms(plan.rollout) - 1
    collection = json.dumps(collection_document())
    rows = [
        (1, 1, 1, before, collection),
        (2, 1, 2, rollout, collection),
        (3, 2, 1, before, json.dumps(LICENSE_POLICY)),
        (4, 3, 1, before, json.dumps(BILLING_POLICY)),
    ]
    columns = ["id", "policy_id", "version", "created_ms", "document"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(created_by=pl.lit(POLICY_AUTHOR))
