"""What a period is charged by: the project master, the rates, and the terms that a run fixes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from warehouse.projects import FieldRule

CONVERSIONS: Mapping[str, Any] = {
    "from_currency": pl.String,
    "to_currency": pl.String,
    "from_on": pl.Date,
    "factor_scaled": pl.Int64,
}
MEMBERS: Mapping[str, Any] = {
    "project": pl.String,
    "person_id": pl.Int64,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}
PRESETS: Mapping[str, Any] = {
    "preset": pl.Int64,
    "person_id": pl.Int64,
    "department": pl.String,
    "office": pl.String,
    "application": pl.String,
    "project": pl.String,
    "phase": pl.String,
    "task": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
}


def _nothing(columns: Mapping[str, Any]) -> Callable[[], pl.DataFrame]:
    return lambda: pl.DataFrame(schema=dict(columns))


@dataclass(frozen=True)
class Tariff:
    """What may be charged to whom, and at which price: frames of the same names.

    Attributes
    ----------
    projects
        project, currency, tax_code, chargeable, opened_on, closed_on, kind (project, client, cost_center),
        cost_center (the payer's code).
    phases, tasks
        Those of the projects.
    rates
        See `frames.rates`.
    conversions
        from_currency, to_currency, from_on, factor_scaled (1/100,000,000).
    members
        project, person_id, valid_from, valid_to: a project of which nobody is listed takes everybody's time.
    presets
        preset, person_id, department, office, application (null: any), project, phase, task (project null:
        the person's cost center), valid_from, valid_to.
    fields
        What the organization's own fields of an entry have to be.
    """

    projects: pl.DataFrame
    phases: pl.DataFrame
    tasks: pl.DataFrame
    rates: pl.DataFrame
    conversions: pl.DataFrame = field(default_factory=_nothing(CONVERSIONS))
    members: pl.DataFrame = field(default_factory=_nothing(MEMBERS))
    presets: pl.DataFrame = field(default_factory=_nothing(PRESETS))
    fields: tuple[FieldRule, ...] = ()


@dataclass(frozen=True)
class Terms:
    """What a run fixes.

    Attributes
    ----------
    starts_on, ends_on
        The period's local days, [starts_on, ends_on).
    quantum_per_hour
        1000, or 60 for targets that take HH:MM.
    overlap
        union, full, foreground or equal_split.
    is_unknown_busy
        Whether unobserved time counts as busy: for the upper bound of a bill alone.
    newest_rate
        For a period that was billed before: the newest rate version known then, see `pricing.with_price`.
    charge_to
        project, or cost_center: all time goes to the cost center of the person at the time of use.
    """

    starts_on: date
    ends_on: date
    quantum_per_hour: int = 1000
    overlap: str = "union"
    is_unknown_busy: bool = False
    newest_rate: int | None = None
    charge_to: str = "project"
