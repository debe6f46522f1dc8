"""What another number of licenses would have meant, and which mix would have been the cheapest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

import polars as pl

from pipelines.answers import what_if_words as words
from pipelines.answers.demand import Demand, chosen, measure, rank
from pipelines.answers.evidence import Evidence, gather, no_use
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.months import months_of, peaks_by_month, watched_trend
from pipelines.answers.prices import Offers, YearlyPrices, yearly_prices
from pipelines.answers.question import Question
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import intervals, peak
from warehouse.metrics.license_mix import CheapestMix, Prices, Service, cheapest_mix
from warehouse.metrics.what_if import at_most, pooling, what_if
from warehouse.money import minor_digits, rounded
from warehouse.periods import INSTANT

Columns = dict[str, pl.DataType | type[pl.DataType]]


@dataclass(frozen=True)
class WhatIf:
    """One license pool under other numbers of licenses.

    Attributes
    ----------
    pool, name, unit, owned, peak
        The pool, what it counts, what is owned (None: no entitlement), and the most in use at once.
    curve
        One row per n from 0 to the peak, or to what is owned: n, minutes_short, people_affected, turned_away,
        and in minor units a year cost_minor, rent_minor, buy_minor (Int64; null without a price).
    table
        `curve` around what decides, as it is shown, amounts as text: n, minutes_short, people_affected,
        turned_away, cost, rent, buy, mix (the cheapest licenses, in the row of its concurrent ones).
    currency, digits
        Of the amounts, and how many decimals it has; no currency: no price is known.
    marks
        What stands out on the cost curve: label -> licenses and cost a year in minor units.
    enough
        The fewest licenses of one kind that meet the service level.
    mix
        The cheapest mix; None without a price.
    seats
        Who gets a seat in it: person (pseudonym).
    pooled
        One row per office, zone and all together: kind, place, peak, first_reached.
    trend
        What `growth.trend` gives of the monthly peaks.
    at_most
        The peak, if all unknown time was use.
    claims
        Markdown sentences: "curve", "enough", "mix", "seats", "rent", "pooling", "growth", "bounds".
    """

    pool: str
    name: str
    unit: str
    owned: int | None
    peak: int
    curve: pl.DataFrame
    table: pl.DataFrame
    currency: str
    digits: int
    marks: dict[str, tuple[int, int]]
    enough: int
    mix: CheapestMix | None
    seats: pl.DataFrame
    pooled: pl.DataFrame
    trend: pl.DataFrame
    at_most: int
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(  # noqa: PLR0913 - evidence, service level, prices and time
    question: Question,
    evidence: Evidence | None = None,
    *,
    service_percent: float = 99.0,
    minutes_a_month: int = -1,
    offers: Offers | None = None,
    seconds: float = 10.0,
) -> WhatIf:
    """Work out one pool under other numbers of licenses: the tightest, or that of the application asked for.

    Parameters
    ----------
    evidence
        What `gather` gave for the same question without an application.
    service_percent
        Share of use that has to find a license, 0-100.
    minutes_a_month
        Instead: so many minutes may be short in each month, license by license; negative: not asked.
    offers
        What is assumed where no contract names a price.
    seconds
        How long the search for the cheapest mix may take.

    Raises
    ------
    Problem
        The window holds no use, or none of the application; a service level or price that cannot be.
    """
    service = _service(service_percent, minutes_a_month)
    found = evidence or gather(replace(question, application=""))
    demand = measure(question, found)
    ranking = rank(demand)
    if ranking.is_empty():
        raise no_use(question, found)
    pool = chosen(demand, ranking)
    row = ranking.filter(pl.col("pool") == pool).row(0, named=True)
    prices = yearly_prices(demand, pool, offers or Offers())
    return _Work(demand.of(pool), row, service, prices, seconds).answer()


def _service(percent: float, minutes: int) -> Service:
    if minutes >= 0:
        return Service(minutes_a_period=minutes)
    if not 0 <= percent <= 100:
        raise Problem(f"a service level of {percent} %", "give 0 to 100, such as 99.5")
    return Service(share_of_use=Fraction(str(percent)) / 100)


PLACES: Columns = {"kind": pl.String, "place": pl.String, "peak": pl.Int64, "first_reached": INSTANT}


@dataclass(frozen=True)
class _Work:
    """The pool in question, with what every part of the answer needs."""

    demand: Demand
    row: dict[str, Any]
    service: Service
    prices: YearlyPrices | None
    seconds: float

    def answer(self) -> WhatIf:
        question, row = self.demand.question, self.row
        by_month = peaks_by_month(self.demand.curve, question.zone, question.start, question.end)
        wide = what_if(self.demand.used, self._holders(), most=max(row["peak"], row["owned"] or 0)).collect()
        priced = self._priced(wide, by_month)
        enough = self._enough(priced)
        mix = self._mix()
        pooled, most = self._pooled(), self._at_most()
        line = watched_trend(by_month)
        return WhatIf(
            **{name: row[name] for name in ("pool", "name", "unit", "owned", "peak")},
            curve=priced,
            table=words.table(priced, row, enough, mix, self.prices),
            currency=self.prices.currency if self.prices else "",
            digits=minor_digits(self.prices.currency) if self.prices else 0,
            marks=_marks(priced, enough, mix),
            enough=enough,
            mix=mix,
            seats=mix.seats.select("person") if mix else pl.DataFrame(schema={"person": pl.String}),
            pooled=pooled,
            trend=line,
            at_most=most,
            claims={
                "curve": words.on_curve(row, priced, self.prices),
                "enough": words.on_enough(row, self.prices, enough, self._level()),
                "mix": words.on_mix(row, self.prices, mix, self._level()),
                "seats": words.on_seats(mix),
                "rent": words.on_rent(self.prices, priced, enough),
                "pooling": words.on_pooling(pooled),
                "growth": words.on_growth(line),
                "bounds": words.on_bounds(row, most),
            },
            footer=footer_of(question, self.demand.found, calendar="all hours of the window"),
            results=_results(question, row, enough, mix, self.prices),
        )

    def _level(self) -> str:
        if self.service.minutes_a_period is not None:
            return f"at most {self.service.minutes_a_period:,} minutes short a month"
        return f"{float((self.service.share_of_use or 0) * 100):g} % of use served"

    def _holders(self) -> pl.LazyFrame:
        """Say whose each key is: a session is its person's."""
        if self.row["key"] not in ("token", "session"):
            keys = self.demand.used.select("key").unique()
            return keys.with_columns(person="key")
        person = pl.coalesce("person", "account")
        return self.demand.found.sessions.select(key=pl.col("session").cast(pl.String), person=person)

    def _priced(self, levels: pl.DataFrame, by_month: pl.DataFrame) -> pl.DataFrame:
        """Add what n licenses cost a year: as contracted, rented in the months that need them, or bought."""
        prices = self.prices
        if prices is None:
            none = (pl.lit(None, pl.Int64).alias(f"{kind}_minor") for kind in ("cost", "rent", "buy"))
            return levels.with_columns(*none)
        months = by_month["peak"].to_list()
        rented = [sum(min(n, high) for high in months) for n in levels["n"]]
        rent = None if prices.rent is None else [
            rounded(each * prices.rent * 12, len(months)) for each in rented
        ]  # fmt: skip
        return levels.with_columns(
            cost_minor=pl.col("n") * (prices.concurrent or prices.unit),
            rent_minor=pl.Series(rent or [None] * levels.height, dtype=pl.Int64),
            buy_minor=pl.col("n") * pl.lit(prices.buy, pl.Int64),
        )

    def _enough(self, levels: pl.DataFrame) -> int:
        """Find the fewest licenses of one kind with which no more is short than may be."""
        if self.service.minutes_a_period is None:
            demanded = float(levels["license_minutes_short"][0])
            short = demanded * (1 - float(self.service.share_of_use or 0))
            return int(str(levels.filter(pl.col("license_minutes_short") <= short)["n"].min()))
        months = self._months().collect()
        worst = [self._enough_in(start, end) for start, end in months.select("start", "end").iter_rows()]
        return max(worst)

    def _months(self) -> pl.LazyFrame:
        question = self.demand.question
        return months_of(question.zone, question.start, question.end)

    def _enough_in(self, start: datetime, end: datetime) -> int:
        inside = self.demand.used.filter(pl.col("start") < end, pl.col("end") > start).with_columns(
            start=pl.max_horizontal("start", pl.lit(start, INSTANT)),
            end=pl.min_horizontal("end", pl.lit(end, INSTANT)),
        )
        found = what_if(inside).collect()
        allowed = found.filter(pl.col("license_minutes_short") <= (self.service.minutes_a_period or 0))
        return int(str(allowed["n"].min()))

    def _mix(self) -> CheapestMix | None:
        prices = self.prices
        if prices is None:
            return None
        months = self._months().select("period", "start", "end")
        periods = months.collect().height
        rented = None if prices.rent is None else rounded(prices.rent * 12, periods)
        offered = Prices(named=prices.named, concurrent=prices.concurrent, rented=rented)
        uses = self.demand.used.join(self._holders().unique("key"), on="key", how="left").with_columns(
            product="entitlement", person=pl.coalesce("person", "key")
        )
        return cheapest_mix(
            uses, months, {self.row["pool"]: offered}, self.service,
            token_minor=prices.token, seconds=self.seconds,
        )  # fmt: skip

    def _sweep(self, sessions: pl.LazyFrame, *, upper: bool = False) -> pl.LazyFrame:
        question, pool = self.demand.question, pl.col("entitlement") == self.row["pool"]
        count_use = at_most if upper else intervals
        return count_use(
            self.demand.found.stated, sessions, self.row["key"], question.basis, question.start, question.end,
            weights=frames.applications(question.engine), group="entitlement",
            suites=self.demand.owned.members.lazy().filter(pool),
        )  # fmt: skip

    def _pooled(self) -> pl.DataFrame:
        """Peaks of a pool per office and per zone, against the one pool of all."""
        codes = self.demand.owned.members.lazy().filter(pl.col("entitlement") == self.row["pool"])
        sessions = self.demand.found.sessions.with_columns(
            pl.col("office", "application").cast(pl.String)
        ).join(codes.select("application"), on="application", how="semi")
        offices = frames.offices(self.demand.question.engine).select(pl.col("office").cast(pl.String), "zone")
        placed = sessions.join(offices, on="office", how="inner")
        kinds = []
        for kind in ("office", "zone"):
            places = placed.select(kind).unique().sort(kind).collect()[kind].to_list()
            parts = {place: self._sweep(placed.filter(pl.col(kind) == place)) for place in places}
            if parts:
                kinds.append(pooling(parts, self.demand.used).with_columns(kind=pl.lit(kind)))
        return pl.concat(
            [pl.LazyFrame(schema=PLACES), *(each.select(list(PLACES)) for each in kinds)]
        ).collect()

    def _at_most(self) -> int:
        found = peak(self._sweep(self.demand.found.sessions, upper=True)).collect()["peak"]
        return int(found.sum())


def _marks(levels: pl.DataFrame, enough: int, mix: CheapestMix | None) -> dict[str, tuple[int, int]]:
    if mix is None:
        return {}
    bought = mix.products.select(pl.col("named", "concurrent").sum()).row(0)
    return {
        f"{enough:,} of one kind": (enough, int(levels.row(enough, named=True)["cost_minor"])),
        "cheapest mix": (sum(bought) + mix.tokens, mix.cost_minor),
    }


def _results(
    question: Question, row: dict[str, Any], enough: int, mix: CheapestMix | None, prices: YearlyPrices | None
) -> dict[str, object]:
    found: dict[str, object] = {
        "pool": row["pool"],
        "basis": question.basis,
        "owned": row["owned"],
        "peak": row["peak"],
        "enough": enough,
    }
    if mix and prices:
        bought = mix.products.row(0, named=True)
        found |= {name: bought[name] for name in ("named", "concurrent", "rented")}
        found |= {"tokens": mix.tokens, "cost_minor": mix.cost_minor, "bound_minor": mix.bound_minor}
        found["currency"] = prices.currency
    return found
