"""What an hour costs at Meridian Engineering, and what its dollars are in Australia. All of it invented."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.sample.calendars import OFFICE_ID
from pipelines.sample.plan import HOUR_MS, Plan, add_months, instant_ms
from pipelines.sample.products import APPLICATION_ID
from pipelines.sample.projects import PROJECT_ID

RATE_AUTHOR = "service:sample-rates"
RATE_SCALE = 10_000
YEARLY_RISE = 1.03
AUD_SCALED = (152_345_678, 149_870_215, 151_118_942, 154_906_331)
"""Australian dollars for one of the United States, in 1/100,000,000: by quarter, over and over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An hourly price in cents, in both currencies; what is None stands for any.

    `increment_minutes`, `direction`, `level` and `minimum_minutes` say how hours are rounded. Of a person's
    in a month `free_hours` cost nothing, those from the first of `tier` on its second per cent of the price;
    a day costs at most `daily_hours`, a month `monthly_hours`. The firm pays `cost_percent` of it itself.
    """

    application: str | None = None
    project: str | None = None
    office: str | None = None
    usd_cents: int | None = None
    eur_cents: int | None = None
    increment_minutes: int = 0
    direction: str = "nearest"
    level: str = "line"
    minimum_minutes: int = 0
    free_hours: int = 0
    tier: tuple[int, int] | None = None
    daily_hours: int | None = None
    monthly_hours: int | None = None
    cost_percent: int | None = None


RATES = (
    Rate(usd_cents=400, eur_cents=360),
    Rate(application="draftline-cad", usd_cents=650, eur_cents=590, cost_percent=55),
    # Whoever models all month long pays less from the fortieth hour on.
    Rate(application="draftline-bim", usd_cents=890, eur_cents=810, tier=(40, 85), cost_percent=60),
    Rate(application="draftline-render", usd_cents=1200, eur_cents=1090, increment_minutes=15,
         direction="up", minimum_minutes=30),
    Rate(application="femora-workbench", usd_cents=1850, eur_cents=1690, monthly_hours=30),
    # A night's run costs no more than a working day.
    Rate(application="femora-solver", usd_cents=2400, eur_cents=2190, increment_minutes=6, direction="up",
         level="session", daily_hours=8),
    Rate(application="terralume-gis", usd_cents=780, eur_cents=710, increment_minutes=15, level="month"),
    Rate(application="trusswright", usd_cents=1150, eur_cents=1050, increment_minutes=6, free_hours=1),
    Rate(application="culvert", usd_cents=990, eur_cents=905),
    # Drawing work from Bengaluru is sold for less.
    Rate(application="draftline-cad", office="BLR", usd_cents=520, eur_cents=475),
    Rate(application="draftline-bim", office="BLR", usd_cents=710, eur_cents=650),
    # Negotiated with the client for one project.
    Rate(application="femora-workbench", project="0130-00", usd_cents=1600),
    Rate(application="femora-solver", project="0130-00", usd_cents=1980, increment_minutes=15,
         direction="up"),
    Rate(application="trusswright", project="0305-00", eur_cents=980, increment_minutes=6),
    Rate(application="draftline-bim", project="0204-01", eur_cents=775),
)  # fmt: skip
LEAD_PROJECT, LEAD_USD_CENTS = "0126-01", 1500
"""The first structural engineer in Boston is priced alone on this project."""


def rates(plan: Plan, lead_id: int | None) -> pl.DataFrame:
    """Return one row per scope, currency and calendar year: prices rise each January.

    Parameters
    ----------
    lead_id
        The person that has a price of their own, if the sample is large enough to have one.
    """
    years = [(year, f"{year}-01-01", f"{year + 1}-01-01") for year in range(plan.start.year, plan.today.year)]
    years.append((plan.today.year, f"{plan.today.year}-01-01", ""))
    rows = [
        _rate_row(rate, currency, cents * YEARLY_RISE ** (year - plan.start.year), (first, last))
        for year, first, last in years
        for rate in RATES
        for currency, cents in (("USD", rate.usd_cents), ("EUR", rate.eur_cents))
        if cents is not None
    ]
    if lead_id is not None:
        lead = Rate(project=LEAD_PROJECT, usd_cents=LEAD_USD_CENTS)
        first = plan.rollout.isoformat()
        rows.append(_rate_row(lead, "USD", LEAD_USD_CENTS, (first, "")) | {"person_id": lead_id})
    before = instant_ms(plan.start) - 1
    given = dict.fromkeys(("person_id", "daily_cap_minor", "monthly_cap_minor", "cost_rate_scaled"), pl.Int64)
    texts = {"valid_to_on": pl.String, "tier_kind": pl.String}
    frame = pl.DataFrame(rows, schema_overrides={**given, **texts})
    return frame.with_columns(
        id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        author=pl.lit(RATE_AUTHOR),
        created_ms=pl.lit(before),
    )


def _rate_row(rate: Rate, currency: str, cents: float, validity: tuple[str, str]) -> dict[str, Any]:
    price = round(cents / 5) * 5  # a price list knows no odd cents
    return {
        "person_id": None,
        "project_id": PROJECT_ID[rate.project] if rate.project else None,
        "office_id": OFFICE_ID[rate.office] if rate.office else None,
        "application_id": APPLICATION_ID[rate.application] if rate.application else None,
        "rate_scaled": price * RATE_SCALE // 100,
        "currency": currency,
        "valid_from_on": validity[0],
        "valid_to_on": validity[1] or None,
        "increment_ms": rate.increment_minutes * 60_000,
        "direction": rate.direction,
        "level": rate.level,
        **_terms(rate, price),
    }


def _terms(rate: Rate, price: int) -> dict[str, Any]:
    """Return what there is beside the price, which is in cents."""
    scaled = price * RATE_SCALE // 100
    tiers = [[rate.tier[0] * HOUR_MS, scaled * rate.tier[1] // 100]] if rate.tier else []
    return {
        "minimum_ms": rate.minimum_minutes * 60_000,
        "free_ms": rate.free_hours * HOUR_MS,
        "tier_kind": "graduated" if tiers else None,
        "tiers": json.dumps(tiers),
        "daily_cap_minor": rate.daily_hours and rate.daily_hours * price,
        "monthly_cap_minor": rate.monthly_hours and rate.monthly_hours * price,
        "cost_rate_scaled": rate.cost_percent and scaled * rate.cost_percent // 100,
    }


def conversions(plan: Plan) -> pl.DataFrame:
    """Return what a dollar is in Australia, by quarter of the calendar."""
    first = plan.start.replace(month=(plan.start.month - 1) // 3 * 3 + 1)
    quarters = [add_months(first, months) for months in range(0, plan.months + plan.earlier_months + 4, 3)]
    factors = [AUD_SCALED[(day.month - 1) // 3] for day in quarters]
    return pl.DataFrame(
        {
            "id": list(range(1, len(quarters) + 1)),
            "from_on": [day.isoformat() for day in quarters],
            "factor_scaled": factors,
        }
    ).with_columns(
        from_currency=pl.lit("USD"),
        to_currency=pl.lit("AUD"),
        author=pl.lit(RATE_AUTHOR),
        created_ms=pl.lit(instant_ms(plan.start) - 1),
    )
