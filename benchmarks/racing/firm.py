"""The master data of a firm that bills: offices, people, hosts, applications, clients, projects, rates."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store

OFFICES = {"BER": "Europe/Berlin", "NYC": "America/New_York", "BLR": "Asia/Kolkata"}
APPLICATIONS = 30
PROJECTS = 600
PERIODS = [(f"2026-{month:02}", f"2026-{month:02}-01", f"2026-{month + 1:02}-01") for month in range(1, 12)]
SINCE = "2025-01-01"
RATE = {
    "currency": "EUR", "valid_from_on": SINCE, "increment_ms": 360_000, "direction": "up", "level": "line",
    "author": "rita", "created_ms": 0,
}  # fmt: skip
POLICY = {"default": {"idle_timeout_ms": 300_000, "buffer_ms": 60_000}}


def furnish(engine: Engine, people: int) -> None:
    """Write everything that sessions, project entries and charge lines refer to."""
    for table, rows in _tables(people).items():
        store.append(engine, table, rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows))


def _tables(people: int) -> dict[str, pl.DataFrame | list[dict[str, Any]]]:
    number = pl.int_range(1, people + 1, dtype=pl.Int64, eager=True).alias("id").to_frame()
    project = pl.int_range(1, PROJECTS + 1, dtype=pl.Int64, eager=True).alias("id").to_frame()
    office = 1 + pl.col("id") % len(OFFICES)
    return {
        "organization": [{"id": 1, "name": "Firm", "zone": "Europe/Berlin", "currency": "EUR"}],
        "office": [
            {"id": place, "code": code, "name": code, "zone": zone, "currency": "EUR",
             "business_weekdays": "12345"}
            for place, (code, zone) in enumerate(OFFICES.items(), 1)
        ],
        "fiscal_period": [
            {"id": place, "name": name, "starts_on": first, "ends_on": last}
            for place, (name, first, last) in enumerate(PERIODS, 1)
        ],
        "person": number.with_columns(
            code=pl.format("p{}", "id"), employee_number=pl.format("{}", "id"),
            name=pl.format("Person {}", "id"),
            employment=pl.lit("employee"), valid_from_on=pl.lit(SINCE),
        ),
        "placement": number.with_columns(person_id="id", office_id=office, valid_from_on=pl.lit(SINCE)),
        "account": number.with_columns(name=pl.format("user{}", "id"), person_id="id"),
        "host": number.with_columns(
            name=pl.format("ws{}", "id"), kind=pl.lit("workstation"), office_id=office, zone=pl.lit("UTC"),
            in_directory=pl.lit(value=True), valid_from_on=pl.lit(SINCE),
        ),
        "application": [
            {"id": place, "code": f"app{place}", "name": f"Application {place}", "billed": True}
            for place in range(1, APPLICATIONS + 1)
        ],
        "policy": [{"id": 1, "name": "billing", "purpose": "billing"}],
        "policy_version": [
            {"id": 1, "policy_id": 1, "version": 1, "created_ms": 0, "created_by": "admin",
             "document": json.dumps(POLICY)}
        ],
        "client": [{"id": place, "code": f"C{place}", "name": f"Client {place}"} for place in range(1, 61)],
        "project": project.with_columns(
            number=pl.format("P{}", "id"), name=pl.format("Project {}", "id"),
            client_id=1 + pl.col("id") % 60,
            currency=pl.lit("EUR"), tax_code=pl.lit("V19"), chargeable=pl.col("id") % 50 != 0,
        ),
        "phase": project.with_columns(project_id="id", number=pl.lit("01"), name=pl.lit("Design")),
        "rate": [
            {"id": place, "application_id": place, "rate_scaled": 500_000 + 10_000 * place, **RATE}
            for place in range(1, APPLICATIONS + 1)
        ],
    }  # fmt: skip
