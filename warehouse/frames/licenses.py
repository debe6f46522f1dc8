"""What was bought and who holds it, as frames."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.reading import Columns, named, select, select_named, typed
from warehouse.periods import INSTANT

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
    "pack_size": pl.Int64,
    "true_up_on": pl.Date,
}
USE_RIGHTS: Columns = {
    "entitlement": pl.String,
    "version": pl.String,
    "earlier_versions": pl.Int64,
    "regions": pl.List(pl.String),
    "offices": pl.List(pl.String),
    "contractors": pl.Boolean,
    "affiliates": pl.Boolean,
    "second_device": pl.Boolean,
    "virtualization": pl.Boolean,
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
    "seat": pl.Int64,
}

HARVEST_EVENTS: Columns = {
    "seat": pl.Int64,
    "entitlement": pl.String,
    "holder": pl.String,
    "step": pl.String,
    "actor": pl.String,
    "reason": pl.String,
    "at": INSTANT,
}
VENDOR_COUNTS: Columns = {
    "product": pl.String,
    "source": pl.String,
    "unit": pl.String,
    "start": INSTANT,
    "end": INSTANT,
    "count": pl.Int64,
    "received": INSTANT,
}


def entitlements(engine: Engine) -> pl.LazyFrame:
    """Return one row per right bought; `unit_cost_minor` is per unit and year, in minor units of `currency`.

    `quantity` is in units, also where they are sold in packs of `pack_size`. An incomplete contract has
    nulls: no end, no cost and currency, no notice date.
    """
    sql = """
        SELECT entitlement.code AS entitlement, product.code AS product, product.name AS product_name,
               product.vendor, entitlement.metric, entitlement.quantity,
               entitlement.valid_from_on AS valid_from, entitlement.valid_to_on AS valid_to,
               entitlement.unit_cost_minor, entitlement.currency, entitlement.contract, entitlement.notice_on,
               entitlement.consumption_order, entitlement.counting_rule, entitlement.pack_size,
               entitlement.true_up_on
        FROM entitlement JOIN product ON product.id = entitlement.product_id ORDER BY entitlement.id
    """
    return select(engine, sql, ENTITLEMENTS)


def use_rights(engine: Engine) -> pl.LazyFrame:
    """Return one row per right bought: what its contract allows; null where it says nothing.

    `version` is the newest that may be used, `earlier_versions` how many before it; `regions` (AMER, EMEA,
    APAC) and `offices` (codes) say where; the rest is allowed or not.
    """
    sql = "SELECT code AS entitlement, use_rights FROM entitlement ORDER BY id"
    rows = store.read(engine, sql)
    said = [_as_document(document) for document in rows["use_rights"]]
    facts = pl.DataFrame(
        [[document.get(name) for name in list(USE_RIGHTS)[1:]] for document in said],
        schema={name: kind for name, kind in USE_RIGHTS.items() if name != "entitlement"},
        orient="row",
    )
    return pl.concat([rows.select(pl.col("entitlement").cast(pl.String)), facts], how="horizontal").lazy()


def _as_document(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, str) else stored


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
    """Return one row per seat given to a person or to a host (pseudonyms), and stretch of days.

    `seat` is the number by which commands name it.
    """
    sql = """
        SELECT entitlement.code AS entitlement, assignment.person_id AS person, assignment.person_id,
               assignment.host_id AS host, assignment.host_id, assignment.valid_from_on AS valid_from,
               assignment.valid_to_on AS valid_to, assignment.id AS seat
        FROM assignment JOIN entitlement ON entitlement.id = assignment.entitlement_id
        ORDER BY assignment.id
    """
    return select_named(engine, sql, ASSIGNMENTS, {"person": "P", "host": "H"})


def vendor_counts(engine: Engine) -> pl.LazyFrame:
    """Return one row per product, source, unit and stretch [start, end) that a vendor's export counts.

    `unit` is licenses, devices, user_days or tokens.
    """
    sql = """
        SELECT product.code AS product, source, unit, start_ms AS start, end_ms AS "end", count,
               received_ms AS received
        FROM vendor_count JOIN product ON product.id = vendor_count.product_id
        ORDER BY product.code, source, unit, start_ms
    """
    return select(engine, sql, VENDOR_COUNTS)


def harvest_events(engine: Engine) -> pl.LazyFrame:
    """Return one row per step on a seat's way back, in order.

    `seat` is the number of the assignment, `holder` the pseudonym of a person or a host, `step` one of
    propose, notice, keep, release, approve, reclaim; `actor` is who said so.
    """
    sql = """
        SELECT harvest_event.assignment_id AS seat, entitlement.code AS entitlement,
               assignment.person_id AS person, assignment.host_id AS host, harvest_event.step,
               harvest_event.actor, harvest_event.reason, harvest_event.at_ms AS at
        FROM harvest_event
        JOIN assignment ON assignment.id = harvest_event.assignment_id
        JOIN entitlement ON entitlement.id = assignment.entitlement_id
        ORDER BY harvest_event.id
    """
    rows = named(engine, store.read(engine, sql), {"person": "P", "host": "H"})
    return typed(rows.with_columns(holder=pl.coalesce("person", "host")), HARVEST_EVENTS)
