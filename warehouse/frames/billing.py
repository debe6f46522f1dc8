"""Billing runs and their charge lines, as frames."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from warehouse.frames.reading import Columns, select, select_named
from warehouse.periods import INSTANT

RUNS: Columns = {
    "run": pl.String,
    "run_id": pl.Int64,
    "period": pl.String,
    "status": pl.String,
    "target": pl.String,
    "quantum_per_hour": pl.Int64,
    "overlap_policy": pl.String,
    "policy_version": pl.Int64,
    "cut_off": INSTANT,
    "prepared_by": pl.String,
    "prepared": INSTANT,
    "approved_by": pl.String,
    "approved": INSTANT,
    "closed_by": pl.String,
    "closed": INSTANT,
    "input_digest": pl.String,
    "previous_digest": pl.String,
    "digest": pl.String,
    "totals": pl.String,
}
CHARGE_LINES: Columns = {
    "run": pl.String,
    "line": pl.Int64,
    "kind": pl.String,
    "day": pl.Date,
    "person": pl.String,
    "person_id": pl.Int64,
    "application": pl.String,
    "office": pl.String,
    "client": pl.String,
    "project": pl.String,
    "project_name": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "rate_id": pl.Int64,
    "billable": pl.Boolean,
    "active_ms": pl.Int64,
    "pause_ms": pl.Int64,
    "buffer_ms": pl.Int64,
    "quantity": pl.Int64,
    "quantum_per_hour": pl.Int64,
    "rate_scaled": pl.Int64,
    "currency": pl.String,
    "amount_minor": pl.Int64,
    "tax_code": pl.String,
    "session_count": pl.Int64,
    "period_incurred": pl.String,
    "review": pl.String,
    "note": pl.String,
    "unit": pl.String,
    "rate_currency": pl.String,
    "conversion_scaled": pl.Int64,
    "cost_minor": pl.Int64,
}


def runs(engine: Engine) -> pl.LazyFrame:
    """Return one row per billing run, oldest first.

    Returns
    -------
    pl.LazyFrame
        `run` is its number, `period` the fiscal period billed; `totals` is the JSON text fixed at the draft.
    """
    sql = """
        SELECT billing_run.number AS run, billing_run.id AS run_id, fiscal_period.name AS period,
               billing_run.status, billing_run.target, billing_run.quantum_per_hour,
               billing_run.overlap_policy, policy_version.version AS policy_version,
               billing_run.cut_off_ms AS cut_off, billing_run.prepared_by,
               billing_run.prepared_ms AS prepared, billing_run.approved_by,
               billing_run.approved_ms AS approved, billing_run.closed_by, billing_run.closed_ms AS closed,
                billing_run.input_digest, billing_run.previous_digest,
               billing_run.digest, CAST(billing_run.totals AS TEXT) AS totals
        FROM billing_run
        JOIN fiscal_period ON fiscal_period.id = billing_run.fiscal_period_id
        JOIN policy_version ON policy_version.id = billing_run.policy_version_id
        ORDER BY billing_run.id
    """
    return select(engine, sql, RUNS)


def charge_lines(engine: Engine, run: str | None = None) -> pl.LazyFrame:
    """Return one row per charge line, ordered by run and line number.

    Parameters
    ----------
    run
        Number of a run, as `2026-10/1`; None: all runs.

    Returns
    -------
    pl.LazyFrame
        `person` is a pseudonym; `quantity` is in quanta, `quantum_per_hour` to the hour; `rate_id` is null on
        a non-chargeable line; `amount_minor` is in minor units of `currency`; `review` is the last act of
        review, null where there was none; `period_incurred` is the period of use; `unit` is hour, or each: a
        fixed amount, whose quantity is no time; `cost_minor` is what the hours cost the firm, null where no
        cost rate is known.
    """
    condition, parameters = ("1 = 1", {}) if run is None else ("billing_run.number = :run", {"run": run})
    sql = _CHARGE_LINES.format(condition=condition)
    return select_named(engine, sql, CHARGE_LINES, {"person": "P"}, parameters)


_CHARGE_LINES = """
    SELECT billing_run.number AS run, charge_line.line_number AS line, charge_line.kind,
           charge_line.day_on AS day, charge_line.person_id AS person, charge_line.person_id,
           application.code AS application, office.code AS office, client.code AS client,
           project.number AS project, project.name AS project_name, phase.number AS phase,
           task.number AS task, charge_line.rate_id, charge_line.billable, charge_line.active_ms,
           charge_line.pause_ms, charge_line.buffer_ms, charge_line.quantity, billing_run.quantum_per_hour,
           charge_line.rate_scaled, charge_line.currency, charge_line.amount_minor, charge_line.tax_code,
           charge_line.session_count, fiscal_period.name AS period_incurred,
           (SELECT action FROM line_review WHERE line_review.charge_line_id = charge_line.id
            ORDER BY line_review.id DESC LIMIT 1) AS review,
           charge_line.note, charge_line.unit, charge_line.rate_currency, charge_line.conversion_scaled,
           charge_line.cost_minor
    FROM charge_line
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    JOIN fiscal_period ON fiscal_period.id = charge_line.fiscal_period_id
    JOIN application ON application.id = charge_line.application_id
    JOIN project ON project.id = charge_line.project_id
    LEFT JOIN client ON client.id = project.client_id
    LEFT JOIN office ON office.id = charge_line.office_id
    LEFT JOIN phase ON phase.id = charge_line.phase_id
    LEFT JOIN task ON task.id = charge_line.task_id
    WHERE {condition}
    ORDER BY billing_run.id, charge_line.line_number
"""
