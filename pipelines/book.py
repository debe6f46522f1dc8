"""A billing run as it is handed to project accounting: its lines with names, its sessions, its exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Engine

from warehouse import frames, ledger, store
from warehouse.ledger import Run


@dataclass(frozen=True)
class Book:
    """Everything that workbook and exports say of one run, in the order in which they say it.

    Attributes
    ----------
    lines
        One row per charge line: the columns of `ledger.LINES`, and person, employee_number,
        application_name, client, client_name, payer, cost_center, project_name, project_office,
        original_run and original_line (of a correction), is_correction, is_billed (billable, and neither held
        nor written off).
    sessions
        One row per line and session: see `ledger.sessions_of`.
    exceptions, rates, reviews
        One row each.
    """

    run: Run
    lines: pl.DataFrame
    sessions: pl.DataFrame
    exceptions: pl.DataFrame
    rates: pl.DataFrame
    reviews: pl.DataFrame

    @property
    def totals(self) -> dict[str, Any]:
        """The figures fixed at the draft."""
        return self.run.totals

    def billed(self) -> pl.DataFrame:
        """Keep the lines that are billed."""
        return self.lines.filter("is_billed")


def open_book(engine: Engine, run: str, actor: str, purpose: str, now_ms: int) -> Book:
    """Read a run with the names of its people, which is an audited event.

    A void run billed nothing and never will: its people stay under pseudonyms.

    Parameters
    ----------
    purpose
        What it is read for: `workbook`, `export generic`.

    Raises
    ------
    Problem
        There is no such run.
    """
    with engine.connect() as connection:
        found = ledger.find_run(connection, run)
    lines = ledger.lines_of(engine, run)
    people = lines["person_id"].unique().sort().to_list()
    with store.writing(engine) as connection:
        if found.status == "void":
            shown, named = 0, ledger.pseudonymous_people(connection, people)
        else:
            subject, reason = f"{purpose} of run {run}", "project accounting"
            shown, named = (
                len(people),
                ledger.named_people(connection, people, actor, subject, reason, now_ms),
            )
        ledger.record_event(connection, actor, f"billing {purpose}", run, {"people": shown}, now_ms)
    originals = ledger.originals_of(engine, run)
    rates = frames.rates(engine).filter(pl.col("rate_id").is_in(lines["rate_id"].unique().implode()))
    lines = lines.join(named, on="person_id", how="left", maintain_order="left")
    lines = lines.join(originals, on="line", how="left", maintain_order="left")
    return Book(
        found,
        _with_names(lines, found),
        ledger.sessions_of(engine, found),
        ledger.exceptions_of(engine, run),
        rates.sort("rate_id").collect(),
        ledger.review_rows(engine, run),
    )


def _with_names(lines: pl.DataFrame, run: Run) -> pl.DataFrame:
    """Add the names that codes went by at the draft, and what a line is."""
    words = run.totals["words"]
    columns = ("project", "project_name", "client", "client_name", "cost_center", "project_office")
    projects = pl.DataFrame(
        [(number, *known.values()) for number, known in words["projects"].items()],
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
    return (
        lines.join(projects, on="project", how="left", maintain_order="left")
        .join(applications, on="application", how="left", maintain_order="left")
        .with_columns(
            payer=payer,
            is_billed=pl.col("billable") & ~is_held,
            is_correction=(pl.col("period") != run.period),
        )
    )
