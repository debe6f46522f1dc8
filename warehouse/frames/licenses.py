"""What was bought and who holds it, as frames."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse.frames.reading import Columns, select, select_named

ENTITLEMENTS: Columns = {
    "entitlement": pl.String,
    "product": pl.String,
    "product_name": pl.String,
    "vendor": pl.String,
    "metric": pl.String,
    "quantity": pl.Int64,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "unit_cost_minor": pl.Int64,
    "currency": pl.String,
    "contract": pl.String,
    "notice_on": pl.Date,
    "consumption_order": pl.Int64,
    "counting_rule": pl.String,
}
ENTITLEMENT_APPLICATIONS: Columns = {"entitlement": pl.String, "application": pl.String}
ASSIGNMENTS: Columns = {
    "entitlement": pl.String,
    "person": pl.String,
    "person_id": pl.Int64,
    "host": pl.String,
    "host_id": pl.Int64,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}


def entitlements(engine: Engine) -> pl.LazyFrame:
    """Return one row per right bought; `unit_cost_minor` is per unit and year, in units of `currency`."""
    sql = """
        SELECT entitlement.code AS entitlement, product.code AS product, product.name AS product_name,
               product.vendor, entitlement.metric, entitlement.quantity,
               entitlement.valid_from_on AS valid_from, entitlement.valid_to_on AS valid_to,
               entitlement.unit_cost_minor, entitlement.currency, entitlement.contract, entitlement.notice_on,
               entitlement.consumption_order, entitlement.counting_rule
        FROM entitlement JOIN product ON product.id = entitlement.product_id ORDER BY entitlement.id
    """
    return select(engine, sql, ENTITLEMENTS)


def entitlement_applications(engine: Engine) -> pl.LazyFrame:
    """Return one row per entitlement and application that it covers."""
    sql = """
        SELECT entitlement.code AS entitlement, application.code AS application
        FROM entitlement_application
        JOIN entitlement ON entitlement.id = entitlement_application.entitlement_id
        JOIN application ON application.id = entitlement_application.application_id
        ORDER BY entitlement.id, application.id
    """
    return select(engine, sql, ENTITLEMENT_APPLICATIONS)


def assignments(engine: Engine) -> pl.LazyFrame:
    """Return one row per seat given to a person or to a host (pseudonyms), and stretch of days."""
    sql = """
        SELECT entitlement.code AS entitlement, assignment.person_id AS person, assignment.person_id,
               assignment.host_id AS host, assignment.host_id, assignment.valid_from_on AS valid_from,
               assignment.valid_to_on AS valid_to
        FROM assignment JOIN entitlement ON entitlement.id = assignment.entitlement_id
        ORDER BY assignment.id
    """
    return select_named(engine, sql, ASSIGNMENTS, {"person": "P", "host": "H"})
