"""What is odd about the rates, though no row of them is wrong: gaps, ends, lacks, terms cut in a period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.money import format_rate

_RATES = """
    SELECT rate.id, rate.currency, rate.valid_from_on AS first, rate.valid_to_on AS last, rate.rate_scaled,
           rate.cost_rate_scaled, rate.tier_kind, rate.monthly_cap_minor, rate.free_ms,
           rate.person_id AS person, project.number AS project, office.code AS office,
           application.code AS application
    FROM rate
    LEFT JOIN project ON project.id = rate.project_id
    LEFT JOIN office ON office.id = rate.office_id
    LEFT JOIN application ON application.id = rate.application_id
    ORDER BY rate.id
"""
_CURRENCIES = """
    SELECT DISTINCT currency FROM project
    WHERE chargeable AND (closed_on IS NULL OR closed_on > :day) ORDER BY currency
"""
_BILLED = "SELECT code FROM application WHERE billed ORDER BY code"
_CONVERSIONS = "SELECT DISTINCT from_currency, to_currency FROM conversion_rate WHERE from_on <= :day"
_STARTS = "SELECT starts_on FROM fiscal_period"
SCOPES = ("person", "project", "office", "application")
Rate = dict[str, Any]


def check_rates(engine: Engine, day: date) -> list[str]:
    """Name what a look at the rates would find; one sentence each, in the order of the rates.

    Parameters
    ----------
    day
        As of which day a rate has ended or is missing.

    Returns
    -------
    list[str]
        Gaps between two versions of one scope; scopes whose last version has ended; applications that are
        billed and have no rate, in whatever currency can be converted, in a currency of the open projects;
        tiers, free hours and monthly caps that begin in the middle of a fiscal period, and so begin anew;
        rates below their own cost. Empty: nothing.
    """
    rates = store.read(engine, _RATES).to_dicts()
    by_scope: dict[tuple[Any, ...], list[Rate]] = defaultdict(list)
    for rate in rates:
        by_scope[*(rate[name] for name in SCOPES), rate["currency"]].append(rate)
    found = [
        sentence
        for versions in by_scope.values()
        for sentence in _of_scope(sorted(versions, key=lambda rate: str(rate["first"])), day.isoformat())
    ]
    starts = set(store.read(engine, _STARTS)["starts_on"].cast(pl.String).to_list())
    return [*found, *_lacking(engine, rates, day.isoformat()), *_cut(rates, starts), *_below_cost(rates)]


def _name(rate: Rate) -> str:
    """Say for what a rate is: `draw on 0042 in EUR`."""
    words = [rate["application"] or "any application"]
    words += [f"on {rate['project']}"] if rate["project"] else []
    words += [f"in office {rate['office']}"] if rate["office"] else []
    words += ["of one person"] if rate["person"] else []
    return f"{' '.join(words)} in {rate['currency']}"


def _of_scope(versions: Sequence[Rate], day: str) -> Iterator[str]:
    for before, after in pairwise(versions):
        if before["last"] and before["last"] < after["first"]:
            yield (
                f"gap: from {before['last']} to {after['first']} there is no rate for {_name(before)} "
                f"(between versions {before['id']} and {after['id']})"
            )
    last = versions[-1]
    if last["last"] and last["last"] <= day:
        yield f"ended: the last rate for {_name(last)} ended on {last['last']} (version {last['id']})"


def _lacking(engine: Engine, rates: Sequence[Rate], day: str) -> Iterator[str]:
    """Find applications without a rate that fits whoever uses them."""
    general = [
        rate
        for rate in rates
        if not (rate["person"] or rate["project"] or rate["office"])
        and rate["first"] <= day < (rate["last"] or "9999")
    ]
    converted = {tuple(pair) for pair in store.read(engine, _CONVERSIONS, {"day": day}).iter_rows()}
    currencies = store.read(engine, _CURRENCIES, {"day": day})["currency"].to_list()
    for application in store.read(engine, _BILLED)["code"]:
        mine = {rate["currency"] for rate in general if rate["application"] in (None, application)}
        for currency in currencies:
            if currency not in mine and not any((other, currency) in converted for other in mine):
                yield f"missing: {application} has no general rate in {currency}, nor one to convert"


def _cut(rates: Sequence[Rate], starts: set[str]) -> Iterator[str]:
    for rate in rates:
        has_terms = rate["tier_kind"] or rate["monthly_cap_minor"] is not None or rate["free_ms"]
        if has_terms and starts and rate["first"] not in starts and rate["first"] > min(starts):
            yield (
                f"mid-period: version {rate['id']} for {_name(rate)} begins on {rate['first']}, within a "
                "fiscal period: its tiers, packages and monthly cap begin anew on that day"
            )


def _below_cost(rates: Sequence[Rate]) -> Iterator[str]:
    for rate in rates:
        cost = rate["cost_rate_scaled"]
        if cost is not None and rate["rate_scaled"] < cost:
            price, cost = (format_rate(each, rate["currency"]) for each in (rate["rate_scaled"], cost))
            yield f"below cost: version {rate['id']} for {_name(rate)} is {price} and costs {cost}"
