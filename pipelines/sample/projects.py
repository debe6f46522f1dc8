"""Clients and projects of Meridian Engineering. All of it invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle

import polars as pl

from pipelines.sample.calendars import OFFICE_ID
from pipelines.sample.plan import Plan, add_months, instant_ms

CENTS = 100
PRESET_AUTHOR = "service:sample-presets"

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
    Project("0505-00", "Grid connection survey", "TASM", "SYD", "AUD", from_month=-8),
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


ACCOUNTS = ("CC-250",)
"""Cost centers that have an account of their own: what their people use on no project goes there."""


def accounts(plan: Plan, cost_center_id: Mapping[str, int]) -> pl.DataFrame:
    """Return the accounts of cost centers: one row of `project` each."""
    return pl.DataFrame(
        {
            "id": [len(PROJECTS) + place for place in range(1, len(ACCOUNTS) + 1)],
            "number": list(ACCOUNTS),
            "name": [f"Cost center {code}" for code in ACCOUNTS],
            "cost_center_id": [cost_center_id[code] for code in ACCOUNTS],
            "office_id": [OFFICE_ID["BOS"]] * len(ACCOUNTS),
            "currency": ["USD"] * len(ACCOUNTS),
            "chargeable": [True] * len(ACCOUNTS),
            "opened_on": [plan.start.isoformat()] * len(ACCOUNTS),
            "kind": ["cost_center"] * len(ACCOUNTS),
        }
    )


def presets(plan: Plan, department_id: Mapping[str, int]) -> pl.DataFrame:
    """Let what the GIS people use without a project go to their cost center since the rollout."""
    return pl.DataFrame(
        {
            "id": [1],
            "department_id": [department_id["GEO"]],
            "valid_from_on": [plan.rollout.isoformat()],
            "author": [PRESET_AUTHOR],
            "reason": ["maps are kept for everybody"],
            "created_ms": [instant_ms(plan.rollout) - 1],
        }
    )


def _managers(managers: Mapping[str, Sequence[int]]) -> list[int | None]:
    """Give the clients' projects of each office to its managers in turn."""
    turns = {office: cycle(people) for office, people in managers.items() if people}
    return [next(turns[p.office]) if p.payer in CLIENTS and p.office in turns else None for p in PROJECTS]


def _tax_code(project: Project) -> str | None:
    if project.payer not in CLIENTS:
        return None
    return {"USD": "EX", "EUR": "RC", "AUD": "GST"}[project.currency]


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


def month_of(plan: Plan, day: date) -> int:
    """Return the month of a day, counted from the current one."""
    return (day.year - plan.month.year) * 12 + day.month - plan.month.month
