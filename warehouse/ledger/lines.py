"""Charge lines, their shares and exceptions: written with the draft and read back."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.store.bulk import insert

_line, _share = schema.charge_line, schema.charge_share
_exception, _review = schema.billing_exception, schema.line_review

NOT_BILLED = ("hold", "writeoff")
"""Acts of review after which a line stays in the ledger, and is neither exported nor in the billed total."""

LINES = pl.Schema(
    {
        "line_id": pl.Int64,
        "run": pl.String,
        "line": pl.Int64,
        "kind": pl.String,
        "day": pl.Date,
        "person_id": pl.Int64,
        "application": pl.String,
        "office": pl.String,
        "project": pl.String,
        "phase": pl.String,
        "task": pl.String,
        "rate_id": pl.Int64,
        "billable": pl.Boolean,
        "active_ms": pl.Int64,
        "pause_ms": pl.Int64,
        "buffer_ms": pl.Int64,
        "quantity": pl.Int64,
        "rate_scaled": pl.Int64,
        "currency": pl.String,
        "amount_minor": pl.Int64,
        "tax_code": pl.String,
        "session_count": pl.Int64,
        "original_line_id": pl.Int64,
        "period": pl.String,
        "note": pl.String,
        "review": pl.String,
        "unit": pl.String,
        "rate_currency": pl.String,
        "conversion_scaled": pl.Int64,
        "cost_minor": pl.Int64,
        "project_kind": pl.String,
    }
)
"""Columns of the lines that this module gives.

`period` is the period incurred; `unit` is hour, or each where a fixed amount is charged once; `rate_currency`
and `conversion_scaled` (1/100,000,000) stand where the rate is of another currency than the line;
`cost_minor` is what the hours cost the firm itself, in the currency of the line; `project_kind` is project,
client or cost_center.
"""

DEFAULTS = {"unit": "hour", "rate_currency": None, "conversion_scaled": None, "cost_minor": None}
"""What a line has unless whoever makes it says otherwise: hours, at a rate in its own currency."""

SHARES = pl.Schema(
    {
        "line_id": pl.Int64,
        "session": pl.Int64,
        "active_ms": pl.Int64,
        "pause_ms": pl.Int64,
        "buffer_ms": pl.Int64,
    }
)

_SELECT_LINES = """
    SELECT charge_line.id AS line_id, billing_run.number AS run, charge_line.line_number AS line,
           charge_line.kind, charge_line.day_on AS day, charge_line.person_id,
           application.code AS application, office.code AS office, project.number AS project,
           phase.number AS phase, task.number AS task, charge_line.rate_id, charge_line.billable,
           charge_line.active_ms, charge_line.pause_ms, charge_line.buffer_ms, charge_line.quantity,
           charge_line.rate_scaled, charge_line.currency, charge_line.amount_minor, charge_line.tax_code,
           charge_line.session_count, charge_line.original_line_id, fiscal_period.name AS period,
           charge_line.note, last_review.action AS review, charge_line.unit, charge_line.rate_currency,
           charge_line.conversion_scaled, charge_line.cost_minor, project.kind AS project_kind
    FROM charge_line
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    JOIN fiscal_period ON fiscal_period.id = charge_line.fiscal_period_id
    JOIN application ON application.id = charge_line.application_id
    JOIN project ON project.id = charge_line.project_id
    LEFT JOIN office ON office.id = charge_line.office_id
    LEFT JOIN phase ON phase.id = charge_line.phase_id
    LEFT JOIN task ON task.id = charge_line.task_id
    LEFT JOIN (SELECT charge_line_id, max(id) AS id FROM line_review GROUP BY charge_line_id) AS newest
        ON newest.charge_line_id = charge_line.id
    LEFT JOIN line_review AS last_review ON last_review.id = newest.id
    WHERE {condition} ORDER BY billing_run.id, charge_line.line_number
"""
_SELECT_SHARES = """
    SELECT charge_share.charge_line_id AS line_id, charge_share.session_id AS session,
           charge_share.active_ms, charge_share.pause_ms, charge_share.buffer_ms
    FROM charge_share
    JOIN charge_line ON charge_line.id = charge_share.charge_line_id
    JOIN billing_run ON billing_run.id = charge_line.billing_run_id
    JOIN fiscal_period ON fiscal_period.id = charge_line.fiscal_period_id
    WHERE {condition} ORDER BY charge_share.charge_line_id, charge_share.session_id
"""
# What a closed run books for a period of use, and nobody has reversed since.
_STANDING = """
    fiscal_period.name = :period AND billing_run.status = 'closed' AND charge_line.kind <> 'reversal'
    AND charge_line.id NOT IN (
        SELECT reversed.original_line_id FROM charge_line AS reversed
        JOIN billing_run AS other ON other.id = reversed.billing_run_id
        WHERE reversed.kind = 'reversal' AND other.status = 'closed' AND reversed.original_line_id IS NOT NULL
    )
"""


def lines_of(engine: Engine, run: str) -> pl.DataFrame:
    """Return the lines of a run as `LINES`, by line number."""
    return _lines(engine, "billing_run.number = :run", {"run": run})


def shares_of(engine: Engine, run: str) -> pl.DataFrame:
    """Return the shares of a run's lines as `SHARES`."""
    return _shares(engine, "billing_run.number = :run", {"run": run})


def standing_lines(engine: Engine, period: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what closed runs book for a period of use and nobody has reversed, and its shares."""
    parameters = {"period": period}
    return _lines(engine, _STANDING, parameters), _shares(engine, _STANDING, parameters)


def _lines(engine: Engine, condition: str, parameters: store.Parameters) -> pl.DataFrame:
    rows = store.read(engine, _SELECT_LINES.format(condition=condition), parameters)
    return _typed(rows, LINES)


def _shares(engine: Engine, condition: str, parameters: store.Parameters) -> pl.DataFrame:
    return _typed(store.read(engine, _SELECT_SHARES.format(condition=condition), parameters), SHARES)


def _typed(rows: pl.DataFrame, columns: pl.Schema) -> pl.DataFrame:
    days = [pl.col(name).cast(pl.String).str.to_date() for name, dtype in columns.items() if dtype == pl.Date]
    others = [pl.col(name).cast(dtype) for name, dtype in columns.items() if dtype != pl.Date]
    return rows.with_columns(days + others).select(columns.names())


# --- Writing -----------------------------------------------------------------------------------------------


def write_lines(connection: Connection, run_id: int, lines: pl.DataFrame, shares: pl.DataFrame) -> None:
    """Write the lines of a draft, and their shares, in the caller's transaction.

    Parameters
    ----------
    lines
        `line`, the columns of `LINES` from `kind` to `note`, and those of `DEFAULTS`, which may be missing.
    shares
        `line`, `session`, `active_ms`, `pause_ms`, `buffer_ms`.
    """
    # The ledger's writers are alone with it: see `audit.serialize`.
    offset = int(connection.scalar(sa.select(sa.func.max(_line.c.id))) or 0)
    rows = _with_defaults(lines)
    for table, column, word in (
        (schema.application, "application", "code"),
        (schema.office, "office", "code"),
        (schema.project, "project", "number"),
        (schema.fiscal_period, "period", "name"),
    ):
        rows = rows.join(_ids(connection, table, column, word), on=column, how="left")
    rows = rows.join(_phase_ids(connection), on=["project", "phase"], how="left")
    rows = rows.join(_task_ids(connection), on=["project", "phase", "task"], how="left")
    insert(
        connection,
        _line,
        rows.select(
            pl.col("line").alias("line_number"), pl.lit(run_id).alias("billing_run_id"),
            (pl.col("line") + offset).alias("id"), pl.col("day").dt.to_string("%Y-%m-%d").alias("day_on"),
            "kind", "person_id", "application_id", "office_id", "project_id", "phase_id", "task_id",
            "rate_id", "billable", "active_ms", "pause_ms", "buffer_ms", "quantity", "rate_scaled",
            "currency", "amount_minor", "tax_code", "session_count", "original_line_id",
            pl.col("period_id").alias("fiscal_period_id"), "note", *DEFAULTS,
        ),
    )  # fmt: skip
    insert(
        connection,
        _share,
        shares.select(
            (pl.col("line") + offset).alias("charge_line_id"), pl.col("session").alias("session_id"),
            "active_ms", "pause_ms", "buffer_ms",
        ),
    )  # fmt: skip


def _with_defaults(lines: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in DEFAULTS if name not in lines.columns]
    added = lines.with_columns(pl.lit(None, LINES[name]).alias(name) for name in missing)
    return added.with_columns(pl.col("unit").fill_null(DEFAULTS["unit"]))


def write_exceptions(connection: Connection, run_id: int, exceptions: pl.DataFrame) -> None:
    """Write a draft's exceptions: `kind`, `session` (null: of no session), `milliseconds`, `detail`."""
    rows = exceptions.select(
        "kind", "milliseconds", "detail", pl.col("session").alias("session_id"),
        pl.col("session").alias("session_number"), pl.lit(run_id).alias("billing_run_id"),
    )  # fmt: skip
    insert(connection, _exception, rows)


def delete_lines(connection: Connection, run_id: int) -> None:
    """Take a draft's lines, shares, reviews and exceptions away, to make room for its next version."""
    mine = sa.select(_line.c.id).where(_line.c.billing_run_id == run_id)
    for table in (_share, _review):
        connection.execute(sa.delete(table).where(table.c.charge_line_id.in_(mine)))
    connection.execute(sa.delete(_line).where(_line.c.billing_run_id == run_id))
    connection.execute(sa.delete(_exception).where(_exception.c.billing_run_id == run_id))


def _ids(connection: Connection, table: sa.Table, column: str, word: str) -> pl.DataFrame:
    rows = connection.execute(sa.select(table.c[word], table.c.id)).all()
    return pl.DataFrame(
        [tuple(row) for row in rows], schema={column: pl.String, f"{column}_id": pl.Int64}, orient="row"
    )


def _phase_ids(connection: Connection) -> pl.DataFrame:
    project, phase = schema.project, schema.phase
    rows = connection.execute(
        sa.select(project.c.number, phase.c.number, phase.c.id).join_from(phase, project)
    )
    columns = {"project": pl.String, "phase": pl.String, "phase_id": pl.Int64}
    return pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row")


def _task_ids(connection: Connection) -> pl.DataFrame:
    project, phase, task = schema.project, schema.phase, schema.task
    rows = connection.execute(
        sa.select(project.c.number, phase.c.number, task.c.number, task.c.id)
        .join_from(task, phase)
        .join(project)
    )
    columns = {"project": pl.String, "phase": pl.String, "task": pl.String, "task_id": pl.Int64}
    return pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row")
