"""What a period comes to by now against what was booked for it: reversals and replacements.

A closed run is never edited. Where late or corrected evidence changes a line, the line is reversed as it was
and booked again as it is, in the run being drafted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import polars as pl

from warehouse.metrics.pricing import KINDS_MS, ORDER

_KEY = (
    "nature", "day_key", "person_id", "application", "office", "project", "phase", "task", "rate_id",
)  # fmt: skip
_VALUES = (
    *KINDS_MS, "day", "quantity", "unit", "rate_scaled", "amount_minor", "billable", "traced",
)  # fmt: skip
_NEGATED = (*KINDS_MS, "quantity", "amount_minor", "cost_minor")


class Corrections(NamedTuple):
    """The further lines of a run.

    Attributes
    ----------
    lines
        The columns of the standing lines: kind is reversal, replacement, or what a wholly new line is
        (usage, month_rounding, package, cap); `original_line_id` leads from the first two to what they
        correct; `review` is that of the corrected line. `line` counts 1, 2, ...
    shares
        line, session, active_ms, pause_ms, buffer_ms; negative on reversals.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame


def corrections(
    standing: pl.DataFrame,
    standing_shares: pl.DataFrame,
    fresh: pl.DataFrame,
    fresh_shares: pl.DataFrame,
    *,
    renewed: Collection[int] = (),
) -> Corrections:
    """Compare what stands with what should.

    Parameters
    ----------
    standing, standing_shares
        What closed runs booked for some people's use in a period and nobody has reversed:
        `ledger.standing_lines`.
    fresh, fresh_shares
        What the same people's use in it comes to by now: `charges.charge`.
    renewed
        Ids of standing lines to reverse and replace even where nothing has changed.
    """
    old = _keyed(standing, standing_shares.rename({"line_id": "key"}), "line_id")
    new = _keyed(fresh, fresh_shares.rename({"line": "key"}), "line")
    same = (
        old.select(*_KEY, *_VALUES, "line_id")
        .join(new.select(*_KEY, *_VALUES, "line"), on=[*_KEY, *_VALUES], nulls_equal=True)
        .filter(~pl.col("line_id").is_in(list(renewed)))
    )
    wrong = _counted(old.join(same, on="line_id", how="anti", maintain_order="left"))
    missing = _counted(new.join(same, on="line", how="anti", maintain_order="left"))
    keys = [*_KEY, "place"]
    replaces = wrong.select(*keys, pl.col("line_id").alias("original_line_id"), "review")
    booked = missing.join(replaces, on=keys, how="left", nulls_equal=True, maintain_order="left")
    kind = pl.when(pl.col("original_line_id").is_not_null()).then(pl.lit("replacement")).otherwise("kind")
    return _numbered(
        _reversals(wrong),
        booked.with_columns(kind=kind, source=pl.col("line")),
        standing_shares,
        fresh_shares,
    )


def _keyed(lines: pl.DataFrame, shares: pl.DataFrame, number: str) -> pl.DataFrame:
    """Add what makes two lines the same one, and what else must agree: its trace to the sessions."""
    parts = pl.format("{}:{}:{}:{}", "session", *KINDS_MS)
    traces = shares.sort("session").group_by("key").agg(traced=parts.str.join(","))
    return lines.join(traces, left_on=number, right_on="key", how="left", maintain_order="left").with_columns(
        nature=_nature()
    ).with_columns(
        # What rounds a month, or sells it in packages, has no time of its own, and may move to another day.
        day_key=pl.when(pl.col("nature").is_in(["usage", "cap"])).then("day")
    )  # fmt: skip


def _nature() -> pl.Expr:
    """Say what a line is, whether it was booked at once or replaced another one."""
    is_fixed = pl.col("unit") == "each"
    return (
        pl.when(is_fixed & (pl.col("quantity") < 0)).then(pl.lit("cap"))
        .when(is_fixed).then(pl.lit("package"))
        .when(pl.sum_horizontal(KINDS_MS) == 0).then(pl.lit("month_rounding"))
        .otherwise(pl.lit("usage"))
    )  # fmt: skip


def _counted(lines: pl.DataFrame) -> pl.DataFrame:
    """Count lines that differ in nothing but their tier, the dearest first: so each has one to replace."""
    ordered = lines.sort("rate_scaled", descending=True, maintain_order=True)
    return ordered.with_columns(place=pl.int_range(pl.len()).over(_KEY))


def _reversals(wrong: pl.DataFrame) -> pl.DataFrame:
    return wrong.with_columns(
        *(-pl.col(name) for name in _NEGATED),
        kind=pl.lit("reversal"),
        original_line_id=pl.col("line_id"),
        source=pl.col("line_id"),
    )


def _numbered(
    reversals: pl.DataFrame, booked: pl.DataFrame, standing_shares: pl.DataFrame, fresh_shares: pl.DataFrame
) -> Corrections:
    """Give numbers to the further lines, and bring their shares along."""
    columns = [name for name in booked.columns if name in reversals.columns and name != "line"]
    lines = pl.concat([reversals.select(columns), booked.select(columns)]).sort(
        ORDER, descending=[False] * 8 + [True, True]
    ).with_columns(line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))  # fmt: skip
    is_reversal = pl.col("kind") == "reversal"
    negative = (
        lines.filter(is_reversal)
        .select("line", "source")
        .join(standing_shares, left_on="source", right_on="line_id")
        .with_columns(-pl.col(name) for name in KINDS_MS)
    )
    positive = (
        lines.filter(~is_reversal)
        .select("line", "source")
        .join(fresh_shares.rename({"line": "source"}), on="source")
    )
    shares = pl.concat([part.select("line", "session", *KINDS_MS) for part in (negative, positive)])
    keep = [name for name in lines.columns if name not in ("source", "traced", "nature", "day_key", "place")]
    return Corrections(lines.select(keep), shares.sort("line", "session"))
