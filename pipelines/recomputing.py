"""A closed period charged once more, as its run did: from the evidence of its cut-off, by its own rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import polars as pl
from sqlalchemy import Engine

from pipelines.rating import Inputs, Period, charges_of, collect
from warehouse import ledger
from warehouse.ledger import Run
from warehouse.metrics.charges import Charges, Terms
from warehouse.metrics.quantities import KINDS_MS
from warehouse.metrics.states import Policy
from warehouse.money import format_minor

COMPARED = (
    "kind", "day", "person_id", "application", "office", "project", "phase", "task", "rate_id", "billable",
    *KINDS_MS, "quantity", "rate_scaled", "currency", "amount_minor", "tax_code", "session_count", "unit",
    "rate_currency", "conversion_scaled", "cost_minor",
)  # fmt: skip
"""What has to come out again of each line of a run's own period."""


@dataclass(frozen=True)
class Rules:
    """What a run charges by: its version of the billing policy, and the terms that it fixed."""

    policy: Policy
    terms: Terms


def rules_of(run: Run) -> Rules:
    """Return what a run has charged its own period by."""
    document = run.policy_document
    rules = {name: document.get(name, {}) for name in ("default", "applications")}
    terms = Terms(
        run.starts_on,
        run.ends_on,
        run.quantum_per_hour,
        run.overlap_policy,
        newest_rate=run.totals.get("newest_rate"),
        charge_to=str(document.get("charge_to", "project")),
    )
    return Rules(Policy.from_document(run.policy_version, rules), terms)


def inputs_of(engine: Engine, run: Run, cut_off_ms: int, applications: list[str]) -> Inputs:
    """Read what was known of a run's period at a cut-off, with the presets and factors that the run knew.

    `applications` are read whether they are billed today or not.
    """
    period = Period(run.period, run.period_id, run.starts_on, run.ends_on)
    found = collect(engine, period, datetime.fromtimestamp(cut_off_ms / 1000, UTC), also=applications)
    tariff, newest = found.tariff, run.totals.get("newest_preset")
    if newest is not None:
        tariff = replace(tariff, presets=tariff.presets.filter(pl.col("preset") <= newest))
    factors = [int(number) for number in run.totals.get("sealed", {}).get("conversion_rates", {})]
    if factors:
        known = tariff.conversions.filter(pl.col("conversion_id").is_in(factors))
        tariff = replace(tariff, conversions=known)
    return replace(found, tariff=tariff)


def recomputed(engine: Engine, run: Run, applications: list[str]) -> Charges:
    """Charge a run's own period again."""
    inputs, rules = inputs_of(engine, run, run.cut_off_ms, applications), rules_of(run)
    return charges_of(inputs, inputs.stated(rules.policy), rules.policy, rules.terms)


def differences(engine: Engine) -> Iterator[str]:
    """Charge every closed period again; give one sentence for each line that does not come out as it stands.

    The lines of the run's own period are compared, and the sessions behind them. What a run corrects in
    earlier periods depends on what stood then: `ledger.verify` checks that each reversal undoes its line.
    """
    with engine.connect() as connection:
        closed = ledger.closed_runs(connection)
    for run in closed:
        lines = ledger.lines_of(engine, run.number)
        own = lines.filter((pl.col("period") == run.period) & pl.col("original_line_id").is_null())
        again = recomputed(engine, run, lines["application"].unique().to_list())
        yield from _lines_that_differ(run, own, again)
        yield from _shares_that_differ(run, own, ledger.shares_of(engine, run.number), again)


def _lines_that_differ(run: Run, own: pl.DataFrame, again: Charges) -> Iterator[str]:
    fresh = again.lines.select("line", *COMPARED).cast({name: own.schema[name] for name in COMPARED})
    both = own.select("line", *COMPARED).join(fresh, on="line", how="full", coalesce=True, suffix="_again")
    for row in both.sort("line").iter_rows(named=True):
        stands, comes = row["kind"] is not None, row["kind_again"] is not None
        names = [name for name in COMPARED if row[name] != row[f"{name}_again"]]
        if not stands:
            yield f"run {run.number}: the evidence of its cut-off gives line {row['line']}, which is missing"
        elif not comes:
            yield f"run {run.number}, line {row['line']}: the evidence of its cut-off does not give it"
        elif names:
            was, now = (_worth(row, run, mark) for mark in ("", "_again"))
            yield (
                f"run {run.number}, line {row['line']}: the evidence of its cut-off gives {now}, "
                f"and not {was} ({', '.join(names)})"
            )


def _worth(row: dict[str, int | str], run: Run, mark: str) -> str:
    """Say what a line comes to, in hours and money."""
    hours = int(row[f"quantity{mark}"]) / run.quantum_per_hour
    return f"{hours:.3f} h and {format_minor(int(row[f'amount_minor{mark}']), str(row[f'currency{mark}']))}"


def _shares_that_differ(run: Run, own: pl.DataFrame, shares: pl.DataFrame, again: Charges) -> Iterator[str]:
    columns = ["line", "session", *KINDS_MS]
    stand = shares.join(own.select("line_id", "line"), on="line_id").select(columns)
    wrong = pl.concat(
        [
            stand.join(again.shares.select(columns), on=columns, how="anti"),
            again.shares.select(columns).join(stand, on=columns, how="anti"),
        ]
    )
    for line in wrong["line"].unique().sort():
        yield f"run {run.number}, line {line}: the evidence of its cut-off gives its sessions other shares"
