"""What a payer is told of a billing run: own projects, applications, hours, rates and amounts; nothing else.

No person, no device, no idle time, no other payer: a statement is made of a few columns of the payer's own
lines, and of words that this module writes itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

import polars as pl
from sqlalchemy import Engine

from pipelines.book import Book, open_book
from pipelines.workbook_proof import instant
from warehouse.errors import Problem

WHAT = {"cap": "cap", "package": "package"}
CORRECTIONS = {"reversal": "taken back", "replacement": "booked again"}
RELEASED = "held line released"
"""In the note of a line that review had kept back; the reason after it was given inside the firm."""
REASONS = {
    "late evidence": "use that became known later",
    "project corrected": "the project was corrected",
    " settled": "an open question was settled",
}
"""Why a line of a closed period changed, by what its note says: a note itself may name what is not theirs."""

_PLACE = ("project", "project_name", "phase", "task", "application_name")
_PRICE = ("unit", "rate_scaled", "currency", "tax_code")
SOMETHING = (pl.col("quantity") != 0) | (pl.col("amount_minor") != 0)
"""What rounds to nothing in the sum is only among the lines: a row of zeros tells a payer nothing."""


class Payer(NamedTuple):
    """Who pays: a client or a cost center, by its code, and the name that people read."""

    kind: Literal["client", "cost_center"]
    code: str
    name: str


@dataclass(frozen=True)
class Statement:
    """What one payer owes for one run.

    Attributes
    ----------
    organization
        Who bills; empty where the run does not say.
    number
        Of the statement: that of the run, and the payer's code.
    note
        What it is, in a sentence: a bill's detail, a draft, or information alone.
    charges
        One row per project, phase, task, application, price and tax code of the period: project,
        project_name, phase, task, application_name, what (use, cap, package), unit (hour, each), rate_scaled
        (null where amounts are fixed one by one), currency, tax_code, quantity (quanta), amount_minor; none
        where both of these come to 0.
    adjustments
        The same of closed periods, with period, what (taken back, booked again, not billed before), reason.
    lines
        One row per charge line: line, day, and the columns of charges.
    totals
        One row per currency and tax code: hours (quanta), charges_minor, adjustments_minor, amount_minor.
    projects
        The same by project, project_name and currency.
    """

    organization: str
    number: str
    payer: Payer
    period: str
    starts_on: date
    ends_on: date
    note: str
    made_at: datetime
    quantum_per_hour: int
    charges: pl.DataFrame
    adjustments: pl.DataFrame
    lines: pl.DataFrame
    totals: pl.DataFrame
    projects: pl.DataFrame

    @property
    def title(self) -> str:
        """The statement's number, as its heading."""
        return f"Statement {self.number}"


# --- Whose -------------------------------------------------------------------------------------------------


def read_statements(  # noqa: PLR0913 - of what, for whom, when, and whose
    engine: Engine, run: str, actor: str, now_ms: int, *, client: str | None = None, payer: str | None = None
) -> tuple[list[Statement], list[str]]:
    """Return the statements of a run: of one payer, or of all of them by kind and code.

    It is an audited event; no name of a person is read.

    Parameters
    ----------
    client
        Code of a client.
    payer
        Code of a client or cost center, or its name as the workbook shows it.

    Returns
    -------
    tuple
        The statements; and the projects that are on none, because nobody pays for them.

    Raises
    ------
    Problem
        There is no such run, it is void, or it has nothing for such a payer.
    """
    which = payer if client is None else client
    book = open_book(
        engine, run, actor, f"statement {which}" if which else "statements", now_ms, is_named=False
    )
    if book.run.status == "void":
        raise Problem(f"run {run} is void: nobody owes anything for it", "take the run that replaced it")
    known = payers(book)
    wanted = known if which is None else [_wanted(book, known, client, payer)]
    return [statement(book, each) for each in wanted], without_payer(book)


def payers(book: Book) -> list[Payer]:
    """Return who pays for the lines that are billed, by kind and code."""
    rows = book.billed().select("client", "client_name", "cost_center").unique().iter_rows()
    found = [
        Payer("client", client, name or client)
        if client
        else Payer("cost_center", center, f"Cost center {center}")
        for client, name, center in rows
        if client or center
    ]
    return sorted(found)


def without_payer(book: Book) -> list[str]:
    """Return the projects on no statement: neither client nor cost center pays for them."""
    nobody = book.billed().filter(pl.col("client").is_null() & pl.col("cost_center").is_null())
    return nobody["project"].unique().sort().to_list()


def _wanted(book: Book, known: Sequence[Payer], client: str | None, payer: str | None) -> Payer:
    if client is not None:
        found = [each for each in known if each.kind == "client" and each.code == client]
    else:
        wanted = str(payer).casefold()
        found = [each for each in known if payer == each.code or wanted == each.name.casefold()]
    if len(found) > 1:
        told = " and ".join(f"{each.kind.replace('_', ' ')} {each.name}" for each in found)
        raise Problem(f"{payer!r} is {told}", "take --client CODE, or --payer with the name")
    if not found:
        raise Problem(
            f"run {book.run.number} bills nothing to {client or payer!r}",
            f"it bills: {', '.join(each.code for each in known[:20]) or 'nobody'}",
        )
    return found[0]


# --- What --------------------------------------------------------------------------------------------------


def statement(book: Book, payer: Payer) -> Statement:
    """Make the statement of one payer out of its own billed lines."""
    column = "client" if payer.kind == "client" else "cost_center"
    is_theirs = pl.col(column) == payer.code
    if payer.kind == "cost_center":
        is_theirs &= pl.col("client").is_null()
    lines = _told(book.billed().filter(is_theirs))
    run = book.run
    return Statement(
        book.words.get("organization") or "",
        f"{run.number} {payer.code}",
        payer,
        run.period,
        run.starts_on,
        run.ends_on,
        _note(book),
        instant(run.closed_ms or run.prepared_ms),
        run.quantum_per_hour,
        _summed(lines.filter(~pl.col("is_correction")), ()).filter(SOMETHING),
        _summed(lines.filter("is_correction"), ("period", "reason")),
        lines.select(
            "line", "day", *_PLACE, "what", "unit", "quantity", "rate_scaled", *_PRICE[2:], "amount_minor"
        ),
        _totals(lines, "currency", "tax_code"),
        _totals(lines, "project", "project_name", "currency"),
    )


def _note(book: Book) -> str:
    if book.run.showback:
        return "For information, not billed"
    if book.run.status != "closed":
        return "Draft: it may still change, and is no bill"
    return "Charges for the use of software; amounts net of tax"


def _told(lines: pl.DataFrame) -> pl.DataFrame:
    """Say of each line what it is, in words of this module."""
    correction = pl.col("kind").replace_strict(
        CORRECTIONS, default="not billed before", return_dtype=pl.String
    )
    own = pl.col("kind").replace_strict(WHAT, default="use", return_dtype=pl.String)
    reasons = [
        pl.when(pl.col("note").str.contains(sign, literal=True)).then(pl.lit(words))
        for sign, words in REASONS.items()
    ]
    known = pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    is_released = pl.col("note").str.contains(RELEASED, literal=True).fill_null(value=False)
    reason = pl.when(is_released).then(pl.lit("kept back at first, and billed now")).otherwise(known)
    return lines.with_columns(
        what=pl.when("is_correction").then(correction).otherwise(own),
        reason=pl.when(reason == "").then(pl.lit("corrected")).otherwise(reason),
    )


def _summed(lines: pl.DataFrame, further: Sequence[str]) -> pl.DataFrame:
    """Add up what has the same place and price; of fixed amounts no price is told, as each has its own.

    Hours come before what a cap takes off them.
    """
    keys = [*further, *_PLACE, "what", *_PRICE]
    is_hours = pl.col("unit") == "hour"
    priced = lines.with_columns(rate_scaled=pl.when(is_hours).then("rate_scaled"))
    sums = (pl.col("quantity").sum(), pl.col("amount_minor").sum())
    summed = priced.group_by(keys).agg(*sums)
    return summed.sort([*further, *_PLACE, pl.col("unit") != "hour", "what", *_PRICE], nulls_last=True)


def _totals(lines: pl.DataFrame, *keys: str) -> pl.DataFrame:
    amount, correction = pl.col("amount_minor"), pl.col("is_correction")
    return (
        lines.group_by(keys)
        .agg(
            hours=pl.col("quantity").filter(pl.col("unit") == "hour").sum(),
            charges_minor=amount.filter(~correction).sum(),
            adjustments_minor=amount.filter(correction).sum(),
            amount_minor=amount.sum(),
        )
        .sort(keys, nulls_last=True)
    )
