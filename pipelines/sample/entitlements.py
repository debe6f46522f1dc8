"""What Meridian Engineering bought, and who holds a seat. All of it invented."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines.sample.people import Person
from pipelines.sample.plan import DAY_MS, HOUR_MS, Plan, add_months, instant_ms
from pipelines.sample.products import APPLICATION_ID, APPLICATIONS, PRODUCT_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """One right bought; months count from the current one."""

    code: str
    product: str
    metric: str
    quantity: int
    from_month: int
    to_month: int | None
    unit_cost_minor: int | None
    currency: str | None = "USD"
    contract: str | None
    notice_days: int | None = 90
    order: int = 1
    rule: str = "exact_sweep"
    pack: int = 1
    true_up_month: int | None = None
    rights: tuple[tuple[str, Any], ...] = ()


ENTITLEMENTS = (
    # Over-bought: at the last renewal 48 became 72, and the peak never saw it.
    Entitlement(code="DL-SUITE-1", product="draftline-suite", metric="concurrent", quantity=48,
                from_month=-36, to_month=-8, unit_cost_minor=268_000, contract="DL-2023-118"),
    Entitlement(code="DL-SUITE-2", product="draftline-suite", metric="concurrent", quantity=72,
                from_month=-8, to_month=4, unit_cost_minor=281_500, contract="DL-2026-041",
                notice_days=60, pack=6, true_up_month=3,
                rights=(("contractors", True), ("regions", ["EMEA", "AMER", "APAC"]))),
    Entitlement(code="DL-LT", product="draftline-lt", metric="subscription", quantity=24,
                from_month=-14, to_month=10, unit_cost_minor=46_000, contract="DL-2025-207",
                notice_days=60, rights=(("contractors", False),)),
    # Short: runs overnight in two offices want more tokens than there are.
    Entitlement(code="FEM-TOKENS", product="femora", metric="token", quantity=60,
                from_month=-30, to_month=6, unit_cost_minor=92_000, currency="EUR",
                contract="FEM-88-0034", rights=(("second_device", False), ("virtualization", False))),
    Entitlement(code="TERRA-FLOAT", product="terralume", metric="concurrent", quantity=14,
                from_month=-36, to_month=2, unit_cost_minor=164_000, contract="TL-7719", notice_days=30),
    Entitlement(code="TRUSS-FLOAT", product="trusswright", metric="concurrent", quantity=14,
                from_month=-22, to_month=14, unit_cost_minor=198_000, currency="EUR",
                contract="TW-2025-9",
                # Two of the suite's versions before the newest, and nobody outside of Europe and America.
                rights=(("earlier_versions", 2), ("regions", ["EMEA", "AMER"]), ("version", "9.0"))),
    # Short by a little, now and then.
    Entitlement(code="CULV-FLOAT", product="culvert", metric="concurrent", quantity=3,
                from_month=-16, to_month=8, unit_cost_minor=240_000, currency="EUR",
                contract="TW-2025-31", notice_days=60),
    Entitlement(code="CLASH-SEATS", product="clashlight", metric="named_user", quantity=40,
                from_month=-10, to_month=2, unit_cost_minor=52_000, contract="CL-4410", notice_days=90,
                rule="user_day"),
    Entitlement(code="FOL-SEATS", product="foliant-office", metric="subscription", quantity=150,
                from_month=-26, to_month=10, unit_cost_minor=21_600, contract="FOL-MER-2", notice_days=30),
    Entitlement(code="PAGE-SEATS", product="pagewright", metric="named_user", quantity=110,
                from_month=-12, to_month=12, unit_cost_minor=17_900, contract="PW-55120", notice_days=60),
    Entitlement(code="PAGE-PLOT", product="pagewright", metric="device", quantity=3,
                from_month=-12, to_month=12, unit_cost_minor=17_900, contract="PW-55120",
                notice_days=60, order=2),
    # Bought by a project office, and the contract was never filed: neither cost nor end are known.
    Entitlement(code="PLUMB-SEATS", product="plumbline", metric="named_user", quantity=5,
                from_month=-3, to_month=None, unit_cost_minor=None, currency=None, contract=None,
                notice_days=None),
)  # fmt: skip
ENTITLEMENT_ID = {entitlement.code: place for place, entitlement in enumerate(ENTITLEMENTS, start=1)}

SEATS = {
    "DL-LT": ("GEO", "PMO"),
    "CLASH-SEATS": ("ARC", "PMO"),
    "FOL-SEATS": ("ARC", "CIV", "STR", "SIM", "GEO", "PMO", "ADM"),
    "PAGE-SEATS": ("ARC", "CIV", "STR", "GEO", "PMO", "ADM"),
}
"""Which departments' people were given a seat, until the seats are gone."""
PLOT_SEAT = "PAGE-PLOT"
"""The plot room's machine holds this one."""


def entitlements(plan: Plan) -> pl.DataFrame:
    """Return one row per right bought."""
    ends = [_end(plan, entitlement) for entitlement in ENTITLEMENTS]
    notices = [_notice(e, end) for e, end in zip(ENTITLEMENTS, ends, strict=True)]
    return pl.DataFrame(
        {
            "id": list(ENTITLEMENT_ID.values()),
            "code": [e.code for e in ENTITLEMENTS],
            "product_id": [PRODUCT_ID[e.product] for e in ENTITLEMENTS],
            "metric": [e.metric for e in ENTITLEMENTS],
            "quantity": [e.quantity for e in ENTITLEMENTS],
            "valid_from_on": [add_months(plan.month, e.from_month).isoformat() for e in ENTITLEMENTS],
            "valid_to_on": pl.Series([_text(end) for end in ends], dtype=pl.String),
            "pack_size": [e.pack for e in ENTITLEMENTS],
            "unit_cost_minor": [e.unit_cost_minor for e in ENTITLEMENTS],
            "currency": [e.currency for e in ENTITLEMENTS],
            "contract": [e.contract for e in ENTITLEMENTS],
            "true_up_on": pl.Series([_true_up(plan, e) for e in ENTITLEMENTS], dtype=pl.String),
            "notice_on": pl.Series([_text(notice) for notice in notices], dtype=pl.String),
            "consumption_order": [e.order for e in ENTITLEMENTS],
            "counting_rule": [e.rule for e in ENTITLEMENTS],
            "use_rights": [json.dumps(dict(e.rights)) for e in ENTITLEMENTS],
        }
    )


def _end(plan: Plan, entitlement: Entitlement) -> date | None:
    return None if entitlement.to_month is None else add_months(plan.month, entitlement.to_month)


def _notice(entitlement: Entitlement, end: date | None) -> date | None:
    if end is None or entitlement.notice_days is None:
        return None
    return end - timedelta(days=entitlement.notice_days)


def _true_up(plan: Plan, entitlement: Entitlement) -> str | None:
    month = entitlement.true_up_month
    return None if month is None else add_months(plan.month, month).isoformat()


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def coverage() -> pl.DataFrame:
    """Return which applications each entitlement covers: all of its product."""
    rows = [
        (ENTITLEMENT_ID[e.code], APPLICATION_ID[a.code])
        for e in ENTITLEMENTS
        for a in APPLICATIONS
        if a.product == e.product
    ]
    return pl.DataFrame(rows, schema=["entitlement_id", "application_id"], orient="row")


HARVEST = (
    (("propose", "j.okafor"), ("notice", "j.okafor"), ("release", "j.okafor"), ("approve", "m.lindqvist")),
    (("propose", "j.okafor"), ("notice", "j.okafor"), ("keep", "j.okafor")),
    (("propose", "j.okafor"), ("notice", "j.okafor")),
    (("propose", "m.lindqvist"),),
)
"""Steps on the way of a few seats, of which none is back yet: the report unused_licenses still lists them."""
HARVEST_RIGHT, HARVEST_DAYS = "DL-LT", 40


def harvest_events(plan: Plan, seats: pl.DataFrame) -> pl.DataFrame:
    """Return one row per step: the last holders of a right are asked, a few days between two steps."""
    mine = seats.filter(pl.col("entitlement_id") == ENTITLEMENT_ID[HARVEST_RIGHT])["id"].to_list()
    start = instant_ms(plan.month) - HARVEST_DAYS * DAY_MS
    rows = [
        (seat, step, actor, "not in use", start + (5 * place + case) * DAY_MS + 15 * HOUR_MS)
        for case, (seat, steps) in enumerate(zip(reversed(mine), HARVEST, strict=False))
        for place, (step, actor) in enumerate(steps)
    ]
    schema = {"assignment_id": pl.Int64, "step": pl.String, "actor": pl.String, "reason": pl.String,
              "at_ms": pl.Int64}  # fmt: skip
    found = pl.DataFrame(rows, schema=schema, orient="row").sort("at_ms", "assignment_id")
    return found.with_columns(id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))


def assignments(plan: Plan, staff: list[Person], plot_host: int) -> pl.DataFrame:
    """Return who holds a seat; nobody took the seats of those who left."""
    rows: list[tuple[int, int | None, int | None, str]] = []
    for entitlement in ENTITLEMENTS:
        first = add_months(plan.month, entitlement.from_month)
        entitled = [p for p in staff if p.department in SEATS.get(entitlement.code, ())]
        number = ENTITLEMENT_ID[entitlement.code]
        rows += [
            (number, person.id, None, max(first, person.valid_from).isoformat())
            for person in entitled[: entitlement.quantity]
        ]
        if entitlement.code == PLOT_SEAT:
            rows.append((number, None, plot_host, max(first, plan.rollout).isoformat()))
    schema = {
        "entitlement_id": pl.Int64,
        "person_id": pl.Int64,
        "host_id": pl.Int64,
        "valid_from_on": pl.String,
    }
    found = pl.DataFrame(rows, schema=schema, orient="row")
    return found.with_columns(id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
