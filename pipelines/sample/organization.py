"""Meridian Engineering as rows: everything that is known before the first program is started."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from pipelines.sample import calendars, entitlements, policies, products, projects, rates
from pipelines.sample.calendars import OFFICE_ID
from pipelines.sample.people import (
    COST_CENTER,
    DEPARTMENT_ID,
    DEPARTMENTS,
    PLOT_HOST,
    SHARED_ACCOUNT,
    TERMINAL_SERVER,
    UNKNOWN_ACCOUNT,
    Person,
)
from pipelines.sample.plan import Plan

NAME = "Meridian Engineering"
COST_CENTER_ID = {code: place for place, code in enumerate(COST_CENTER.values(), start=1)}
SILENT_HOST = "lon-ws-900"
"""In the directory, and never heard from."""
AGENT_VERSION = "0.1.0"

Tables = dict[str, pl.DataFrame]


def tables(plan: Plan, staff: list[Person], watched: pl.DataFrame) -> Tables:
    """Return the rows of every master table, by the table's name, in an order that foreign keys allow.

    Parameters
    ----------
    watched
        Rows of `watch_interval`: they tell when each agent was last heard.
    """
    seats = entitlements.assignments(plan, staff, len(staff) + 2)
    return {
        "organization": _organization(plan),
        "office": calendars.offices(),
        "holiday": calendars.holidays(plan),
        "fiscal_period": calendars.fiscal_periods(plan),
        "department": _coded(DEPARTMENT_ID, DEPARTMENTS),
        "cost_center": _coded(COST_CENTER_ID, {COST_CENTER[c]: name for c, name in DEPARTMENTS.items()}),
        "person": _people(staff),
        "placement": _placements(staff),
        "account": accounts(staff),
        "host": hosts(plan, staff),
        "client_device": _client_devices(staff),
        "agent": _agents(plan, staff, watched),
        "product": products.products(),
        "application": products.applications(),
        "signature": products.signatures(),
        "policy": policies.policies(),
        "policy_version": policies.versions(plan),
        "client": projects.clients(),
        "project": pl.concat(
            [
                projects.projects(plan, COST_CENTER_ID, _managers(staff)),
                projects.accounts(plan, COST_CENTER_ID),
            ],
            how="diagonal",
        ).with_columns(pl.col("kind").fill_null("project")),
        "phase": projects.phases(),
        "task": projects.tasks(),
        "entitlement": entitlements.entitlements(plan),
        "entitlement_application": entitlements.coverage(),
        "assignment": seats,
        "harvest_event": entitlements.harvest_events(plan, seats),
        "project_preset": projects.presets(plan, DEPARTMENT_ID),
        "rate": rates.rates(plan, _lead(staff)),
        "conversion_rate": rates.conversions(plan),
    }


def _organization(plan: Plan) -> pl.DataFrame:
    settings = {
        "sample": {"made_on": plan.today.isoformat(), "seed": plan.seed, "people": plan.people},
        "separation_of_duties": True,
    }
    return pl.DataFrame(
        {"id": [1], "name": [NAME], "zone": ["America/New_York"], "currency": ["USD"]}
    ).with_columns(settings=pl.lit(json.dumps(settings)))


def _coded(ids: dict[str, int], names: dict[str, str]) -> pl.DataFrame:
    return pl.DataFrame({"id": list(ids.values()), "code": list(ids), "name": [names[code] for code in ids]})


def _people(staff: list[Person]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [p.id for p in staff],
            "code": [p.code for p in staff],
            "employee_number": [p.code[1:] for p in staff],
            "name": [p.name for p in staff],
            "email": [f"{p.account.split(chr(92))[1]}@meridian.example" for p in staff],
            "employment": ["contractor" if p.contractor else "employee" for p in staff],
            "valid_from_on": [p.valid_from.isoformat() for p in staff],
            "valid_to_on": _last_days(staff),
        }
    )


def _last_days(staff: list[Person]) -> pl.Series:
    return pl.Series([p.valid_to.isoformat() if p.valid_to else None for p in staff], dtype=pl.String)


def _placements(staff: list[Person]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [p.id for p in staff],
            "person_id": [p.id for p in staff],
            "office_id": [OFFICE_ID[p.office.code] for p in staff],
            "department_id": [DEPARTMENT_ID[p.department] for p in staff],
            "cost_center_id": [COST_CENTER_ID[COST_CENTER[p.department]] for p in staff],
            "valid_from_on": [p.valid_from.isoformat() for p in staff],
            "valid_to_on": _last_days(staff),
        }
    )


def accounts(staff: list[Person]) -> pl.DataFrame:
    """Return one account each, a second one of every contractor, a shared one and one that nobody knows."""
    rows: list[tuple[int, str, int | None, bool]] = [(p.id, p.account, p.id, False) for p in staff]
    guests = [(guest_account(p), p.id, False) for p in staff if p.contractor]
    others = [*guests, (SHARED_ACCOUNT, None, True), (UNKNOWN_ACCOUNT, None, False)]
    rows += [(number, *row) for number, row in enumerate(others, start=len(staff) + 1)]
    schema = {"id": pl.Int64, "name": pl.String, "person_id": pl.Int64, "shared": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def guest_account(person: Person) -> str:
    """Return the name of the account that a contractor brings along."""
    return person.account.replace("meridian\\", "partner\\")


def hosts(plan: Plan, staff: list[Person]) -> pl.DataFrame:
    """Return everybody's machine, then the terminal server, the plot room's, and one never heard from."""
    rows: list[tuple[Any, ...]] = [
        (
            p.id,
            p.host,
            "laptop" if p.laptop else "workstation",
            OFFICE_ID[p.office.code],
            p.office.zone,
            True,
            p.metered_from.isoformat(),
            p.valid_to.isoformat() if p.valid_to else None,
        )
        for p in staff
    ]
    extra = (
        (TERMINAL_SERVER, "terminal", "MUC", "Europe/Berlin", plan.start),
        (PLOT_HOST, "workstation", "BOS", "America/New_York", plan.rollout),
        (SILENT_HOST, "workstation", "LON", "Europe/London", plan.rollout),
    )
    for number, (name, kind, office, zone, first) in enumerate(extra, start=len(staff) + 1):
        rows.append((number, name, kind, OFFICE_ID[office], zone, True, first.isoformat(), None))
    columns = ["id", "name", "kind", "office_id", "zone", "in_directory", "valid_from_on", "valid_to_on"]
    return pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None).with_columns(
        pl.col("valid_to_on").cast(pl.String)
    )


def host_ids(plan: Plan, staff: list[Person]) -> dict[str, int]:
    """Return the id of each host by its name."""
    return dict(hosts(plan, staff).select("name", "id").iter_rows())


def _agents(plan: Plan, staff: list[Person], watched: pl.DataFrame) -> pl.DataFrame:
    last_heard = watched.group_by("host_id").agg(last_heard_ms=pl.col("end_ms").max())
    return (
        hosts(plan, staff)
        .filter(pl.col("name") != SILENT_HOST)
        .select(
            id=pl.format("sample-{}", pl.col("id").cast(pl.String).str.zfill(4)),
            host_id="id",
            version=pl.lit(AGENT_VERSION),
            system=pl.when(pl.col("kind") == "terminal")
            .then(pl.lit("Windows Server"))
            .otherwise(pl.lit("Windows")),
            enrolled_ms=pl.col("valid_from_on").str.to_date().cast(pl.Datetime("ms")).cast(pl.Int64),
            revoked_ms=pl.col("valid_to_on").str.to_date().cast(pl.Datetime("ms")).cast(pl.Int64),
            policy_version=pl.lit(2),
        )
        .join(last_heard, on="host_id", how="left", maintain_order="left")
    )


def _client_devices(staff: list[Person]) -> pl.DataFrame:
    remote = [p for p in staff if p.remote or p.department == "SIM"]
    return pl.DataFrame(
        {"id": [p.id for p in remote], "name": [p.host for p in remote]},
        schema={"id": pl.Int64, "name": pl.String},
    )


def _managers(staff: list[Person]) -> dict[str, list[int]]:
    """List the project managers of each office."""
    found: dict[str, list[int]] = {}
    for person in staff:
        if person.department == "PMO" and person.valid_to is None:
            found.setdefault(person.office.code, []).append(person.id)
    return found


def _lead(staff: list[Person]) -> int | None:
    """Find the first structural engineer in Boston, who has a price of their own."""
    return next((p.id for p in staff if (p.office.code, p.department) == ("BOS", "STR")), None)
