"""What is owned against what is needed: unused seats, positions, and contracts that come up for renewal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal, get_args

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.percentiles import percentiles
from warehouse.metrics.states import BASES
from warehouse.metrics.utilization import FleetCoverage
from warehouse.periods import INSTANT, check_window, clip, zone_of

Proposal = Literal["reclaim", "under-used", "not observed enough", "keep"]

PROPOSALS: tuple[Proposal, ...] = get_args(Proposal)
SEAT_METRICS = ("named_user", "device", "subscription")
"""Metrics of which every holder needs one; the others are shared."""

GRACE_DAYS = 30
"""A seat held for less than this, and less than the window, is too new to be judged: it is kept."""


def unused(  # noqa: PLR0913, PLR0917 - seats, their use, and how much of it was seen
    assignments: pl.LazyFrame,
    entitlement_applications: pl.LazyFrame,
    stated: pl.LazyFrame,
    sessions: pl.LazyFrame,
    fleet: FleetCoverage,
    start: datetime,
    end: datetime,
    zone: str = "UTC",
    *,
    threshold_ms: int = 0,
    minimum_coverage: float = 0.8,
) -> pl.LazyFrame:
    """Judge every assigned seat by its use, and only where enough was seen.

    Parameters
    ----------
    assignments
        `entitlement`, `person`, `host`, `valid_from`, `valid_to`: seats of persons or of hosts.
    entitlement_applications
        `entitlement`, `application`.
    stated
        What `states` gives.
    sessions
        `session`, `application`, `person`, `host`; of every application, as they tell which hosts are whose.
    fleet
        What `fleet_coverage` gives for the same window.
    start, end
        The window, [start, end).
    zone
        IANA zone of the reporting office: seats are judged that are assigned on the window's last local day.
    threshold_ms
        Less busy time than this, though some, is under-used.
    minimum_coverage
        Share of the holder's host-workdays that must have been observed before anything is proposed, 0-1.

    Returns
    -------
    pl.LazyFrame
        `entitlement`, `person`, `host` (pseudonyms; one of the two is null), `last_active` (Datetime: end of
        the last active stretch known before the window's end; null: none), `busy_ms` (Int64, of all
        applications that the entitlement covers), `coverage` (observed / all workdays of the holder's hosts,
        0-1; null: no host is known), `fleet_coverage` (0-1) and `proposal` (Enum of `PROPOSALS`). One row per
        entitlement and holder, in this order.

    Raises
    ------
    Problem
        A window, zone, threshold or coverage that cannot be.
    """
    check_window(start, end)
    if threshold_ms < 0 or not 0 <= minimum_coverage <= 1:
        raise Problem(
            f"a threshold of {threshold_ms} ms with a coverage of {minimum_coverage}",
            "give milliseconds of 0 or more, and a share from 0 to 1",
        )
    last_day = (end - timedelta(milliseconds=1)).astimezone(zone_of(zone)).date()
    judged_since = max(start.astimezone(zone_of(zone)).date(), last_day - timedelta(days=GRACE_DAYS - 1))
    used = _use(stated, sessions, start, end).join(entitlement_applications, on="application")
    covered = {
        "person": sessions.select("person", "host").unique().join(fleet.by_host, on="host"),
        "host": fleet.by_host,
    }
    seats = [_seats(assignments, holder, last_day, used, covered[holder]) for holder in covered]
    is_new = pl.col("valid_from") > judged_since
    return (
        pl.concat(seats, how="diagonal_relaxed")
        .with_columns(pl.col("busy_ms").fill_null(0), fleet_coverage=pl.lit(fleet.share))
        .with_columns(proposal=_proposal(is_new, threshold_ms, minimum_coverage))
        .select(
            *("entitlement", "person", "host", "last_active", "busy_ms"),
            *("coverage", "fleet_coverage", "proposal"),
        )
        .sort("entitlement", "person", "host", nulls_last=True)
    )


def _use(stated: pl.LazyFrame, sessions: pl.LazyFrame, start: datetime, end: datetime) -> pl.LazyFrame:
    """Busy time in the window and last activity before its end: one row per session."""
    length_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds()
    busy = clip(stated.filter(pl.col("state").is_in(BASES["busy"])), start, end)
    active = stated.filter(pl.col("state") == "active", pl.col("start") < end)
    last_active = pl.min_horizontal(pl.col("end").max(), pl.lit(end, INSTANT))
    return (
        sessions.select("session", "application", "person", "host")
        .join(busy.group_by("session").agg(busy_ms=length_ms.sum()), on="session", how="left")
        .join(active.group_by("session").agg(last_active=last_active), on="session", how="left")
    )


def _seats(
    assignments: pl.LazyFrame, holder: str, day: date, used: pl.LazyFrame, covered: pl.LazyFrame
) -> pl.LazyFrame:
    """Seats of persons, or of hosts, that are assigned on a day, with their use and coverage."""
    use = used.group_by("entitlement", holder).agg(pl.col("busy_ms").sum(), pl.col("last_active").max())
    observed, workdays = pl.col("observed_workdays").sum(), pl.col("workdays").sum()
    coverage = covered.group_by(holder).agg(coverage=observed / workdays)
    return (
        assignments.filter(_in_force(day), pl.col(holder).is_not_null())
        .group_by("entitlement", holder)
        .agg(pl.col("valid_from").min())
        .join(use, on=["entitlement", holder], how="left")
        .join(coverage, on=holder, how="left")
    )


def _in_force(day: date) -> pl.Expr:
    starts, ends = pl.col("valid_from"), pl.col("valid_to")
    return (starts.is_null() | (starts <= day)) & (ends.is_null() | (ends > day))


def _proposal(is_new: pl.Expr, threshold_ms: int, minimum_coverage: float) -> pl.Expr:
    busy_ms, kind = pl.col("busy_ms"), pl.Enum(PROPOSALS)
    return (
        pl.when(((busy_ms >= threshold_ms) & (busy_ms > 0)) | is_new.fill_null(value=False))
        .then(pl.lit("keep", kind))
        .when(pl.col("coverage").is_null() | (pl.col("coverage") < minimum_coverage))
        .then(pl.lit("not observed enough", kind))
        .when(busy_ms == 0)
        .then(pl.lit("reclaim", kind))
        .otherwise(pl.lit("under-used", kind))
    )


POOL = pl.format("{}:{}", "product", "metric")
"""What a position is of: one product's rights of one metric, which count in one unit."""

INCOMPLETE = {
    "unit_cost_minor": "unit cost",
    "valid_to": "end",
    "notice_on": "notice date",
    "contract": "contract number",
}
"""What a contract may lack, and the word for it. What is missing is told, and never guessed."""


def missing(columns: Mapping[str, str] = INCOMPLETE) -> pl.Expr:
    """List the words for those columns that are null, in order: a List of String, empty where none is."""
    words = [pl.when(pl.col(name).is_null()).then(pl.lit(word)) for name, word in columns.items()]
    return pl.concat_list(words).list.drop_nulls()


def position(
    entitlements: pl.LazyFrame,
    assignments: pl.LazyFrame,
    peaks: pl.LazyFrame,
    day: date,
    unseated: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Set what is entitled against what is consumed: the effective license position of each product.

    Parameters
    ----------
    entitlements
        As `frames.entitlements` gives them.
    assignments
        `entitlement`, `person`, `host`, `valid_from`, `valid_to`: what seats consume.
    peaks
        `entitlement` (what `POOL` says: product and metric) and `peak`: what shared rights consume. Sweep
        what `consumption` gave by pool, so that no two rights are set against the same use.
    day
        The day of the position.
    unseated
        `entitlement` (as above) and `unseated`: people or devices in use that no seat covers; each needs one.

    Returns
    -------
    pl.LazyFrame
        `pool`, `product`, `product_name`, `vendor`, `metric`, `rules` and `rights` (List of String: counting
        rules and codes, in order of consumption), `entitled`, `assigned` (null where nothing is assigned),
        `unseated`, `consumed` (in the unit of the metric: seats assigned and those missing, or the peak of
        concurrent use or tokens), `surplus`, `shortfall` (Int64, 0 or more, never clamped), `value_minor` (of
        the surplus, or negative of the shortfall, in whole packs, a year), `currency`, and `missing` (List of
        String: what is not known of a contract, so that its money is left out). One row per product and
        metric with a right in force on the day, in order.

        A surplus is worth what the rights cost that are consumed last; a shortfall what the last one costs.
        Where one of them has no cost, or they have two currencies, the value is null.
    """
    in_order = (
        entitlements.filter(_in_force(day)).with_columns(pool=POOL).sort("consumption_order", "entitlement")
    )
    short_of = pl.LazyFrame(schema=_UNSEATED) if unseated is None else unseated
    seats = assignments.filter(_in_force(day)).join(in_order.select("entitlement", "pool"), on="entitlement")
    holders = pl.struct("person", "host").n_unique().cast(pl.Int64)
    found = (
        _pools(in_order)
        .join(seats.group_by("pool").agg(_seats=holders), on="pool", how="left")
        .join(short_of.select(pool="entitlement", _without="unseated"), on="pool", how="left")
        .join(peaks.select(pool="entitlement", _peak="peak"), on="pool", how="left")
        .pipe(_consumed)
    )
    return (
        found.join(_worth(in_order, found), on="pool", how="left")
        .select(
            *("pool", "product", "product_name", "vendor", "metric", "rules", "rights", "entitled"),
            *(
                "assigned",
                "unseated",
                "consumed",
                "surplus",
                "shortfall",
                "value_minor",
                "currency",
                "missing",
            ),
        )
        .sort("product", "metric")
    )


def _pools(in_order: pl.LazyFrame) -> pl.LazyFrame:
    return in_order.group_by("pool", maintain_order=True).agg(
        pl.col("product", "product_name", "vendor", "metric").first(),
        rules=pl.col("counting_rule").unique(maintain_order=True),
        rights="entitlement",
        entitled=pl.col("quantity").sum().cast(pl.Int64),
        missing=missing().explode(empty_as_null=False).unique(maintain_order=True),
    )


def _consumed(pools: pl.LazyFrame) -> pl.LazyFrame:
    by_seat = pl.col("metric").is_in(SEAT_METRICS)
    seats, without, shared = (pl.col(name).fill_null(0) for name in ("_seats", "_without", "_peak"))
    left = pl.col("entitled") - pl.col("consumed")
    return pools.with_columns(
        assigned=pl.when(by_seat).then(seats),
        unseated=pl.when(by_seat).then(without),
        consumed=pl.when(by_seat).then(seats + without).otherwise(shared),
    ).with_columns(surplus=left.clip(lower_bound=0), shortfall=(-left).clip(lower_bound=0))


_UNSEATED = {"entitlement": pl.String, "unseated": pl.Int64}


def _worth(in_order: pl.LazyFrame, found: pl.LazyFrame) -> pl.LazyFrame:
    """Value a pool's surplus from the right that is consumed last, and its shortfall at that one's cost."""
    quantity, pack = pl.col("quantity"), pl.col("pack_size")
    later = (quantity.sum() - quantity.cum_sum()).over("pool")
    spare = (pl.col("surplus") - later).clip(0, quantity) // pack * pack
    is_last = later == 0
    lacking = pl.when(is_last).then(-(-pl.col("shortfall") // pack) * pack).otherwise(0)
    units = spare - lacking
    is_counted = pl.col("_units") != 0
    costs = pl.col("unit_cost_minor").filter(is_counted)
    currencies = pl.col("currency").filter(is_counted).n_unique()
    is_whole = costs.is_not_null().all() & (currencies <= 1)
    return (
        in_order.join(found.select("pool", "surplus", "shortfall"), on="pool", maintain_order="left")
        .with_columns(_units=units)
        .group_by("pool")
        .agg(
            value_minor=pl.when(is_whole).then((pl.col("_units") * pl.col("unit_cost_minor")).sum()),
            currency=pl.when(is_whole).then(
                pl.coalesce(
                    pl.col("currency").filter(is_counted).first(), pl.col("currency").drop_nulls().last()
                )
            ),
        )
    )


def renewals(  # noqa: PLR0913, PLR0917 - contracts, the need for them, and the horizon
    entitlements: pl.LazyFrame,
    demand: pl.LazyFrame,
    hours: pl.LazyFrame,
    day: date,
    months: int = 12,
    seats_in_use: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """List the contracts that end soon, with what is owned, what is needed, and the money between.

    Parameters
    ----------
    entitlements
        As `frames.entitlements` gives them.
    demand
        What `curve` gives by entitlement, of what `consumption` gave: where several cover the same use,
        each is set against its own part. An entitlement without a row was never in use.
    hours
        What `calendar` gives: the business hours that the need is a share of.
    day
        Today; contracts that end within `months` from it are listed.
    months
        The horizon.
    seats_in_use
        `entitlement`, `in_use`: holders with busy time. Where given, it is the need of the `SEAT_METRICS`,
        of which two people can never share one.

    Returns
    -------
    pl.LazyFrame
        `entitlement`, `product`, `product_name`, `vendor`, `metric`, `contract`, `valid_to`, `notice_on`;
        `owned`, `peak`, `need_95` (enough for 95 % of business time), `need` (what the money is counted
        against) (Int64), `money_at_risk_minor` ((owned - need) in whole packs x unit cost a year, where
        positive; null where no cost is known), `currency` and `missing` (as `position` has it). One row per
        entitlement, the first to end first.

    Raises
    ------
    Problem
        Months that are not positive, or a calendar without time.
    """
    if months <= 0:
        raise Problem(f"a horizon of {months} months", "give one month or more")
    until = pl.lit(day).dt.offset_by(f"{months}mo")
    peaks = demand.group_by("entitlement").agg(peak=pl.col("demand").max())
    needs = percentiles(demand, hours, 95).rename({"demand": "need_95"})
    used = pl.LazyFrame(schema={"entitlement": pl.String, "in_use": pl.Int64})
    in_use = (used if seats_in_use is None else seats_in_use).select(
        "entitlement", pl.col("in_use").cast(pl.Int64)
    )
    by_seat = pl.col("metric").is_in(SEAT_METRICS) & pl.lit(seats_in_use is not None)
    spare = (pl.col("owned") - pl.col("need")).clip(lower_bound=0)
    return (
        entitlements.filter(pl.col("valid_to") >= day, pl.col("valid_to") < until)
        .join(peaks, on="entitlement", how="left")
        .join(needs, on="entitlement", how="left")
        .join(in_use, on="entitlement", how="left")
        .with_columns(
            pl.col("peak", "need_95", "in_use").fill_null(0), owned=pl.col("quantity").cast(pl.Int64)
        )
        .with_columns(need=pl.when(by_seat).then("in_use").otherwise("need_95"))
        .select(
            *(
                "entitlement",
                "product",
                "product_name",
                "vendor",
                "metric",
                "contract",
                "valid_to",
                "notice_on",
            ),
            *("owned", "peak", "need_95", "need"),
            money_at_risk_minor=spare
            // pl.col("pack_size")
            * pl.col("pack_size")
            * pl.col("unit_cost_minor"),
            currency="currency",
            missing=missing(),
        )
        .sort("valid_to", "entitlement")
    )
