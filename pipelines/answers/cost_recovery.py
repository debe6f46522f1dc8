"""What licenses cost in a period, and what of it came back from projects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import billed_run
from pipelines.answers.billed_run import in_hours, in_words
from pipelines.answers.footer import Footer
from pipelines.answers.wording import count, listing, safe, share
from pipelines.billing import billed
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.license_cost import license_cost, recovered
from warehouse.money import format_minor
from warehouse.store import open_warehouse


@dataclass(frozen=True)
class CostRecovery:
    """License cost and billed amounts of one fiscal period, by product.

    Attributes
    ----------
    rows
        One row per product and currency, dearest first: product, name, cost_minor and cost (of the days of
        the period on which its rights are in force; null: no price is known in this currency; `cost` then
        says in which one it was bought), quantity (billed hours, text), billed_minor and billed,
        margin_minor and margin (billed - cost; null without a cost), recovered_share.
    unpriced
        Products with a right in force that has no price: their cost is not known, and no part of a sum.
    claims
        Markdown sentences: "whole", "best", "unpriced".
    """

    run: str
    period: str
    rows: pl.DataFrame
    unpriced: list[str]
    currencies: list[str]
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]

    def rows_in(self, currency: str) -> pl.DataFrame:
        """Give `rows` in one currency: amounts of two are never added or compared."""
        return self.rows.filter(pl.col("currency") == currency)


def answer(engine: Engine | None = None, period: str = "", *, now: datetime | None = None) -> CostRecovery:
    """Set what licenses cost in a period against what its newest run that is not void bills.

    Raises
    ------
    Problem
        There is no such run, or no right to use any product is known.
    """
    opened = engine or open_warehouse()
    run = billed_run.find(opened, period)
    first_day, end_day = _days(opened, run["period"])
    names = frames.entitlements(opened).select("product", name="product_name").unique().collect()
    if names.is_empty():
        raise Problem(
            "Nothing is known of what is owned, so nothing of what it costs",
            "enter it: `process-meter entitlement import FILE`",
        )
    lines = billed(frames.charge_lines(opened, run["run"]).filter("billable").collect())
    costs, unpriced = _costs(opened, first_day, end_day)
    rows = _rows(costs, _billed(opened, lines), names)
    return CostRecovery(
        run=run["run"],
        period=run["period"],
        rows=rows,
        unpriced=unpriced,
        currencies=rows["currency"].unique().sort().to_list(),
        claims=_claims(run, rows, unpriced),
        footer=billed_run.footer(opened, run, lines, now or datetime.now(UTC)),
        results=_results(run, rows),
    )


def _days(engine: Engine, period: str) -> tuple[date, date]:
    found = frames.periods(engine).filter(pl.col("period") == period).select("starts_on", "ends_on")
    starts_on, ends_on = found.collect().row(0)
    return starts_on, ends_on


def _costs(engine: Engine, first_day: date, end_day: date) -> tuple[pl.DataFrame, list[str]]:
    """Return the cost of each product whose rights all have a price, and the names of the others."""
    rights = frames.entitlements(engine).select("entitlement", "product", name="product_name")
    costs = license_cost(frames.entitlements(engine), first_day, end_day).join(rights, on="entitlement")
    by_product = (
        costs.with_columns(is_unknown=pl.col("cost_minor").is_null().any().over("product"))
        .group_by("product", "name", "currency", "is_unknown")
        .agg(pl.col("cost_minor").sum())
        .collect()
    )
    unknown = by_product.filter("is_unknown")["name"].unique().sort().to_list()
    known = by_product.filter(~pl.col("is_unknown")).select("product", "currency", "cost_minor")
    return known, unknown


def _billed(engine: Engine, lines: pl.DataFrame) -> pl.DataFrame:
    """Return quantity and amount by product; an application without a product stands for itself."""
    applications = frames.applications(engine).select("application", license=_PRODUCT)
    amounts = recovered(lines.lazy(), applications).rename(
        {"license": "product", "recovered_minor": "billed_minor"}
    )
    hours = (
        lines.filter(pl.col("unit") == "hour")
        .with_columns(pl.col("application").cast(pl.String))
        .join(applications.collect(), on="application")
        .group_by("currency", "quantum_per_hour", product="license")
        .agg(pl.col("quantity").sum())
    )
    return amounts.collect().join(hours, on=["product", "currency"], how="left")


_PRODUCT = pl.coalesce("product", pl.col("application").cast(pl.String))


def _rows(costs: pl.DataFrame, lines: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    margin = pl.col("billed_minor") - pl.col("cost_minor")
    joined = costs.join(lines, on=["product", "currency"], how="full", coalesce=True).with_columns(
        pl.col("billed_minor").fill_null(0)
    )
    quantity = pl.struct("quantity", "quantum_per_hour").map_elements(
        lambda row: None if row["quantity"] is None else in_hours(row["quantity"], row["quantum_per_hour"]),
        return_dtype=pl.String,
        skip_nulls=False,
    )
    part = pl.col("billed_minor") / pl.when(pl.col("cost_minor") > 0).then("cost_minor")
    return (
        joined.join(names, on="product", how="left")
        .with_columns(
            pl.coalesce("name", "product").alias("name"),
            margin_minor=margin,
            recovered_share=part,
            quantity=quantity,
        )
        .with_columns(
            in_words(f"{name}_minor", format_minor).alias(name) for name in ("cost", "billed", "margin")
        )
        .with_columns(cost=pl.coalesce("cost", _bought_elsewhere()))
        .sort("currency", "cost_minor", "billed_minor", "name", descending=[False, True, True, False])
        .sort("currency", pl.col("cost_minor").is_null(), maintain_order=True)
        .select(
            *("product", "name", "currency", "cost_minor", "cost", "quantity", "billed_minor", "billed"),
            *("margin_minor", "margin", "recovered_share"),
        )
    )


def _bought_elsewhere() -> pl.Expr:
    """Say in which currency a product was bought, where it is billed in another one."""
    bought = pl.col("currency").filter(pl.col("cost_minor").is_not_null()).sort()
    there = bought.implode().over("product", mapping_strategy="join").list.first()
    return pl.format("bought in {}", there)


# --- The claims --------------------------------------------------------------------------------------------


def _claims(run: dict[str, Any], rows: pl.DataFrame, unpriced: list[str]) -> dict[str, str]:
    return {
        "whole": _claim_whole(run, rows),
        "best": _claim_best(rows),
        "unpriced": _claim_unpriced(unpriced),
    }


def _claim_whole(run: dict[str, Any], rows: pl.DataFrame) -> str:
    sums = rows.drop_nulls("cost_minor").group_by("currency").agg(pl.col("cost_minor", "billed_minor").sum())
    parts = [
        f"**{format_minor(back, currency)}** for licenses that cost {format_minor(cost, currency)}"
        f"{f' ({share(back / cost)})' if cost else ''}"
        for currency, cost, back in sums.sort("currency").iter_rows()
    ]
    state = "" if run["status"] == "closed" else f" Run {run['run']} is in status {run['status']}: not final."
    return f"Period {run['period']} bills {listing(parts) or 'for licenses whose cost is not known'}.{state}"


def _claim_best(rows: pl.DataFrame) -> str:
    priced = rows.drop_nulls("margin_minor")
    over, under = priced.filter(pl.col("margin_minor") >= 0), priced.filter(pl.col("margin_minor") < 0)
    if priced.is_empty():
        return "No product has both a cost and a bill."
    words = f"{count(over.height, 'product')} earned more than the licenses cost, {under.height:,} less"
    if under.is_empty():
        return f"{words}."
    worst = under.sort("margin_minor").row(0, named=True)
    return f"{words}; furthest from it is **{safe(worst['name'])}** with {worst['margin']}."


def _claim_unpriced(unpriced: list[str]) -> str:
    if not unpriced:
        return "Every right in force has a price."
    return (
        f"{count(len(unpriced), 'product has', 'products have')} a right without a price, so the cost is "
        f"not known: {listing(safe(name) for name in unpriced[:8])}. Add `unit_cost` and `currency` to the "
        "file for `process-meter entitlement import`."
    )


def _results(run: dict[str, Any], rows: pl.DataFrame) -> dict[str, object]:
    def sums(column: str) -> dict[str, int]:
        found = rows.drop_nulls(column).group_by("currency").agg(pl.col(column).sum()).sort("currency")
        return dict(found.iter_rows())

    return {
        "run": run["run"],
        "period": run["period"],
        "cost_minor": sums("cost_minor"),
        "billed_minor": sums("billed_minor"),
    }
