"""How what is owned stands against what is consumed, and which use is outside the rights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import polars as pl

from pipelines.answers.consumed import Consumed, consume
from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.wording import count, listing, safe
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import peak
from warehouse.metrics.counting_rules import consumed_balance, fixed_intervals, user_days
from warehouse.metrics.licenses import SEAT_METRICS, position
from warehouse.metrics.use_rights import outside_rights
from warehouse.money import format_minor

HOUR_MS = 3_600_000
RULES = {
    "exact_sweep": "in use at once",
    "fixed_interval": "devices per 10 minutes",
    "user_day": "user-days",
    "consumed_balance": "tokens spent",
}
"""Counting rules in words."""

IMPORT = "enter what you own: `process-meter entitlement import FILE`"


@dataclass(frozen=True)
class Compliance:
    """The effective license position of every product, and use without or outside a right.

    Attributes
    ----------
    positions
        One row per product and metric with a right in force, the worst first: product (name), metric, rule
        (words), entitled, consumed, surplus, shortfall (Int64), difference (Int64, negative: short),
        difference_share (of what is entitled), value (text; null: not known), value_minor, currency, findings
        (Int64), evidence and missing (text).
    findings
        One row per finding: product, entitlement, right, subject (pseudonym), what, first_seen, evidence.
    by_right
        One row per product and right with findings: product, right, findings, subjects (Int64).
    without_right
        One row per application in use that no right covers: application (name), people (Int64), hours, why.
    claims
        Markdown sentences: "positions", "findings", "without".
    """

    positions: pl.DataFrame
    findings: pl.DataFrame
    by_right: pl.DataFrame
    without_right: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None) -> Compliance:
    """Set what is entitled on the window's last day against what the window consumed.

    Parameters
    ----------
    evidence
        What `gather` gave for the same question without an application.

    Raises
    ------
    Problem
        No session in the window; no right is in force on its last day, or none of the application.
    """
    found = evidence or gather(replace(question, application=""))
    consumed = consume(question, found, question.end_day - timedelta(days=1))
    if consumed.rights.is_empty():
        raise Problem(f"No license is owned on the last day of the window, {consumed.day}", IMPORT)
    findings = _findings(consumed, found)
    positions = _positions(consumed, findings)
    without = _without_right(consumed)
    if question.application:
        positions, findings = _of_application(consumed, positions, findings)
    return Compliance(
        positions=positions.drop("pool"),
        findings=findings,
        by_right=_by_right(findings),
        without_right=without,
        claims={
            "positions": _claim_positions(positions),
            "findings": _claim_findings(findings),
            "without": _claim_without(without),
        },
        footer=footer_of(question, found, key="what each contract counts, each use against one right"),
        results=_results(positions, findings, without),
    )


def _of_application(
    consumed: Consumed, positions: pl.DataFrame, findings: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Keep the rights of one product, or those that cover one application."""
    engine, code = consumed.question.engine, consumed.question.application
    covering = frames.entitlement_applications(engine).filter(pl.col("application") == code).collect()
    of_product = pl.col("product") == code
    mine = consumed.rights.filter(of_product | pl.col("entitlement").is_in(covering["entitlement"].implode()))
    if mine.is_empty():
        raise Problem(f"No license of {code} is owned on the last day of the window, {consumed.day}", IMPORT)
    return (
        positions.join(mine.select("pool").unique(), on="pool", how="semi", maintain_order="left"),
        findings.join(mine.select("entitlement"), on="entitlement", how="semi", maintain_order="left"),
    )


# --- Positions ---------------------------------------------------------------------------------------------


def _positions(consumed: Consumed, findings: pl.DataFrame) -> pl.DataFrame:
    question = consumed.question
    found_use = counted(consumed)
    without = consumed.unseated.lazy().group_by("entitlement").agg(unseated=pl.len().cast(pl.Int64))
    found = position(
        frames.entitlements(question.engine),
        frames.assignments(question.engine),
        found_use.lazy().select("entitlement", "peak"),
        consumed.day,
        without,
    ).collect()
    per_pool = consumed.rights.select("entitlement", "pool").join(findings, on="entitlement").group_by("pool")
    rule = pl.col("rules").list.first()
    difference = pl.col("surplus") - pl.col("shortfall")
    return (
        found.join(found_use.select(pool="entitlement", said="said"), on="pool", how="left")
        .join(per_pool.agg(findings=pl.len().cast(pl.Int64)), on="pool", how="left")
        .with_columns(
            difference=difference,
            rule=pl.when(pl.col("metric").is_in(SEAT_METRICS))
            .then(pl.lit("seats"))
            .otherwise(rule.replace_strict(RULES, return_dtype=pl.String)),
            findings=pl.col("findings").fill_null(0),
        )
        .sort(difference / pl.col("entitled"), "product", "metric", nulls_last=True)
        .select(
            *(
                "pool",
                pl.col("product_name").alias("product"),
                pl.col("metric").str.replace("_", " "),
                "rule",
            ),
            *("entitled", "consumed", "surplus", "shortfall", "difference"),
            pl.when(pl.col("entitled") > 0).then(difference / pl.col("entitled")).alias("difference_share"),
            _money().alias("value"),
            *("value_minor", "currency", "findings", _evidence().alias("evidence")),
            pl.col("missing").list.join(", ").alias("missing"),
        )
    )


def _money() -> pl.Expr:
    """Write the value in its currency; null where it is not known."""
    return pl.struct("value_minor", "currency").map_elements(
        lambda row: format_minor(row["value_minor"], row["currency"]) if row["currency"] else None,
        return_dtype=pl.String,
        skip_nulls=False,
    )


def _evidence() -> pl.Expr:
    """Say what the consumption rests on."""
    seats = pl.format("seats assigned: {}, in use without one: {}", "assigned", "unseated")
    return (
        pl.when(pl.col("assigned").is_not_null())
        .then(seats)
        .otherwise(pl.col("said").fill_null("not in use in the window"))
    )


def counted(consumed: Consumed) -> pl.DataFrame:
    """Count each pool as its contract does: `entitlement` (the pool), `peak`, `said`."""
    rules = consumed.rights.group_by("pool").agg(
        pl.col("metric").first(),
        rule=pl.col("counting_rule").sort_by("consumption_order", "entitlement").first(),
    )
    shared = rules.filter(~pl.col("metric").is_in(SEAT_METRICS))
    is_token = pl.col("metric") == "token"
    by_interval = shared.filter(pl.col("rule") == "fixed_interval", ~is_token)["pool"]
    by_day = shared.filter(pl.col("rule") == "user_day", is_token)["pool"]
    by_balance = shared.filter(pl.col("rule") == "consumed_balance", is_token)["pool"]
    special = [*by_interval, *by_day, *by_balance]
    exact = consumed.pooled.filter(~pl.col("entitlement").is_in(special))
    parts = [
        _at_peak(consumed, exact),
        _at_peak(consumed, fixed_intervals(_only(consumed.pooled_as("device"), by_interval))),
        _charged_days(consumed, by_day),
        _spent(consumed, by_balance),
    ]
    return pl.concat(parts)


def _only(used: pl.LazyFrame, pools: pl.Series) -> pl.LazyFrame:
    return used.filter(pl.col("entitlement").is_in(pools.implode()))


def _at_peak(consumed: Consumed, used: pl.LazyFrame) -> pl.DataFrame:
    zone = consumed.question.zone
    when = pl.col("first_reached").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d at %H:%M")
    lasted = pl.col("minutes_at_peak").round(1)
    said = pl.format("peak of {} first on {}, for {} minutes", "peak", when, lasted)
    return peak(used).select("entitlement", "peak", said=said).collect()


def _charged_days(consumed: Consumed, pools: pl.Series) -> pl.DataFrame:
    """Charge a product's weight for each person and day."""
    question = consumed.question
    weights = frames.applications(question.engine).select("product", "token_weight").unique("product")
    products = consumed.rights.lazy().select("product", entitlement="pool").unique()
    days = user_days(_only(consumed.pooled_as("concurrent"), pools), "UTC", question.start, question.end)
    charged = pl.col("user_days").sum() * pl.col("token_weight").first().fill_null(1)
    said = pl.format("{} user-days of UTC at {} tokens", pl.col("user_days"), "weight")
    return (
        days.join(products, on="entitlement")
        .join(weights, on="product", how="left")
        .group_by("entitlement")
        .agg(peak=charged, user_days=pl.col("user_days").sum(), weight=pl.col("token_weight").first())
        .select("entitlement", "peak", said=said)
        .collect()
    )


def _spent(consumed: Consumed, pools: pl.Series) -> pl.DataFrame:
    question = consumed.question
    spent = consumed_balance(_only(consumed.pooled, pools), question.zone, question.start, question.end)
    whole = -(-pl.col("spent_ms").sum() // HOUR_MS)
    said = pl.format("{} token hours from {} to {}", "peak", "first", "last")
    days = {"first": pl.col("day").min(), "last": pl.col("day").max()}
    return (
        spent.group_by("entitlement")
        .agg(peak=whole, **days)
        .select("entitlement", "peak", said=said)
        .collect()
    )


# --- Use outside the rights, and without any ---------------------------------------------------------------


def _findings(consumed: Consumed, found: Evidence) -> pl.DataFrame:
    engine = consumed.question.engine
    told = outside_rights(
        consumed.parts,
        frames.use_rights(engine),
        found.sessions,
        frames.people(engine),
        frames.hosts(engine),
        frames.offices(engine),
    )
    names = consumed.rights.lazy().select("entitlement", product="product_name")
    return (
        told.join(names, on="entitlement", maintain_order="left")
        .select("product", "entitlement", "right", "subject", "what", "first_seen", "evidence")
        .sort("product", "right", "evidence", "subject", descending=[False, False, True, False])
        .collect()
    )


def _by_right(findings: pl.DataFrame) -> pl.DataFrame:
    return (
        findings.group_by("product", "right")
        .agg(findings=pl.len().cast(pl.Int64), subjects=pl.col("subject").n_unique().cast(pl.Int64))
        .sort("findings", "product", "right", descending=[True, False, False])
    )


def _without_right(consumed: Consumed) -> pl.DataFrame:
    engine = consumed.question.engine
    covered = frames.entitlement_applications(engine).select("application").unique()
    names = frames.applications(engine).select(pl.col("application").cast(pl.String), "name")
    why = pl.when(pl.col("is_covered")).then(
        pl.lit("another place than its rights allow, or after their end")
    )
    lasts_ms = (pl.col("end") - pl.col("start")).dt.total_milliseconds().sum()
    return (
        consumed.parts.filter(pl.col("entitlement").is_null())
        .group_by("application")
        .agg(people=pl.col("person").n_unique().cast(pl.Int64), hours=lasts_ms / HOUR_MS)
        .join(names, on="application", how="left")
        .join(covered.with_columns(is_covered=pl.lit(value=True)), on="application", how="left")
        .sort("hours", "name", descending=[True, False])
        .select(
            application="name", people="people", hours="hours", why=why.otherwise(pl.lit("no right is known"))
        )
        .collect()
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_positions(positions: pl.DataFrame) -> str:
    short, spare = (positions.filter(pl.col(name) > 0) for name in ("shortfall", "surplus"))
    are_short = f"{short.height:,} are" if short.height > 1 else "1 is" if short.height else "none is"
    words = (
        f"Of {count(positions.height, 'position')} **{are_short} short** and {spare.height:,} "
        f"{'has' if spare.height == 1 else 'have'} a surplus."
    )
    if short.height:
        words += f" To buy what is missing costs {_sum(short)}."
        words += f" The widest gap is {_gap(short.row(0, named=True))}."
    if spare.height:
        words += f" The surplus costs {_sum(spare)}."
    incomplete = positions.filter(pl.col("missing") != "")
    if incomplete.height:
        rest = "rests on an incomplete contract" if incomplete.height == 1 else "rest on incomplete contracts"
        words += (
            f" {count(incomplete.height, 'position')} {rest}, whose money is left out where it is not known."
        )
    return words


def _gap(row: dict[str, Any]) -> str:
    return f"{safe(row['product'])}: {row['consumed']:,} consumed, {row['entitled']:,} entitled"


def _sum(rows: pl.DataFrame) -> str:
    """Add up values, currency by currency, in words."""
    priced = rows.drop_nulls("currency").group_by("currency").agg(pl.col("value_minor").abs().sum())
    sums = [format_minor(minor, currency) for currency, minor in priced.sort("currency").iter_rows()]
    unpriced = rows["currency"].null_count()
    known = f"{listing(sums)} a year" if sums else "an amount that no contract tells"
    return f"{known}, without the {unpriced:,} whose cost is not known" if sums and unpriced else known


def _claim_findings(findings: pl.DataFrame) -> str:
    if findings.is_empty():
        return "No use was seen outside of what the contracts allow."
    first = _by_right(findings).row(0, named=True)
    return (
        f"**{count(findings.height, 'finding')}** of use outside the rights, most of them of "
        f"{safe(first['product'])} ({first['right']}). People and machines are pseudonyms; a finding is a "
        "question to ask, not a verdict."
    )


def _claim_without(without: pl.DataFrame) -> str:
    if without.is_empty():
        return "Every use consumed a right that is owned."
    names = listing(safe(name) for name in without["application"].head(3))
    verb, more = "was" if without.height == 1 else "were", " and more" if without.height > 3 else ""
    return f"**{count(without.height, 'application')}** {verb} used without any right: {names}{more}."


def _results(positions: pl.DataFrame, findings: pl.DataFrame, without: pl.DataFrame) -> dict[str, object]:
    return {
        "positions": positions.height,
        "short": positions.filter(pl.col("shortfall") > 0).height,
        "surplus": positions.filter(pl.col("surplus") > 0).height,
        "findings": findings.height,
        "without_right": without.height,
        "incomplete": positions.filter(pl.col("missing") != "").height,
        "by_pool": {
            pool: {"entitled": entitled, "consumed": consumed}
            for pool, entitled, consumed in positions.select("pool", "entitled", "consumed").iter_rows()
        },
    }
