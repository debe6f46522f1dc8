"""Queries about other numbers of licenses: shortage, pooling, bounds, growth, the cheapest mix, and terms."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import polars as pl
from sqlalchemy import Engine

from pipelines.answers.months import months_of, peaks_by_month, watched_trend
from pipelines.queries.asking import (
    BASIS,
    DEMANDED,
    KEY,
    ONE,
    WINDOW,
    ZONE,
    Answer,
    Evidence,
    Query,
    Values,
    by_application,
    demanded,
    one_application,
    rows,
    used,
    word,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.concurrency import curve
from warehouse.metrics.contract_terms import Terms, term
from warehouse.metrics.growth import trend
from warehouse.metrics.license_mix import Prices, Service, cheapest_mix
from warehouse.metrics.percentiles import launches
from warehouse.metrics.what_if import at_most, pooling, what_if

PLACES = ("office", "zone")
ASKED = (ONE, KEY, BASIS, *WINDOW, ZONE)


def _launch_demand(engine: Engine, values: Values) -> Answer:
    seen = demanded(engine, values, zone(engine, values))
    return rows(launches(used(engine, seen, values)))


def _level(name: str) -> Query:
    """Ask for one figure at every number of licenses."""

    def run(engine: Engine, values: Values) -> Answer:
        one_application(name, values)
        seen = demanded(engine, values, zone(engine, values))
        return rows(what_if(used(engine, seen, values), _holders(seen, values["key"])).select("n", name))

    return Query(name, CATALOGUE[name].description, ASKED, run)


def _holders(seen: Evidence, key: str) -> pl.LazyFrame | None:
    """Say whose each key is, as `what_if` takes it: a session is its person's; None: it is a person."""
    if key not in ("session", "token"):
        return None
    return seen.sessions.select(
        key=pl.col("session").cast(pl.String), person=pl.coalesce("person", "account")
    )


def _by_person(seen: Evidence, key: str, in_use: pl.LazyFrame) -> pl.LazyFrame:
    """Say which person each use of an application is of, as `cheapest_mix` takes it."""
    holders = _holders(seen, key)
    named = in_use.with_columns(product="application", person="key")
    if holders is None:
        return named
    return named.drop("person").join(holders, on="key", how="left").with_columns(pl.coalesce("person", "key"))


def _in_use_at_most(engine: Engine, values: Values) -> Answer:
    seen = demanded(engine, values, zone(engine, values))
    asked = (values["key"], values["basis"], seen.start, seen.end)
    weights = frames.applications(engine)
    return rows(by_application(at_most(seen.stated, seen.sessions, *asked, weights=weights, **seen.counted)))


def _pooled_peak(engine: Engine, values: Values) -> Answer:
    one_application("pooled_peak", values)
    seen = demanded(engine, values, zone(engine, values))
    word("by", values["by"], PLACES)
    offices = frames.offices(engine).select(pl.col("office").cast(pl.String), "zone")
    sessions = seen.sessions.with_columns(pl.col("office").cast(pl.String))
    placed = sessions.join(offices, on="office", how="inner")
    here = pl.col(values["by"])
    places = placed.select(here.unique().sort()).collect().to_series()
    parts = {
        place: used(engine, replace(seen, sessions=placed.filter(here == place)), values) for place in places
    }
    return rows(pooling(parts, used(engine, seen, values)))


def _demand_trend(engine: Engine, values: Values) -> Answer:
    one_application("demand_trend", values)
    local = zone(engine, values)
    seen = demanded(engine, values, local)
    by_month = peaks_by_month(curve(used(engine, seen, values)), local, seen.start, seen.end)
    if by_month["is_whole"].any():
        return rows(watched_trend(by_month, values["ahead"]).lazy())
    # A window without a whole month shows what there is; so few months have no line.
    return rows(trend(by_month.lazy().head(1).select("month", demand="peak"), values["ahead"]))


def _cheapest_mix(engine: Engine, values: Values) -> Answer:
    one_application("cheapest_mix", values)
    if not 0 <= values["service_percent"] <= 100:
        raise Problem(f"a service level of {values['service_percent']} %", "give 0 to 100, such as 99.5")
    seen = demanded(engine, values, zone(engine, values))
    whose = _by_person(seen, values["key"], used(engine, seen, values))
    months = months_of(zone(engine, values), seen.start, seen.end).select("period", "start", "end")
    prices = Prices(
        named=values["named_minor"] or None,
        concurrent=values["concurrent_minor"] or None,
        rented=values["rented_minor"] or None,
    )
    service = Service(share_of_use=Fraction(str(values["service_percent"])) / 100)
    tokens = values["token_minor"] or None
    found = cheapest_mix(whose, months, {values["application"]: prices}, service, token_minor=tokens)
    bought = found.products.select("named", "concurrent").row(0, named=True)
    if prices.rented:
        bought["rented"] = int(found.rented["licenses"].sum())
    if tokens:
        bought["tokens"] = found.tokens
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
        (DEMANDED, KEY, BASIS, *WINDOW, ZONE),
        _launch_demand,
    ),
    *(_level(name) for name in ("minutes_short", "turned_away", "people_affected")),
    Query(
        "pooled_peak",
        CATALOGUE["pooled_peak"].description,
        (*ASKED, Parameter("by", "str", "office", f"kind of place: {' or '.join(PLACES)}")),
        _pooled_peak,
    ),
    Query(
        "in_use_at_most",
        CATALOGUE["in_use_at_most"].description,
        (DEMANDED, KEY, BASIS, *WINDOW, ZONE),
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
            Parameter("rented_minor", "int", 0, "price of a license rented for a month; 0: not sold"),
            Parameter("token_minor", "int", 0, "price of a token for the whole window; 0: there are none"),
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
