"""Every figure of a license on one row, for the executive summary: use, position, money, trend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from pipelines.answers import unused_licenses
from pipelines.answers.compliance import counted
from pipelines.answers.consumed import Consumed, consume
from pipelines.answers.demand import calendar_of
from pipelines.answers.evidence import Evidence
from pipelines.answers.question import Question
from pipelines.answers.unused_licenses import Guard
from pipelines.billing import billed
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import curve, peak
from warehouse.metrics.consumption import consumed_intervals
from warehouse.metrics.growth import trend
from warehouse.metrics.license_cost import idle_cost, license_cost, recovered
from warehouse.metrics.licenses import POOL, position
from warehouse.metrics.percentiles import daily_peaks, percentiles
from warehouse.metrics.utilization import usage
from warehouse.periods import local_days, union

NAMES: dict[str, pl.DataType | type[pl.DataType]] = {
    "license": pl.String,
    "name": pl.String,
    "metric": pl.String,
}
MONEY = {"license": pl.String, "currency": pl.String, "cost_minor": pl.Int64, "idle_cost_minor": pl.Int64}


@dataclass(frozen=True)
class Figures:
    """The licenses of a question, each by itself; not yet for executives: groups may be small.

    Attributes
    ----------
    licenses
        One row per product and metric with a right in force on the last day or with use, and per application
        that was used without a right: license, name, metric (null: no right), people (who used it or holds a
        seat), owned, peak and need_95 (people at once, of the basis; 0: no use), position (owned - consumed
        by what was open, as `compliance` counts it), assigned, unused (seats without any use; null: none is
        assigned, or unknown), trend (change of the monthly peak from the first to the last whole month along
        the line through all of them, Float64; null: too few months). Counts are Int64.
    costs
        One row per license and currency: license, currency, cost_minor (of the window), idle_cost_minor;
        nulls where they cannot be told.
    recovered
        One row per license and currency: license, currency, recovered_minor.
    months
        Whole months in the window.
    calendar
        The hours that `need_95` is a share of, in words.
    missing
        What cannot be told and how to get it: sentences.
    """

    licenses: pl.DataFrame
    costs: pl.DataFrame
    recovered: pl.DataFrame
    months: int
    calendar: str
    missing: list[str]


def measure(question: Question, found: Evidence, guard: Guard) -> Figures:
    """Measure every license of a question."""
    # Somebody who is known by an account alone is one person, in the peaks as in every report.
    known = replace(found, sessions=found.sessions.with_columns(person=pl.coalesce("person", "account")))
    consumed = consume(question, known, question.end_day - timedelta(days=1))
    names = _names(question, consumed)
    hours, calendar = calendar_of(question)
    use, months = _use(question, consumed, names, union(hours))
    owned = _position(_open(question, known, consumed))
    unused, why = _unused(question, found, guard, consumed)
    licenses = (
        names.join(owned, on="license", how="left")
        .join(use, on="license", how="left")
        .join(_people(question, consumed), on="license", how="left")
        .join(unused, on="license", how="left")
        .filter(pl.col("owned").is_not_null() | (pl.col("peak") > 0))
        .with_columns(pl.col("peak", "need_95", "people").fill_null(0))
    )
    costs = _costs(question, found, licenses)
    return Figures(
        licenses=licenses.sort(pl.col("owned").is_null(), -pl.col("peak"), "name"),
        costs=costs,
        recovered=_recovered(question, licenses),
        months=months,
        calendar=calendar,
        missing=[*_missing(question, licenses, costs), *why],
    )


def _license() -> pl.Expr:
    """Name what a part of a use belongs to: the license that it consumed, or the bare application."""
    return pl.coalesce("pool", "application").alias("license")


def _names(question: Question, consumed: Consumed) -> pl.DataFrame:
    """Name licenses by product, and by metric too where a product is licensed in two ways."""
    bought = frames.entitlements(question.engine).collect().with_columns(license=POOL)
    pools = bought.unique("license", maintain_order=True).select("license", "product_name", "metric")
    several = pl.len().over("product_name") > 1
    by_metric = pl.format("{}, {}", "product_name", pl.col("metric").str.replace("_", " "))
    named = pools.select(
        "license", name=pl.when(several).then(by_metric).otherwise("product_name"), metric="metric"
    )
    used = consumed.parts.filter(pl.col("entitlement").is_null()).select("application").unique()
    bare = (
        frames.applications(question.engine)
        .join(used, on="application", how="semi")
        .select(license="application", name="name", metric=pl.lit(None, pl.String))
        .collect()
    )
    return pl.concat([named, bare]).select(pl.col(name).cast(kind) for name, kind in NAMES.items())


def _parts(question: Question, consumed: Consumed) -> pl.LazyFrame:
    pools = frames.entitlements(question.engine).select("entitlement", pool=POOL)
    return consumed.parts.join(pools, on="entitlement", how="left").with_columns(_license())


def _use(
    question: Question, consumed: Consumed, names: pl.DataFrame, hours: pl.LazyFrame
) -> tuple[pl.DataFrame, int]:
    """Sweep how many people used each license at once; with the number of whole months."""
    by_person = names.lazy().select(entitlement="license", metric=pl.lit("concurrent"))
    parts = _parts(question, consumed).with_columns(entitlement="license")
    used = consumed_intervals(parts, by_person, question.start, question.end).collect().lazy()
    swept = curve(used).collect().lazy()
    highest = peak(used).select(license="entitlement", peak=pl.col("peak").cast(pl.Int64)).collect()
    need = percentiles(swept, hours, 95).select(
        license="entitlement", need_95=pl.col("demand").cast(pl.Int64)
    )
    whole = _whole_months(question)
    peaks = daily_peaks(swept, question.zone, question.start, question.end).collect()
    heading = _trends(peaks, whole)
    found = highest.join(need.collect(), on="license", how="left").join(heading, on="license", how="left")
    return found, len(whole)


def _whole_months(question: Question) -> list[object]:
    """List the local months that lie wholly in the window, by their first day."""
    days = local_days(question.zone, question.start, question.end).select("day").collect()["day"]
    month = days.dt.truncate("1mo")
    counted = month.value_counts().filter(pl.col("count") == pl.col("day").dt.month_end().dt.day())
    return counted["day"].sort().to_list()


def _trends(peaks: pl.DataFrame, whole: list[object]) -> pl.DataFrame:
    monthly = (
        peaks.with_columns(month=pl.col("day").dt.truncate("1mo"))
        .filter(pl.col("month").is_in(whole))
        .group_by("entitlement", "month")
        .agg(demand=pl.col("peak").max())
    )
    rows = []
    for (license_,), months in monthly.group_by("entitlement"):
        rows.append((license_, _change(trend(months.lazy().select("month", "demand"), 0).collect())))
    return pl.DataFrame(rows, schema={"license": pl.String, "trend": pl.Float64}, orient="row")


def _change(found: pl.DataFrame) -> float | None:
    """Give the change along a line of months; None where there is no line.

    The line is cut off at zero, but not at its higher end, and it passes through the mean at its middle.
    """
    first, last, mean = found["line"][0], found["line"][-1], found["demand"].mean()
    if first is None or mean is None:
        return None
    middle = float(str(mean))
    return 2 * float(last - middle if last >= middle else middle - first)


def _open(question: Question, known: Evidence, consumed: Consumed) -> Consumed:
    """Take what was open, in use or not: that is what a contract counts, and the report on compliance."""
    is_open = question.basis == "run"
    return consumed if is_open else consume(replace(question, basis="run"), known, consumed.day)


def _position(consumed: Consumed) -> pl.DataFrame:
    engine = consumed.question.engine
    short = consumed.unseated.group_by("entitlement").agg(unseated=pl.len().cast(pl.Int64))
    peaks = counted(consumed).lazy().select("entitlement", pl.col("peak").cast(pl.Int64))
    rights, seats = frames.entitlements(engine), frames.assignments(engine)
    return (
        position(rights, seats, peaks, consumed.day, short.lazy())
        .select(
            "assigned", license="pool", owned="entitled", position=pl.col("entitled") - pl.col("consumed")
        )
        .collect()
    )


def _people(question: Question, consumed: Consumed) -> pl.DataFrame:
    """Count whom the figures of a license tell about: who used it, and who holds a seat."""
    in_force = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= consumed.day)) & (
        pl.col("valid_to").is_null() | (pl.col("valid_to") > consumed.day)
    )
    pools = consumed.rights.lazy().select("entitlement", license="pool")
    holders = (
        frames.assignments(question.engine)
        .filter(in_force)
        .join(pools, on="entitlement")
        .select("license", who=pl.coalesce("person", "host"))
    )
    users = _parts(question, consumed).select("license", who=pl.coalesce("person", "host"))
    both = pl.concat([holders, users]).drop_nulls()
    return both.group_by("license").agg(people=pl.col("who").n_unique().cast(pl.Int64)).collect()


NO_SEATS = {"license": pl.String, "unused": pl.Int64}


def _unused(
    question: Question, found: Evidence, guard: Guard, consumed: Consumed
) -> tuple[pl.DataFrame, list[str]]:
    """Count the seats without any use, by license; or say why they cannot be told."""
    try:
        judged = unused_licenses.answer(question, guard, found)
    except Problem as problem:
        return pl.DataFrame(schema=NO_SEATS), [f"**Unused seats are not known.** {problem}."]
    idle = judged.seats.filter(pl.col("proposal") == "reclaim")
    assigned = frames.assignments(question.engine).select("entitlement").unique().collect()
    pools = consumed.rights.select("entitlement", license="pool")
    counted = (
        pools.join(assigned, on="entitlement")
        .join(idle.group_by("entitlement").agg(_unused=pl.len().cast(pl.Int64)), on="entitlement", how="left")
        .group_by("license")
        .agg(unused=pl.col("_unused").fill_null(0).sum())
    )
    return counted, []


def _costs(question: Question, found: Evidence, licenses: pl.DataFrame) -> pl.DataFrame:
    rights = frames.entitlements(question.engine).with_columns(license=POOL)
    costs = license_cost(rights, question.first_day, question.end_day).join(
        rights.select("entitlement", "license"), on="entitlement"
    )
    by_license = costs.group_by("license", "currency").agg(
        # A sum that leaves one right out would look like the whole.
        cost_minor=pl.when(pl.col("cost_minor").is_not_null().all()).then(pl.col("cost_minor").sum())
    )
    covers = frames.entitlement_applications(question.engine).join(
        rights.select("entitlement", "license"), on="entitlement"
    )
    used = usage(found.stated, found.sessions, ["application"], question.start, question.end, question.zone)
    of_license = (
        used.with_columns(pl.col("application").cast(pl.String))
        .join(covers.select("application", "license").unique(), on="application")
        .group_by("license")
        .agg(pl.col("run_ms", "idle_ms", "held_ms").sum())
    )
    kept = licenses.lazy().select("license")
    found_costs = idle_cost(by_license.join(kept, on="license", how="semi"), of_license)
    return found_costs.select(*MONEY).sort("license", "currency").collect()


def _recovered(question: Question, licenses: pl.DataFrame) -> pl.DataFrame:
    """Add up the billed lines of closed runs with a day in the window, by the application's license."""
    closed = frames.runs(question.engine).filter(pl.col("status") == "closed").select("run")
    lines = (
        frames.charge_lines(question.engine)
        .filter("billable", pl.col("day") >= question.first_day, pl.col("day") < question.end_day)
        .join(closed, on="run", how="semi")
        .collect()
    )
    rights = frames.entitlements(question.engine).select("entitlement", "consumption_order", license=POOL)
    covering = (
        frames.entitlement_applications(question.engine)
        .join(rights, on="entitlement")
        .join(licenses.lazy().select("license"), on="license", how="semi")
        .sort("consumption_order", "entitlement")
        .unique("application", keep="first", maintain_order=True)
        .select("application", "license")
    )
    bare = frames.applications(question.engine).select("application", license="application")
    mapping = pl.concat([covering, bare.join(covering, on="application", how="anti")])
    return recovered(billed(lines).lazy(), mapping).collect()


def _missing(question: Question, licenses: pl.DataFrame, costs: pl.DataFrame) -> list[str]:
    said = []
    if licenses["owned"].is_null().all():
        said.append(
            "**What is owned is not known**, so no position and no cost: import it with "
            "`process-meter entitlement import FILE`."
        )
    unpriced = costs.filter(pl.col("cost_minor").is_null())["license"].n_unique()
    if unpriced:
        said.append(
            f"**{unpriced:,} {'license has' if unpriced == 1 else 'licenses have'} no cost**: add "
            "`unit_cost` and `currency` to the file for `process-meter entitlement import`."
        )
    if frames.runs(question.engine).filter(pl.col("status") == "closed").collect().is_empty():
        said.append(
            "**No billing run is closed**, so nothing was recovered from projects: see "
            "`process-meter billing draft --help`."
        )
    return said
