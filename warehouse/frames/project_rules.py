"""Who may charge to which project, where time goes that nobody entered a project for, and which fields."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.organization import organization
from warehouse.frames.projects import phases, projects, tasks
from warehouse.frames.reading import Columns, select_named
from warehouse.periods import INSTANT
from warehouse.projects import FieldRule, Master, field_rules

PROJECT_MEMBERS: Columns = {
    "project": pl.String,
    "person": pl.String,
    "person_id": pl.Int64,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}
PROJECT_PRESETS: Columns = {
    "preset": pl.Int64,
    "person": pl.String,
    "person_id": pl.Int64,
    "department": pl.String,
    "office": pl.String,
    "application": pl.String,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "reason": pl.String,
    "created": INSTANT,
}


def project_members(engine: Engine) -> pl.LazyFrame:
    """Return one row per project, member and stretch of local days [valid_from, valid_to).

    `person` is a pseudonym. A project without any row is open to everybody.
    """
    sql = """
        SELECT project.number AS project, project_member.person_id AS person, project_member.person_id,
               project_member.valid_from_on AS valid_from, project_member.valid_to_on AS valid_to
        FROM project_member JOIN project ON project.id = project_member.project_id
        ORDER BY project.id, project_member.person_id, project_member.valid_from_on
    """
    return select_named(engine, sql, PROJECT_MEMBERS, {"person": "P"})


def project_presets(engine: Engine) -> pl.LazyFrame:
    """Return one row per preset: where time goes for which no project was entered.

    Returns
    -------
    pl.LazyFrame
        Null in `person`, `department`, `office` or `application` means any; the first that is not null in
        this order makes a preset more special than others that fit. `project` is null where time goes to the
        cost center of the person at the time of use. Valid on the local days [valid_from, valid_to). Who set
        it is an account's name, which no frame gives.
    """
    sql = """
        SELECT project_preset.id AS preset, project_preset.person_id AS person, project_preset.person_id,
               department.code AS department, office.code AS office, application.code AS application,
               project.number AS project, phase.number AS phase, task.number AS task,
               project_preset.valid_from_on AS valid_from, project_preset.valid_to_on AS valid_to,
               project_preset.reason, project_preset.created_ms AS created
        FROM project_preset
        LEFT JOIN department ON department.id = project_preset.department_id
        LEFT JOIN office ON office.id = project_preset.office_id
        LEFT JOIN application ON application.id = project_preset.application_id
        LEFT JOIN project ON project.id = project_preset.project_id
        LEFT JOIN phase ON phase.id = project_preset.phase_id
        LEFT JOIN task ON task.id = project_preset.task_id
        ORDER BY project_preset.id
    """
    return select_named(engine, sql, PROJECT_PRESETS, {"person": "P"})


def project_fields(engine: Engine) -> tuple[FieldRule, ...]:
    """Return the fields of a project entry that the administrator has named; no frame.

    None where nobody has named the organization yet.
    """
    if store.read(engine, "SELECT id FROM organization").is_empty():
        return ()
    return field_rules(organization(engine)["settings"])


def master(engine: Engine) -> Master:
    """Return the whole project master, which judges entries; no frame."""
    return Master.of(
        projects(engine).collect(),
        phases(engine).collect(),
        tasks(engine).collect(),
        project_members(engine).collect(),
        project_fields(engine),
    )
