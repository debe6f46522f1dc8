"""The tie-out: from all run time to what is billed, every millisecond in exactly one term."""

from __future__ import annotations

import polars as pl

from warehouse.errors import Problem
from warehouse.metrics.quantities import KINDS_MS
from warehouse.metrics.states import BASES, STATES

SIGNS = {
    "run": 1,
    "idle_beyond_buffer": -1,
    "overlap": -1,
    "held": -1,
    "non_chargeable": -1,
    "not_assigned": -1,
    "without_rate": -1,
    "rounding": 1,
}
"""Terms of the tie-out and their signs; their sum is `billed`."""

NOT_ASSIGNED = (
    "unknown_person", "unassigned", "invalid_project", "closed_project", "not_a_member", "invalid_field",
    "no_account",
)  # fmt: skip
"""What its term "not assigned" is made of: kinds of exceptions."""

WITHOUT_RATE = ("no_rate", "no_conversion")
"""What its term "without rate" is made of."""


def evidence_terms(by_state: dict[str, int], pieces: pl.DataFrame, counted: pl.DataFrame) -> dict[str, int]:
    """Count the terms that the evidence alone decides.

    Parameters
    ----------
    by_state
        Time of the period in each state: see `state_ms`.
    pieces
        Billable pieces of it.
    counted
        What the overlap policy left of the pieces whose person is known.
    """
    buffered = span_ms(pieces.filter(pl.col("kind") == 2))
    return {
        "run": sum(by_state[state] for state in BASES["run"]),
        "idle_beyond_buffer": by_state["idle"] - buffered,
        "overlap": span_ms(pieces.filter(pl.col("person_id").is_not_null())) - span_ms(counted),
        "held": by_state["held"],
    }


def line_terms(lines: pl.DataFrame, unbilled: pl.DataFrame, quantum_ms: int) -> dict[str, int]:
    """Count the terms that lines and exceptions decide, and what is billed.

    Fixed amounts, caps and packages, are no time: their lines, of unit each, do not count.
    """
    billable = lines.filter(pl.col("billable") & (pl.col("unit") == "hour"))
    billed = int(billable["quantity"].sum()) * quantum_ms
    return {
        "non_chargeable": worked_ms(lines.filter(~pl.col("billable"))),
        "not_assigned": sum(of_kind_ms(unbilled, kind) for kind in NOT_ASSIGNED),
        "without_rate": sum(of_kind_ms(unbilled, kind) for kind in WITHOUT_RATE),
        "rounding": billed - worked_ms(billable),
        "billed": billed,
    }


def check(terms_ms: dict[str, int]) -> None:
    """Refuse a run whose terms do not sum to what it bills.

    Raises
    ------
    Problem
        Naming the difference.
    """
    difference = sum(sign * terms_ms[term] for term, sign in SIGNS.items()) - terms_ms["billed"]
    if difference:
        raise Problem(
            f"the tie-out fails by {difference} ms: run time and billed time do not agree",
            "leave the warehouse as it is and report this: no bill may be made of it",
        )


def span_ms(spans: pl.DataFrame) -> int:
    """Sum the lengths of spans."""
    return int((spans["end_ms"] - spans["start_ms"]).sum())


def state_ms(usage: pl.DataFrame) -> dict[str, int]:
    """Sum the lengths of the segments in each state, and of those whose state is provisional."""
    length = pl.col("end_ms") - pl.col("start_ms")
    sums = usage.group_by("state", "provisional").agg(ms=length.sum()).rows()
    totals: dict[str, int] = {state: sum(ms for name, _, ms in sums if name == state) for state in STATES}
    return totals | {"provisional": sum(ms for _, is_provisional, ms in sums if is_provisional)}


def worked_ms(lines: pl.DataFrame) -> int:
    """Sum the active, pause and buffer time of lines."""
    return sum(int(lines[name].sum()) for name in KINDS_MS)


def of_kind_ms(unbilled: pl.DataFrame, kind: str) -> int:
    """Sum the time of one kind of exception."""
    return int(unbilled.filter(pl.col("kind") == kind)["milliseconds"].sum())
