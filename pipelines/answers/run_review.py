"""One billing run as those see it who have to review it: billing staff all of it, a manager own projects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines import settling, signing_off
from pipelines.acting import Actor, find_actor
from pipelines.answers import billed_run
from pipelines.answers.billed_run import in_words, read_out
from pipelines.billing import show
from warehouse import frames, ledger
from warehouse.errors import Problem
from warehouse.money import HOUR_MS, format_minor, format_rate

LINE_COLUMNS = (
    "line", "kind", "day", "person", "application", "project", "project_name", "phase", "task", "quantity",
    "rate", "amount", "currency", "review", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """The runs that there are, and who looks.

    Attributes
    ----------
    actor
        Who looks, and whether that is billing staff.
    managed
        Numbers of the projects that they manage.
    numbers
        (run, what to call it) pairs, newest first; void ones last.
    collecting
        Names of the fiscal periods that have begun and have no run, newest first, of the last twelve.
    """

    actor: Actor
    managed: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    collecting: tuple[str, ...]

    @property
    def may_look(self) -> bool:
        """Whether there is anything here for them."""
        return self.actor.is_staff or bool(self.managed)


@dataclass(frozen=True)
class RunReview:
    """What there is to be reviewed of one run.

    Attributes
    ----------
    facts
        What `billing.show` says of the run.
    lines
        One row per line that the viewer may see, by number: the columns of `LINE_COLUMNS`; person is a
        pseudonym, quantity, rate and amount are text.
    exceptions
        One row per kind: kind, blocks, open, settled, waived, hours (Float64), why (it blocks or not).
        Billing staff's.
    projects
        One row per project that the viewer may see: project, name, manager (a pseudonym), lines, billed,
        amount (text, several currencies joined), state, by, budget_left, limit_left (text; null: nothing was
        agreed).
    """

    facts: dict[str, Any]
    lines: pl.DataFrame
    exceptions: pl.DataFrame
    projects: pl.DataFrame


def runs(engine: Engine, account: str, today: date) -> Runs:
    """Return the runs, and what the account behind `account` may see of them."""
    begun = frames.periods(engine).filter(pl.col("starts_on") <= today).sort("starts_on").collect()["period"]
    with engine.connect() as connection:
        actor = find_actor(connection, account)
        managed = ledger.managed_projects(connection, actor.person_id)
        found = ledger.runs(connection)
    ordered = sorted(found, key=lambda run: (run.status != "void", run.starts_on, run.id), reverse=True)
    numbers = tuple((run.number, f"{run.period}: {run.status}") for run in ordered)
    billed = {run.period for run in found if run.status != "void"}
    waiting = tuple(period for period in reversed(begun.tail(12).to_list()) if period not in billed)
    return Runs(actor, managed, numbers, waiting)


def answer(engine: Engine, run: str, whose: Runs) -> RunReview:
    """Read a run as far as whoever looks may see it.

    Raises
    ------
    Problem
        There is no such run, or who looks is neither billing staff nor manages a project.
    """
    if not whose.may_look:
        raise Problem(
            f"{whose.actor.name} neither manages a project nor is of the billing staff",
            "see your own lines on the page My time",
        )
    allowed = None if whose.actor.is_staff else whose.managed
    lines = _lines(engine, run, allowed)
    found = settling.exceptions(engine, run) if whose.actor.is_staff else []
    facts = show(engine, run)
    return RunReview(facts, lines, _by_kind(found), _projects(engine, run, lines, facts, allowed))


def _lines(engine: Engine, run: str, allowed: tuple[str, ...] | None) -> pl.DataFrame:
    found = frames.charge_lines(engine, run)
    if allowed is not None:
        found = found.filter(pl.col("project").is_in(list(allowed)))
    named = billed_run.with_names(engine, found.collect())
    rate = in_words("rate_scaled", format_rate)
    return (
        named.pipe(read_out)
        .with_columns(rate=pl.when("billable", pl.col("unit") == "hour").then(rate))
        .select(LINE_COLUMNS)
    )


def _by_kind(found: list[dict[str, Any]]) -> pl.DataFrame:
    states = Counter((row["kind"], row["state"]) for row in found)
    hours: Counter[str] = Counter()
    for row in found:
        hours[row["kind"]] += row["milliseconds"]
    rows = [
        (kind, settling.kind_of(kind).blocks, *(states[kind, state] for state in STATES),
         hours[kind] / HOUR_MS, settling.kind_of(kind).why)
        for kind in sorted(hours, key=lambda kind: (not settling.kind_of(kind).blocks, kind))
    ]  # fmt: skip
    columns = {"kind": pl.String, "blocks": pl.Boolean, **dict.fromkeys(STATES, pl.Int64)}
    return pl.DataFrame(rows, columns | {"hours": pl.Float64, "why": pl.String}, orient="row")


STATES = ("open", "settled", "waived")


def _projects(
    engine: Engine, run: str, lines: pl.DataFrame, facts: dict[str, Any], allowed: tuple[str, ...] | None
) -> pl.DataFrame:
    names = dict(lines.select("project", "project_name").unique().iter_rows())
    amounts = _amounts(engine, run)
    left = {row["project"]: row for row in facts["budgets"]}
    rows = [
        (
            *(found["project"], names.get(found["project"]), found["manager"], found["lines"]),
            *(found["billed"], amounts.get(found["project"]), found["state"], found["by"]),
            *(_left(left.get(found["project"]), name) for name in ("budget", "limit")),
        )
        for found in signing_off.sign_offs(engine, run)
        if allowed is None or found["project"] in allowed
    ]
    return pl.DataFrame(rows, PROJECTS, orient="row")


PROJECTS = {
    "project": pl.String,
    "name": pl.String,
    "manager": pl.String,
    "lines": pl.Int64,
    "billed": pl.Int64,
    "amount": pl.String,
    "state": pl.String,
    "by": pl.String,
    "budget_left": pl.String,
    "limit_left": pl.String,
}


def _amounts(engine: Engine, run: str) -> dict[str, str]:
    billable = frames.charge_lines(engine, run).filter("billable").collect()
    is_held = pl.col("review").is_in(ledger.NOT_BILLED).fill_null(value=False)
    sums = billable.filter(~is_held).group_by("project", "currency").agg(pl.col("amount_minor").sum())
    found: dict[str, str] = {}
    for project, currency, amount in sums.sort("project", "currency").iter_rows():
        before = f"{found[project]}, " if project in found else ""
        found[project] = before + format_minor(amount, currency)
    return found


def _left(row: dict[str, Any] | None, name: str) -> str | None:
    amount = None if row is None else row[f"{name}_left_minor"]
    return None if row is None or amount is None else format_minor(amount, row["currency"])
