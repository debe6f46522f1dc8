"""Which unused seats are on their way back, who approved it, and what it saves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines.answers import unused_licenses
from pipelines.answers.footer import Footer, source, window_words
from pipelines.answers.question import Question, ask
from pipelines.answers.wording import count, listing
from warehouse import frames
from warehouse.errors import Problem
from warehouse.money import format_minor

DAYS = 90
START = (
    "propose one: `process-meter harvest list`, then `process-meter harvest note SEAT propose --reason TEXT`"
)
STEPS = {
    "proposed": "proposed",
    "noticed": "holder told",
    "released": "released by the holder, or no answer",
    "approved": "approved",
    "reclaimed": "reclaimed",
}


@dataclass(frozen=True)
class HarvestLedger:
    """Every seat that somebody proposed to take back in the window, and how far it came.

    Attributes
    ----------
    cases
        One row per proposal, the newest first: seat (Int64), product, holder (pseudonym), proposed, noticed
        (Date), answer (keep, release; null: none yet), approver, reclaimed (Date), saved_minor (a year; null:
        not reclaimed, or no cost known), currency, saved (text).
    funnel
        One row per step, in order: step (words), seats (Int64: that came so far).
    candidates
        Seats that could be reclaimed on what the window shows; None where that cannot be told.
    claims
        Markdown sentences: "funnel", "saved", "open".
    """

    cases: pl.DataFrame
    funnel: pl.DataFrame
    candidates: int | None
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question) -> HarvestLedger:
    """Put together the proposals of the window.

    Raises
    ------
    Problem
        Nobody proposed anything in the window, or no session lies in it.
    """
    seen = _unused(question)
    cases = _with_cost(question, _cases(question))
    if cases.is_empty():
        what = f"No seat was proposed for taking back from {question.first_day} to {question.end_day}"
        raise Problem(what, START)
    candidates = None if seen is None else int(str(seen.results["reclaim"]))
    funnel = _funnel(cases, candidates)
    return HarvestLedger(
        cases=cases,
        funnel=funnel,
        candidates=candidates,
        claims={
            "funnel": _claim_funnel(cases, candidates),
            "saved": _claim_saved(cases),
            "open": _claim_open(cases),
        },
        footer=_footer(question, seen, cases),
        results={
            "proposed": cases.height,
            "reclaimed": cases["reclaimed"].drop_nulls().len(),
            "saved_minor": _sums(cases),
        },
    )


def seats(engine: Engine) -> list[dict[str, Any]]:
    """List the seats that could be reclaimed on the last 90 days, and those on their way back.

    Returns
    -------
    list of dict
        `seat` (number of the assignment), `entitlement`, `holder` (pseudonym) and `stands`: the last step, or
        "could be reclaimed"; by seat.
    """
    last = frames.harvest_events(engine).collect().group_by("seat", maintain_order=True).last()
    under_way = last.filter(~pl.col("step").is_in(["keep", "reclaim"]))
    found = under_way.select("seat", "entitlement", "holder", stands="step")
    try:
        judged = unused_licenses.answer(ask(engine, days=DAYS, up_to_today=True)).seats
    except Problem:
        return found.sort("seat").to_dicts()
    held = frames.assignments(engine).select("entitlement", "seat", holder=pl.coalesce("person", "host"))
    could = judged.filter(pl.col("proposal") == "reclaim").join(held.collect(), on=["entitlement", "holder"])
    new = could.join(under_way, on="seat", how="anti").select(
        "seat", "entitlement", "holder", stands=pl.lit("could be reclaimed")
    )
    return pl.concat([found, new]).sort("seat").to_dicts()


def _unused(question: Question) -> unused_licenses.UnusedLicenses | None:
    try:
        return unused_licenses.answer(question)
    except Problem:
        return None


# --- Cases -------------------------------------------------------------------------------------------------


def _cases(question: Question) -> pl.DataFrame:
    """Make a case of each proposal in the window, with what followed it."""
    day = pl.col("at").dt.convert_time_zone(question.zone).dt.date()
    number = (pl.col("step") == "propose").cum_sum().over("seat")
    events = frames.harvest_events(question.engine).collect().with_columns(day=day, case=number)

    def first(column: str, *steps: str) -> pl.Expr:
        return pl.col(column).filter(pl.col("step").is_in(steps)).first()

    cases = events.group_by("seat", "case", maintain_order=True).agg(
        pl.col("entitlement", "holder").first(),
        proposed=first("day", "propose"),
        noticed=first("day", "notice"),
        answer=first("step", "keep", "release"),
        approver=first("actor", "approve"),
        reclaimed=first("day", "reclaim"),
    )
    inside = (pl.col("proposed") >= question.first_day) & (pl.col("proposed") < question.end_day)
    return cases.filter(inside)


def _with_cost(question: Question, cases: pl.DataFrame) -> pl.DataFrame:
    rights = frames.entitlements(question.engine).select(
        "entitlement", "unit_cost_minor", "currency", product="product_name", code="product"
    )
    known = cases.join(rights.collect(), on="entitlement", how="left", maintain_order="left")
    if question.application:
        covering = frames.entitlement_applications(question.engine).filter(
            pl.col("application") == question.application
        )
        covers = pl.col("entitlement").is_in(covering.collect()["entitlement"].implode())
        known = known.filter((pl.col("code") == question.application) | covers)
    return (
        known.with_columns(saved_minor=pl.when(pl.col("reclaimed").is_not_null()).then("unit_cost_minor"))
        .sort("proposed", "seat", descending=[True, False])
        .select(
            *("seat", "product", "holder", "proposed", "noticed", "answer", "approver", "reclaimed"),
            *("saved_minor", "currency", _money().alias("saved")),
        )
    )


def _money() -> pl.Expr:
    return pl.struct("saved_minor", "currency").map_elements(
        lambda row: None if None in row.values() else format_minor(row["saved_minor"], row["currency"]),
        return_dtype=pl.String,
        skip_nulls=False,
    )


def _funnel(cases: pl.DataFrame, candidates: int | None) -> pl.DataFrame:
    went_on = pl.col("approver").is_not_null() | (pl.col("answer") == "release").fill_null(value=False)
    counts = cases.select(
        proposed=pl.len(),
        noticed=pl.col("noticed").is_not_null().sum(),
        released=went_on.sum(),
        approved=pl.col("approver").is_not_null().sum(),
        reclaimed=pl.col("reclaimed").is_not_null().sum(),
    ).row(0, named=True)
    rows = [] if candidates is None else [("unused at the end of the window", candidates)]
    rows += [(words, int(counts[name])) for name, words in STEPS.items()]
    return pl.DataFrame(rows, schema={"step": pl.String, "seats": pl.Int64}, orient="row")


def _sums(cases: pl.DataFrame) -> dict[str, int]:
    saved = cases.drop_nulls("saved_minor").group_by("currency").agg(pl.col("saved_minor").sum())
    return dict(saved.sort("currency").iter_rows())


def _footer(question: Question, seen: unused_licenses.UnusedLicenses | None, cases: pl.DataFrame) -> Footer:
    """Take the footer of the seats' use, where there is any; else say what alone was read."""
    rows = {"proposals": cases.height}
    if seen is not None:
        return replace(seen.footer, rows=seen.footer.rows | rows)
    return Footer(
        basis="—",
        key="seats",
        window=window_words(question),
        zone=question.zone,
        calendar="—",
        session_coverage=None,
        fleet_coverage=None,
        policy="—",
        rows=rows,
        made_at=question.asked_at,
        source=source(question.engine),
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_funnel(cases: pl.DataFrame, candidates: int | None) -> str:
    reclaimed = cases["reclaimed"].drop_nulls().len()
    verb = "is" if reclaimed == 1 else "are"
    back = f"{reclaimed:,} {verb} back" if reclaimed else "none is back yet"
    words = f"Of {count(cases.height, 'seat')} proposed **{back}**."
    if candidates:
        words += f" {count(candidates, 'seat')} could be reclaimed on what the window shows."
    return words


def _claim_saved(cases: pl.DataFrame) -> str:
    sums = [format_minor(minor, currency) for currency, minor in _sums(cases).items() if minor]
    if not sums:
        return "Nothing is saved yet: no seat with a known cost came back."
    return f"What came back costs **{listing(sums)} a year**; it is saved at the next renewal or true-up."


def _claim_open(cases: pl.DataFrame) -> str:
    kept = cases.filter(pl.col("answer") == "keep").height
    waiting = cases.filter(pl.col("reclaimed").is_null()).height - kept
    verb, step = ("waits", "its next step") if waiting == 1 else ("wait", "their next step")
    keep = "1 holder keeps the seat" if kept == 1 else f"{kept:,} holders keep the seat"
    return f"**{count(waiting, 'seat')}** {verb} for {step}; {keep}."
