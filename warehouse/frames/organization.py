"""The organization as frames: applications, offices, calendar, people, hosts; and the policy in force."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.errors import Problem
from warehouse.frames.reading import Columns, select, select_named
from warehouse.metrics.states import Policy

APPLICATIONS: Columns = {
    "application": pl.String,
    "name": pl.String,
    "version": pl.String,
    "edition": pl.String,
    "product": pl.String,
    "product_name": pl.String,
    "vendor": pl.String,
    "token_weight": pl.Int64,
    "metered": pl.Boolean,
    "billed": pl.Boolean,
}
OFFICES: Columns = {
    "office": pl.String,
    "office_id": pl.Int64,
    "name": pl.String,
    "zone": pl.String,
    "currency": pl.String,
    "opens_minute": pl.Int64,
    "closes_minute": pl.Int64,
    "business_weekdays": pl.String,
}
HOLIDAYS: Columns = {"office": pl.String, "day": pl.Date}
PERIODS: Columns = {"period": pl.String, "period_id": pl.Int64, "starts_on": pl.Date, "ends_on": pl.Date}
PEOPLE: Columns = {
    "person": pl.String,
    "person_id": pl.Int64,
    "employment": pl.String,
    "office": pl.String,
    "department": pl.String,
    "cost_center": pl.String,
    "zone": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}
MEMBERSHIPS: Columns = {
    "person": pl.String,
    "person_id": pl.Int64,
    "group": pl.String,
    "source": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}
HOSTS: Columns = {
    "host": pl.String,
    "host_id": pl.Int64,
    "kind": pl.String,
    "office": pl.String,
    "zone": pl.String,
    "in_directory": pl.Boolean,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}


def applications(engine: Engine) -> pl.LazyFrame:
    """Return one row per metered application; product columns are null where it belongs to none.

    `token_weight` counts tokens per unit; `metered` and `billed` (flows to Expense-2-Project) are questions.
    """
    sql = """
        SELECT application.code AS application, application.name, application.version, application.edition,
               product.code AS product, product.name AS product_name, product.vendor,
               coalesce(product.token_weight, 1) AS token_weight, application.metered, application.billed
        FROM application LEFT JOIN product ON product.id = application.product_id
        ORDER BY application.id
    """
    return select(engine, sql, APPLICATIONS)


def offices(engine: Engine) -> pl.LazyFrame:
    """Return one row per office.

    `opens_minute` and `closes_minute` are local minutes of the day; `business_weekdays` is ISO weekdays.
    """
    sql = """
        SELECT code AS office, id AS office_id, name, zone, currency, opens_minute, closes_minute,
               business_weekdays
        FROM office ORDER BY id
    """
    return select(engine, sql, OFFICES)


def holidays(engine: Engine) -> pl.LazyFrame:
    """Return one row per office and local day that is no business day."""
    sql = """
        SELECT office.code AS office, holiday.day_on AS day
        FROM holiday JOIN office ON office.id = holiday.office_id ORDER BY office.id, holiday.day_on
    """
    return select(engine, sql, HOLIDAYS)


def periods(engine: Engine) -> pl.LazyFrame:
    """Return one row per fiscal period [starts_on, ends_on), in order."""
    sql = "SELECT name AS period, id AS period_id, starts_on, ends_on FROM fiscal_period ORDER BY starts_on"
    return select(engine, sql, PERIODS)


def people(engine: Engine) -> pl.LazyFrame:
    """Return one row per placement: where a person belonged on the local days [valid_from, valid_to).

    `person` is a pseudonym; `zone` is the home office's.
    """
    sql = """
        SELECT person.id AS person, person.id AS person_id, person.employment, office.code AS office,
               department.code AS department, cost_center.code AS cost_center, office.zone,
               placement.valid_from_on AS valid_from, placement.valid_to_on AS valid_to
        FROM placement
        JOIN person ON person.id = placement.person_id
        JOIN office ON office.id = placement.office_id
        LEFT JOIN department ON department.id = placement.department_id
        LEFT JOIN cost_center ON cost_center.id = placement.cost_center_id
        ORDER BY person.id, placement.valid_from_on
    """
    return select_named(engine, sql, PEOPLE, {"person": "P"})


def memberships(engine: Engine) -> pl.LazyFrame:
    """Return one row per person, group and stretch of local days [valid_from, valid_to).

    `person` is a pseudonym; `source` is the directory server that the group is of, empty: a file.
    """
    sql = """
        SELECT membership.person_id AS person, membership.person_id, directory_group.name AS "group",
               directory_group.source, membership.valid_from_on AS valid_from,
               membership.valid_to_on AS valid_to
        FROM membership JOIN directory_group ON directory_group.id = membership.directory_group_id
        ORDER BY membership.person_id, directory_group.source, directory_group.name, valid_from_on
    """
    return select_named(engine, sql, MEMBERSHIPS, {"person": "P"})


def hosts(engine: Engine) -> pl.LazyFrame:
    """Return one row per host; `host` is a pseudonym, `office` is null where nobody has entered it."""
    sql = """
        SELECT host.id AS host, host.id AS host_id, host.kind, office.code AS office, host.zone,
               host.in_directory, host.valid_from_on AS valid_from, host.valid_to_on AS valid_to
        FROM host LEFT JOIN office ON office.id = host.office_id ORDER BY host.id
    """
    return select_named(engine, sql, HOSTS, {"host": "H"})


def policy(engine: Engine, purpose: str) -> Policy:
    """Return the newest policy of a purpose, `license` or `billing`; the defaults where none was applied."""
    sql = """
        SELECT policy_version.version, CAST(policy_version.document AS TEXT) AS document
        FROM policy_version JOIN policy ON policy.id = policy_version.policy_id
        WHERE policy.purpose = :purpose
        ORDER BY policy_version.created_ms DESC, policy_version.id DESC LIMIT 1
    """
    rows = store.read(engine, sql, {"purpose": purpose}).rows()
    if not rows:
        return Policy()
    version, document = int(rows[0][0]), json.loads(rows[0][1])
    # The billing policy also says what has nothing to do with states: overlap, separation of duties.
    return Policy.from_document(
        version, {name: document.get(name, {}) for name in ("default", "applications")}
    )


def organization(engine: Engine) -> dict[str, Any]:
    """Return the organization's `name`, `zone`, `currency` and `settings`.

    Raises
    ------
    Problem
        Nobody has named the organization yet.
    """
    sql = """
        SELECT name, zone, currency, CAST(settings AS TEXT) AS settings FROM organization ORDER BY id LIMIT 1
    """
    rows = store.read(engine, sql).rows(named=True)
    if not rows:
        raise Problem(
            f"The warehouse {store.place(engine.url)} does not name its organization",
            "import a directory file with a row `organization`: `process-meter directory import FILE`",
        )
    return {**rows[0], "settings": json.loads(rows[0]["settings"])}


def home_zone(engine: Engine) -> str | None:
    """Return the organization's zone; None where nobody has named the organization yet."""
    rows = store.read(engine, "SELECT zone FROM organization ORDER BY id LIMIT 1").rows()
    return str(rows[0][0]) if rows else None
