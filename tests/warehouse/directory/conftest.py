"""Master data files for the tests of the imports."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from warehouse import directory, schema, store
from warehouse.errors import Problem

DIRECTORY = """\
record,code,name,zone,currency,office,department,cost_center,employee_number,accounts,kind,valid_from
organization,,Example Engineers,Europe/Berlin,EUR,,,,,,,
office,BER,Berlin,Europe/Berlin,EUR,,,,,,,
office,NYC,New York,America/New_York,USD,,,,,,,
department,ENG,Engineering,,,,,,,,,
cost_center,4711,Overhead,,,,,,,,,
person,e17,Ada Example,,,BER,ENG,4711,0017,EXAMPLE\\ada;ada,,2024-01-01
person,e17,,,,NYC,,,,,,2026-07-01
person,e18,Bob Example,,,BER,,,,bob,,2024-01-01
host,Desk-17,,,,BER,,,,,laptop,
"""
PROJECTS = """\
project,phase,task,name,client,client_name,cost_center,office,chargeable,opened,closed,phase_name,task_name
0042,,,Harbor bridge,C7,Port of Example,,NYC,,2026-01-01,2027-01-01,,
0042,01,,,,,,,,,,Design,
0042,01,001,,,,,,,,,,Sketches
0042,01,002,,,,,,,,,,
ADMIN,,,Office work,,,4711,,no,,,,
"""
RATES = """\
rate,currency,valid_from,valid_to,application,project,person,increment_minutes,direction,level
12.5,EUR,2026-01-01,2027-01-01,draw,,,,,
13.2575,EUR,2027-01-01,,draw,,,6,up,month
99,EUR,2026-01-01,,draw,0042,,,,
"""
MEMBERS = "project,person,valid_from,valid_to\n0042,e17,2026-01-01,2026-07-01\n0042,e17,2026-10-01,\n"
PRESETS = """\
person,department,application,project,phase,valid_from,reason
,ENG,draw,0042,01,2026-01-01,design
e18,,,,,2026-01-01,overhead
"""
CALENDAR = """\
record,name,office,day,starts_on,ends_on
holiday,New Year,*,2026-01-01,,
period,2026-01,,,2026-01-01,2026-02-01
"""
ENTITLEMENTS = """\
entitlement,product,product_name,vendor,metric,quantity,valid_from,valid_to,unit_cost,currency,applications
E-1,suite,Suite,Acme,named_user,25,2026-01-01,2027-01-01,1234.5,EUR,draw;solve
"""
ASSIGNMENTS = """\
entitlement,person,host,valid_from
E-1,e17,,2026-01-01
E-1,,DESK-17,2026-01-01
"""
SAMPLES = {
    "directory": DIRECTORY,
    "calendar": CALENDAR,
    "projects": PROJECTS,
    "members": MEMBERS,
    "presets": PRESETS,
    "rates": RATES,
    "entitlements": ENTITLEMENTS,
    "assignments": ASSIGNMENTS,
}
Import = Callable[[Engine, Path], directory.Imported]


def _import_rates(engine: Engine, path: Path) -> directory.Imported:
    return directory.import_rates(engine, path, "eva", at_ms=1_700)


IMPORTS: dict[str, Import] = {
    "directory": directory.import_directory,
    "calendar": directory.import_calendar,
    "projects": directory.import_projects,
    "members": partial(directory.import_members, actor="eva", on_server=True),
    "presets": partial(directory.import_presets, actor="eva", on_server=True),
    "rates": _import_rates,
    "entitlements": directory.import_entitlements,
    "assignments": directory.import_assignments,
}


class Files:
    """Writes a table file, imports it, and tells what happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bring(self, engine: Engine, what: str, text: str) -> str:
        """Import a text as a CSV file; return what the import did."""
        path = self.folder / f"{what}.csv"
        path.write_text(text)
        return str(IMPORTS[what](engine, path))

    def refusal(self, engine: Engine, what: str, text: str) -> str:
        """Return why a file is refused, and see that nothing was written."""
        before = everything(engine)
        with pytest.raises(Problem) as caught:
            self.bring(engine, what, text)
        assert everything(engine) == before
        return str(caught.value).removeprefix(f"{what}.csv, ")


def everything(engine: Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select())]
            for name, table in schema.metadata.tables.items()
        }


def applications(engine: Engine) -> None:
    with store.writing(engine) as connection:
        for code in ("draw", "solve"):
            connection.execute(schema.application.insert().values(code=code, name=code.title()))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def samples() -> dict[str, str]:
    """One good file for each import, in the order in which they build on each other."""
    return SAMPLES


@pytest.fixture
def bare(both_engines: Engine) -> Engine:
    """Give a warehouse that knows two applications and nothing else, on both databases."""
    applications(both_engines)
    return both_engines


@pytest.fixture
def filled(engine: Engine, files: Files) -> Engine:
    """Give a warehouse with two applications, a directory and projects."""
    applications(engine)
    files.bring(engine, "directory", DIRECTORY)
    files.bring(engine, "projects", PROJECTS)
    return engine


@pytest.fixture
def rated(filled: Engine, files: Files) -> Engine:
    """Give a warehouse with rates as well."""
    files.bring(filled, "rates", RATES)
    return filled


@pytest.fixture
def use_the_first_rate() -> Callable[[Engine, str], None]:
    """Give a run of 2026-06, in a status of choice, with one line that the first rate priced."""
    return _use_the_first_rate


def _use_the_first_rate(engine: Engine, status: str) -> None:
    rows: dict[str, dict[str, object]] = {
        "fiscal_period": {"name": "2026-06", "starts_on": "2026-06-01", "ends_on": "2026-07-01"},
        "policy": {"name": "billing", "purpose": "billing"},
        "policy_version": {"policy_id": 1, "version": 1, "created_ms": 1, "created_by": "eva"},
        "billing_run": {
            "number": "2026-06/1",
            "fiscal_period_id": 1,
            "status": status,
            "target": "generic",
            "quantum_per_hour": 1000,
            "overlap_policy": "union",
            "cut_off_ms": 1,
            "policy_version_id": 1,
            "prepared_by": "eva",
            "prepared_ms": 1,
            "input_digest": "",
        },
        "charge_line": {
            "billing_run_id": 1,
            "line_number": 1,
            "kind": "usage",
            "day_on": "2026-06-15",
            "person_id": 1,
            "application_id": 1,
            "project_id": 1,
            "rate_id": 1,
            "active_ms": 0,
            "pause_ms": 0,
            "buffer_ms": 0,
            "quantity": 0,
            "rate_scaled": 0,
            "currency": "EUR",
            "amount_minor": 0,
            "session_count": 1,
            "fiscal_period_id": 1,
        },
    }
    with store.writing(engine) as connection:
        for table, row in rows.items():
            connection.execute(schema.metadata.tables[table].insert().values(row))
