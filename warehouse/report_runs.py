"""The rows of `report_run`: which notebook ran when, with what, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema, store

_runs = schema.report_run


def start(engine: Engine, name: str, parameters: Mapping[str, object], output: str, at_ms: int) -> int:
    """Record that a report began; return the row's id.

    Parameters
    ----------
    output
        Folder of its files, relative to the reports folder.
    at_ms
        Now, UTC, in milliseconds.
    """
    row = {"name": name, "parameters": dict(parameters), "started_ms": at_ms, "output": output}
    with store.writing(engine) as connection:
        insert = sa.insert(_runs).values(**row, status="running", results={}).returning(_runs.c.id)
        return int(connection.execute(insert).scalar_one())


def finish(engine: Engine, run: int, *, status: str, results: Mapping[str, object], at_ms: int) -> None:
    """Record how a report ended.

    Parameters
    ----------
    status
        "done" or "failed".
    results
        Its key figures as plain JSON; of a failed one {"error": one line}.
    """
    change = {"status": status, "results": dict(results), "ended_ms": at_ms}
    with store.writing(engine) as connection:
        connection.execute(sa.update(_runs).where(_runs.c.id == run).values(**change))


def report_runs(engine: Engine) -> pl.DataFrame:
    """Read the recorded runs, newest first.

    Returns
    -------
    pl.DataFrame
        One row per run: run (Int64), name, status, started, ended (Datetime, ms, UTC; null while it runs),
        output, parameters, results (JSON text).
    """
    rows = store.read(engine, _SELECT)
    text = [pl.col(name).cast(pl.String) for name in ("name", "status", "output", "parameters", "results")]
    instants = [
        pl.col(f"{name}_ms").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").alias(name)
        for name in ("started", "ended")
    ]
    return rows.select(pl.col("run").cast(pl.Int64), *text[:2], *instants, *text[2:])


_SELECT = """
SELECT id AS run, name, status, started_ms, ended_ms, output,
       CAST(parameters AS TEXT) AS parameters, CAST(results AS TEXT) AS results
FROM report_run ORDER BY id DESC
"""
