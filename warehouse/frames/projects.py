"""The project master, its dated layer over the sessions, and the rates, as frames."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from sqlalchemy import Engine

from warehouse.frames.evidence import OVERLAPPING
from warehouse.frames.reading import Columns, select, window_ms
from warehouse.periods import INSTANT

PROJECTS: Columns = {
    "project": pl.String,
    "project_id": pl.Int64,
    "name": pl.String,
    "client": pl.String,
    "client_name": pl.String,
    "cost_center": pl.String,
    "office": pl.String,
    "currency": pl.String,
    "tax_code": pl.String,
    "chargeable": pl.Boolean,
    "opened_on": pl.Date,
    "closed_on": pl.Date,
    "kind": pl.String,
    "manager_id": pl.Int64,
    "budget_minor": pl.Int64,
    "not_to_exceed_minor": pl.Int64,
}
PHASES: Columns = {
    "project": pl.String,
    "phase": pl.String,
    "phase_id": pl.Int64,
    "name": pl.String,
    "chargeable": pl.Boolean,
    "opened_on": pl.Date,
    "closed_on": pl.Date,
}
TASKS: Columns = {
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "task_id": pl.Int64,
    "name": pl.String,
}
PROJECT_ENTRIES: Columns = {
    "entry": pl.Int64,
    "session": pl.Int64,
    "instance": pl.Int32,
    "start": INSTANT,
    "end": INSTANT,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "reason": pl.String,
    "created": INSTANT,
    "fields": pl.String,
}
RATES: Columns = {
    "rate_id": pl.Int64,
    "person_id": pl.Int64,
    "project": pl.String,
    "office": pl.String,
    "application": pl.String,
    "rate_scaled": pl.Int64,
    "currency": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "increment_ms": pl.Int64,
    "direction": pl.String,
    "level": pl.String,
    "author": pl.String,
    "cost_rate_scaled": pl.Int64,
    "minimum_ms": pl.Int64,
    "daily_cap_minor": pl.Int64,
    "monthly_cap_minor": pl.Int64,
    "tier_kind": pl.String,
    "tiers": pl.String,
    "package_ms": pl.Int64,
    "free_ms": pl.Int64,
}
CONVERSIONS: Columns = {
    "conversion_id": pl.Int64,
    "from_currency": pl.String,
    "to_currency": pl.String,
    "from_on": pl.Date,
    "factor_scaled": pl.Int64,
    "author": pl.String,
}


def projects(engine: Engine) -> pl.LazyFrame:
    """Return one row per project, `project` being its number as text; the payer is client or cost center.

    `kind` is project, or client and cost_center for the payer's own account, whose number is the payer's
    code; `budget_minor` and `not_to_exceed_minor` are in the project's currency.
    """
    sql = """
        SELECT project.number AS project, project.id AS project_id, project.name, client.code AS client,
               client.name AS client_name, cost_center.code AS cost_center, office.code AS office,
               project.currency, project.tax_code, project.chargeable, project.opened_on, project.closed_on,
               project.kind, project.manager_id, project.budget_minor, project.not_to_exceed_minor
        FROM project
        LEFT JOIN client ON client.id = project.client_id
        LEFT JOIN cost_center ON cost_center.id = project.cost_center_id
        LEFT JOIN office ON office.id = project.office_id
        ORDER BY project.id
    """
    return select(engine, sql, PROJECTS)


def phases(engine: Engine) -> pl.LazyFrame:
    """Return one row per phase (WBS2) of a project."""
    sql = """
        SELECT project.number AS project, phase.number AS phase, phase.id AS phase_id, phase.name,
               phase.chargeable, phase.opened_on, phase.closed_on
        FROM phase JOIN project ON project.id = phase.project_id ORDER BY phase.id
    """
    return select(engine, sql, PHASES)


def tasks(engine: Engine) -> pl.LazyFrame:
    """Return one row per task (WBS3) of a phase."""
    sql = """
        SELECT project.number AS project, phase.number AS phase, task.number AS task, task.id AS task_id,
               task.name
        FROM task JOIN phase ON phase.id = task.phase_id JOIN project ON project.id = phase.project_id
        ORDER BY task.id
    """
    return select(engine, sql, TASKS)


def project_entries(engine: Engine, start: datetime, end: datetime) -> pl.LazyFrame:
    """Return all project entries of the sessions that overlap [start, end), as entered, valid or not.

    Returns
    -------
    pl.LazyFrame
        One row per entry; a higher `entry` outranks a lower one where they overlap. `instance` is null where
        it speaks of all instances, `end` where it is open; `fields` is JSON, texts by name. Who entered it is
        an account's name, which no frame gives; the session's `person` is the one whose work it is.
    """
    sql = f"""
        SELECT project_entry.id AS entry, project_entry.session_id AS session, project_entry.instance,
               project_entry.from_ms AS start, project_entry.to_ms AS "end",
               project_entry.project_number AS project, project_entry.phase_number AS phase,
               project_entry.task_number AS task, project_entry.reason,
               project_entry.created_ms AS created,
               CAST(project_entry.fields AS TEXT) AS fields
        FROM project_entry JOIN session ON session.id = project_entry.session_id
        WHERE {OVERLAPPING} ORDER BY project_entry.id
    """  # noqa: S608  a constant of this package
    return select(engine, sql, PROJECT_ENTRIES, window_ms(start, end))


def rates(engine: Engine) -> pl.LazyFrame:
    """Return one row per rate version; null in `person_id`, `project`, `office` or `application` means any.

    Returns
    -------
    pl.LazyFrame
        `rate_scaled` and `cost_rate_scaled` (null: not known) are 1/10,000 of the currency's major unit per
        hour; `increment_ms` 0 is none; `direction` is up, nearest or down; `level` is line, session or
        month; caps are minor units of the currency, null where there is none; `tier_kind` is graduated,
        volume or package, null for one price; `tiers` is JSON, [[from_ms, rate_scaled], ...], ascending;
        `package_ms` is null but for packages.
    """
    sql = """
        SELECT rate.id AS rate_id, rate.person_id, project.number AS project, office.code AS office,
               application.code AS application, rate.rate_scaled, rate.currency,
               rate.valid_from_on AS valid_from, rate.valid_to_on AS valid_to, rate.increment_ms,
               rate.direction, rate.level, rate.author, rate.cost_rate_scaled, rate.minimum_ms,
               rate.daily_cap_minor, rate.monthly_cap_minor, rate.tier_kind,
               CAST(rate.tiers AS TEXT) AS tiers, rate.package_ms, rate.free_ms
        FROM rate
        LEFT JOIN project ON project.id = rate.project_id
        LEFT JOIN office ON office.id = rate.office_id
        LEFT JOIN application ON application.id = rate.application_id
        ORDER BY rate.id
    """
    return select(engine, sql, RATES)


def conversions(engine: Engine) -> pl.LazyFrame:
    """Return one row per pair of currencies and day from which a factor holds, until the pair's next day.

    `factor_scaled` is 1/100,000,000: units of `to_currency` for one of `from_currency`.
    """
    sql = """
        SELECT id AS conversion_id, from_currency, to_currency, from_on, factor_scaled, author
        FROM conversion_rate ORDER BY id
    """
    return select(engine, sql, CONVERSIONS)
