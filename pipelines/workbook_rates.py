"""The sheet Rates used: what each price of the run is, in the words of who set it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from pipelines.book import Book
from pipelines.spreadsheet import Table, with_digits
from pipelines.workbook_columns import RATES
from warehouse.money import HOUR_MS, format_rate


def rates(book: Book) -> Table:
    """One row per rate version that a line of the run uses."""
    used = book.lines.group_by("rate_id").agg(pl.len().cast(pl.Int64).alias("lines"))
    words = book.words["applications"]
    name = pl.col("application").replace_strict(words, default=pl.col("application"), return_dtype=pl.String)
    frame = book.rates.join(used, on="rate_id", how="left", maintain_order="left").with_columns(
        rate_id=pl.col("rate_id").cast(pl.String),
        application=pl.coalesce(name, pl.lit("any")),
        scope=_scope(book),
        increment=pl.when(pl.col("increment_ms") > 0).then(pl.col("increment_ms") / 60_000),
        minimum=pl.when(pl.col("minimum_ms") > 0).then(pl.col("minimum_ms") / 60_000),
        tiers=pl.Series([_tiers(row) for row in book.rates.iter_rows(named=True)], dtype=pl.String),
    )
    return Table(
        "Rates used",
        f"{frame.height:,} rate versions used",
        "As they were at the draft. The most special rate valid on the day counts; a rate version that a "
        "closed run used is frozen",
        RATES,
        with_digits(frame),
    )


def _scope(book: Book) -> pl.Expr:
    """Say of whom and what a rate is."""
    people = dict(book.lines.select("person_id", "person").unique().iter_rows())
    person = pl.col("person_id").replace_strict(people, default="one person", return_dtype=pl.String)
    scope = pl.concat_str(
        pl.format("office {}", "office"),
        pl.format("project {}", "project"),
        pl.when(pl.col("person_id").is_not_null()).then(person),
        separator=", ",
        ignore_nulls=True,
    )
    return pl.when(scope != "").then(scope).otherwise(pl.lit("everybody"))


def _tiers(rate: Mapping[str, Any]) -> str | None:
    """Say in words what a rate has beside its price of an hour."""
    return "; ".join(_tier_words(rate)) or None


def _tier_words(rate: Mapping[str, Any]) -> Iterator[str]:
    if rate["free_ms"]:
        yield f"the first {_hours(rate['free_ms'])} free"
    if rate["package_ms"]:
        yield f"in packages of {_hours(rate['package_ms'])}"
    tiers = json.loads(rate["tiers"] or "[]")
    if tiers:
        steps = ", ".join(f"{format_rate(price, rate['currency'])} from {_hours(ms)}" for ms, price in tiers)
        yield f"{rate['tier_kind']}: {steps}"


def _hours(milliseconds: int) -> str:
    return f"{milliseconds / HOUR_MS:,.3f}".rstrip("0").rstrip(".") + " h"
