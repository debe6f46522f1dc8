"""Many ids as one parameter: SQLite takes 32,766 parameters at most, and to bind one by one is slow."""

from __future__ import annotations

import json

import polars as pl

IN_NUMBERS = {
    "sqlite": "IN (SELECT value FROM json_each(:numbers))",
    "postgresql": "IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(:numbers AS JSON)))",
}
"""By dialect: the condition on a column; `numbers` is what `as_text` gives."""


def as_text(numbers: pl.Series) -> str:
    """Write ids as one parameter."""
    return json.dumps(numbers.to_list())
