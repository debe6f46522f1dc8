"""Every metric is explained once, where charts, tables and documentation look it up."""

from __future__ import annotations

import inspect
import re
from types import ModuleType
from typing import get_type_hints

import polars as pl
import pytest

from warehouse.metrics import (
    averages,
    bounds,
    charges,
    concurrency,
    consumption,
    contract_terms,
    counting_rules,
    demand_over,
    denials,
    fleet,
    group_use,
    growth,
    hourly,
    idle_definitions,
    license_cost,
    license_mix,
    licenses,
    percentiles,
    ranking,
    reconciliation,
    session_times,
    states,
    use_rights,
    utilization,
    what_if,
)
from warehouse.metrics.catalogue import CATALOGUE, Metric

TOPICS = (
    states,
    utilization,
    fleet,
    group_use,
    session_times,
    hourly,
    idle_definitions,
    concurrency,
    percentiles,
    averages,
    bounds,
    denials,
    demand_over,
    ranking,
    licenses,
    license_cost,
    consumption,
    counting_rules,
    reconciliation,
    use_rights,
    what_if,
    growth,
    license_mix,
    contract_terms,
    charges,
)
FIGURES = (pl.LazyFrame, int, float, utilization.FleetCoverage, license_mix.CheapestMix, charges.Charges)
"""What a metric gives; a function that gives anything else is a step on the way to one."""


def metrics_of(module: ModuleType) -> set[str]:
    return {
        f"{module.__name__}.{name}"
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
        and get_type_hints(function)["return"] in FIGURES
    }


def test_every_public_metric_has_an_entry_and_every_entry_a_metric() -> None:
    public = set().union(*(metrics_of(topic) for topic in TOPICS))
    listed = {f"{metric.function.__module__}.{metric.function.__name__}" for metric in CATALOGUE.values()}
    assert public == listed
    assert "warehouse.metrics.concurrency.peak" in public


@pytest.mark.parametrize("key", CATALOGUE)
def test_an_entry_says_what_its_reader_needs(key: str) -> None:
    metric = CATALOGUE[key]
    assert re.fullmatch(r"[a-z][a-z0-9_]+", key)
    assert metric.name
    assert metric.grain
    assert metric.precision >= 0
    assert metric.description.endswith(".")
    assert len(metric.description) > 20
    assert not re.search(r"`|_ms|_", metric.description), "written for the reader of a chart, not of code"


@pytest.mark.parametrize("key", [key for key, metric in CATALOGUE.items() if metric.column])
def test_the_column_of_an_entry_is_one_that_its_function_gives(key: str) -> None:
    metric = CATALOGUE[key]
    documented = (metric.function.__doc__ or "") + (get_type_hints(metric.function)["return"].__doc__ or "")
    assert re.search(rf"\b{metric.column}\b", documented)


def test_a_name_and_its_grain_are_given_once() -> None:
    names = [(metric.name, metric.grain) for metric in CATALOGUE.values()]
    assert len(names) == len(set(names))
    assert all(isinstance(metric, Metric) for metric in CATALOGUE.values())
