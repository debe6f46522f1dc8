"""Everything for the table with one vendor: what was used, what is owned, and what an offer costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import compliance, heatmap, peak_demand, what_if
from pipelines.answers.demand import Demand, measure, rank
from pipelines.answers.evidence import Evidence, gather, no_use
from pipelines.answers.footer import Footer
from pipelines.answers.heatmap import Heatmap
from pipelines.answers.peak_demand import PeakDemand
from pipelines.answers.prices import Offers, yearly_prices
from pipelines.answers.question import Question, ask
from pipelines.answers.what_if import WhatIf
from pipelines.answers.wording import count, listing, safe
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.contract_terms import Terms, term, walk_away_quantity
from warehouse.money import format_minor
from warehouse.periods import day_bounds
from warehouse.store import open_warehouse

MOST_MONTHS = 36
HEADINGS = {
    "year": "Year",
    "need": "Needed",
    "held": "Held",
    "added": "Added",
    "given_back": "Given back",
    "unused": "Unused",
    "price": "Price of one",
    "cost": "Cost of the offer",
    "at_list": "As needed, at list",
}


@dataclass(frozen=True)
class Term:
    """The offer on the table, as people write it: in percent, and licenses.

    Attributes
    ----------
    quantity
        Licenses to commit to; 0: what the service level needs.
    years
        Length of the term.
    growth, uplift, discount, step_down, true_up
        As in `contract_terms.Terms`, in percent.
    """

    quantity: int = 0
    years: int = 3
    growth: float = 0.0
    uplift: float = 3.0
    discount: float = 0.0
    step_down: float = 0.0
    true_up: float = 0.0

    def terms(self, need: int, list_price_minor: int) -> Terms:
        """Bring the offer together with the need and the price."""
        shares = {
            name: Fraction(str(getattr(self, name))) / 100
            for name in ("growth", "uplift", "discount", "step_down", "true_up")
        }
        return Terms(self.quantity or need, need, list_price_minor, self.years, **shares)


@dataclass(frozen=True)
class NegotiationPack:
    """One vendor's licenses, one of them in detail: the one that costs most, or the one asked for.

    Attributes
    ----------
    vendor
        Its name.
    licenses
        One row per pool of the vendor: name, licensed_by, unit, owned, peak, need_95, minutes_above_owned,
        cost (of what is owned a year, as text), the dearest first.
    use, hours
        The answers of peak_demand and heatmap, over the whole window.
    other_numbers
        The answer of what_if, over its last twelve months: an offer is for what comes next.
    positions
        What `compliance.Compliance.positions` says of the vendor's products.
    years
        What `contract_terms.term` gives, amounts as text: year, need, held, added, given_back, unused, price,
        cost, at_list. Empty without a price.
    year_headings
        What `years` is headed with.
    year_costs
        The same in minor units, for the chart: year, cost_minor, at_list_minor.
    walk_away
        The largest quantity worth committing to; None: none is, or no price is known.
    claims
        Markdown sentences: "licenses", "compliance", "term", "walk_away".
    """

    vendor: str
    licenses: pl.DataFrame
    use: PeakDemand
    hours: Heatmap
    positions: pl.DataFrame
    other_numbers: WhatIf
    years: pl.DataFrame
    year_costs: pl.DataFrame
    year_headings: dict[str, str]
    walk_away: int | None
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def question_of(  # noqa: PLR0913 - the parameters of a report
    engine: Engine | None = None,
    *,
    months: int = MOST_MONTHS,
    end: str = "",
    application: str = "",
    basis: str = "busy",
    idle_timeout_minutes: float = 0,
    now: datetime | None = None,
) -> Question:
    """Ask for the last months before an end, as far back as there are sessions.

    Raises
    ------
    Problem
        Months that are not 1 to 36, and as `question.ask`.
    """
    if not 1 <= months <= MOST_MONTHS:
        raise Problem(f"a pack over {months} months", f"give 1 to {MOST_MONTHS}")
    opened = engine or open_warehouse()
    last = ask(opened, end=end, now=now, days=1)
    start = _months_before(last.end_day, months)
    held = frames.span(opened)
    if held:
        first = held[0].astimezone(ZoneInfo(last.zone)).date().replace(day=1)
        start = min(max(start, first), last.end_day - timedelta(days=1))
    return ask(
        opened,
        start=start.isoformat(),
        end=last.end_day.isoformat(),
        application=application,
        basis=basis,
        idle_timeout_minutes=idle_timeout_minutes,
        now=now,
    )


def _months_before(day: date, months: int) -> date:
    place = day.year * 12 + day.month - 1 - months
    return date(place // 12, place % 12 + 1, min(day.day, 28))


def answer(  # noqa: PLR0913 - vendor, service level, prices and offer
    question: Question,
    vendor: str,
    *,
    service_percent: float = 99.0,
    offers: Offers | None = None,
    offer: Term | None = None,
    evidence: Evidence | None = None,
) -> NegotiationPack:
    """Bring together what a negotiation with a vendor needs.

    Parameters
    ----------
    vendor
        As the products name it, whatever its case; empty: the one whose licenses cost most.
    service_percent, offers
        As for `what_if.answer`.
    offer
        The term on the table.

    Raises
    ------
    Problem
        No vendor of that name, no use of its licenses, or none of the application asked for.
    """
    found = evidence or gather(replace(question, application=""))
    demand = measure(question, found)
    names = _vendors(question)
    chosen_vendor = _vendor(names, vendor)
    mine = names.filter(pl.col("vendor") == chosen_vendor)
    licenses = _licenses(demand, mine["product"].to_list())
    if licenses.is_empty():
        raise no_use(question, found)
    asked = question if question.application else replace(question, application=licenses["code"][0])
    other = what_if.answer(_last_year(asked), found, service_percent=service_percent, offers=offers)
    # A contract counts what is open, as the report on compliance does, whatever the need is measured by.
    positions = compliance.answer(replace(question, application="", basis="run"), found).positions
    positions = positions.filter(pl.col("product").is_in(mine["product_name"].to_list()))
    use = peak_demand.answer(asked, found)
    prices = yearly_prices(demand, other.pool, offers or Offers())
    terms = (offer or Term()).terms(other.enough, prices.unit) if prices else None
    worth = walk_away_quantity(terms) if terms else None
    years = term(terms).collect() if terms else pl.DataFrame(schema={"year": pl.Int64})
    return NegotiationPack(
        vendor=chosen_vendor,
        licenses=licenses.drop("code", "cost_minor"),
        use=use,
        hours=heatmap.answer(asked, evidence=found),
        positions=positions,
        other_numbers=other,
        years=_years(years, other.currency),
        year_costs=years,
        year_headings=HEADINGS if terms else {"year": "Year"},
        walk_away=worth,
        claims={
            "licenses": _claim_licenses(chosen_vendor, licenses),
            "compliance": _claim_compliance(positions),
            "term": _claim_term(other, years, terms),
            "walk_away": _claim_walk_away(other, terms, worth),
        },
        footer=use.footer,
        results=other.results | {"vendor": chosen_vendor, "walk_away": worth, "term_minor": _sums(years)},
    )


def _last_year(question: Question) -> Question:
    first = max(question.first_day, _months_before(question.end_day, 12))
    return replace(question, first_day=first, start=day_bounds(question.zone, first)[0])


def _vendors(question: Question) -> pl.DataFrame:
    """List the products under contract on the window's last day: code, name, vendor, cost a year."""
    day = question.end_day - timedelta(days=1)
    in_force = (pl.col("valid_from") <= day) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > day))
    cost = pl.col("quantity") * pl.col("unit_cost_minor").fill_null(0)
    rights = frames.entitlements(question.engine).filter(in_force)
    return rights.group_by("product", "product_name", "vendor").agg(cost=cost.sum()).sort("product").collect()


def _vendor(names: pl.DataFrame, vendor: str) -> str:
    known = (
        names.group_by("vendor").agg(pl.col("cost").sum()).sort("cost", "vendor", descending=[True, False])
    )
    if known.is_empty():
        raise Problem("No license is owned on the last day of the window", compliance.IMPORT)
    if not vendor:
        return str(known["vendor"][0])
    found = known.filter(pl.col("vendor").str.to_lowercase() == vendor.lower())
    if found.is_empty():
        raise Problem(
            f"No license of a vendor {vendor!r} is owned", f"known are {', '.join(known['vendor'])}"
        )
    return str(found["vendor"][0])


def _licenses(demand: Demand, products: list[str]) -> pl.DataFrame:
    """Rank the pools in use of a vendor: the dearest first."""
    product = pl.col("pool").str.strip_suffix(":token")
    ranked = rank(demand).filter(product.is_in(products), pl.col("metric").is_not_null())
    prices = [yearly_prices(demand, pool, Offers()) for pool in ranked["pool"]]
    pairs = list(zip(prices, ranked["owned"], strict=True))
    costs = [price.unit * owned if price else None for price, owned in pairs]
    texts = [format_minor(price.unit * owned, price.currency) if price else None for price, owned in pairs]
    return (
        ranked.with_columns(
            code=product, cost_minor=pl.Series(costs, dtype=pl.Int64), cost=pl.Series(texts, dtype=pl.String)
        )
        .sort("cost_minor", "name", descending=[True, False], nulls_last=True)
        .select(
            *("name", "licensed_by", "unit", "owned", "peak", "need_95", "minutes_above_owned", "cost"),
            *("code", "cost_minor"),
        )
    )


def _years(years: pl.DataFrame, currency: str) -> pl.DataFrame:
    """Write the amounts of the term as people read them."""
    if not currency:
        return years
    kinds = ("price", "cost", "at_list")
    texts = {kind: [format_minor(minor, currency) for minor in years[f"{kind}_minor"]] for kind in kinds}
    return years.select("year", "need", "held", "added", "given_back", "unused").with_columns(
        **{kind: pl.Series(each, dtype=pl.String) for kind, each in texts.items()}
    )


def _sums(years: pl.DataFrame) -> int | None:
    return int(years["cost_minor"].sum()) if "cost_minor" in years.columns else None


# --- The claims --------------------------------------------------------------------------------------------


def _claim_licenses(vendor: str, licenses: pl.DataFrame) -> str:
    first = licenses.row(0, named=True)
    cost = f", {first['cost']} a year" if first["cost"] else ""
    idle = licenses.filter(pl.col("need_95") < pl.col("owned")).height
    are = "license that is" if licenses.height == 1 else "licenses that are"
    return (
        f"**{safe(vendor)}** sells {licenses.height:,} {are} in use here; the dearest is "
        f"{safe(first['name'])}{cost}. Of {idle:,} more is owned than 95 % of business time needs."
    )


def _claim_compliance(positions: pl.DataFrame) -> str:
    short = positions.filter(pl.col("shortfall") > 0)
    if short.is_empty():
        return "**Nothing is short**: no more was consumed than is entitled, counted as each contract counts."
    parts = [f"{safe(name)} by {by:,}" for name, by in short.select("product", "shortfall").iter_rows()]
    return f"**Short, as the contracts count: {listing(parts)}.** Settle this before the vendor's audit does."


def _claim_term(other: WhatIf, years: pl.DataFrame, terms: Terms | None) -> str:
    if terms is None:
        return "**No price is known**, so a term cannot be worked out: give the entitlement its unit cost."
    cost, at_list = (format_minor(int(years[name].sum()), other.currency) for name in SUMMED)
    return (
        f"A commitment to {terms.quantity:,} for {count(terms.years, 'year')} costs **{cost}**; just what is "
        f"needed each year, at list price and without a commitment, costs {at_list}."
    )


SUMMED = ("cost_minor", "at_list_minor")


def _claim_walk_away(other: WhatIf, terms: Terms | None, worth: int | None) -> str:
    if terms is None:
        return "Without a price there is no quantity to walk away at."
    if worth is None:
        return (
            "**Walk away**: at any quantity this offer costs more than buying what is needed at list price."
        )
    return (
        f"**Commit to no more than {worth:,}**: with more, this offer costs more over its term than buying "
        f"what is needed each year at list price. {other.enough:,} are enough in the first year."
    )
