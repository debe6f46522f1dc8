"""What each project, or each application, is charged: beside the period before, and what is left to bill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl
from sqlalchemy import Engine

from pipelines import budgets
from pipelines.answers import billed_run
from pipelines.answers.billed_run import in_words, read_out
from pipelines.answers.footer import Footer
from pipelines.answers.wording import count, listing, safe
from pipelines.billing import billed
from warehouse import frames
from warehouse.errors import Problem
from warehouse.money import format_minor, format_rate
from warehouse.store import open_warehouse

By = Literal["project", "application"]

KEYS: dict[By, tuple[str, ...]] = {
    "project": ("payer", "project", "project_name", "project_office"),
    "application": ("application", "office"),
}
"""What a row stands for, beside its currency."""
LARGEST_FIRST = ("currency", "amount_minor")


@dataclass(frozen=True)
class ChargesBy:
    """What one billing run charges, without lines that are held or written off, by one thing.

    Attributes
    ----------
    prior_period
        Name of the fiscal period before, where it was billed; else None.
    rows
        One row per project (payer, project, project_name, project_office) or per application and office of
        use (application, office, label), and currency, largest first: those, quantity (hours as text; fixed
        amounts
        are no hours), rate (text: one, or from the lowest to the highest), amount_minor, amount, prior_minor
        and prior (the same in the period before; null: not charged then), adjustment_minor, adjustment. By
        project also budget_minor, not_to_exceed_minor, billed_minor (over its life, this run included),
        spent_share (of the budget), budget, left_minor and left (up to the not-to-exceed amount): null where
        nothing was agreed.
    currencies
        In order; amounts of two are never added or compared.
    claims
        Markdown sentences: "run", "rows", "change", and by project "limits".
    """

    run: str
    period: str
    prior_period: str | None
    rows: pl.DataFrame
    currencies: list[str]
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]

    def rows_in(self, currency: str) -> pl.DataFrame:
        """Give `rows` in one currency."""
        return self.rows.filter(pl.col("currency") == currency)

    @property
    def limited(self) -> list[pl.DataFrame]:
        """By currency, the projects with a budget or a not-to-exceed amount, the least left first."""
        agreed = pl.col("budget_minor").is_not_null() | pl.col("not_to_exceed_minor").is_not_null()
        rows = self.rows.filter(agreed).sort("currency", "left_minor", "project", nulls_last=True)
        return rows.partition_by("currency", maintain_order=True)


def answer(
    by: By, engine: Engine | None = None, period: str = "", *, now: datetime | None = None
) -> ChargesBy:
    """Read what a period's newest run that is not void charges.

    Parameters
    ----------
    by
        project or application.
    engine
        None: the default warehouse.
    period
        Name of a fiscal period; empty: that of the newest closed run, or of the newest run.

    Raises
    ------
    Problem
        There is no such run, or it charges nothing.
    """
    opened = engine or open_warehouse()
    run = billed_run.find(opened, period)
    lines = _lines(opened, run["run"])
    if lines.is_empty():
        raise Problem(
            f"Billing run {run['run']} charges nothing", f"see why: `process-meter billing show {run['run']}`"
        )
    prior = _prior(opened, run["period"])
    rows = _rows(lines, None if prior is None else _lines(opened, prior["run"]), by)
    if by == "project":
        rows = _against_limits(rows, budgets.standing(opened, run["run"]))
    rows = rows.pipe(_worded)
    return ChargesBy(
        run=run["run"],
        period=run["period"],
        prior_period=None if prior is None else str(prior["period"]),
        rows=rows,
        currencies=rows["currency"].unique().sort().to_list(),
        claims=_claims(run, prior, rows, by),
        footer=billed_run.footer(opened, run, lines, now or datetime.now(UTC)),
        results=_results(run, rows, by),
    )


def _lines(engine: Engine, run: str) -> pl.DataFrame:
    lines = frames.charge_lines(engine, run).filter("billable").collect()
    offices = frames.projects(engine).select("project", project_office="office").collect()
    named = billed_run.with_names(engine, billed(lines))
    return named.join(offices, on="project", how="left", maintain_order="left")


def _prior(engine: Engine, period: str) -> dict[str, Any] | None:
    """Return the run of the fiscal period before, if there is one that is not void."""
    periods = frames.periods(engine).sort("starts_on").collect()["period"].to_list()
    place = periods.index(period)
    found = frames.runs(engine).filter(pl.col("status") != "void").collect()
    before = found.filter(pl.col("period") == (periods[place - 1] if place else ""))
    return before.row(-1, named=True) if before.height else None


# --- The rows ----------------------------------------------------------------------------------------------


def _rows(lines: pl.DataFrame, prior: pl.DataFrame | None, by: By) -> pl.DataFrame:
    keys = [*KEYS[by], "currency"]
    priced = pl.col("rate_scaled").filter(pl.col("unit") == "hour")
    rows = lines.group_by(*keys, "quantum_per_hour").agg(
        pl.col("quantity").filter(pl.col("unit") == "hour").sum(),
        pl.col("amount_minor", "adjustment_minor").sum(),
        lowest=priced.min(),
        highest=priced.max(),
    )
    if prior is None:
        before = rows.select(*keys).with_columns(prior_minor=pl.lit(None, pl.Int64))
    else:
        before = prior.group_by(keys).agg(prior_minor=pl.col("amount_minor").sum())
    joined = rows.join(before, on=keys, how="left", nulls_equal=True)
    return joined.sort(
        *LARGEST_FIRST, *KEYS[by], descending=[False, True, *[False] * len(KEYS[by])], nulls_last=True
    )


def _against_limits(rows: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """Add what was agreed for each project, in the project's currency."""
    agreed = standing.select(
        "project",
        "currency",
        "budget_minor",
        "not_to_exceed_minor",
        billed_minor=pl.col("billed_before_minor") + pl.col("this_run_minor"),
        left_minor="limit_left_minor",
    )
    known = rows.join(agreed, on=["project", "currency"], how="left", maintain_order="left")
    share = pl.col("billed_minor") / pl.when(pl.col("budget_minor") > 0).then("budget_minor")
    return known.with_columns(spent_share=share)


def _worded(rows: pl.DataFrame) -> pl.DataFrame:
    rate = pl.struct("lowest", "highest", "currency").map_elements(
        lambda row: _rate(row["lowest"], row["highest"], row["currency"]), return_dtype=pl.String
    )
    amounts = {
        name: in_words(f"{name}_minor", format_minor)
        for name in ("prior", "adjustment", "budget", "left")
        if f"{name}_minor" in rows.columns
    }
    worded = rows.pipe(read_out).with_columns(rate=rate, **amounts).drop("lowest", "highest")
    if "office" not in rows.columns:
        return worded
    return worded.with_columns(
        label=pl.format("{}, {}", "application", pl.col("office").fill_null("no office"))
    )


def _rate(lowest: int | None, highest: int | None, currency: str) -> str | None:
    if lowest is None or highest is None:
        return None
    words = format_rate(highest, currency)
    return words if lowest == highest else f"{format_rate(lowest, currency).split(' ')[0]} to {words}"


# --- The claims --------------------------------------------------------------------------------------------


def _claims(run: dict[str, Any], prior: dict[str, Any] | None, rows: pl.DataFrame, by: By) -> dict[str, str]:
    claims = {
        "run": _claim_run(run, rows, by),
        "rows": _claim_rows(rows, by),
        "change": _claim_change(prior, rows),
    }
    return claims | ({"limits": _claim_limits(rows)} if by == "project" else {})


def _sums(rows: pl.DataFrame, column: str) -> list[str]:
    sums = rows.group_by("currency").agg(pl.col(column).sum()).sort("currency")
    return [format_minor(amount, currency) for currency, amount in sums.iter_rows()]


def _claim_run(run: dict[str, Any], rows: pl.DataFrame, by: By) -> str:
    things = count(rows[by].n_unique(), by)
    verb = "is" if rows[by].n_unique() == 1 else "are"
    state = "closed and final" if run["status"] == "closed" else f"in status {run['status']}, so not final"
    amounts = listing(_sums(rows, "amount_minor"))
    end = f"**{amounts}** in period {run['period']}; run {run['run']} is {state}."
    return f"{things} {verb} charged {end}" if by == "project" else f"{things} {verb} charged for: {end}"


def _claim_rows(rows: pl.DataFrame, by: By) -> str:
    largest = [
        f"**{_name(row, by)}** with {row['amount']} for {row['quantity']} hours"
        for row in rows.group_by("currency", maintain_order=True).first().to_dicts()
    ]
    return f"The largest {'is' if len(largest) == 1 else 'are'} {listing(largest)}."


def _name(row: dict[str, Any], by: By) -> str:
    if by == "project":
        return f"{safe(row['project'])} {safe(row['project_name'])}"
    return safe(f"{row['application']}{' in ' + row['office'] if row['office'] else ''}")


def _claim_change(prior: dict[str, Any] | None, rows: pl.DataFrame) -> str:
    if prior is None:
        return "The fiscal period before was not billed, so there is nothing to compare with."
    new = rows.filter(pl.col("prior_minor").is_null()).height
    known = rows.drop_nulls("prior_minor")
    words = (
        f"What was charged in {prior['period']}, too, came to {listing(_sums(known, 'prior_minor')) or '0'}"
    )
    now = listing(_sums(known, "amount_minor")) or "0"
    unknown = f"; {count(new, 'row')} below had no charge then" if new else ""
    return f"{words} then and comes to **{now}** now{unknown}."


def _claim_limits(rows: pl.DataFrame) -> str:
    agreed = rows.filter(pl.col("budget_minor").is_not_null() | pl.col("not_to_exceed_minor").is_not_null())
    if agreed.is_empty():
        return "No budget and no not-to-exceed amount was agreed for any of these projects."
    over = agreed.filter(pl.col("left_minor") < 0)
    beyond = agreed.filter((pl.col("spent_share") > 1) & ~(pl.col("left_minor") < 0).fill_null(value=False))
    parts = [f"{count(agreed.height, 'project has', 'projects have')} a budget or a not-to-exceed amount"]
    parts += _named(over, "exceeds its not-to-exceed amount", "exceed their not-to-exceed amounts")
    parts += _named(beyond, "is over its budget", "are over their budgets")
    return f"{'; '.join(parts)}{'' if len(parts) > 1 else ', and none is over it'}."


def _named(rows: pl.DataFrame, one: str, many: str) -> list[str]:
    if rows.is_empty():
        return []
    names: Sequence[str] = [safe(number) for number in rows["project"].head(5)]
    more = [count(rows.height - 5, "other")] if rows.height > 5 else []
    return [f"**{listing([*names, *more])} {one if rows.height == 1 else many}**"]


def _results(run: dict[str, Any], rows: pl.DataFrame, by: By) -> dict[str, object]:
    sums = rows.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
    return {
        "run": run["run"],
        "period": run["period"],
        f"{by}s": rows[by].n_unique(),
        "amount_minor": dict(sums.iter_rows()),
    }
