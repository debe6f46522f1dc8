"""What of the billable time of a period nobody pays for, why, and what it would have come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from sqlalchemy import Engine

from pipelines import rating
from pipelines.answers import billed_run, correction_queue
from pipelines.answers.billed_run import in_words
from pipelines.answers.footer import Footer, source
from pipelines.answers.wording import count, hours, listing
from pipelines.rating import Inputs, Period
from warehouse import frames, ledger
from warehouse.errors import Problem
from warehouse.metrics.charges import Tariff
from warehouse.metrics.pricing import with_price
from warehouse.metrics.unbilled import value_at_rate
from warehouse.money import HOUR_MS, format_minor
from warehouse.store import open_warehouse

REASONS = {
    "unassigned": "no project was set",
    "invalid_project": "the project is not valid",
    "invalid_field": "a field is missing or does not fit",
    "not_a_member": "not a member of the project",
    "closed_project": "the project is closed",
    "unknown_person": "nobody's account",
    "no_account": "no account of the cost center",
    "non_chargeable": "non-chargeable code",
    "no_rate": "no rate",
    "hold": "held in review",
    "writeoff": "written off in review",
}


@dataclass(frozen=True)
class UnbilledTime:
    """Time of a period that is on no bill.

    Attributes
    ----------
    rows
        One row per reason, application, office and currency, dearest first: reason, application (name),
        office (null: nobody's), currency, hours (Float64), value_minor and value (at the rates in force,
        without increments; of held and written-off lines their amount; null: no rate fits).
    by_reason
        The same by reason and currency.
    claims
        Markdown sentences: "whole", "largest".
    """

    period: str
    run: str | None
    rows: pl.DataFrame
    by_reason: pl.DataFrame
    currencies: list[str]
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]

    def rows_in(self, currency: str) -> pl.DataFrame:
        """Give `rows` in one currency."""
        return self.rows.filter(pl.col("currency") == currency)

    def reasons_in(self, currency: str) -> pl.DataFrame:
        """Give `by_reason` in one currency: amounts of two are never added or compared."""
        return self.by_reason.filter(pl.col("currency") == currency)


def answer(engine: Engine | None = None, period: str = "", *, now: datetime | None = None) -> UnbilledTime:
    """Find what is not billed of a fiscal period, as far as was received by now.

    Parameters
    ----------
    period
        Its name; empty: the newest that has begun.

    Raises
    ------
    Problem
        There is no such period, it has no billable time, or all of it is billed.
    """
    opened, moment = engine or open_warehouse(), now or datetime.now(UTC)
    found = rating.find_period(opened, period or correction_queue.newest_period(opened, moment))
    inputs, time = correction_queue.assigned(opened, found, moment)
    run = _run(opened, found)
    unbilled = pl.concat(
        [_valued(opened, _not_on_lines(time, inputs.tariff), inputs.tariff), _held(opened, run)]
    )
    if unbilled.is_empty():
        raise Problem(
            f"Of period {found.name} nothing is unbilled, as far as was received",
            "see what is billed: `process-meter report run charges_by_project`",
        )
    names = frames.applications(opened).select(pl.col("application").cast(pl.String), "name").collect()
    named = unbilled.join(names, on="application", how="left").with_columns(
        application=pl.coalesce("name", "application")
    )
    rows, by_reason = _grouped(named, "reason", "application", "office"), _grouped(named, "reason")
    return UnbilledTime(
        found.name,
        run,
        rows,
        by_reason,
        rows["currency"].unique().sort().to_list(),
        _claims(found, by_reason, rows),
        _footer(opened, found, run, inputs, time.height, moment),
        {"period": found.name, "hours": round(float(rows["hours"].sum()), 3)},
    )


def _run(engine: Engine, found: Period) -> str | None:
    runs = frames.runs(engine).filter(pl.col("status") != "void", pl.col("period") == found.name).collect()
    return str(runs["run"][-1]) if runs.height else None


# --- What is not billed ------------------------------------------------------------------------------------


def _not_on_lines(time: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """Keep time with a fault, on a non-chargeable code, or without a rate, each with its reason."""
    codes = tariff.projects.select("project", "currency")
    coded = time.join(codes, on="project", how="left", maintain_order="left")
    priced = with_price(coded.with_columns(pl.col("chargeable").fill_null(value=False)), tariff)
    kind = (
        pl.when(pl.col("fault").is_not_null())
        .then("fault")
        .when(~pl.col("chargeable"))
        .then(pl.lit("non_chargeable"))
        .when(pl.col("rate_id").is_null())
        .then(pl.lit("no_rate"))
    )
    return (
        priced.with_columns(kind=kind)
        .drop_nulls("kind")
        .drop("rate_id", "rate_currency", "conversion_scaled")
    )


def _valued(engine: Engine, unbilled: pl.DataFrame, tariff: Tariff) -> pl.DataFrame:
    """Price the time in the project's currency, else in the office's, else in the organization's."""
    offices = frames.offices(engine).select("office", office_currency="currency").collect()
    home = pl.lit(str(frames.organization(engine)["currency"]))
    known = unbilled.join(offices, on="office", how="left").with_columns(
        currency=pl.coalesce("currency", "office_currency", home)
    )
    valued = value_at_rate(known, tariff.rates)
    again = value_at_rate(
        valued.filter(pl.col("value_minor").is_null()).drop("value_minor").with_columns(currency=home),
        tariff.rates,
    )
    both = pl.concat([valued.drop_nulls("value_minor"), again])
    return both.select("kind", "application", "office", "currency", "milliseconds", "value_minor")


def _held(engine: Engine, run: str | None) -> pl.DataFrame:
    """Return the lines that review holds or writes off, as time with its amount."""
    lines = frames.charge_lines(engine, run or "").filter(
        "billable", pl.col("review").is_in(list(ledger.NOT_BILLED))
    )
    return lines.select(
        pl.col("review").alias("kind"),
        pl.col("application").cast(pl.String),
        pl.col("office").cast(pl.String),
        "currency",
        milliseconds=pl.sum_horizontal("active_ms", "pause_ms", "buffer_ms"),
        value_minor="amount_minor",
    ).collect()


def _grouped(named: pl.DataFrame, *keys: str) -> pl.DataFrame:
    worded = named.with_columns(
        reason=pl.col("kind").replace_strict(REASONS, default=pl.col("kind"), return_dtype=pl.String)
    )
    sums = worded.group_by(*keys, "currency").agg(
        (pl.col("milliseconds").sum() / HOUR_MS).round(6).alias("hours"),
        value_minor=pl.when(pl.col("value_minor").is_not_null().any()).then(pl.col("value_minor").sum()),
    )
    return sums.with_columns(value=in_words("value_minor", format_minor)).sort(
        "currency", "value_minor", *keys, descending=[False, True, *[False] * len(keys)], nulls_last=True
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claims(found: Period, by_reason: pl.DataFrame, rows: pl.DataFrame) -> dict[str, str]:
    sums = by_reason.group_by("currency").agg(pl.col("value_minor").sum()).sort("currency")
    values = listing(format_minor(amount, currency) for currency, amount in sums.iter_rows())
    largest = [
        f"{row['reason']} ({row['value'] or 'no rate'}, {hours(row['hours'])})"
        for row in by_reason.group_by("currency", maintain_order=True).first().to_dicts()
    ]
    return {
        "whole": (
            f"**{hours(float(by_reason['hours'].sum()))}** of period {found.name} are on no bill; at the "
            f"rates in force they would have come to **{values}**."
        ),
        "largest": f"Most of it by value: {listing(largest)}.",
        "rows": f"{count(rows.height, 'combination')} of reason, application and office.",
    }


def _footer(  # noqa: PLR0913, PLR0917 - what of, and what was read of it
    engine: Engine, found: Period, run: str | None, inputs: Inputs, stretches: int, now: datetime
) -> Footer:
    if run is not None:
        row = billed_run.find(engine, found.name)
        lines = frames.charge_lines(engine, run).collect()
        return billed_run.footer(engine, row, lines, now)
    policy = frames.policy(engine, "billing")
    coverage = rating.coverage(engine, inputs, inputs.stated(policy))
    return Footer(
        basis="billable: busy time and the buffer of each idle gap, as the billing policy says",
        key="time by session, local day and project entry in force",
        window=f"fiscal period {found.name}, not drafted yet",
        zone=str(frames.organization(engine)["zone"]),
        calendar="local days of each person's home office",
        session_coverage=coverage["session_coverage"],
        fleet_coverage=coverage["fleet_coverage"],
        policy=f"billing policy, version {policy.version}",
        rows={"stretches": stretches, "entries": inputs.entries.height},
        made_at=now,
        source=source(engine),
    )
