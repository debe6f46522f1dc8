"""Budgets and not-to-exceed amounts of projects: what is left, and what goes beyond."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from sqlalchemy import Connection, Engine

from warehouse import ledger
from warehouse.ledger import Run, Spent
from warehouse.money import format_minor

BUDGETS = pl.Schema(
    {
        "project": pl.String,
        "currency": pl.String,
        "budget_minor": pl.Int64,
        "not_to_exceed_minor": pl.Int64,
        "billed_before_minor": pl.Int64,
        "this_run_minor": pl.Int64,
        "budget_left_minor": pl.Int64,
        "limit_left_minor": pl.Int64,
    }
)


def standing(engine: Engine, run: str | None = None) -> pl.DataFrame:
    """Return what projects were billed, against their budgets and not-to-exceed amounts.

    Parameters
    ----------
    run
        Number of a run; None: all closed runs are what was billed before.

    Returns
    -------
    pl.DataFrame
        One row per project that has a budget or a limit, or is billed by one of the runs, ordered by number:
        the columns of `BUDGETS`. Minor units of `currency`, the project's; `billed_before_minor` is what the
        runs closed before bill, `this_run_minor` what this one does: lines that are neither held nor written
        off. What is left is negative beyond the amount, null where none was agreed.

    Raises
    ------
    Problem
        There is no such run.
    """
    with engine.connect() as connection:
        found = None if run is None else ledger.find_run(connection, run)
        rows = [(*row, *_left(row)) for row in _spent(connection, found)]
    return pl.DataFrame(rows, schema=BUDGETS, orient="row")


def _left(row: Spent) -> tuple[int | None, int | None]:
    total = row.billed_before + row.this_run
    budget, limit = (None if agreed is None else agreed - total for agreed in (row.budget, row.not_to_exceed))
    return budget, limit


def _spent(connection: Connection, run: Run | None) -> list[Spent]:
    before = []
    for closed in ledger.closed_runs(connection):
        if run is not None and closed.id == run.id:
            break
        before.append(closed.id)
    return ledger.spent(connection, before, None if run is None else run.id)


def note(connection: Connection, run: Run) -> None:
    """Bring a draft's exceptions `over_budget` and `over_limit` up to date with its lines and their reviews.

    What still holds to the cent keeps its number and its waiver; a waiver is of the amount that was seen.
    """
    now = list(_beyond(_spent(connection, run)))
    known = ledger.exceptions_of_kinds(connection, run.id, KINDS)
    ledger.remove_exceptions(connection, [number for told, number in known.items() if told not in now])
    ledger.add_exceptions(connection, run.id, [told for told in now if told not in known])


KINDS = ("over_budget", "over_limit")


def _beyond(rows: list[Spent]) -> Iterator[tuple[str, str]]:
    """List kind and detail of every amount that a run goes beyond; one that bills nothing goes nowhere."""
    for row in rows:
        total = row.billed_before + row.this_run
        agreements = (("budget", row.budget), ("not-to-exceed amount", row.not_to_exceed))
        for kind, (what, agreed) in zip(KINDS, agreements, strict=True):
            if agreed is not None and total > agreed and row.this_run > 0:
                beyond, of, before = (
                    format_minor(amount, row.currency)
                    for amount in (total - agreed, agreed, row.billed_before)
                )
                yield (
                    kind,
                    f"project {row.project} is {beyond} over its {what} of {of}; billed before: {before}",
                )
