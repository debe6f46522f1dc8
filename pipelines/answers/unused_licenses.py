"""Which assigned seats nobody used, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipelines.answers.footer import Footer
from pipelines.answers.question import Question


@dataclass(frozen=True)
class UnusedLicenses:
    """Assigned seats and how they were used.

    Attributes
    ----------
    seats
        One row per seat that is not kept, unused first: entitlement, product_name, holder (pseudonym of a
        person or a host), last_active (Date, null: never seen), busy_hours, coverage (0-1), proposal,
        seat_cost_minor, currency.
    by_product
        One row per product, most unused seats first: product_name, assigned, reclaim, under_used,
        not_observed, cost_minor (a year, of the seats to reclaim), currency, cumulative_share.
    claims
        Markdown sentences: "products", "seats", "coverage".
    """

    seats: pl.DataFrame
    by_product: pl.DataFrame
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, threshold_hours: float = 0.0) -> UnusedLicenses:
    """Judge every assigned seat; under `threshold_hours` of busy time it is under-used."""
    raise NotImplementedError(question, threshold_hours)
