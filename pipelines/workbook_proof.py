"""The sheets Run and Reconciliation: where the figures come from, and live formulas that prove them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import polars as pl
from openpyxl.utils import get_column_letter

from pipelines.book import Book
from pipelines.spreadsheet import FIRST_ROW, Cell, Column, Kind, Sheet, Spreadsheet, Table, money_format
from pipelines.spreadsheet_rows import LINE_HEIGHT
from pipelines.workbook_columns import CHARGES, SESSIONS, SUMMARY
from pipelines.workbook_sheets import amounts_in_words, dealt_with, exceptions, sums
from pipelines.workbook_words import KIND_WORDS
from warehouse.metrics.tie_out import SIGNS
from warehouse.money import HOUR_MS, minor_digits

Fact = tuple[str, Any, Kind]

TERMS = {
    "run": "Run time: everything the billed applications were open, as far as known",
    "idle_beyond_buffer": "Idle beyond the buffer",
    "overlap": "Overlap of several sessions of one person",
    "held": "Held: open, but nobody could see whether used",
    "non_chargeable": "Non-chargeable codes",
    "not_assigned": "Not assigned: no valid project, or nobody known",
    "without_rate": "Without a rate",
    "rounding": "Rounding to increments and quanta",
}


# --- Run ---------------------------------------------------------------------------------------------------


WORDS_WIDTH, LINE = 92, 84
"""Characters that the second column of the sheet is wide, and that one line of its prose is sure to take."""
OVERLAPS = {
    "union": "union: of one person and application each moment counts once",
    "full": "full: each session counts by itself",
    "foreground": "foreground: only the application that has the focus counts",
    "equal_split": "equal split: a moment is divided evenly among the sessions open at it",
}


def write_run(workbook: Spreadsheet, book: Book) -> None:
    """Add the sheet that says what the run is, what it was made from, and who signed it."""
    sheet = workbook.sheet("Run", {0: 50, 1: WORDS_WIDTH})
    sheet.excel.page_setup.orientation, sheet.excel.page_setup.fitToHeight = "portrait", 1
    sheet.title(f"Billing run {book.run.number}", f"Period {book.run.period}, status {book.run.status}")
    for section, facts in _sections(book).items():
        sheet.append([sheet.lettered("section", section)], height=20)
        for name, value, kind in facts:
            lines = -(-len(value) // LINE) if kind == "prose" else 1
            cells = [sheet.cell("text", name), sheet.cell(kind, value, side="left")]
            sheet.append(cells, height=lines * LINE_HEIGHT if lines > 1 else None)
        sheet.append([])


def _sections(book: Book) -> dict[str, list[Fact]]:
    return {
        "What is billed": list(_money(book)),
        "The run": list(_run(book)),
        "What it was made from": list(_inputs(book)),
        "How complete it is": list(_completeness(book)),
        "Signed by": list(_signatures(book)),
    }


def _money(book: Book) -> Iterator[Fact]:
    lines, totals = book.lines, book.totals
    yield "Billed", amounts_in_words(sums(lines.filter("is_billed"))), "text"
    yield (
        "of which adjustments of closed periods",
        amounts_in_words(sums(lines.filter("is_billed"), pl.col("is_correction"))),
        "text",
    )
    yield "Held in review, not billed", amounts_in_words(sums(lines, pl.col("review") == "hold")), "text"
    yield (
        "Written off in review, not billed",
        amounts_in_words(sums(lines, pl.col("review") == "writeoff")),
        "text",
    )
    yield (
        "With buffer 0 the period would come to",
        amounts_in_words(totals["buffer_0"]["amount_minor"]),
        "text",
    )
    yield "With buffer = idle timeout", amounts_in_words(totals["buffer_t"]["amount_minor"]), "text"
    cost = lines.filter("is_billed", pl.col("cost_minor").is_not_null())
    if cost.height:
        own = cost.group_by("currency").agg(pl.col("cost_minor").sum())
        yield "Own cost of the billed hours, where known", amounts_in_words(dict(own.iter_rows())), "text"


def _run(book: Book) -> Iterator[Fact]:
    run = book.run
    yield "Days, local to each home office", f"{run.starts_on} to before {run.ends_on}", "text"
    yield "Cut-off: received later belongs to a later run (UTC)", instant(run.cut_off_ms), "instant"
    if run.showback:
        yield "Showback", "For information: neither billed nor exported", "text"
    step = "whole minutes" if run.quantum_per_hour == 60 else f"steps of {1 / run.quantum_per_hour:g} h"
    yield "Target, and quantum of its quantities", f"{run.target}, {step}", "text"
    yield "Overlap policy", OVERLAPS.get(run.overlap_policy, run.overlap_policy), "text"
    if run.overlap_policy != "foreground":
        yield "", "Different applications of one person may add up to more than wall time", "text"
    yield "Billing policy, version", run.policy_version, "integer"
    rule = run.policy_document.get("default", {})
    minutes = (rule.get("idle_timeout_ms", 900_000) / 60_000, rule.get("buffer_ms", 0) / 60_000)
    yield "Idle timeout and buffer (default, minutes)", f"{minutes[0]:g} and {minutes[1]:g}", "text"


def _inputs(book: Book) -> Iterator[Fact]:
    control = book.totals["control"]
    yield "Segments of evidence", control["segments"], "integer"
    yield "Sessions", control["sessions"], "integer"
    yield "Project entries", control["project_entries"], "integer"
    yield "Rate card: rate versions used", book.rates.height, "integer"
    yield "Rate card: newest version known", book.totals["newest_rate"], "integer"
    yield "Charge lines", control["lines"], "integer"
    yield "People", control["people"], "integer"
    yield "Projects", control["projects"], "integer"
    yield "Digest of all inputs (SHA-256)", book.run.input_digest, "text"
    yield "Digest of the calendar", book.totals["calendar_digest"], "text"


def _completeness(book: Book) -> Iterator[Fact]:
    totals = book.totals
    yield "Session coverage: session time of known use", _percent(totals["session_coverage"]), "text"
    yield "Fleet coverage: host-workdays watched", _percent(totals["fleet_coverage"]), "text"
    yield (
        "Lower bound of the period: what is known",
        amounts_in_words(totals["lower_bound"]["amount_minor"]),
        "text",
    )
    yield (
        "Upper bound: if unknown time had been use",
        amounts_in_words(totals["upper_bound"]["amount_minor"]),
        "text",
    )
    found = ", ".join(f"{count} {KIND_WORDS.get(kind, kind)}" for kind, count in totals["exceptions"].items())
    yield "Exceptions at the draft", found or "none", "prose"
    yield (
        "Exceptions by now",
        dealt_with(exceptions(book).frame) if book.exceptions.height else "none",
        "text",
    )


def _percent(share: float | None) -> str:
    return "nothing to cover" if share is None else f"{share:.1%}"


def _signatures(book: Book) -> Iterator[Fact]:
    run = book.run
    for what, who, when in (
        ("Prepared", run.prepared_by, run.prepared_ms),
        ("Approved", run.approved_by, run.approved_ms),
        ("Closed", run.closed_by, run.closed_ms),
    ):
        yield f"{what} by", who or "not yet", "text"
        if when is not None:
            yield f"{what} at (UTC)", instant(when), "instant"
    yield from _sign_offs(book)
    yield "Digest of the run closed before", run.previous_digest or "none: this is the first", "text"
    yield "Digest of this run, head of its chain", run.digest or "not closed yet", "text"


MOST_SIGN_OFFS = 12
"""Lines of the sheet that signatures of projects take; the audit log has them all."""


def _sign_offs(book: Book) -> Iterator[Fact]:
    """Tell which projects their managers signed."""
    signed, projects = book.sign_offs, book.billed()["project"].n_unique()
    count = signed.filter(pl.col("state") == "signed").height
    yield "Projects signed by their managers", f"{count} of {projects} billed ones", "text"
    if book.run.review_until_ms is not None:
        yield "Projects could be signed until (UTC)", instant(book.run.review_until_ms), "instant"
    for row in signed.head(MOST_SIGN_OFFS).iter_rows(named=True):
        reason = f": {row['reason']}" if row["reason"] else ""
        at = f"{row['at']:%Y-%m-%d %H:%M} UTC"
        yield f"    Project {row['project']}", f"{row['state']} by {row['actor']}, {at}{reason}", "text"
    if signed.height > MOST_SIGN_OFFS:
        yield "", f"and {signed.height - MOST_SIGN_OFFS} more, see the audit log", "text"


def instant(milliseconds: int) -> datetime:
    """Return an instant in UTC of its milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


# --- Reconciliation ----------------------------------------------------------------------------------------

WIDTHS = dict(enumerate((64, 9, 20, 20, 14)))


def write_reconciliation(workbook: Spreadsheet, book: Book, tables: Mapping[str, Table]) -> None:
    """Add the tie-out: each figure of the ledger beside a live formula; every difference is 0."""
    sheet = workbook.sheet("Reconciliation", WIDTHS)
    sheet.title(
        "Reconciliation",
        "Values of the ledger beside live formulas over this workbook; every difference is 0",
    )
    checked = [*_write_tie_out(sheet, book), *_write_sums(sheet, book, tables)]
    sheet.append([])
    total = "+".join(f"ABS(E{row})" for row in checked)
    blanks = [sheet.cell("text", None, bold=True) for _ in range(3)]
    last = [sheet.cell("text", "Sum of all differences", bold=True), *blanks]
    sheet.append([*last, sheet.cell("formula", f"={total}", shape=ZERO, bold=True)], height=20)


ZERO = "#,##0.00;[Red]-#,##0.00;0"
WHOLE, HOURS = "#,##0", "#,##0.000"


def _heading(sheet: Sheet, *titles: str) -> None:
    kinds: tuple[Kind, ...] = ("text", "text", "integer", "integer", "integer")
    sheet.header([Column(title, "", kind, 0) for title, kind in zip(titles, kinds, strict=True)])


def _write_tie_out(sheet: Sheet, book: Book) -> list[int]:
    """Write the terms from run time to billed time, in milliseconds: they are exact."""
    terms = book.totals["tie_out_ms"]
    _heading(sheet, "From run time to billed time of the period", "", "Milliseconds", "Hours", "Difference")
    first = sheet.row + 1
    for term, sign in SIGNS.items():
        mark = {"run": "", "rounding": "+/-"}.get(term, "-" if sign < 0 else "+")
        _write_term(
            sheet, TERMS.get(term, term.replace("_", " ")), mark, sheet.cell("integer", terms[term]), None
        )
    signed = "+".join(f"{sign}*C{row}" for row, sign in enumerate(SIGNS.values(), first))
    row = sheet.row + 1
    by_formula = sheet.cell("formula", f"={signed}", shape=WHOLE)
    _write_term(sheet, "Billed time, by formula", "=", by_formula, None)
    by_lines = sheet.cell("integer", terms["billed"])
    _write_term(sheet, "Billed time, by the lines (held ones included)", "", by_lines, f"=C{row}-C{row + 1}")
    sheet.append([])
    return [row + 1]


def _write_term(sheet: Sheet, name: str, mark: str, cell: Cell, difference: str | None) -> None:
    hours = sheet.cell("formula", f"=C{sheet.row + 1}/{HOUR_MS}", shape=HOURS)
    zero = sheet.cell("formula", difference, shape=ZERO)
    sheet.append([sheet.cell("text", name), sheet.cell("text", mark or None), cell, hours, zero])


def _write_sums(sheet: Sheet, book: Book, tables: Mapping[str, Table]) -> list[int]:
    """Write what other sheets sum to beside what the ledger says."""
    _heading(sheet, "What the sheets sum to", "", "Ledger", "Formula", "Difference")
    rows = []
    for check in _checks(book, tables):
        row = sheet.row + 1
        kind: Kind = "integer" if check.digits is None else "money"
        shape = WHOLE if check.digits is None else money_format(check.digits)
        sheet.append(
            [
                sheet.cell("text", check.what),
                sheet.cell("text", check.unit or None),
                sheet.cell(kind, check.value, check.digits or 0),
                sheet.cell("formula", check.formula, shape=shape),
                sheet.cell("formula", f"=ROUND(C{row}-D{row},6)", shape=ZERO),
            ]
        )
        rows.append(row)
    return rows


class Check(NamedTuple):
    """One figure of the ledger, and the formula that must give the same; `digits` where it is money."""

    what: str
    unit: str
    value: int
    digits: int | None
    formula: str


def _checks(book: Book, tables: Mapping[str, Table]) -> Iterator[Check]:
    billed = book.billed()
    lines, rows = tables["Charges"].frame.height, tables["Summary"].frame.height
    amount, currency, rate, quantity = (
        _range("Charges", CHARGES, key, lines) for key in ("amount_minor", "currency", "rate_scaled", "hours")
    )
    total, paid_in = (_range("Summary", SUMMARY, key, rows) for key in ("amount_minor", "currency"))
    for code, minor in sums(billed).items():
        digits = minor_digits(code)
        yield Check("Amounts of the charges", code, minor, digits, f'=SUMIFS({amount},{currency},"{code}")')
        yield Check("Totals of the summary", code, minor, digits, f'=SUMIFS({total},{paid_in},"{code}")')
    yield Check("Charge lines that are billed", "", billed.height, None, f"=COUNT({amount})")
    # Half of the smallest unit, and a little for the last bit of a binary fraction.
    wrong = f"=SUMPRODUCT(--(ABS({rate}*{quantity}-{amount})>{_half_unit(billed)}+0.0000001))"
    yield Check("Lines in which quantity x rate is not the amount", "", 0, None, wrong)
    for kind in ("active", "pause", "buffer"):
        shares = _range("Sessions", SESSIONS, f"{kind}_ms", book.sessions.height)
        formula = f"=ROUND(SUM({shares})*{HOUR_MS},0)"
        yield Check(
            f"{kind.capitalize()} time of all lines", "ms", int(book.lines[f"{kind}_ms"].sum()), None, formula
        )


def _half_unit(billed: pl.DataFrame) -> str:
    digits = min((minor_digits(code) for code in billed["currency"].unique()), default=2)
    return f"{0.5 / 10**digits:.6f}"


def _range(sheet: str, columns: Sequence[Column], key: str, rows: int) -> str:
    place = get_column_letter([column.key for column in columns].index(key) + 1)
    return f"'{sheet}'!${place}${FIRST_ROW}:${place}${FIRST_ROW + max(rows, 1) - 1}"
