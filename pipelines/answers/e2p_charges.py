"""What is charged to each project, for which application, at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import billed_run
from pipelines.answers.billed_run import in_words, read_out
from pipelines.answers.footer import Footer
from pipelines.answers.wording import count, listing, safe
from pipelines.billing import billed
from warehouse import frames
from warehouse.errors import Problem
from warehouse.money import format_minor, format_rate
from warehouse.store import open_warehouse

LARGEST_FIRST = ("currency", "amount_minor")


@dataclass(frozen=True)
class Charges:
    """The charge lines of one billing run, without those that are held or written off.

    Attributes
    ----------
    run, period, status
        Number of the run, its fiscal period, and how far it is.
    by_project
        One row per payer, project and currency, largest first: payer, project, project_name, currency,
        quantity (hours as text), amount_minor, amount (text).
    by_application
        One row per application, rate and currency, largest first: application, rate (text), currency,
        quantity (hours as text), amount_minor, amount.
    lines
        One row per payer, project, phase, task, application, rate and currency, largest first: those, rate
        and quantity as text, amount_minor, amount, adjustment_minor (of that amount, what corrects earlier
        periods), adjustment.
    currencies
        The currencies of the run, in order.
    claims
        Markdown sentences: "run", "projects", "applications", "lines".
    """

    run: str
    period: str
    status: str
    by_project: pl.DataFrame
    by_application: pl.DataFrame
    lines: pl.DataFrame
    currencies: list[str]
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]

    def projects_in(self, currency: str) -> pl.DataFrame:
        """Give `by_project` in one currency: amounts of two are never added or compared."""
        return self.by_project.filter(pl.col("currency") == currency)

    def lines_in(self, currency: str) -> pl.DataFrame:
        """Give `lines` in one currency."""
        return self.lines.filter(pl.col("currency") == currency)


def answer(engine: Engine | None = None, period: str = "", *, now: datetime | None = None) -> Charges:
    """Read the charge lines of a period's newest run that is not void.

    Parameters
    ----------
    engine
        None: the default warehouse.
    period
        Name of a fiscal period, e.g. 2026-10; empty: that of the newest closed run, or of the newest run
        where none is closed.

    Raises
    ------
    Problem
        There is no such run, or it has no lines.
    """
    opened = engine or open_warehouse()
    run = billed_run.find(opened, period)
    lines = frames.charge_lines(opened, run["run"]).collect()
    billable = billed(lines.filter("billable"))
    if billable.is_empty():
        raise Problem(
            f"Billing run {run['run']} charges nothing", f"see why: `process-meter billing show {run['run']}`"
        )
    named = billed_run.with_names(opened, billable)
    by_project, by_application, by_line = _by_project(named), _by_application(named), _by_line(named)
    claims = {
        "run": _claim_run(run, by_project, lines),
        "projects": _claim_projects(by_project),
        "applications": _claim_applications(by_application),
        "lines": _claim_lines(by_line, named.filter("is_adjustment").height),
    }
    return Charges(
        run=run["run"],
        period=run["period"],
        status=run["status"],
        by_project=by_project,
        by_application=by_application,
        lines=by_line,
        currencies=by_project["currency"].unique().sort().to_list(),
        claims=claims,
        footer=billed_run.footer(opened, run, lines, now or datetime.now(UTC)),
        results=_results(run, by_project, billable),
    )


HOURS = pl.col("quantity").filter(pl.col("unit") == "hour").sum()
"""Of lines: a fixed amount, as a cap takes off, is no hours."""


FIXED = "fixed: caps, packages"
"""In the place of a rate, of amounts that are no hours times a rate."""


def _priced(named: pl.DataFrame) -> pl.DataFrame:
    """Leave the rate to hours: each fixed amount has a price of its own, which is the amount."""
    return named.with_columns(rate_scaled=pl.when(pl.col("unit") == "hour").then("rate_scaled"))


def _by_project(named: pl.DataFrame) -> pl.DataFrame:
    return (
        named.group_by("payer", "project", "project_name", "currency", "quantum_per_hour")
        .agg(HOURS, pl.col("amount_minor").sum())
        .sort(*LARGEST_FIRST, "project", descending=[False, True, False])
        .pipe(read_out)
        .select("payer", "project", "project_name", "currency", "quantity", "amount_minor", "amount")
    )


def _by_application(named: pl.DataFrame) -> pl.DataFrame:
    return (
        _priced(named)
        .group_by("application", "rate_scaled", "currency", "quantum_per_hour")
        .agg(HOURS, pl.col("amount_minor").sum())
        .sort(*LARGEST_FIRST, "application", "rate_scaled", descending=[False, True, False, False])
        .pipe(read_out)
        .with_columns(rate=in_words("rate_scaled", format_rate).fill_null(FIXED))
        .select("application", "rate", "currency", "quantity", "amount_minor", "amount")
    )


def _by_line(named: pl.DataFrame) -> pl.DataFrame:
    place = ("payer", "project", "phase", "task", "application")
    return (
        _priced(named)
        .group_by(*place, "rate_scaled", "currency", "quantum_per_hour")
        .agg(HOURS, pl.col("amount_minor", "adjustment_minor").sum())
        .sort(*LARGEST_FIRST, *place, "rate_scaled", descending=[False, True, *[False] * 6], nulls_last=True)
        .pipe(read_out)
        .with_columns(
            rate=in_words("rate_scaled", format_rate).fill_null(FIXED),
            adjustment=pl.when(pl.col("adjustment_minor") != 0).then(
                in_words("adjustment_minor", format_minor)
            ),
        )
        .select(
            *(*place, "currency", "quantity", "rate", "amount_minor", "amount"),
            *("adjustment_minor", "adjustment"),
        )
    )


# --- The claims --------------------------------------------------------------------------------------------


def _totals(by_project: pl.DataFrame) -> dict[str, str]:
    """Add up each currency by itself."""
    sums = by_project.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
    return {currency: format_minor(amount, currency) for currency, amount in sums.iter_rows()}


def _claim_run(run: dict[str, Any], by_project: pl.DataFrame, lines: pl.DataFrame) -> str:
    free, billable = lines.filter(~pl.col("billable")).height, lines.filter("billable")
    stopped = billable.height - billed(billable).height
    is_final = run["status"] == "closed"
    state = "closed and final" if is_final else f"still in status {run['status']}, so not final"
    return (
        f"Period {run['period']} charges **{listing(_totals(by_project).values())}** on "
        f"{count(billed(billable).height, 'line')}; {count(stopped, 'line')} held or written off and "
        f"{count(free, 'line')} not chargeable are left out. Run {run['run']} is {state}."
    )


def _claim_projects(by_project: pl.DataFrame) -> str:
    projects, payers = by_project["project"].n_unique(), by_project["payer"].n_unique()
    largest = [
        f"**{safe(row['project'])} {safe(row['project_name'])}** with {row['amount']}"
        for row in by_project.group_by("currency", maintain_order=True).first().to_dicts()
    ]
    verb, verbs = ("is" if many == 1 else "are" for many in (projects, len(largest)))
    return (
        f"{count(projects, 'project')} of {count(payers, 'payer')} {verb} charged; the largest {verbs} "
        f"{listing(largest)}."
    )


def _claim_applications(by_application: pl.DataFrame) -> str:
    largest = [
        f"**{safe(row['application'])}** at {row['rate']}, {row['amount']}"
        for row in by_application.group_by("currency", maintain_order=True).first().to_dicts()
    ]
    applications = by_application["application"].n_unique()
    return f"{count(applications, 'application')} make up the amount; the most comes from {listing(largest)}."


def _claim_lines(by_line: pl.DataFrame, adjusting: int) -> str:
    if not adjusting:
        rows = count(by_line.height, "combination")
        return f"{rows} of project, phase, task, application and rate; nothing adjusts an earlier period."
    sums = by_line.group_by("currency").agg(pl.col("adjustment_minor").sum()).sort("currency")
    amounts = listing(format_minor(amount, currency) for currency, amount in sums.iter_rows() if amount)
    verb = "adjusts" if adjusting == 1 else "adjust"
    return f"{count(adjusting, 'line')} **{verb} earlier periods**, by {amounts or 'nothing'} in all."


def _results(run: dict[str, Any], by_project: pl.DataFrame, billable: pl.DataFrame) -> dict[str, object]:
    sums = by_project.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency")
    return {
        "run": run["run"],
        "period": run["period"],
        "status": run["status"],
        "lines": billable.height,
        "projects": by_project["project"].n_unique(),
        "amount_minor": dict(sums.iter_rows()),
    }
