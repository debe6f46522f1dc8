"""Queries about other definitions of idle: the same evidence, judged by several timeouts and signals."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Engine

from pipelines.queries.asking import (
    DEMANDED,
    KEY,
    WINDOW,
    ZONE,
    Answer,
    Query,
    Values,
    by_application,
    counting,
    rows,
    window,
    word,
    zone,
)
from pipelines.report_parameters import Parameter
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.catalogue import CATALOGUE
from warehouse.metrics.concurrency import KEYS
from warehouse.metrics.idle_definitions import Definition, idle_definitions
from warehouse.metrics.states import SIGNALS
from warehouse.periods import zone_of

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def definitions_of(minutes: str, signals: str) -> list[Definition]:
    """Read definitions of idle: each timeout in minutes with each signal, both as texts with commas.

    Raises
    ------
    Problem
        A timeout that is no positive number, a signal unknown, or none of either.
    """
    timeouts = [_timeout_ms(text) for text in _parts(minutes)]
    words = _parts(signals)
    for signal in words:
        word("signal", signal, SIGNALS)
    found = [Definition(timeout, signal) for signal in SIGNALS if signal in words for timeout in timeouts]
    if not found:
        raise Problem(
            "there is no definition of idle to compare", "give minutes and signals, e.g. 5,15 and input"
        )
    return list(dict.fromkeys(found))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _timeout_ms(text: str) -> int:
    try:
        timeout_ms = round(float(text) * MINUTE_MS)
    except (ValueError, OverflowError):
        timeout_ms = 0
    if timeout_ms <= 0:
        raise Problem(f"an idle timeout cannot be {text!r}", "give minutes above 0, e.g. 5,10,15,30")
    return timeout_ms


def _metric(name: str) -> Query:
    metric = CATALOGUE[name]
    value = pl.col(metric.column)

    def run(engine: Engine, values: Values) -> Answer:
        word("key", values["key"], KEYS)
        local = zone(engine, values)
        start, end = window(engine, values, local)
        codes, counted = counting(engine, values, zone_of(local), end)
        found = idle_definitions(
            frames.segments(engine, start, end, codes),
            frames.sessions(engine, start, end, codes),
            frames.policy(engine, "license"),
            definitions_of(values["minutes"], values["signals"]),
            start,
            end,
            key=values["key"],
            weights=frames.applications(engine),
            **counted,
        )
        return rows(
            by_application(found).select(
                "signal",
                "application",
                idle_minutes=pl.col("idle_timeout_ms") / MINUTE_MS,
                **{name: value / HOUR_MS if metric.column.endswith("_ms") else value.cast(pl.Int64)},
            )
        )

    minutes = Parameter("minutes", "str", "5,10,15,30", "idle timeouts in minutes, with commas between")
    signals = Parameter(
        "signals",
        "str",
        "input",
        f"what counts as activity: any of {', '.join(SIGNALS)}, with commas between",
    )
    return Query(name, metric.description, (minutes, signals, KEY, DEMANDED, *WINDOW, ZONE), run)


QUERIES = tuple(_metric(name) for name, metric in CATALOGUE.items() if metric.function is idle_definitions)
"""Every figure of `idle_definitions`, by definition and application."""
