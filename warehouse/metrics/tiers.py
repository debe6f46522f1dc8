"""Free allowance and tiers: which part of a period's hours costs what.

The hours of a period are used up in the order of their day, then of project, phase, task, office and rate
version. The first `free_ms` of a person and application, whatever their rate, cost nothing. What is left of a
person, application, rate version and currency is priced by the rate's tiers: graduated (each part at its own
tier), volume (all of it at the tier that it reaches) or package (hours cost nothing, packages do).
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from warehouse import money
from warehouse.metrics.conversion import converted_rate
from warehouse.metrics.quantities import KINDS_MS
from warehouse.metrics.tracing import Trace

ALLOWANCE = ("person_id", "application")
"""Whose free hours are counted together."""

ACCOUNT = ("person_id", "application", "rate_id", "currency")
"""Whose hours are counted together through the tiers, in packages and against a cap."""

USED = ("day", "project", "phase", "task", "office", "rate_id", "place")
"""In which order hours are used up."""

FREE = "within the free allowance"
PACKAGED = "within a package"


class Split(NamedTuple):
    """Lines by price.

    Attributes
    ----------
    lines
        As given, cut where the price changes within a line: `rate_scaled` is converted to the payer's
        currency; `note` says why hours cost nothing. A line that was cut has new places.
    shares
        place, session, the columns of `KINDS_MS`: of the parts of lines that were cut.
    packaged
        The hours to be sold in packages: lines with `paid`, their quantity beyond the allowance.
    """

    lines: pl.DataFrame
    shares: pl.DataFrame
    packaged: pl.DataFrame


def steps(rates: pl.DataFrame) -> pl.DataFrame:
    """List the prices of each rate version: rate_id, from_ms, until_ms (null: no end), step_scaled.

    The rate itself is the price of the first hours, each tier that of those from `from_ms` on.
    """
    tiers = rates.select("rate_id", tier=pl.col("tiers").str.json_decode(pl.List(pl.List(pl.Int64)))).explode(
        "tier"
    )
    first = rates.select("rate_id", from_ms=pl.lit(0, pl.Int64), step_scaled="rate_scaled")
    further = tiers.drop_nulls("tier").select(
        "rate_id", from_ms=pl.col("tier").list.get(0), step_scaled=pl.col("tier").list.get(1)
    )
    every = pl.concat([first, further]).sort("rate_id", "from_ms")
    return every.with_columns(until_ms=pl.col("from_ms").shift(-1).over("rate_id"))


def split(lines: pl.DataFrame, trace: Trace, rates: pl.DataFrame, quantum_per_hour: int) -> Split:
    """Cut lines where an allowance or a tier ends within them, and give each part its price.

    Parameters
    ----------
    lines
        What `quantities.usage` and `quantities.month_rounding` give.
    trace
        Their sessions.

    Raises
    ------
    polars.exceptions.ComputeError
        The tiers of a rate are no JSON: the import writes none such.
    """
    has_terms = lines.filter(pl.col("tier_kind").is_not_null() | (pl.col("free_ms") > 0))
    # Hours at any rate use up the allowance of their person and application.
    touched = lines.join(has_terms.select(ALLOWANCE).unique(), on=ALLOWANCE, how="semi").filter("chargeable")
    price, silence = converted_rate(pl.col("rate_scaled")), pl.lit(None, pl.String)
    kept = lines.join(touched, on="place", how="anti", maintain_order="left").with_columns(
        rate_scaled=price, note=silence
    )
    placed = _placed(touched, quantum_per_hour)
    parts = _merged(_parts(placed, steps(rates), money.HOUR_MS // quantum_per_hour))
    is_cut = pl.len().over("place") > 1
    whole = placed.drop("rate_scaled").join(parts.filter(~is_cut).drop("part"), on="place")
    stretches = _stretches(placed, parts.filter(is_cut), trace.size)
    shares = _shares_of_parts(stretches, trace)
    cut = _of_parts(placed, stretches, shares)
    every = pl.concat([kept, whole.select(kept.columns), cut.select(kept.columns)])
    return Split(every, shares, placed.filter(pl.col("tier_kind") == "package"))


def _of_parts(placed: pl.DataFrame, stretches: pl.DataFrame, shares: pl.DataFrame) -> pl.DataFrame:
    """Make the lines of the parts."""
    counted = shares.group_by("place").agg(
        *(pl.col(name).sum() for name in KINDS_MS), session_count=pl.len().cast(pl.Int64)
    )
    own = stretches.select("place", "old", "rate_scaled", "note", quantity="part")
    told = placed.drop("rate_scaled", "quantity", *KINDS_MS, "session_count").rename({"place": "old"})
    made = own.join(told, on="old").join(counted, on="place", how="left")
    return made.with_columns(pl.col(*KINDS_MS, "session_count").fill_null(0))


def _placed(lines: pl.DataFrame, quantum_per_hour: int) -> pl.DataFrame:
    """Say where in its period each line stands: free, paid (quanta), paid_end and total of its account."""
    quantum_ms = money.HOUR_MS // quantum_per_hour
    quantity, allowance = pl.col("quantity"), pl.col("free_ms").fill_null(0) // quantum_ms
    ordered = lines.sort(*ALLOWANCE, pl.col("kind") != "usage", *USED)
    reached = ordered.with_columns(end=quantity.cum_sum().over(ALLOWANCE))
    free = pl.col("end").clip(0, allowance) - (pl.col("end") - quantity).clip(0, allowance)
    left = reached.with_columns(free=free, paid=quantity - free).drop("end")
    paid = pl.col("paid")
    return left.with_columns(paid_end=paid.cum_sum().over(ACCOUNT), total=paid.sum().over(ACCOUNT))


def _parts(placed: pl.DataFrame, steps: pl.DataFrame, quantum_ms: int) -> pl.DataFrame:
    """List what each line is made of: place, part (quanta), step_scaled, note; in the order of use."""
    kind, first, last = pl.col("tier_kind"), pl.col("from_ms") // quantum_ms, pl.col("until_ms") // quantum_ms
    last = last.fill_null(2**62)
    end, start = pl.col("paid_end"), pl.col("paid_end") - pl.col("paid")
    marked = pl.when(kind == "volume").then("total").otherwise(start)
    is_mine = pl.when(kind.is_in(["graduated", "volume"])).then(
        (first <= marked) & (marked < last)
    ).otherwise(pl.col("from_ms") == 0)  # fmt: skip
    part = pl.when(kind == "graduated").then(end.clip(first, last) - start.clip(first, last)).otherwise(
        pl.when(is_mine).then("paid").otherwise(0)
    )  # fmt: skip
    # A line of no quantity has a price all the same.
    is_nothing = (pl.col("quantity") == 0) & is_mine.fill_null(value=True)
    is_packaged = (kind == "package").fill_null(value=False)
    paid = placed.join(steps, on="rate_id").with_columns(part=part).filter((pl.col("part") != 0) | is_nothing)
    free = placed.filter(pl.col("free") != 0).with_columns(
        part="free", step_scaled=pl.lit(0, pl.Int64), from_ms=pl.lit(-1, pl.Int64), note=pl.lit(FREE)
    )
    priced = paid.with_columns(
        step_scaled=pl.when(is_packaged).then(0).otherwise("step_scaled"),
        note=pl.when(is_packaged).then(pl.lit(PACKAGED)),
    )
    columns = ("place", "part", "step_scaled", "note", "from_ms", "conversion_scaled")
    return pl.concat([free.select(columns), priced.select(columns)]).sort("place", "from_ms")


def _merged(parts: pl.DataFrame) -> pl.DataFrame:
    """Put parts of one line at one price together: no two lines differ in nothing but their quantity."""
    priced = parts.with_columns(rate_scaled=converted_rate(pl.col("step_scaled")))
    return priced.group_by("place", "rate_scaled", maintain_order=True).agg(
        pl.col("part").sum(), pl.col("note").first()
    )


def _stretches(placed: pl.DataFrame, parts: pl.DataFrame, first_place: int) -> pl.DataFrame:
    """Give each part of a line its stretch of the line's milliseconds, [from_ms, to_ms), and a new place.

    Milliseconds are divided as the quantities are.
    """
    lines = parts.join(
        placed.select("place", "raw_ms", "quantity"), on="place", maintain_order="left"
    ).rename({"place": "old"})
    reached = pl.col("part").cum_sum().over("old") * pl.col("raw_ms") // pl.col("quantity")
    return lines.with_columns(to_ms=reached).with_columns(
        from_ms=pl.col("to_ms").shift(1).over("old").fill_null(0),
        place=pl.int_range(pl.len(), dtype=pl.Int64) + first_place,
    )


def _shares_of_parts(stretches: pl.DataFrame, trace: Trace) -> pl.DataFrame:
    """Cut the sessions' time at the parts' edges: session by session, first active, then pause, buffer."""
    # What rounds a month has no time to cut.
    places = stretches.select(place="old").unique(maintain_order=True).filter(pl.col("place") >= 0)
    blocks = trace.of(places).unpivot(
        KINDS_MS, index=["place", "session"], variable_name="of", value_name="ms"
    )
    order = pl.col("of").replace_strict({name: at for at, name in enumerate(KINDS_MS)}, return_dtype=pl.Int8)
    ordered = blocks.with_columns(order=order).sort("place", "session", "order").with_columns(
        end=pl.col("ms").cum_sum().over("place")
    )  # fmt: skip
    edges = stretches.select("from_ms", "to_ms", place="old", part="place")
    common = pl.min_horizontal("end", "to_ms") - pl.max_horizontal(pl.col("end") - pl.col("ms"), "from_ms")
    shared = ordered.join(edges, on="place").with_columns(ms=common).filter(pl.col("ms") > 0)
    sums = [pl.col("ms").filter(pl.col("of") == name).sum().alias(name) for name in KINDS_MS]
    return shared.group_by(pl.col("part").alias("place"), "session").agg(sums)
