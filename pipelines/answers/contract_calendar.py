"""Which contracts end when, by when notice must be given, and what is at stake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers.consumed import consume
from pipelines.answers.demand import CALENDAR, NO_BUSINESS
from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.renewals import business_hours, seats_in_use
from pipelines.answers.wording import count, listing, safe
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import curve
from warehouse.metrics.licenses import missing, renewals
from warehouse.metrics.percentiles import calendar
from warehouse.money import format_minor

ENDLESS = date(9999, 1, 1)
IMPORT = "enter what you own: `process-meter entitlement import FILE`"


@dataclass(frozen=True)
class ContractCalendar:
    """Every contract that has not ended, the first to end first, those without an end last.

    Attributes
    ----------
    contracts
        One row per entitlement: entitlement, product (name), vendor, metric, contract, starts, ends,
        notice_on, true_up_on (Date), quantity (Int64), cost (text), need_95 (enough for 95 % of
        business time), need (what the money is counted against: of seats that are given to people, those in
        use; both null: not in force today), money_at_risk_minor, currency, at_risk (text) and missing (text).
    incomplete
        Those of them of which something is missing.
    today
        The local day that ends and notices are told from.
    claims
        Markdown sentences: "ends", "risk", "incomplete".
    """

    contracts: pl.DataFrame
    incomplete: pl.DataFrame
    today: date
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, months: int = 12, evidence: Evidence | None = None) -> ContractCalendar:
    """List the contracts, and set each against the need of the window.

    Parameters
    ----------
    months
        An end within so many months is near.
    evidence
        What `gather` gave for the same question without an application.

    Raises
    ------
    Problem
        No session in the window, months that are not positive, or no contract that has not ended.
    """
    if months <= 0:
        raise Problem(f"a horizon of {months} months", "give one month or more")
    found = evidence or gather(replace(question, application=""))
    today = question.asked_at.astimezone(ZoneInfo(question.zone)).date()
    bought = _open(question, today)
    hours, calendar_words = _hours(question)
    needs = renewals(
        bought.lazy().with_columns(pl.col("valid_to").fill_null(ENDLESS)),
        curve(consume(question, found, today).used),
        hours,
        today,
        12 * (ENDLESS.year - today.year + 1),
        seats_in_use(question, found),
    ).select("entitlement", "need_95", "need", "money_at_risk_minor")
    contracts = _contracts(bought, needs.collect(), today)
    near = contracts.filter(pl.col("ends") < _later(today, months))
    incomplete = contracts.filter(pl.col("missing") != "")
    return ContractCalendar(
        contracts=contracts,
        incomplete=incomplete,
        today=today,
        claims={
            "ends": _claim_ends(contracts, near, today, months),
            "risk": _claim_risk(near, months),
            "incomplete": _claim_incomplete(incomplete),
        },
        footer=footer_of(question, found, key="what each contract counts", calendar=calendar_words),
        results={
            "contracts": contracts.height,
            "ending": near.height,
            "incomplete": incomplete.height,
            "at_risk_minor": _sums(near),
        },
    )


def _open(question: Question, today: date) -> pl.DataFrame:
    bought = frames.entitlements(question.engine).filter(
        pl.col("valid_to").is_null() | (pl.col("valid_to") > today)
    )
    code = question.application
    if code:
        covering = frames.entitlement_applications(question.engine).filter(pl.col("application") == code)
        covers = pl.col("entitlement").is_in(covering.collect()["entitlement"].implode())
        bought = bought.filter((pl.col("product") == code) | covers)
    found = bought.collect()
    if found.is_empty():
        raise Problem(f"No contract{f' of {code}' if code else ''} is in force on {today} or later", IMPORT)
    return found


def _hours(question: Question) -> tuple[pl.LazyFrame, str]:
    hours = business_hours(question).collect()
    if hours.is_empty():
        return calendar("all", question.start, question.end), NO_BUSINESS
    return hours.lazy(), CALENDAR


def _later(today: date, months: int) -> pl.Expr:
    return pl.lit(today).dt.offset_by(f"{months}mo")


def _contracts(bought: pl.DataFrame, needs: pl.DataFrame, today: date) -> pl.DataFrame:
    begun = pl.col("valid_from") <= today
    return (
        bought.join(needs, on="entitlement", how="left")
        .with_columns(
            missing=missing().list.join(", "),
            need_95=pl.when(begun).then("need_95"),
            need=pl.when(begun).then("need"),
            money_at_risk_minor=pl.when(begun).then("money_at_risk_minor"),
        )
        .sort("valid_to", "entitlement", nulls_last=True)
        .select(
            *("entitlement", pl.col("product_name").alias("product"), "vendor", "metric", "contract"),
            *(
                pl.col("valid_from").alias("starts"),
                pl.col("valid_to").alias("ends"),
                "notice_on",
                "true_up_on",
            ),
            *("quantity", _money("unit_cost_minor").alias("cost"), "need_95", "need", "money_at_risk_minor"),
            *("currency", _money("money_at_risk_minor").alias("at_risk"), "missing"),
        )
    )


def _money(column: str) -> pl.Expr:
    """Write an amount in its currency; null where it is not known."""
    return pl.struct(column, "currency").map_elements(
        lambda row: None if None in row.values() else format_minor(row[column], row["currency"]),
        return_dtype=pl.String,
        skip_nulls=False,
    )


def _sums(contracts: pl.DataFrame) -> dict[str, int]:
    priced = contracts.drop_nulls("money_at_risk_minor").group_by("currency")
    return dict(priced.agg(pl.col("money_at_risk_minor").sum()).sort("currency").iter_rows())


# --- The claims --------------------------------------------------------------------------------------------


def _claim_ends(contracts: pl.DataFrame, near: pl.DataFrame, today: date, months: int) -> str:
    verb = "ends" if near.height == 1 else "end"
    words = (
        f"Of {count(contracts.height, 'contract')} **{near.height:,} {verb} within "
        f"{count(months, 'month')}**."
    )
    due = near.filter(pl.col("notice_on") >= today).sort("notice_on", "product")
    missed = near.filter(pl.col("notice_on") < today)
    if due.height:
        product, day = due.select("product", "notice_on").row(0)
        words += f" The next notice is due by {day}: {safe(product)}."
    if missed.height:
        have = "has" if missed.height == 1 else "have"
        words += f" For {missed.height:,} of them the day for notice {have} passed."
    return words


def _claim_risk(near: pl.DataFrame, months: int) -> str:
    sums = [format_minor(minor, currency) for currency, minor in _sums(near).items() if minor]
    if not sums:
        return f"No contract that ends within {count(months, 'month')} is known to hold more than is needed."
    first = near.sort("money_at_risk_minor", descending=True, nulls_last=True).row(0, named=True)
    return (
        f"The contracts that end within {count(months, 'month')} hold **{listing(sums)} a year** beyond the "
        f"need; most of it in {safe(first['product'])}: {first['quantity']:,} owned, {first['need']:,} "
        "needed."
    )


def _claim_incomplete(incomplete: pl.DataFrame) -> str:
    if incomplete.is_empty():
        return "Every contract has an end, a cost, a notice date and a number."
    lacks = "lacks" if incomplete.height == 1 else "lack"
    counted = count(incomplete.height, "contract")
    return f"**{counted}** {lacks} something; what is missing is left out of all money."
