"""A billing run as it is handed to project accounting: its lines with names, and all that stands behind them.

It is the one reader of the workbook, the exports and the clients' statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines import budgets
from pipelines.acting import require_staff
from pipelines.hidden_characters import visible_texts
from warehouse import frames, ledger, store
from warehouse.frames.projects import RATES
from warehouse.frames.reading import Columns
from warehouse.ledger import Run
from warehouse.ledger.run_events import events_of
from warehouse.periods import INSTANT

NAMES = ("person", "project_name", "client_name", "payer", "application_name")
"""Columns of names, in which hidden characters are told by their numbers: see `hidden_characters`."""
PROJECT_WORDS = ("name", "client", "client_name", "cost_center", "office")
SIGN_OFFS: Columns = {
    "project": pl.String,
    "state": pl.String,
    "actor": pl.String,
    "reason": pl.String,
    "at": INSTANT,
}
BUDGETS = pl.Schema(
    {
        "project": pl.String,
        "currency": pl.String,
        "budget_minor": pl.Int64,
        "not_to_exceed_minor": pl.Int64,
        "billed_before_minor": pl.Int64,
        "this_run_minor": pl.Int64,
    }
)


@dataclass(frozen=True)
class Book:
    """Everything that workbook, exports and statements say of one run, in the order in which they say it.

    Attributes
    ----------
    lines
        One row per charge line: the columns of `ledger.LINES`, and person, employee_number,
        application_name, client, client_name, payer, payer_code, cost_center, project_name, project_office,
        original_run and original_line (of a correction), is_correction, is_billed (billable, and neither held
        nor written off).
    sessions
        One row per line and session: see `ledger.sessions_of`.
    exceptions, reviews
        One row each: see `ledger.exceptions_of` and `ledger.review_rows`.
    rates
        One row per rate version that a line uses, as it was at the draft: the columns of `frames.rates`.
    events
        One row per audited event up to the close: see `ledger.run_events.events_of`.
    sign_offs
        One row per project that somebody signed, `state` being signed, changed (other lines were signed) or
        withdrawn: `SIGN_OFFS`.
    budgets
        One row per project on the run with a budget or limit at the draft: `BUDGETS`, in minor units.
    """

    run: Run
    lines: pl.DataFrame
    sessions: pl.DataFrame
    exceptions: pl.DataFrame
    rates: pl.DataFrame
    reviews: pl.DataFrame
    events: pl.DataFrame
    sign_offs: pl.DataFrame
    budgets: pl.DataFrame

    @property
    def totals(self) -> dict[str, Any]:
        """The figures fixed at the draft."""
        return self.run.totals

    @property
    def words(self) -> dict[str, Any]:
        """The names, agreements and rates of the draft, by code."""
        words: dict[str, Any] = self.run.totals["words"]
        return words

    def billed(self) -> pl.DataFrame:
        """Keep the lines that are billed."""
        return self.lines.filter("is_billed")


def open_book(  # noqa: PLR0913 - a view is of what, by whom, for what, when and with which names
    engine: Engine, run: str, actor: str, purpose: str, now_ms: int, *, is_named: bool = True
) -> Book:
    """Read a run, with the names of its people where it needs them, which is an audited event.

    A void run billed nothing and never will: its people stay under pseudonyms.

    Parameters
    ----------
    purpose
        What it is read for: `workbook`, `export generic`.
    is_named
        Whether names are shown; what is for clients shows none.

    Raises
    ------
    Problem
        There is no such run, or the actor is not of the billing staff.
    """
    with engine.connect() as connection:
        require_staff(connection, actor, f"make the {purpose} of run {run}")
        found = ledger.find_run(connection, run)
        signed = _sign_offs(connection, found)
    events = events_of(engine, found)
    lines = ledger.lines_of(engine, run)
    people = lines["person_id"].unique().sort().to_list()
    with store.writing(engine) as connection:
        if not is_named or found.status == "void":
            shown, named = 0, ledger.pseudonymous_people(connection, people)
        else:
            subject, reason = f"{purpose} of run {run}", "project accounting"
            today = ledger.named_people(connection, people, actor, subject, reason, now_ms)
            shown, named = len(people), ledger.named_at_close(connection, found.id, today)
        ledger.record_event(connection, actor, f"billing {purpose}", run, {"people": shown}, now_ms)
    lines = lines.join(named, on="person_id", how="left", maintain_order="left")
    lines = lines.join(ledger.originals_of(engine, run), on="line", how="left", maintain_order="left")
    return Book(
        found,
        _with_names(lines, found),
        ledger.sessions_of(engine, found),
        ledger.exceptions_of(engine, run),
        _rates(engine, found, lines),
        ledger.review_rows(engine, run),
        events,
        signed,
        _budgets(engine, found),
    )


def _with_names(lines: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Add the names that codes went by at the draft, and what a line is."""
    words = run.totals["words"]
    columns = ("project", "project_name", "client", "client_name", "cost_center", "project_office")
    projects = pl.DataFrame(
        [(number, *(known[name] for name in PROJECT_WORDS)) for number, known in words["projects"].items()],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    applications = pl.DataFrame(
        list(words["applications"].items()),
        schema={"application": pl.String, "application_name": pl.String},
        orient="row",
    )
    is_held = pl.col("review").is_in(ledger.NOT_BILLED).fill_null(value=False)
    payer = pl.coalesce(
        "client_name", "client", pl.format("cost center {}", "cost_center"), pl.lit("no payer")
    )
    named = (
        lines.join(projects, on="project", how="left", maintain_order="left")
        .join(applications, on="application", how="left", maintain_order="left")
        .with_columns(
            payer=payer,
            payer_code=pl.coalesce("client", "cost_center"),
            is_billed=pl.col("billable") & ~is_held,
            is_correction=(pl.col("period") != run.period),
        )
    )
    return named.with_columns(visible_texts(pl.col(NAMES)))


def _rates(engine: Engine, run: Run, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the rates used, as they were at the draft: a later end, or its author, changes no closed run."""
    kept = run.totals["words"].get("rates")
    if kept is None:  # a run of a version that did not keep them
        used = pl.col("rate_id").is_in(lines["rate_id"].unique().implode())
        return frames.rates(engine).filter(used).sort("rate_id").collect()
    days = [name for name, dtype in RATES.items() if dtype == pl.Date]
    rows = pl.DataFrame(kept, schema={**RATES, **dict.fromkeys(days, pl.String)}, orient="row")
    return rows.with_columns(pl.col(days).str.to_date())


def _sign_offs(connection: Connection, run: Run) -> pl.DataFrame:
    """Return the last act on each project of a run, ordered by its number."""
    acts = ledger.sign_offs(connection, run.id)
    rows = [
        (project.project, _state(project, act), act.actor, act.reason, act.at_ms)
        for project in ledger.project_lines(connection, run.id)
        if (act := acts.get(project.project_id))
    ]
    written = pl.DataFrame(rows, schema={**SIGN_OFFS, "at": pl.Int64}, orient="row")
    return written.with_columns(pl.col("at").cast(INSTANT))


def _state(project: ledger.ProjectLines, act: ledger.SignOff) -> str:
    if act.action == "withdraw":
        return "withdrawn"
    return "signed" if act.lines_digest == project.lines_digest else "changed"


def _budgets(engine: Engine, run: Run) -> pl.DataFrame:
    """Return what was agreed for the run's projects at the draft, and what they have come to."""
    agreed = {
        number: (known.get("budget_minor"), known.get("not_to_exceed_minor"))
        for number, known in run.totals["words"]["projects"].items()
    }
    rows = [
        (row["project"], row["currency"], *agreed[row["project"]], *_come_to(row))
        for row in budgets.standing(engine, run.number).to_dicts()
        if any(amount is not None for amount in agreed.get(row["project"], ()))
    ]
    return pl.DataFrame(rows, schema=BUDGETS, orient="row")


def _come_to(row: dict[str, Any]) -> tuple[int, int]:
    return row["billed_before_minor"], row["this_run_minor"]
