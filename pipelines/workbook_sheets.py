"""What each sheet of the billing workbook says: frames and titles; no spreadsheet library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from pipelines.book import Book
from pipelines.settling import kind_of
from pipelines.spreadsheet import FIRST_ROW, HEADER_ROW, Column, Table, with_digits
from pipelines.workbook_columns import (
    ADJUSTMENTS,
    AUDIT,
    BUDGETS,
    CHARGES,
    CONVERSION,
    COST,
    DEFINITIONS,
    EXCEPTIONS,
    HELD,
    NON_CHARGEABLE,
    SESSIONS,
    SUMMARY,
)
from pipelines.workbook_events import in_words
from pipelines.workbook_rates import rates
from pipelines.workbook_words import KIND_WORDS, LINE_WORDS, MEANINGS, UNIT_WORDS
from warehouse.money import format_minor
from warehouse.periods import INSTANT

KINDS_MS = ("active_ms", "pause_ms", "buffer_ms")
CONVERSION_DIGITS = 8


def _basis(book: Book) -> str:
    run = book.run
    return (
        f"Run {run.number}, {run.status}; period {run.period} ({run.starts_on} to before {run.ends_on}, "
        f"local days of each home office); overlap policy {run.overlap_policy}"
    )


def _quantity(book: Book, quantity: pl.Expr) -> pl.Expr:
    """Turn quanta into what an hours column shows: whole thousandths, or hours where they are minutes."""
    per_hour = book.run.quantum_per_hour
    return quantity if per_hour == 1000 else quantity / per_hour


def _shown_lines(book: Book, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to lines what their sheets show."""
    words = pl.col("kind").replace_strict(LINE_WORDS, default=None, return_dtype=pl.String)
    return with_digits(lines).with_columns(
        unit=pl.col("unit").replace_strict(UNIT_WORDS, default=pl.col("unit"), return_dtype=pl.String),
        raw_ms=pl.sum_horizontal(KINDS_MS),
        hours=_quantity(book, pl.col("quantity")),
        rate_scaled=pl.when("billable").then("rate_scaled"),
        rate_id=pl.col("rate_id").cast(pl.String),
        billed=pl.when("billable").then(pl.lit("yes")).otherwise(pl.lit("no")),
        note=pl.coalesce("note", words),
        conversion=_conversion(pl.col("conversion_scaled")),
    )


def _conversion(scaled: pl.Expr) -> pl.Expr:
    """Write conversion factors with as many decimals as they need."""
    one = 10**CONVERSION_DIGITS
    decimals = (scaled % one).cast(pl.String).str.zfill(CONVERSION_DIGITS).str.strip_chars_end("0")
    return pl.format("{}.{}", scaled // one, decimals).str.strip_chars_end(".")


def charge_columns(book: Book) -> list[Column]:
    """Return the columns of the charges: conversion and own cost where the run has any."""
    lines = book.billed()
    converted = CONVERSION if lines["conversion_scaled"].is_not_null().any() else ()
    return [*CHARGES, *converted, *_cost(lines)]


def _cost(lines: pl.DataFrame) -> list[Column]:
    return [COST] if lines["cost_minor"].is_not_null().any() else []


def amounts_in_words(amounts: Mapping[str, int]) -> str:
    """Write amounts by currency as people read them."""
    return (
        " + ".join(format_minor(amount, currency) for currency, amount in sorted(amounts.items()))
        or "nothing"
    )


def sums(lines: pl.DataFrame, condition: pl.Expr | None = None) -> dict[str, int]:
    """Sum the amounts of billable lines by currency."""
    kept = lines.filter(pl.col("billable") & (pl.lit(value=True) if condition is None else condition))
    return dict(kept.group_by("currency").agg(pl.col("amount_minor").sum()).sort("currency").iter_rows())


# --- Sheets ------------------------------------------------------------------------------------------------


def summary(book: Book) -> Table:
    """One row per payer, project, phase, office and currency of what is billed; totals by currency."""
    keys = ("payer", "project", "project_name", "phase", "office", "currency")
    correction = pl.col("is_correction")
    values = (
        _quantity(book, pl.col("quantity").filter(pl.col("unit") == "hour").sum()).alias("hours"),
        pl.col("amount_minor").filter(~correction).sum().alias("usage_minor"),
        pl.col("amount_minor").filter(correction).sum().alias("adjustment_minor"),
        pl.col("amount_minor").sum(),
        pl.when(pl.col("cost_minor").is_not_null().any())
        .then(pl.col("cost_minor").sum())
        .alias("cost_minor"),
    )
    rows = book.billed().group_by(keys).agg(values).sort(keys)
    totals = book.billed().group_by("currency").agg(values).sort("currency")
    nothing = [pl.lit(None, pl.String).alias(name) for name in keys[1:-1]]
    return Table(
        "Summary",
        f"Billed for {book.run.period}: {amounts_in_words(sums(book.billed()))}",
        _basis(book),
        [*SUMMARY, *_cost(book.billed())],
        with_digits(rows),
        with_digits(totals.with_columns(*nothing, payer=pl.format("Total {}", "currency"))),
        _largest_projects(book),
    )


CHART_COLUMN, CHART_ROWS = len(SUMMARY) + 2, 10
LARGEST = (Column("Largest projects", "", "text", 18), Column("Hours", "", "hours", 11))


def _largest_projects(book: Book) -> dict[int, dict[int, Any]]:
    """Place the hours of the ten largest projects beside the table: what the chart draws."""
    in_hours = book.billed().filter(pl.col("unit") == "hour")
    hours = in_hours.group_by("project").agg(pl.col("quantity").sum())
    largest = hours.sort(["quantity", "project"], descending=[True, False]).head(CHART_ROWS)
    quantities = largest.with_columns(_quantity(book, pl.col("quantity")))
    cells: dict[int, dict[int, Any]] = {HEADER_ROW: dict(enumerate(LARGEST, CHART_COLUMN))}
    for row, (project, quantity) in enumerate(quantities.iter_rows(), FIRST_ROW):
        cells[row] = {CHART_COLUMN: project, CHART_COLUMN + 1: quantity}
    return cells if largest.height else {}


def charges(book: Book) -> Table:
    """One row per billed line."""
    lines = book.billed()
    frame = _shown_lines(book, lines)
    return Table(
        "Charges",
        f"{lines.height:,} charge lines, {amounts_in_words(sums(lines))}",
        _basis(book) + "; quantity x rate = amount in every row; amounts net of tax",
        charge_columns(book),
        frame,
        _totals_of(frame) if frame.height else None,
    )


def _totals_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Sum the amounts of lines by currency, as further rows below them."""
    amounts = frame.group_by("currency", "digits").agg(pl.col("amount_minor").sum()).sort("currency")
    return _as_rows_of(frame, amounts.with_columns(person=pl.lit("Total")))


def non_chargeable(book: Book) -> Table:
    """One row per line whose code is never billed."""
    lines = book.lines.filter(~pl.col("billable"))
    frame = _shown_lines(book, lines)
    summed = frame.select(pl.lit("Total").alias("person"), pl.col(*KINDS_MS, "raw_ms", "hours").sum())
    return Table(
        "Non-chargeable",
        f"{lines.height:,} lines of non-chargeable codes",
        _basis(book) + "; without rate or amount",
        NON_CHARGEABLE,
        frame,
        _as_rows_of(frame, summed) if frame.height else None,
    )


def _as_rows_of(frame: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    """Give totals the columns of the rows that they sum; what is not summed stays empty."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in frame.schema.items() if name not in totals]
    return totals.with_columns(missing)


def sessions(book: Book) -> Table:
    """One row per line and session that stands behind it."""
    late = book.lines.filter("is_correction").select("line", is_late=pl.lit(value=True))
    frame = book.sessions.join(late, on="line", how="left", maintain_order="left").with_columns(
        started_local=_local(book.sessions, "started"),
        ended_local=_local(book.sessions, "ended"),
        arrived=pl.when("is_late").then(pl.lit("late")).otherwise(pl.lit("live")),
    )
    return Table(
        "Sessions",
        f"{frame.height:,} shares of sessions in the lines",
        "As known at the cut-off; hours are the session's share of the line; devices under pseudonyms; "
        "local: the host's own time",
        SESSIONS,
        frame,
    )


def _local(frame: pl.DataFrame, column: str) -> pl.Expr:
    """Read instants on the clocks of each row's zone."""
    zones = frame["zone"].unique().sort().to_list()
    clocks = [
        pl.when(pl.col("zone") == zone).then(
            pl.col(column).dt.convert_time_zone(zone).dt.replace_time_zone(None)
        )
        for zone in zones
    ]
    return pl.coalesce(clocks) if clocks else pl.col(column).dt.replace_time_zone(None)


def exceptions(book: Book) -> Table:
    """One row per thing that somebody has to look at."""
    plain = pl.col("kind").str.replace_all("_", " ")
    kinds = {kind: kind_of(kind) for kind in book.exceptions["kind"].unique()}
    informs = [kind for kind, found in kinds.items() if not found.blocks]
    frame = book.exceptions.with_columns(
        what=pl.col("kind").replace_strict(KIND_WORDS, default=plain, return_dtype=pl.String),
        settlement=pl.coalesce(
            "settlement", pl.when(pl.col("kind").is_in(informs)).then(pl.lit(INFORMS))
        ).fill_null("open"),
        settlement_reason=pl.coalesce(
            "settlement_reason",
            pl.col("kind").replace_strict(
                {kind: found.why for kind, found in kinds.items()}, default=None, return_dtype=pl.String
            ),
        ),
        settled=pl.col("settled_ms").cast(INSTANT),
        # What is about money, as a budget, is about no time; what is of a session may be about none by now.
        milliseconds=pl.when((pl.col("milliseconds") != 0) | pl.col("session").is_not_null()).then(
            "milliseconds"
        ),
    )
    return Table(
        "Exceptions",
        f"{frame.height:,} exceptions" + (f": {dealt_with(frame)}" if frame.height else ""),
        "Time that is on no line, what came late, and what else deserves a look; nothing is dropped silently",
        EXCEPTIONS,
        frame,
    )


INFORMS = "informs"
"""In the place of a settlement: of what keeps no run from being approved."""


def dealt_with(exceptions: pl.DataFrame) -> str:
    """Count how the rows of the sheet were dealt with."""
    counts = dict(exceptions.group_by("settlement").len().iter_rows())
    return ", ".join(
        f"{counts.get(state, 0):,} {words}"
        for state, words in (
            ("settled", "settled"), ("waived", "waived"), ("open", "open"), (INFORMS, "that only inform"),
        )
    )  # fmt: skip


def adjustments(book: Book) -> Table:
    """One row per line that corrects a closed period; those that review kept back are told, as on Summary."""
    lines = book.lines.filter("is_correction")
    kept_back = lines.filter(pl.col("billable") & ~pl.col("is_billed"))
    told = "" if kept_back.is_empty() else f"; on Held, not billed: {amounts_in_words(sums(kept_back))}"
    is_reversal = pl.col("kind") == "reversal"
    frame = with_digits(lines).with_columns(
        state=_state(),
        period_billed=pl.lit(book.run.period),
        reversed_hours=pl.when(is_reversal).then(_quantity(book, pl.col("quantity"))),
        reversed_minor=pl.when(is_reversal).then("amount_minor"),
        booked_hours=pl.when(~is_reversal).then(_quantity(book, pl.col("quantity"))),
        booked_minor=pl.when(~is_reversal).then("amount_minor"),
        kind=pl.col("kind").str.replace_all("_", " "),
    )
    return Table(
        "Adjustments",
        f"Adjustments of closed periods: {amounts_in_words(sums(lines.filter('is_billed')))}{told}",
        "A closed run is never edited: what changed is reversed as it was and booked again as it is",
        ADJUSTMENTS,
        frame,
        _as_rows_of(frame, _sums_of_adjustments(frame)) if frame.height else None,
    )


def _state() -> pl.Expr:
    """Say of lines whether they are billed, or why not."""
    kept_back = pl.col("review").replace_strict(STATES, default="billed", return_dtype=pl.String)
    return pl.when("billable").then(kept_back).otherwise(pl.lit("non-chargeable"))


STATES = {"hold": "held", "writeoff": "written off"}


def _sums_of_adjustments(frame: pl.DataFrame) -> pl.DataFrame:
    """Sum what is reversed and booked, by state and currency: billed ones sum to the sheet's title."""
    amounts = pl.col("reversed_minor", "booked_minor").sum()
    sums = frame.filter("billable").group_by("state", "currency", "digits").agg(amounts)
    return sums.sort("state", "currency").with_columns(kind=pl.lit("Total"))


def held(book: Book) -> Table | None:
    """One row per line that review kept back; None where it kept none back."""
    lines = book.lines.filter(pl.col("billable") & ~pl.col("is_billed"))
    if lines.is_empty():
        return None
    last = (
        book.reviews.group_by("line", maintain_order=True).last().select("line", "action", "actor", "reason")
    )
    frame = _shown_lines(book, lines).join(last, on="line", how="left", maintain_order="left")
    frame = frame.with_columns(state=_state())
    return Table(
        "Held",
        f"Held or written off in review: {amounts_in_words(sums(lines))}",
        "These lines stay in the ledger; they are neither exported nor in the billed total",
        HELD,
        frame,
        _totals_of(frame),
    )


def budgets(book: Book) -> Table | None:
    """One row per project and agreement, under the summary; None where nothing was agreed."""
    agreements = {"budget_minor": "budget", "not_to_exceed_minor": "not to exceed"}
    both = [
        book.budgets.filter(pl.col(name).is_not_null()).with_columns(
            agreed_minor=pl.col(name), agreement=pl.lit(words)
        )
        for name, words in agreements.items()
    ]
    come_to = pl.col("billed_before_minor") + pl.col("this_run_minor")
    rows = (
        pl.concat(both).sort("project", "agreement").with_columns(left_minor=pl.col("agreed_minor") - come_to)
    )
    if rows.is_empty():
        return None
    names = {number: known["name"] for number, known in book.words["projects"].items()}
    percent = (come_to * 200 // pl.col("agreed_minor") + 1) // 2  # as charges_by_project rounds it
    frame = with_digits(rows).with_columns(
        project_name=pl.col("project").replace_strict(names, return_dtype=pl.String),
        used=pl.when(pl.col("agreed_minor") > 0).then(pl.format("{} %", percent)),
        state=pl.when(pl.col("left_minor") < 0).then(pl.lit("over")).otherwise(pl.lit("within")),
    )
    return Table(
        "Budgets", "Budgets", "Over the life of each project, closed runs before this one included", BUDGETS,
        frame,
    )  # fmt: skip


# --- Words and events --------------------------------------------------------------------------------------


def definitions() -> Table:
    """One row per word."""
    frame = pl.DataFrame({"word": list(MEANINGS), "meaning": list(MEANINGS.values())})
    return Table("Definitions", "What the words mean", "The same words everywhere", DEFINITIONS, frame)


def audit_log(book: Book) -> Table:
    """One row per audited event of the run, up to its close."""
    head = book.events["digest"].to_list()[-1] if book.events.height else "none"
    until = "close" if book.run.status == "closed" else "moment of writing"
    return Table(
        "Audit log",
        f"{book.events.height:,} audited events, up to the {until}; head {head}",
        "Each digest is taken of its event and of the event before it, of whatever run; `process-meter "
        "billing verify` checks the whole chain. Views of names are counted here, and told person by person "
        "in the chain",
        AUDIT,
        book.events.with_columns(
            told=pl.struct("action", "detail").map_elements(
                lambda row: in_words(row["action"], row["detail"]), return_dtype=pl.String
            )
        ),
    )


def tables(book: Book) -> list[Table]:
    """Return the tables of the workbook, in the order of their sheets."""
    makers: list[Callable[[Book], Table | None]] = [
        summary,
        charges,
        sessions,
        non_chargeable,
        held,
        exceptions,
        adjustments,
        rates,
        audit_log,
    ]
    return [table for make in makers if (table := make(book)) is not None]
