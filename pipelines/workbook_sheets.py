"""What each sheet of the billing workbook says: frames, titles and columns; no spreadsheet library.

The column titles are those of the people who read them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from pipelines.book import Book
from pipelines.spreadsheet import FIRST_ROW, HEADER_ROW, Column, Table
from pipelines.workbook_words import KIND_WORDS, MEANINGS
from warehouse.money import format_minor, minor_digits

KINDS_MS = ("active_ms", "pause_ms", "buffer_ms")

CHARGES = (
    Column("Line", "line", "integer", 6),
    Column("Date", "day", "date", 11),
    Column("Employee number", "employee_number", "text", 10),
    Column("Person", "person", "text", 18),
    Column("Application", "application_name", "text", 16),
    Column("Unit", "unit", "text", 5.5),
    Column("Client", "payer", "text", 18),
    Column("Project number", "project", "text", 11),
    Column("Project name", "project_name", "text", 20),
    Column("Phase", "phase", "text", 7),
    Column("Task", "task", "text", 6.5),
    Column("Office", "office", "text", 7),
    Column("Active h", "active_ms", "time", 8.5),
    Column("Pause h", "pause_ms", "time", 8.5),
    Column("Buffer h", "buffer_ms", "time", 8.5),
    Column("Raw h", "raw_ms", "time", 8.5),
    Column("Quantity", "hours", "hours", 9),
    Column("Rate", "rate_scaled", "rate", 9),
    Column("Rate version", "rate_id", "text", 8.5),
    Column("Currency", "currency", "text", 10.5),
    Column("Amount", "amount_minor", "money", 11),
    Column("Tax code", "tax_code", "text", 7.5),
    Column("Billable", "billed", "text", 8.5),
    Column("Sessions", "session_count", "integer", 9),
    Column("Note", "note", "prose", 34),
)
SUMMARY = (
    Column("Payer", "payer", "text", 26),
    Column("Project", "project", "text", 12),
    Column("Project name", "project_name", "text", 28),
    Column("Phase", "phase", "text", 8),
    Column("Office", "office", "text", 8),
    Column("Currency", "currency", "text", 10.5),
    Column("Hours", "hours", "hours", 11),
    Column("Amount", "usage_minor", "money", 14),
    Column("Adjustments", "adjustment_minor", "money", 14),
    Column("Total", "amount_minor", "money", 14),
)
SESSIONS = (
    Column("Line", "line", "integer", 6),
    Column("Session", "session", "integer", 10),
    Column("Device", "device", "text", 12),
    Column("Start (UTC)", "started", "instant", 18.5),
    Column("End (UTC)", "ended", "instant", 18.5),
    Column("Start (local)", "started_local", "instant", 18.5),
    Column("End (local)", "ended_local", "instant", 18.5),
    Column("Zone", "zone", "text", 18),
    Column("Active h", "active_ms", "time", 9),
    Column("Pause h", "pause_ms", "time", 9),
    Column("Buffer h", "buffer_ms", "time", 9),
    Column("Source", "source", "text", 12),
    Column("Arrived", "arrived", "text", 8),
    Column("Received (UTC)", "received", "instant", 18.5),
)
EXCEPTIONS = (
    Column("What", "what", "text", 22),
    Column("Session", "session", "integer", 11),
    Column("Hours", "milliseconds", "time", 10),
    Column("Detail", "detail", "prose", 70),
    Column("Settled by", "settled_by", "text", 16),
    Column("Settlement", "settlement", "prose", 30),
)
ADJUSTMENTS = (
    Column("Line", "line", "integer", 6),
    Column("What", "kind", "text", 12),
    Column("Original run", "original_run", "text", 11),
    Column("Original line", "original_line", "integer", 8),
    Column("Period incurred", "period", "text", 9),
    Column("Period billed", "period_billed", "text", 9),
    Column("Date", "day", "date", 10.5),
    Column("Person", "person", "text", 20),
    Column("Project number", "project", "text", 12),
    Column("Application", "application_name", "text", 18),
    Column("Currency", "currency", "text", 10.5),
    Column("Reversed quantity", "reversed_hours", "hours", 10),
    Column("Reversed amount", "reversed_minor", "money", 12),
    Column("Booked quantity", "booked_hours", "hours", 10),
    Column("Booked amount", "booked_minor", "money", 12),
    Column("Reason", "note", "prose", 52),
)
HELD = (
    *(column for column in CHARGES if column.title in ("Line", "Date", "Person", "Application", "Client")),
    *(
        column
        for column in CHARGES
        if column.title in ("Project number", "Quantity", "Rate", "Currency", "Amount")
    ),
    Column("State", "state", "text", 12),
    Column("By", "actor", "text", 14),
    Column("Reason", "reason", "prose", 44),
)
RATES = (
    Column("Rate version", "rate_id", "text", 9),
    Column("Application", "application", "text", 20),
    Column("Scope", "scope", "text", 34),
    Column("Rate per hour", "rate_scaled", "rate", 12),
    Column("Currency", "currency", "text", 10.5),
    Column("Increment (min)", "increment", "rate", 12),
    Column("Direction", "direction", "text", 10),
    Column("Level", "level", "text", 9),
    Column("Valid from", "valid_from", "date", 11),
    Column("Valid to", "valid_to", "date", 11),
    Column("Author", "author", "text", 18),
    Column("Lines", "lines", "integer", 8),
)
DEFINITIONS = (Column("Word", "word", "text", 24), Column("Meaning", "meaning", "prose", 110))


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


def _with_digits(frame: pl.DataFrame) -> pl.DataFrame:
    """Add how many decimals the amounts of each row have."""
    known = {code: minor_digits(code) for code in frame["currency"].drop_nulls().unique()}
    digits = pl.col("currency").replace_strict(known, default=2, return_dtype=pl.Int64)
    return frame.with_columns(digits=digits)


def _shown_lines(book: Book, lines: pl.DataFrame) -> pl.DataFrame:
    """Add to lines what their sheets show."""
    state = pl.when(~pl.col("billable")).then(pl.lit("no")).otherwise(pl.lit("yes"))
    return _with_digits(lines).with_columns(
        unit=pl.lit("h"),
        raw_ms=pl.sum_horizontal(KINDS_MS),
        hours=_quantity(book, pl.col("quantity")),
        rate_scaled=pl.when("billable").then("rate_scaled"),
        rate_id=pl.col("rate_id").cast(pl.String),
        kind=pl.col("kind").str.replace_all("_", " "),
        billed=state,
        note=pl.coalesce(
            "note", pl.when(pl.col("kind") == "month_rounding").then(pl.lit("rounding of the month"))
        ),
    )


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
        _quantity(book, pl.col("quantity").sum()).alias("hours"),
        pl.col("amount_minor").filter(~correction).sum().alias("usage_minor"),
        pl.col("amount_minor").filter(correction).sum().alias("adjustment_minor"),
        pl.col("amount_minor").sum(),
    )
    rows = book.billed().group_by(keys).agg(values).sort(keys)
    totals = book.billed().group_by("currency").agg(values).sort("currency")
    nothing = [pl.lit(None, pl.String).alias(name) for name in keys[1:-1]]
    return Table(
        "Summary",
        f"Billed for {book.run.period}: {amounts_in_words(sums(book.billed()))}",
        _basis(book),
        SUMMARY,
        _with_digits(rows),
        _with_digits(totals.with_columns(*nothing, payer=pl.format("Total {}", "currency"))),
        _largest_projects(book),
    )


CHART_COLUMN, CHART_ROWS = len(SUMMARY) + 1, 10
LARGEST = (Column("Largest projects", "", "text", 18), Column("Hours", "", "hours", 11))


def _largest_projects(book: Book) -> dict[int, dict[int, Any]]:
    """Place the hours of the ten largest projects beside the table: what the chart draws."""
    hours = book.billed().group_by("project").agg(pl.col("quantity").sum())
    largest = hours.sort(["quantity", "project"], descending=[True, False]).head(CHART_ROWS)
    quantities = largest.with_columns(_quantity(book, pl.col("quantity")))
    cells: dict[int, dict[int, Any]] = {HEADER_ROW: dict(enumerate(LARGEST, CHART_COLUMN))}
    for row, (project, quantity) in enumerate(quantities.iter_rows(), FIRST_ROW):
        cells[row] = {CHART_COLUMN: project, CHART_COLUMN + 1: quantity}
    return cells if largest.height else {}


def charges(book: Book) -> Table:
    """One row per billed line."""
    lines = book.billed()
    return Table(
        "Charges",
        f"{lines.height:,} charge lines, {amounts_in_words(sums(lines))}",
        _basis(book) + "; quantity x rate = amount in every row; amounts net of tax",
        CHARGES,
        _shown_lines(book, lines),
    )


def non_chargeable(book: Book) -> Table:
    """One row per line whose code is never billed."""
    lines = book.lines.filter(~pl.col("billable"))
    return Table(
        "Non-chargeable",
        f"{lines.height:,} lines of non-chargeable codes",
        _basis(book) + "; without rate or amount",
        [
            column
            for column in CHARGES
            if column.key not in ("rate_scaled", "rate_id", "amount_minor", "tax_code")
        ],
        _shown_lines(book, lines),
    )


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
    words = pl.col("kind").replace_strict(KIND_WORDS, default=pl.col("kind"), return_dtype=pl.String)
    frame = book.exceptions.with_columns(what=words)
    return Table(
        "Exceptions",
        f"{frame.height:,} exceptions",
        "Time that is on no line, what came late, and what else deserves a look; nothing is dropped silently",
        EXCEPTIONS,
        frame,
    )


def adjustments(book: Book) -> Table:
    """One row per line that corrects a closed period."""
    lines = book.lines.filter("is_correction")
    is_reversal = pl.col("kind") == "reversal"
    frame = _with_digits(lines).with_columns(
        period_billed=pl.lit(book.run.period),
        reversed_hours=pl.when(is_reversal).then(_quantity(book, pl.col("quantity"))),
        reversed_minor=pl.when(is_reversal).then("amount_minor"),
        booked_hours=pl.when(~is_reversal).then(_quantity(book, pl.col("quantity"))),
        booked_minor=pl.when(~is_reversal).then("amount_minor"),
        kind=pl.col("kind").str.replace_all("_", " "),
    )
    return Table(
        "Adjustments",
        f"Adjustments of closed periods: {amounts_in_words(sums(lines))}",
        "A closed run is never edited: what changed is reversed as it was and booked again as it is",
        ADJUSTMENTS,
        frame,
    )


def held(book: Book) -> Table:
    """One row per line that review kept back."""
    kept_back = pl.col("billable") & ~pl.col("is_billed")
    lines = book.lines.filter(kept_back)
    last = (
        book.reviews.group_by("line", maintain_order=True).last().select("line", "action", "actor", "reason")
    )
    states = {"hold": "held", "writeoff": "written off"}
    frame = _shown_lines(book, lines).join(last, on="line", how="left", maintain_order="left")
    return Table(
        "Held",
        f"Held or written off in review: {amounts_in_words(sums(lines))}",
        "These lines stay in the ledger; they are neither exported nor in the billed total",
        HELD,
        frame.with_columns(state=pl.col("action").replace_strict(states, default="", return_dtype=pl.String)),
    )


def rates(book: Book) -> Table:
    """One row per rate version that a line of the run uses."""
    used = book.lines.group_by("rate_id").agg(pl.len().cast(pl.Int64).alias("lines"))
    scope = pl.concat_str(
        pl.format("office {}", "office"),
        pl.format("project {}", "project"),
        pl.when(pl.col("person_id").is_not_null()).then(pl.lit("one person")),
        separator=", ",
        ignore_nulls=True,
    )
    words = book.totals["words"]["applications"]
    name = pl.col("application").replace_strict(words, default=pl.col("application"), return_dtype=pl.String)
    frame = book.rates.join(used, on="rate_id", how="left", maintain_order="left").with_columns(
        rate_id=pl.col("rate_id").cast(pl.String),
        application=pl.coalesce(name, pl.lit("any")),
        scope=pl.when(scope != "").then(scope).otherwise(pl.lit("everybody")),
        increment=pl.col("increment_ms") / 60_000,
    )
    return Table(
        "Rates used",
        f"{frame.height:,} rate versions used",
        "The most special rate valid on the day counts; a rate version that a closed run used is frozen",
        RATES,
        frame,
    )


def definitions() -> Table:
    """One row per word."""
    frame = pl.DataFrame({"word": list(MEANINGS), "meaning": list(MEANINGS.values())})
    return Table("Definitions", "What the words mean", "The same words everywhere", DEFINITIONS, frame)


def tables(book: Book) -> list[Table]:
    """Return the tables of the workbook, in the order of their sheets."""
    makers: list[Callable[[Book], Table]] = [
        summary,
        charges,
        sessions,
        non_chargeable,
        held,
        exceptions,
        adjustments,
        rates,
    ]
    return [make(book) for make in makers]
