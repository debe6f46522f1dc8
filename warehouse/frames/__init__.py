"""SQL -> Polars frames of declared schemas: all analytical reads.

Every function takes an engine and returns a `pl.LazyFrame`, whose columns are declared beside it in capitals;
an empty warehouse gives empty frames of the same types. Instants are Datetime("ms", "UTC"), days are Date,
text is String. People, accounts, hosts and devices appear under pseudonyms. `policy` and `organization` are
no frames.
"""

from __future__ import annotations

from warehouse.frames.billing import CHARGE_LINES, RUNS, charge_lines, runs
from warehouse.frames.evidence import (
    AGENTS,
    PRESENCE,
    SEGMENTS,
    SESSIONS,
    WATCHES,
    agents,
    presence,
    segments,
    sessions,
    watches,
)
from warehouse.frames.licenses import (
    ASSIGNMENTS,
    ENTITLEMENT_APPLICATIONS,
    ENTITLEMENTS,
    assignments,
    entitlement_applications,
    entitlements,
)
from warehouse.frames.organization import (
    APPLICATIONS,
    HOLIDAYS,
    HOSTS,
    OFFICES,
    PEOPLE,
    PERIODS,
    applications,
    holidays,
    hosts,
    offices,
    organization,
    people,
    periods,
    policy,
)
from warehouse.frames.projects import (
    PHASES,
    PROJECT_ENTRIES,
    PROJECTS,
    RATES,
    TASKS,
    phases,
    project_entries,
    projects,
    rates,
    tasks,
)

__all__ = [
    "AGENTS",
    "APPLICATIONS",
    "ASSIGNMENTS",
    "CHARGE_LINES",
    "ENTITLEMENTS",
    "ENTITLEMENT_APPLICATIONS",
    "HOLIDAYS",
    "HOSTS",
    "OFFICES",
    "PEOPLE",
    "PERIODS",
    "PHASES",
    "PRESENCE",
    "PROJECTS",
    "PROJECT_ENTRIES",
    "RATES",
    "RUNS",
    "SEGMENTS",
    "SESSIONS",
    "TASKS",
    "WATCHES",
    "agents",
    "applications",
    "assignments",
    "charge_lines",
    "entitlement_applications",
    "entitlements",
    "holidays",
    "hosts",
    "offices",
    "organization",
    "people",
    "periods",
    "phases",
    "policy",
    "presence",
    "project_entries",
    "projects",
    "rates",
    "runs",
    "segments",
    "sessions",
    "tasks",
    "watches",
]
