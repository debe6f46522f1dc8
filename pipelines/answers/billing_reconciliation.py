"""How all run time becomes billed time: every hour that is not billed in exactly one term."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import billed_run
from pipelines.answers.footer import Footer
from pipelines.answers.unbilled_time import REASONS
from pipelines.answers.wording import hours, listing, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.tie_out import SIGNS
from warehouse.money import HOUR_MS, format_minor
from warehouse.store import open_warehouse

WORDS = {
    "run": "run time",
    "idle_beyond_buffer": "idle beyond the buffer",
    "overlap": "overlap of one person's sessions",
    "held": "held: attention not visible",
    "non_chargeable": "non-chargeable codes",
    "not_assigned": "no valid project",
    "without_rate": "no rate",
    "rounding": "rounding",
    "billed": "billed",
}
ALTERNATIVES = {
    "buffer_0": "Without any buffer",
    "buffer_t": "With the whole idle timeout as buffer",
    "lower_bound": "What is known by now",
    "upper_bound": "If all unobserved time had been use",
}
OVERLAPS = {
    "union": "Overlap: a moment of one person and application counts once",
    "full": "Overlap: every session counts",
    "foreground": "Overlap: only what had the focus counts",
    "equal_split": "Overlap: sessions share the moment",
}


@dataclass(frozen=True)
class Reconciliation:
    """The tie-out of one billing run.

    Attributes
    ----------
    steps
        One row per term, from run time to billed: term, words, hours (Float64, signed as it is added), share
        (of the run time).
    not_assigned
        What the term "no valid project" is made of: reason, hours.
    outside
        Time that is in no term, because nobody knows or nobody worked: state, hours.
    alternatives
        What the period would come to under other rules: rule, hours, amount (text; one row per currency).
    difference_ms
        By how much the terms miss what is billed; 0, or the run could not have been made.
    claims
        Markdown sentences: "run", "largest", "alternatives".
    """

    run: str
    period: str
    steps: pl.DataFrame
    not_assigned: pl.DataFrame
    outside: pl.DataFrame
    alternatives: pl.DataFrame
    difference_ms: int
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(engine: Engine | None = None, period: str = "", *, now: datetime | None = None) -> Reconciliation:
    """Read the tie-out of a period's newest run that is not void.

    Raises
    ------
    Problem
        There is no such run, or it was made without a tie-out.
    """
    opened = engine or open_warehouse()
    run = billed_run.find(opened, period)
    totals = json.loads(run["totals"] or "{}")
    if "tie_out_ms" not in totals:
        raise Problem(f"Run {run['run']} has no tie-out", "draft its period again")
    terms: dict[str, int] = totals["tie_out_ms"]
    steps, alternatives = _steps(terms), _alternatives(totals, run["overlap_policy"])
    difference = sum(sign * terms.get(term, 0) for term, sign in SIGNS.items()) - terms["billed"]
    lines = frames.charge_lines(opened, run["run"]).collect()
    return Reconciliation(
        run=run["run"],
        period=run["period"],
        steps=steps,
        not_assigned=_by_kind(totals.get("not_assigned_ms", {}), "reason", REASONS),
        outside=_by_kind(totals.get("outside_ms", {}), "state"),
        alternatives=alternatives,
        difference_ms=difference,
        claims=_claims(run, steps, alternatives, difference),
        footer=billed_run.footer(opened, run, lines, now or datetime.now(UTC)),
        results={
            "run": run["run"],
            "period": run["period"],
            "tie_out_ms": terms,
            "difference_ms": difference,
        },
    )


def _steps(terms: dict[str, int]) -> pl.DataFrame:
    signed = [(term, sign * terms.get(term, 0)) for term, sign in SIGNS.items()]
    whole = terms["run"]
    rows = [
        (term, WORDS.get(term, term.replace("_", " ")), ms / HOUR_MS, ms / whole if whole else None)
        for term, ms in [*signed, ("billed", terms["billed"])]
    ]
    columns = {"term": pl.String, "words": pl.String, "hours": pl.Float64, "share": pl.Float64}
    return pl.DataFrame(rows, columns, orient="row")


def _by_kind(found: dict[str, int], column: str, words: Mapping[str, str] | None = None) -> pl.DataFrame:
    rows = [
        ((words or {}).get(name, name.replace("_", " ")), ms / HOUR_MS) for name, ms in found.items() if ms
    ]
    frame = pl.DataFrame(rows, {column: pl.String, "hours": pl.Float64}, orient="row")
    return frame.sort("hours", descending=True)


def _alternatives(totals: dict[str, Any], overlap: str) -> pl.DataFrame:
    rows = [(words, totals[name]) for name, words in ALTERNATIVES.items() if name in totals]
    others = totals.get("overlaps", {})
    rows += [(words, others[name]) for name, words in OVERLAPS.items() if name in others and name != overlap]
    parts = [
        (words, found["billed_ms"] / HOUR_MS, format_minor(amount, currency))
        for words, found in rows
        for currency, amount in sorted(found["amount_minor"].items())
    ]
    return pl.DataFrame(parts, {"rule": pl.String, "hours": pl.Float64, "amount": pl.String}, orient="row")


def _claims(
    run: dict[str, Any], steps: pl.DataFrame, alternatives: pl.DataFrame, difference: int
) -> dict[str, str]:
    by_term = {
        term: (found, part) for term, found, part in steps.select("term", "hours", "share").iter_rows()
    }
    exact = "to the millisecond" if difference == 0 else f"**but for {difference:,} ms**"
    lost = steps.filter(~pl.col("term").is_in(["run", "billed"]), pl.col("hours") < 0).sort("hours")
    named = [
        f"{words} ({hours(-found)})" for words, found in lost.select("words", "hours").head(3).iter_rows()
    ]
    return {
        "run": (
            f"Of {hours(by_term['run'][0])} of run time in period {run['period']}, "
            f"**{hours(by_term['billed'][0])} are billed**, {share(by_term['billed'][1])}; the terms between "
            f"add up {exact}."
        ),
        "largest": f"The most that is not billed: {listing(named)}." if named else "All run time is billed.",
        "alternatives": (
            "The same evidence under other rules. A policy is chosen before the draft, and the run names it."
            if alternatives.height
            else "The run keeps no figures under other rules."
        ),
    }
