"""Queries about licenses: what is owned, consumed and unused, by which right and by which vendor's rule.

They ask the answers that the reports are made of, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import (
    compliance,
    denials,
    executive_figures,
    fleet_coverage,
    renewals,
    unused_licenses,
    vendor_reconciliation,
)
from pipelines.answers.consumed import Consumed, consume
from pipelines.answers.demand import one_pool
from pipelines.answers.evidence import gather
from pipelines.answers.missing import missing, silent_machines
from pipelines.answers.question import Question, ask
from pipelines.queries.asking import (
    APPLICATION,
    BASIS,
    DEMANDED,
    WINDOW,
    ZONE,
    Answer,
    Query,
    Values,
    demanded,
    rows,
    used,
    window,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames, ledger
from warehouse.errors import Problem
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.concurrency import curve
from warehouse.metrics.consumption import uses
from warehouse.metrics.counting_rules import (
    INTERVAL_MINUTES,
    MINIMUM_MINUTES,
    consumed_balance,
    fixed_intervals,
    user_days,
)
from warehouse.metrics.license_cost import license_cost
from warehouse.money import HOUR_MS
from warehouse.periods import zone_of

BUSY = Parameter("basis", "str", "busy", BASIS.help)


def question(engine: Engine, values: Values) -> Question:
    """Ask as a report does, of the window that queries ask of."""
    local = zone(engine, values)
    start, end = (moment.astimezone(zone_of(local)).date() for moment in window(engine, values, local))
    return ask(
        engine,
        start=str(start),
        end=str(end),
        application=values.get("application", ""),
        basis=values.get("basis", "busy"),
    )


Made = Callable[[Question], pl.DataFrame | pl.LazyFrame]


def _asked(name: str, make: Made, *parameters: Parameter) -> Query:
    """Ask a report's answer for one of its frames."""

    def run(engine: Engine, values: Values) -> Answer:
        return rows(make(question(engine, values)).lazy())

    return Query(name, CATALOGUE[name].description, (*parameters, *WINDOW), run)


def _unused(asked: Question) -> pl.DataFrame:
    columns = ("entitlement", "product_name", "holder", "last_open", "busy_hours", "coverage", "proposal")
    return unused_licenses.answer(asked).seats.select(columns)


def _position(column: str) -> Made:
    def make(asked: Question) -> pl.DataFrame:
        found = compliance.answer(asked).positions
        more = ["currency"] if column.endswith("_minor") else []
        return found.select("product", "metric", "entitled", "consumed", column, *more)

    return make


def _renewals(column: str) -> Made:
    def make(asked: Question) -> pl.DataFrame:
        found = renewals.answer(asked).contracts
        more = ["currency"] if column.endswith("_minor") else []
        return found.select("entitlement", "contract", "valid_to", "owned", "need", column, *more)

    return make


def _session_use(asked: Question) -> pl.LazyFrame:
    found = gather(asked)
    return uses(found.stated, found.sessions, asked.basis, asked.start, asked.end)


def _bound(column: str) -> Made:
    """Give a bound of the peak of one license pool: the one asked for, else the tightest."""

    def make(asked: Question) -> pl.DataFrame:
        pool = one_pool(asked)
        bounds = missing(pool)
        value = bounds.lower if column == "lower" else bounds.upper
        return pl.DataFrame({"pool": [pool.row["pool"]], "key": [pool.row["key"]], column: [value]})

    return make


def _billed(engine: Engine, values: Values) -> Answer:
    """Sum what closed runs bill, as their workbooks do; amounts of two currencies stand apart."""
    closed = frames.runs(engine).filter(pl.col("status") == "closed").select("run", "period")
    lines = frames.charge_lines(engine).join(closed, on="run")
    if values["period"]:
        lines = lines.filter(pl.col("period") == values["period"])
    is_kept_back = pl.col("review").is_in(ledger.NOT_BILLED).fill_null(value=False)
    lines = lines.filter("billable", ~is_kept_back)
    hours = (pl.col("quantity") / pl.col("quantum_per_hour")).filter(pl.col("unit") == "hour").sum()
    summed = lines.group_by("period", "run", "application", "currency").agg(
        billed=hours, amount_minor=pl.col("amount_minor").sum()
    )
    found = rows(summed.sort("period", "run", "application", "currency"))
    if not found:
        raise Problem("nothing is billed yet", "close a run: process-meter billing draft --period 2026-10")
    return found


def _consumed(asked: Question) -> Consumed:
    return consume(asked, gather(asked), asked.end_day - timedelta(days=1))


Rule = Callable[[pl.LazyFrame, Values, str], pl.LazyFrame]


def _by_rule(name: str, key: str, make: Rule, *more: Parameter) -> Query:
    """Ask what a vendor's rule would count, by application."""

    def run(engine: Engine, values: Values) -> Answer:
        local = zone(engine, values)
        seen = demanded(engine, {**values, "key": key}, local)
        in_use = used(engine, seen, {**values, "key": key})
        return rows(make(in_use, {**values, "start_at": seen.start, "end_at": seen.end}, local))

    return Query(name, CATALOGUE[name].description, (DEMANDED, BASIS, *more, *WINDOW, ZONE), run)


def _reconciled(*columns: str) -> Made:
    """Give a vendor's counts beside ours."""

    def make(asked: Question) -> pl.DataFrame:
        return vendor_reconciliation.answer(asked).rows.select("product", "unit", "start", "end", *columns)

    return make


def _costs(asked: Question) -> pl.DataFrame:
    """Give the cost of what was in force in the window."""
    bought = frames.entitlements(asked.engine)
    return license_cost(bought, asked.first_day, asked.end_day).collect()


def _executive(column: str) -> Made:
    """Give one sum of the executive's figures, by license and currency, where there is any."""

    def make(asked: Question) -> pl.DataFrame:
        figures = executive_figures.measure(asked, gather(asked), unused_licenses.Guard())
        money = figures.costs if column == "idle_cost_minor" else figures.recovered
        return money.select("license", "currency", column)

    return make


def _in_hours(spent: pl.LazyFrame) -> pl.LazyFrame:
    names = ("spent", "spent_to_date")
    hours = {f"{name}_token_hours": pl.col(f"{name}_ms") / HOUR_MS for name in names}
    return spent.select("application", "day", **hours)


def _denials(column: str) -> Made:
    def make(asked: Question) -> pl.DataFrame:
        return denials.answer(asked).denials.select("at", "application", "person", "reason", column)

    return make


QUERIES = (
    _asked("unused_seats", _unused, APPLICATION),
    _asked("surplus", _position("surplus"), APPLICATION, BASIS),
    _asked("shortfall", _position("shortfall"), APPLICATION, BASIS),
    _asked("position_value", _position("value_minor"), APPLICATION, BASIS),
    _asked("need_95", _renewals("need_95"), BUSY),
    _asked("money_at_risk", _renewals("money_at_risk_minor"), BUSY),
    _asked("rights_findings", lambda asked: compliance.answer(asked).findings, APPLICATION, BASIS),
    _asked("session_use", _session_use, APPLICATION, BUSY),
    _asked("consumed_right", lambda asked: _consumed(asked).parts, APPLICATION, BUSY),
    _asked("right_in_use", lambda asked: _consumed(asked).used, APPLICATION, BUSY),
    _by_rule(
        "fixed_interval_use",
        "device",
        lambda in_use, values, _zone: curve(fixed_intervals(in_use, values["minutes"])),
        Parameter("minutes", "int", INTERVAL_MINUTES, "length of an interval, from midnight of GMT"),
    ),
    _by_rule(
        "user_days",
        "user",
        lambda in_use, values, local: user_days(
            in_use, local, values["start_at"], values["end_at"], minimum_minutes=values["minimum_minutes"]
        ),
        Parameter("minimum_minutes", "float", float(MINIMUM_MINUTES), "less than this a day is not charged"),
    ),
    _by_rule(
        "consumed_balance",
        "token",
        lambda in_use, values, local: _in_hours(
            consumed_balance(in_use, local, values["start_at"], values["end_at"])
        ),
    ),
    _asked("denial_class", _denials("class"), APPLICATION),
    _asked("free_seats", _denials("free"), APPLICATION),
    _asked("peak_lower_bound", _bound("lower"), APPLICATION, BUSY),
    _asked("peak_upper_bound", _bound("upper"), APPLICATION, BUSY),
    _asked("silent_hosts", lambda asked: silent_machines(one_pool(asked)), APPLICATION, BUSY),
    *(_asked(name, _reconciled("ours"), APPLICATION) for name in ("peak_in_stretch", "people_in_stretch")),
    _asked("vendor_difference", _reconciled("vendor", "ours", "difference", "reason"), APPLICATION),
    _asked("license_cost", _costs),
    _asked("idle_cost", _executive("idle_cost_minor")),
    _asked("recovered", _executive("recovered_minor")),
    Query(
        "billed",
        CATALOGUE["billed"].description,
        (Parameter("period", "str", "", "fiscal period, as 2026-10; left out: all closed ones"),),
        _billed,
    ),
    _asked("agent_findings", lambda asked: fleet_coverage.answer(asked).agents),
)
"""In the order of `query list`."""
