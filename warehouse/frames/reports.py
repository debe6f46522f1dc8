"""The key figures that reports left, run by run, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import store
from warehouse.frames.reading import Columns, typed
from warehouse.periods import INSTANT

REPORT_RESULTS: Columns = {
    "report": pl.String,
    "run": pl.Int64,
    "started": INSTANT,
    "parameters": pl.String,
    "figure": pl.String,
    "number": pl.Float64,
    "text": pl.String,
}


def report_results(engine: Engine, report: str | None = None) -> pl.LazyFrame:
    """Return one row per finished run and key figure, oldest run first.

    Parameters
    ----------
    report
        Name of a report, as `peak_demand`; None: all of them.

    Returns
    -------
    pl.LazyFrame
        `parameters` is the JSON text of what was asked. `figure` is the name that the report gave it; a part
        of a part is `whole.part`, the rows of a list are counted from 1. Either `number` (true is 1) or
        `text` holds the value; both are null where the report says that there is none.
    """
    condition = "AND name = :report" if report else ""
    sql = f"""
        SELECT id AS run, name, started_ms, CAST(parameters AS TEXT) AS parameters,
               CAST(results AS TEXT) AS results
        FROM report_run WHERE status = 'done' {condition} ORDER BY id
    """  # noqa: S608 - a constant of this function
    found = store.read(engine, sql, {"report": report} if report else {})
    rows = [
        (name, run, started, parameters, figure, *_value(value))
        for run, name, started, parameters, results in found.iter_rows()
        for figure, value in _figures(json.loads(results))
    ]
    schema = {**REPORT_RESULTS, "started": pl.Int64}
    return typed(pl.DataFrame(rows, schema=schema, orient="row"), REPORT_RESULTS)


def _figures(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Take a document apart down to its single values."""
    if not isinstance(value, dict | list):
        yield name, value
        return
    parts = value if isinstance(value, dict) else {str(place): each for place, each in enumerate(value, 1)}
    for part, each in parts.items():
        yield from _figures(each, f"{name}.{part}" if name else part)


def _value(value: Any) -> tuple[float | None, str | None]:
    if isinstance(value, bool | int | float):
        return float(value), None
    return None, value
