"""Which assigned seats nobody used, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.wording import count, listing, safe, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.licenses import unused
from warehouse.metrics.utilization import FleetCoverage, fleet_coverage
from warehouse.money import format_minor
from warehouse.periods import day_bounds

HOUR_MS = 3_600_000
MINUTE_MS = 60_000
LOOK_BACKS = (30, 60, 90)
"""Days before the window's end, of which each seat's use is told."""
CALENDAR = "business days of each host's office, holidays left out"


@dataclass(frozen=True)
class UnusedLicenses:
    """Assigned seats and how they were used.

    Attributes
    ----------
    seats
        One row per seat that is not simply kept, those to reclaim first, then the dearest: entitlement,
        product_name, holder (pseudonym of a person or a host), last_open (Date on which a covered
        application was last open, null: not once in the year before the window's end), busy_hours (of the
        window), minutes_30, minutes_60, minutes_90 (Float64, of use in so many days before the window's end;
        null: the window is shorter), coverage
        (0-1, null: no host of the holder is known), proposal, seat_cost_minor (a year), currency, seat_cost
        (text).
    by_product
        One row per product and currency with seats assigned, most seats to reclaim first: product_name,
        assigned, reclaim, under_used, not_observed, keep (Int64), cost_minor (a year, of the seats to
        reclaim), currency, cost (text), cumulative_share (of all seats to reclaim, 0-1).
    claims
        Markdown sentences: "products", "seats", "coverage".
    """

    seats: pl.DataFrame
    by_product: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


@dataclass(frozen=True)
class Guard:
    """When a seat counts as under-used, and how much of it must have been seen before it is reclaimed.

    Parameters
    ----------
    threshold_hours
        Less busy time than this, though some, is under-used.
    minimum_coverage
        Share of the holder's host-workdays that must have been observed, 0-1.

    Raises
    ------
    Problem
        A negative threshold, a coverage that is no share.
    """

    threshold_hours: float = 0.0
    minimum_coverage: float = 0.8

    def __post_init__(self) -> None:
        if self.threshold_hours < 0:
            raise Problem(f"a threshold of {self.threshold_hours:g} hours", "give 0 or more")
        if not 0 <= self.minimum_coverage <= 1:
            raise Problem(
                f"a least coverage of {self.minimum_coverage:g}", "give a share from 0 to 1, as 0.8"
            )


def answer(question: Question, guard: Guard = Guard(), evidence: Evidence | None = None) -> UnusedLicenses:
    """Judge every assigned seat, of all products or of those that cover the application.

    Parameters
    ----------
    evidence
        What `gather` gave for the same question without an application, where several answers share it: all
        sessions tell which hosts are whose.

    Raises
    ------
    Problem
        No session in the window, no seat assigned, no host in the directory.
    """
    assigned = _assigned(question)
    found = evidence or gather(replace(question, application=""))
    fleet = _fleet(question)
    judged = unused(
        assigned.lazy(),
        frames.entitlement_applications(question.engine),
        found.stated,
        found.sessions,
        fleet,
        question.start,
        question.end,
        question.zone,
        threshold_ms=round(guard.threshold_hours * HOUR_MS),
        minimum_coverage=guard.minimum_coverage,
    )
    seats = _with_minutes(question, found, assigned, fleet, _with_cost(question, judged))
    if seats.is_empty():
        raise Problem(f"No seat is assigned on the last day of the window, {question.end_day}", ASSIGN)
    by_product = _by_product(seats)
    return UnusedLicenses(
        seats=_shown(seats),
        by_product=by_product,
        claims={
            "products": _claim_products(by_product),
            "seats": _claim_seats(seats, guard),
            "coverage": _claim_coverage(seats, fleet, guard),
        },
        footer=footer_of(question, found, key="seats assigned to a person or a machine", calendar=CALENDAR),
        results=_results(by_product, fleet),
    )


ASSIGN = "import them with `process-meter assignment import FILE`"


def _assigned(question: Question) -> pl.DataFrame:
    assigned = frames.assignments(question.engine).collect()
    if question.application:
        code = question.application
        covering = frames.entitlement_applications(question.engine).filter(pl.col("application") == code)
        of_product = frames.entitlements(question.engine).filter(pl.col("product") == code)
        codes = pl.concat([covering.select("entitlement"), of_product.select("entitlement")])
        assigned = assigned.join(codes.collect(), on="entitlement", how="semi")
    if assigned.is_empty():
        asked = f" of {question.application}" if question.application else ""
        raise Problem(f"No seats{asked} are assigned to anybody", ASSIGN)
    return assigned


def _fleet(question: Question) -> FleetCoverage:
    engine, window = question.engine, (question.start, question.end)
    return fleet_coverage(
        frames.watches(engine, *window),
        frames.hosts(engine),
        frames.offices(engine),
        frames.holidays(engine),
        *window,
    )


def _with_cost(question: Question, judged: pl.LazyFrame) -> pl.DataFrame:
    rights = frames.entitlements(question.engine).select(
        "entitlement", "product_name", "currency", seat_cost_minor="unit_cost_minor"
    )
    return (
        judged.with_columns(holder=pl.coalesce("person", "host"))
        .join(rights, on="entitlement")
        .join(_last_open(question), on=["entitlement", "holder"], how="left")
        .with_columns(
            proposal=pl.col("proposal").cast(pl.String),
            busy_hours=pl.col("busy_ms") / HOUR_MS,
        )
        .collect()
    )


def _with_minutes(
    question: Question, found: Evidence, assigned: pl.DataFrame, fleet: FleetCoverage, seats: pl.DataFrame
) -> pl.DataFrame:
    """Add how many minutes each holder used a covered application in the last 30, 60 and 90 days."""
    covers = frames.entitlement_applications(question.engine)
    for days in LOOK_BACKS:
        first = day_bounds(question.zone, question.end_day - timedelta(days=days))[0]
        name, minutes = f"minutes_{days}", pl.col("busy_ms") / MINUTE_MS
        if first < question.start:
            seats = seats.with_columns(pl.lit(None, pl.Float64).alias(name))
            continue
        stated = (found.stated, found.sessions)
        used = unused(assigned.lazy(), covers, *stated, fleet, first, question.end, question.zone)
        told = used.select("entitlement", minutes.alias(name), holder=pl.coalesce("person", "host"))
        seats = seats.join(told.collect(), on=["entitlement", "holder"], how="left", maintain_order="left")
    return seats


def _last_open(question: Question) -> pl.LazyFrame:
    """Find the last local day, within a year, on which a holder had a covered application open."""
    sessions = frames.sessions(question.engine, question.end - timedelta(days=365), question.end)
    until = pl.min_horizontal(pl.col("ended").fill_null(question.end), pl.lit(question.end))
    used = sessions.join(frames.entitlement_applications(question.engine), on="application")
    holders = [
        used.filter(pl.col(holder).is_not_null()).select("entitlement", holder=holder, until=until)
        for holder in ("person", "host")
    ]
    last = pl.col("until").max().dt.convert_time_zone(question.zone).dt.date()
    return pl.concat(holders).group_by("entitlement", "holder").agg(last_open=last)


def _by_product(seats: pl.DataFrame) -> pl.DataFrame:
    def seats_to(proposal: str) -> pl.Expr:
        return (pl.col("proposal") == proposal).sum().cast(pl.Int64)

    counted = (
        seats.group_by("product_name", "currency")
        .agg(
            assigned=pl.len().cast(pl.Int64),
            reclaim=seats_to("reclaim"),
            under_used=seats_to("under-used"),
            not_observed=seats_to("not observed enough"),
            keep=seats_to("keep"),
            cost_minor=pl.col("seat_cost_minor").filter(pl.col("proposal") == "reclaim").sum(),
        )
        .sort("reclaim", "cost_minor", "product_name", descending=[True, True, False])
    )
    together = pl.col("reclaim").cum_sum() / pl.max_horizontal(pl.col("reclaim").sum(), 1)
    return counted.with_columns(cumulative_share=together, cost=_money("cost_minor"))


def _money(column: str) -> pl.Expr:
    """Write each row's amount in its currency; null where the contract names none."""
    return pl.when(pl.col("currency").is_not_null()).then(
        pl.struct(column, "currency").map_elements(
            lambda row: row["currency"] and format_minor(row[column], row["currency"]),
            return_dtype=pl.String,
        )
    )


def _shown(seats: pl.DataFrame) -> pl.DataFrame:
    order = {"reclaim": 0, "under-used": 1, "not observed enough": 2}
    rank = pl.col("proposal").replace_strict(order, default=None, return_dtype=pl.Int64)
    return (
        seats.filter(pl.col("proposal") != "keep")
        .sort(rank, "seat_cost_minor", "entitlement", "holder", descending=[False, True, False, False])
        .select(
            *("entitlement", "product_name", "holder", "last_open", "busy_hours"),
            *(f"minutes_{days}" for days in LOOK_BACKS),
            *("coverage", "proposal"),
            *("seat_cost_minor", "currency", _money("seat_cost_minor").alias("seat_cost")),
        )
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_products(by_product: pl.DataFrame) -> str:
    assigned, reclaim = int(by_product["assigned"].sum()), int(by_product["reclaim"].sum())
    if not reclaim:
        return f"Of {count(assigned, 'assigned seat')} **none** can be reclaimed on what was seen."
    first = by_product.row(0, named=True)
    return (
        f"Of {count(assigned, 'assigned seat')} **{reclaim:,} had no use at all** and can be reclaimed: "
        f"{listing(_costs(by_product).values())} a year. {safe(first['product_name'])} alone has "
        f"{first['reclaim']:,} of them, {share(first['reclaim'] / reclaim)}."
    )


def _costs(by_product: pl.DataFrame) -> dict[str, str]:
    """Add up what can be reclaimed, currency by currency."""
    priced = by_product.drop_nulls("currency").group_by("currency")
    sums = priced.agg(pl.col("cost_minor").sum()).sort("currency")
    return {currency: format_minor(cost, currency) for currency, cost in sums.iter_rows() if cost}


def _claim_seats(seats: pl.DataFrame, guard: Guard) -> str:
    never = seats.filter(pl.col("proposal") == "reclaim", pl.col("last_open").is_null()).height
    under = seats.filter(pl.col("proposal") == "under-used").height
    return (
        f"**{never:,}** of the seats to reclaim were not opened once in the year before the window's end; "
        f"{under:,} more {'was' if under == 1 else 'were'} used, but for less than "
        f"{guard.threshold_hours:g} {'hour' if guard.threshold_hours == 1 else 'hours'}. Holders are "
        "pseudonyms: showing a name needs a "
        "role and a reason."
    )


def _claim_coverage(seats: pl.DataFrame, fleet: FleetCoverage, guard: Guard) -> str:
    held_back = seats.filter(pl.col("proposal") == "not observed enough").height
    verb = "is" if held_back == 1 else "are"
    return (
        f"**{count(held_back, 'seat')}** without enough use {verb} not proposed: less than "
        f"{share(guard.minimum_coverage)} of the holder's host-workdays were observed (of the whole fleet "
        f"{share(fleet.share)}). A laptop away is not an unused license."
    )


def _results(by_product: pl.DataFrame, fleet: FleetCoverage) -> dict[str, object]:
    counts = ("assigned", "reclaim", "under_used", "not_observed")
    return {
        **{name: int(by_product[name].sum()) for name in counts},
        "cost_a_year": _costs(by_product),
        "fleet_coverage": fleet.share,
    }
