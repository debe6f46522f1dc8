"""Metrics from the shell and for scripts: the same numbers as the reports', as plain rows and values.

Each query names its parameters, as a report does; times are ISO 8601 UTC with seconds, people and machines
are pseudonyms. Every metric of the catalogue has one, and four more have a shape that never changes:
`peak_concurrency`, `usage_hours`, `daily_usage`, `percentile_demand`. `process-meter query` is the face of
this package.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine

from pipelines.queries import computed, demand, groups, idle, licenses, sessions, usage, what_if
from pipelines.queries.asking import Answer, Query
from pipelines.report_parameters import check_parameters, nearest
from warehouse.errors import Problem

__all__ = ["QUERIES", "Query", "query"]

_ASKED: tuple[tuple[Query, ...], ...] = (
    *(usage.QUERIES, groups.QUERIES, sessions.QUERIES, demand.QUERIES),
    *(idle.QUERIES, licenses.QUERIES, what_if.QUERIES),
)
QUERIES = {each.name: each for family in _ASKED for each in family}
"""All queries by name."""


def query(
    engine: Engine,
    name: str,
    given: Mapping[str, object] | None = None,
    *,
    compute_on: str = "",
    master: str = "",
) -> Answer:
    """Answer one query.

    Parameters
    ----------
    given
        Values by name of parameter; text is converted.
    compute_on, master
        One of `pipelines.engines.ENGINES` and, for Spark, its master; empty: the fast way on this machine.

    Returns
    -------
    dict or list of dict
        Plain values: numbers, text, lists; no instant is anything but text.

    Raises
    ------
    Problem
        An unknown query, parameter, application, key, basis, calendar or zone; a percentile outside 0 to 100;
        a date that is none; no evidence; an engine that cannot be had, or that cannot compute this.
    """
    if name not in QUERIES:
        raise Problem(f"there is no metric {name!r}", nearest(name, QUERIES, "the metrics are"))
    asked = QUERIES[name]
    values = check_parameters(f"Metric {name}", asked.parameters, given or {})
    whole = {**{each.name: each.default for each in asked.parameters}, **values}
    if compute_on or master:
        return computed.answer(engine, name, whole, compute_on or "polars", master)
    return asked.run(engine, whole)
