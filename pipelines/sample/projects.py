"""Clients, projects and rates of Meridian Engineering. All of it invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle

import polars as pl

from pipelines.sample.calendars import OFFICE_ID
from pipelines.sample.plan import Plan, add_months, instant_ms
from pipelines.sample.products import APPLICATION_ID

RATE_AUTHOR = "service:sample-rates"
RATE_SCALE = 10_000
CENTS = 100
YEARLY_RISE = 1.03

CLIENTS = {
    "HARB": "Harborline Ports Authority",
    "NORW": "Norwell Rail Partners",
    "CEDA": "Cedar Falls Hospital Trust",
    "STAD": "Stadtwerke Isarwinkel",
    "ALPB": "Alpenbahn Infrastruktur",
    "THAM": "Thamesgate Developments",
    "KENT": "Kentmere Water",
    "DECC": "Deccan Metro Corporation",
    "TASM": "Tasmania Wind Cooperative",
    "ORCH": "Orchard Logistics Europe",
}
CLIENT_ID = {code: place for place, code in enumerate(CLIENTS, start=1)}


@dataclass(frozen=True, slots=True)
class Project:
    """One project; months count from the current one. Its payer is a client or a cost center."""

    number: str
    name: str
    payer: str
    office: str
    currency: str = "USD"
    from_month: int = -40
    to_month: int | None = None
    chargeable: bool = True


PROJECTS = (
    Project("0117-01", "Container terminal, berth 7", "HARB", "BOS", from_month=-30),
    Project("0117-02", "Container terminal, access bridge", "HARB", "BOS", from_month=-14),
    Project("0121-00", "Commuter line grade separation", "NORW", "BOS", from_month=-38),
    Project("0126-01", "Patient tower, structure", "CEDA", "BOS", from_month=-20),
    Project("0126-02", "Patient tower, facade", "CEDA", "BOS", from_month=-9),
    Project("0130-00", "Central plant vibration study", "CEDA", "BOS", from_month=-11),
    Project("0133-00", "Riverside parcel survey", "NORW", "BOS", from_month=-26, to_month=-3),
    Project("0135-00", "Signal bridge renewal", "NORW", "BOS", from_month=-7),
    Project("0138-00", "Ferry pontoon fatigue check", "HARB", "BOS", from_month=-5),
    Project("0140-00", "Harbor flood model", "HARB", "BOS", from_month=-12),
    Project("0204-01", "Quayside offices, block A", "THAM", "LON", "EUR", from_month=-33),
    Project("0204-02", "Quayside offices, block B", "THAM", "LON", "EUR", from_month=-13),
    Project("0209-00", "Reservoir spillway review", "KENT", "LON", "EUR", from_month=-22),
    Project("0211-00", "Pumping station 14", "KENT", "LON", "EUR", from_month=-10),
    Project("0214-00", "Parcel hub north", "ORCH", "LON", "EUR", from_month=-16),
    Project("0216-00", "Cross-dock conversion", "ORCH", "LON", "EUR", from_month=-24, to_month=-2),
    Project("0219-00", "Embankment footbridge", "THAM", "LON", "EUR", from_month=-6),
    Project("0301-01", "District heating, trunk main", "STAD", "MUC", "EUR", from_month=-36),
    Project("0301-02", "District heating, storage", "STAD", "MUC", "EUR", from_month=-12),
    Project("0305-00", "Tunnel portal south", "ALPB", "MUC", "EUR", from_month=-27),
    Project("0308-00", "Avalanche gallery", "ALPB", "MUC", "EUR", from_month=-18),
    Project("0310-00", "Weir turbine dynamics", "STAD", "MUC", "EUR", from_month=-15),
    Project("0312-00", "Catenary mast typification", "ALPB", "MUC", "EUR", from_month=-29, to_month=-4),
    Project("0315-00", "Noise barrier typing", "ALPB", "MUC", "EUR", from_month=-8),
    Project("0402-01", "Metro line 5, viaduct", "DECC", "BLR", from_month=-25),
    Project("0402-02", "Metro line 5, station boxes", "DECC", "BLR", from_month=-12),
    Project("0406-00", "Depot drainage", "DECC", "BLR", from_month=-10),
    Project("0408-00", "Harborline drawing support", "HARB", "BLR", from_month=-15),
    Project("0411-00", "Orchard as-built models", "ORCH", "BLR", "EUR", from_month=-9),
    Project("0501-01", "Wind farm, foundations", "TASM", "SYD", from_month=-19),
    Project("0501-02", "Wind farm, access roads", "TASM", "SYD", from_month=-11),
    Project("0505-00", "Grid connection survey", "TASM", "SYD", from_month=-8),
    Project("9100-01", "Design automation", "CC-210", "BOS"),
    Project("9100-02", "Simulation methods", "CC-240", "MUC", "EUR"),
    Project("9100-03", "Survey data platform", "CC-250", "LON", "EUR"),
    Project("9200-00", "Office standards library", "CC-220", "BLR"),
    Project("9900-01", "Training", "", "BOS", chargeable=False),
    Project("9900-02", "Bids and proposals", "", "LON", "EUR", chargeable=False),
    Project("9900-03", "Internal coordination", "", "MUC", "EUR", chargeable=False),
    Project("9900-04", "Software trials", "", "SYD", chargeable=False),
)
PROJECT_ID = {project.number: place for place, project in enumerate(PROJECTS, start=1)}

PHASES = (("10", "Concept"), ("20", "Design"), ("30", "Documentation"), ("40", "Site support"))
TASKS = (("010", "Modeling"), ("020", "Drawings"), ("030", "Analysis"), ("040", "Coordination"))
INVALID_NUMBERS = ("0117", "117-01", "0402-1", "ISARWINKEL", "0999-00")
"""What people type when the list is not at hand."""


AGREED = {
    # budget and not-to-exceed amount, in the project's major unit, over its life
    "0126-01": (4_500, 8_000),
    "0130-00": (20_000, 25_000),
    "0140-00": (6_000, None),
    "0204-01": (2_000, 60_000),
    "0301-01": (30_000, None),
    "0305-00": (3_000, 3_500),
    "0402-01": (25_000, 40_000),
    "9100-02": (3_000, None),
}
"""What was agreed with the payer: some projects are beyond it, most are far from it."""


def is_open(project: Project, month: int) -> bool:
    """Whether a project takes time in a month, counted from the current one."""
    return project.from_month <= month and (project.to_month is None or month < project.to_month)


def clients() -> pl.DataFrame:
    """Return one row per client."""
    return pl.DataFrame(
        {"id": list(CLIENT_ID.values()), "code": list(CLIENTS), "name": list(CLIENTS.values())}
    )


def projects(
    plan: Plan, cost_center_id: dict[str, int], managers: Mapping[str, Sequence[int]] | None = None
) -> pl.DataFrame:
    """Return one row per project.

    Parameters
    ----------
    managers
        By office, the people who manage its clients' projects in turn; None: nobody does.
    """
    budget, limit = zip(*(AGREED.get(p.number, (None, None)) for p in PROJECTS), strict=True)
    return pl.DataFrame(
        {
            "id": list(PROJECT_ID.values()),
            "number": [p.number for p in PROJECTS],
            "name": [p.name for p in PROJECTS],
            "client_id": pl.Series([CLIENT_ID.get(p.payer) for p in PROJECTS], dtype=pl.Int64),
            "cost_center_id": pl.Series([cost_center_id.get(p.payer) for p in PROJECTS], dtype=pl.Int64),
            "office_id": [OFFICE_ID[p.office] for p in PROJECTS],
            "currency": [p.currency for p in PROJECTS],
            "tax_code": [_tax_code(p) for p in PROJECTS],
            "chargeable": [p.chargeable for p in PROJECTS],
            "opened_on": [add_months(plan.month, p.from_month).isoformat() for p in PROJECTS],
            "closed_on": pl.Series([_closed_on(plan, p) for p in PROJECTS], dtype=pl.String),
            "manager_id": pl.Series(_managers(managers or {}), dtype=pl.Int64),
            "budget_minor": pl.Series(budget, dtype=pl.Int64) * CENTS,
            "not_to_exceed_minor": pl.Series(limit, dtype=pl.Int64) * CENTS,
        }
    )


def _managers(managers: Mapping[str, Sequence[int]]) -> list[int | None]:
    """Give the clients' projects of each office to its managers in turn."""
    turns = {office: cycle(people) for office, people in managers.items() if people}
    return [next(turns[p.office]) if p.payer in CLIENTS and p.office in turns else None for p in PROJECTS]


def _tax_code(project: Project) -> str | None:
    if project.payer not in CLIENTS:
        return None
    return {"USD": "EX", "EUR": "RC"}[project.currency]


def _closed_on(plan: Plan, project: Project) -> str | None:
    return None if project.to_month is None else add_months(plan.month, project.to_month).isoformat()


def phases() -> pl.DataFrame:
    """Return four phases of every chargeable project."""
    rows = [(PROJECT_ID[p.number], *phase) for p in PROJECTS if p.chargeable for phase in PHASES]
    found = pl.DataFrame(rows, schema=["project_id", "number", "name"], orient="row")
    return found.with_row_index("id", offset=1).with_columns(pl.col("id").cast(pl.Int64))


def tasks() -> pl.DataFrame:
    """Return four tasks of every phase."""
    rows = [(phase, *task) for phase in phases()["id"] for task in TASKS]
    found = pl.DataFrame(rows, schema=["phase_id", "number", "name"], orient="row")
    return found.with_row_index("id", offset=1).with_columns(pl.col("id").cast(pl.Int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """An hourly price in cents, in both currencies; what is None stands for any.

    `increment_minutes`, `direction` and `level` say how hours are rounded.
    """

    application: str | None = None
    project: str | None = None
    office: str | None = None
    usd_cents: int | None = None
    eur_cents: int | None = None
    increment_minutes: int = 0
    direction: str = "nearest"
    level: str = "line"


RATES = (
    Rate(usd_cents=400, eur_cents=360),
    Rate(application="draftline-cad", usd_cents=650, eur_cents=590),
    Rate(application="draftline-bim", usd_cents=890, eur_cents=810),
    Rate(application="draftline-render", usd_cents=1200, eur_cents=1090, increment_minutes=15,
         direction="up"),
    Rate(application="femora-workbench", usd_cents=1850, eur_cents=1690),
    Rate(application="femora-solver", usd_cents=2400, eur_cents=2190, increment_minutes=6, direction="up",
         level="session"),
    Rate(application="terralume-gis", usd_cents=780, eur_cents=710, increment_minutes=15, level="month"),
    Rate(application="trusswright", usd_cents=1150, eur_cents=1050, increment_minutes=6),
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
    frame = pl.DataFrame(rows, schema_overrides={"person_id": pl.Int64, "valid_to_on": pl.String})
    return frame.with_columns(
        id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        author=pl.lit(RATE_AUTHOR),
        created_ms=pl.lit(before),
    )


def _rate_row(
    rate: Rate, currency: str, cents: float, validity: tuple[str, str]
) -> dict[str, int | str | None]:
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
    }


def month_of(plan: Plan, day: date) -> int:
    """Return the month of a day, counted from the current one."""
    return (day.year - plan.month.year) * 12 + day.month - plan.month.month
