"""Which contracts come up for renewal, and how much of what they cost is for more than is needed."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers.consumed import consume
from pipelines.answers.demand import CALENDAR
from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import curve
from warehouse.metrics.licenses import renewals, unused
from warehouse.metrics.utilization import fleet_coverage
from warehouse.periods import business_days, union

MONTHS = 12


@dataclass(frozen=True)
class Renewals:
    """The contracts that end within twelve months.

    Attributes
    ----------
    contracts
        One row per entitlement, the first to end first: entitlement, product, product_name, vendor, metric,
        contract, valid_to, notice_on (Date), owned, peak, need_95, need (Int64), money_at_risk_minor (a year,
        Int64; null where the contract has no cost), currency and missing (what is not known of the contract).
    at_risk_minor
        The sum by currency, of what has a cost.
    """

    contracts: pl.DataFrame
    at_risk_minor: dict[str, int]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None) -> Renewals:
    """Set what ends soon against what the window of the question says is needed.

    Need is counted as each license counts: people, devices or tokens, and each use against one right alone;
    a seat that is given to somebody is needed when its holder had any busy time.

    Raises
    ------
    Problem
        The window holds no session.
    """
    found = evidence or gather(question)
    today = question.asked_at.astimezone(ZoneInfo(question.zone)).date()
    contracts = renewals(
        frames.entitlements(question.engine),
        curve(consume(question, found, today).used),
        business_hours(question),
        today,
        MONTHS,
        seats_in_use(question, found),
    ).collect()
    priced = contracts.drop_nulls("money_at_risk_minor").group_by("currency")
    sums = priced.agg(pl.col("money_at_risk_minor").sum()).sort("currency")
    at_risk_minor = dict(sums.iter_rows())
    return Renewals(
        contracts=contracts,
        at_risk_minor=at_risk_minor,
        footer=footer_of(question, found, calendar=CALENDAR),
        results={"contracts": contracts.height, "at_risk_minor": at_risk_minor},
    )


def business_hours(question: Question) -> pl.LazyFrame:
    """Find the hours that need is a share of: whenever an office is open."""
    offices, holidays = frames.offices(question.engine), frames.holidays(question.engine)
    return union(business_days(offices, holidays, question.start, question.end).select("start", "end"))


def seats_in_use(question: Question, found: Evidence) -> pl.LazyFrame | None:
    """Count the holders with busy time; None where there is no fleet to judge seats by."""
    engine, window = question.engine, (question.start, question.end)
    directory = (frames.hosts(engine), frames.offices(engine), frames.holidays(engine))
    try:
        fleet = fleet_coverage(frames.watches(engine, *window), *directory, *window)
    except Problem:
        return None
    seats = unused(
        frames.assignments(engine),
        frames.entitlement_applications(engine),
        found.stated,
        found.sessions,
        fleet,
        *window,
        question.zone,
    )
    return seats.filter(pl.col("busy_ms") > 0).group_by("entitlement").agg(in_use=pl.len().cast(pl.Int64))
