"""Queries about other numbers of licenses: shortage, pooling, bounds, growth, the cheapest mix, and terms."""

from __future__ import annotations

from fractions import Fraction

import polars as pl
from sqlalchemy import Engine

from pipelines.queries.asking import (
    APPLICATION,
    BASIS,
    KEY,
    WINDOW,
    ZONE,
    Answer,
    Query,
    Values,
    evidence,
    one_application,
    rows,
    used,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.concurrency import curve, intervals
from warehouse.metrics.contract_terms import Terms, term
from warehouse.metrics.growth import trend
from warehouse.metrics.license_mix import Prices, Service, cheapest_mix
from warehouse.metrics.percentiles import daily_peaks, launches
from warehouse.metrics.what_if import at_most, pooling, what_if

ONE = Parameter("application", "str", "", "code of the application")
ASKED = (ONE, KEY, BASIS, *WINDOW, ZONE)


def _launch_demand(engine: Engine, values: Values) -> Answer:
    seen = evidence(engine, values, zone(engine, values))
    return rows(launches(used(engine, seen, values)))


def _level(name: str) -> Query:
    """Ask for one figure at every number of licenses."""

    def run(engine: Engine, values: Values) -> Answer:
        one_application(name, values)
        seen = evidence(engine, values, zone(engine, values))
        holders = seen.sessions.select(
            key=pl.col("session").cast(pl.String), person=pl.coalesce("person", "account")
        )
        by_session = values["key"] in ("session", "token")
        return rows(what_if(used(engine, seen, values), holders if by_session else None).select("n", name))

    return Query(name, CATALOGUE[name].description, ASKED, run)


def _in_use_at_most(engine: Engine, values: Values) -> Answer:
    seen = evidence(engine, values, zone(engine, values))
    asked = (values["key"], values["basis"], seen.start, seen.end)
    return rows(at_most(seen.stated, seen.sessions, *asked, weights=frames.applications(engine)))


def _pooled_peak(engine: Engine, values: Values) -> Answer:
    one_application("pooled_peak", values)
    seen = evidence(engine, values, zone(engine, values))
    placed = seen.sessions.with_columns(pl.col("office").cast(pl.String)).filter(
        pl.col("office").is_not_null()
    )
    asked = (values["key"], values["basis"], seen.start, seen.end)
    weights = frames.applications(engine)
    places = placed.select(pl.col("office").unique().sort()).collect()["office"]
    parts = {
        place: intervals(seen.stated, placed.filter(pl.col("office") == place), *asked, weights=weights)
        for place in places
    }
    return rows(pooling(parts, used(engine, seen, values)))


def _demand_trend(engine: Engine, values: Values) -> Answer:
    one_application("demand_trend", values)
    local = zone(engine, values)
    seen = evidence(engine, values, local)
    peaks = daily_peaks(curve(used(engine, seen, values)), local, seen.start, seen.end)
    month = pl.col("day").dt.truncate("1mo")
    monthly = peaks.group_by(month=month).agg(demand=pl.col("peak").max(), days=pl.len()).sort("month")
    whole = monthly.filter(pl.col("days") == pl.col("month").dt.days_in_month())
    # A window without a whole month shows what there is; so few months have no line.
    known = monthly.head(1) if whole.collect().is_empty() else whole
    return rows(trend(known, values["ahead"]))


def _cheapest_mix(engine: Engine, values: Values) -> Answer:
    one_application("cheapest_mix", values)
    if not 0 <= values["service_percent"] <= 100:
        raise Problem(f"a service level of {values['service_percent']} %", "give 0 to 100, such as 99.5")
    seen = evidence(engine, values, zone(engine, values))
    in_use = used(engine, seen, values).with_columns(product="application", person="key")
    whole = pl.LazyFrame({"period": ["window"], "start": [seen.start], "end": [seen.end]})
    prices = Prices(named=values["named_minor"] or None, concurrent=values["concurrent_minor"] or None)
    service = Service(share_of_use=Fraction(str(values["service_percent"])) / 100)
    found = cheapest_mix(in_use, whole, {values["application"]: prices}, service)
    bought = found.products.select("named", "concurrent").row(0, named=True)
    return bought | {"cost_minor": found.cost_minor, "bound_minor": found.bound_minor}


def _term_cost(_engine: Engine, values: Values) -> Answer:
    shares = {name: Fraction(str(values[name])) / 100 for name in SHARES}
    return rows(
        term(Terms(values["quantity"], values["need"], values["price_minor"], values["years"], **shares))
    )


SHARES = ("growth", "uplift", "discount", "step_down", "true_up")

QUERIES = (
    Query(
        "launch_demand",
        CATALOGUE["launch_demand"].description,
        (APPLICATION, KEY, BASIS, *WINDOW, ZONE),
        _launch_demand,
    ),
    *(_level(name) for name in ("minutes_short", "turned_away", "people_affected")),
    Query("pooled_peak", CATALOGUE["pooled_peak"].description, ASKED, _pooled_peak),
    Query(
        "in_use_at_most",
        CATALOGUE["in_use_at_most"].description,
        (APPLICATION, KEY, BASIS, *WINDOW, ZONE),
        _in_use_at_most,
    ),
    Query(
        "demand_trend",
        CATALOGUE["demand_trend"].description,
        (*ASKED, Parameter("ahead", "int", 12, "months to go on by")),
        _demand_trend,
    ),
    Query(
        "cheapest_mix",
        CATALOGUE["cheapest_mix"].description,
        (
            *ASKED,
            Parameter("named_minor", "int", 50, "price of a seat, in minor units; 0: not sold"),
            Parameter("concurrent_minor", "int", 100, "price of a concurrent license; 0: not sold"),
            Parameter("service_percent", "float", 99.0, "share of use that has to find a license, 0 to 100"),
        ),
        _cheapest_mix,
    ),
    Query(
        "term_cost",
        CATALOGUE["term_cost"].description,
        (
            Parameter("quantity", "int", 0, "licenses to commit to"),
            Parameter("need", "int", 0, "licenses needed in the first year"),
            Parameter("price_minor", "int", 0, "list price of a license and year, in minor units"),
            Parameter("years", "int", 3, "length of the term, 1 to 10"),
            *(Parameter(name, "float", 0.0, f"{name.replace('_', '-')} in percent") for name in SHARES),
        ),
        _term_cost,
    ),
)
"""In the order of `query list`."""
