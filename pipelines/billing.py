"""The life of a billing run: draft, review, approve, close; and show and verify.

Who acts is told by the caller: the signed-in or the operating-system identity. Each function is one
transaction, whole or not at all, and leaves an audited event. Instants are UTC in ms.
"""

from __future__ import annotations

from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines import drafting, rating
from pipelines.exporting import find_target
from warehouse import evidence, frames, ledger, store
from warehouse.errors import Problem
from warehouse.ledger import Review, Run
from warehouse.metrics import tie_out
from warehouse.money import amount_minor_expr

REVIEW_ACTIONS = ("dispute", "accept", "hold", "writeoff")


# --- Draft -------------------------------------------------------------------------------------------------


def draft(engine: Engine, period: str, target: str, actor: str, now_ms: int) -> str:
    """Rate a fiscal period, and book what changed in closed ones; replaces an open draft of the period.

    Parameters
    ----------
    period
        Name of a fiscal period that is over.
    target
        One of `exporting.TARGETS`; it fixes the run's quantum.
    actor
        Who prepares it.
    now_ms
        The cut-off: evidence received later belongs to a later run.

    Returns
    -------
    str
        The run's number, as `2026-10/1`.

    Raises
    ------
    Problem
        Unknown target or period, a period that is not over, already approved or closed, or without usage;
        rates that collide; a tie-out that fails.
    """
    order = drafting.Order(period, target, find_target(target).QUANTUM_PER_HOUR, actor, now_ms)
    return drafting.draft(engine, order)


# --- Review ------------------------------------------------------------------------------------------------


def review(  # noqa: PLR0913, PLR0917 - an act of review is who does what to which line, why and when
    engine: Engine, run: str, line: int, action: str, actor: str, reason: str, now_ms: int
) -> None:
    """Dispute, accept, hold or write off a line of a draft, with a reason.

    A held or written-off line stays in the ledger, and is neither exported nor in the billed total. A dispute
    is settled by one of the other three.

    Raises
    ------
    Problem
        Unknown run, line or action, a run that is no longer in review, no reason.
    """
    if action not in REVIEW_ACTIONS:
        raise Problem(f"unknown act of review {action!r}", f"use one of {', '.join(REVIEW_ACTIONS)}")
    if not reason.strip():
        raise Problem(f"{action} needs a reason", "give one with --reason TEXT")
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        found = ledger.find_run(connection, run)
        _require(found, ("draft", "review"), "only a draft can be reviewed")
        line_id = ledger.line_id(connection, found.id, line)
        if line_id is None:
            raise Problem(f"run {run} has no line {line}", f"see them: `process-meter billing show {run}`")
        if found.status == "draft":
            ledger.move(connection, found, "review")
        ledger.add_reviews(connection, [Review(line_id, action, actor, reason.strip(), now_ms)])
        detail = {"line": line, "reason": reason.strip()}
        ledger.record_event(connection, actor, f"billing {action}", run, detail, now_ms)


def _require(run: Run, statuses: tuple[str, ...], remedy: str) -> None:
    if run.status not in statuses:
        raise Problem(f"run {run.number} is {run.status}", remedy)


# --- Approve, close, void ----------------------------------------------------------------------------------


def approve(engine: Engine, run: str, actor: str, now_ms: int) -> None:
    """Approve a draft: another identity than its preparer's and the authors of its rates.

    Raises
    ------
    Problem
        The run is in another status, the actor prepared it or wrote one of its rates (unless the billing
        policy or the organization relaxes the separation of duties), a line is disputed, or the lines do not
        sum to what the draft says.
    """
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        found = ledger.find_run(connection, run)
        _require(found, ("draft", "review"), "only a draft can be approved")
        drafting.refuse_overtaken(connection, found.previous_digest, f"run {run}")
        lines = ledger.lines_of(engine, run)
        is_relaxed = _is_relaxed(connection, engine)
        if not is_relaxed:
            _refuse_involved(engine, found, lines, actor)
        _refuse_disputed(connection, found)
        check_lines(found, lines, ledger.shares_of(engine, run))
        ledger.move(connection, found, "approved", approved_by=actor, approved_ms=now_ms)
        detail = {"amount_minor": billed_amounts(lines), "separation_of_duties": not is_relaxed}
        ledger.record_event(connection, actor, "billing approve", run, detail, now_ms)


def _is_relaxed(connection: Connection, engine: Engine) -> bool:
    policy = evidence.newest_policy(connection, "billing")
    settings = frames.organization(engine)["settings"]
    documents = (policy.document if policy else {}, settings)
    return any(document.get("separation_of_duties") is False for document in documents)


def _refuse_involved(engine: Engine, run: Run, lines: pl.DataFrame, actor: str) -> None:
    def is_actor(name: str) -> bool:
        return name.strip().casefold() == actor.strip().casefold()

    remedy = "let somebody else approve it, or relax separation_of_duties in the billing policy"
    if is_actor(run.prepared_by):
        raise Problem(f"{actor} prepared run {run.number} and cannot approve it", remedy)
    used = lines["rate_id"].drop_nulls().unique().to_list()
    authors = frames.rates(engine).filter(pl.col("rate_id").is_in(used)).select("rate_id", "author").collect()
    for rate, author in authors.iter_rows():
        if is_actor(author):
            raise Problem(
                f"{actor} wrote rate version {rate} of run {run.number} and cannot approve it", remedy
            )


def _refuse_disputed(connection: Connection, run: Run) -> None:
    disputed = ledger.lines_in(connection, run.id, "dispute")
    if disputed:
        shown = ", ".join(str(line) for line in disputed[:10]) + (", ..." if len(disputed) > 10 else "")
        raise Problem(
            f"run {run.number} has disputed lines: {shown}", "accept, hold or write off each of them first"
        )


def check_lines(run: Run, lines: pl.DataFrame, shares: pl.DataFrame) -> None:
    """Check stored lines against each other and against the draft's totals.

    Raises
    ------
    Problem
        The tie-out fails, an amount is not rate x quantity, a line is not the sum of its shares, or the lines
        do not sum to the run.
    """
    tie_out.check(run.totals["tie_out_ms"])
    priced = amount_minor_expr(
        pl.col("quantity"), run.quantum_per_hour, pl.col("rate_scaled"), pl.col("currency")
    )
    _refuse_lines(run, lines.filter(pl.col("amount_minor") != priced), "is not rate x quantity")
    kinds = ("active_ms", "pause_ms", "buffer_ms")
    sums = shares.group_by("line_id").agg(pl.col(name).sum().alias(f"{name}_shared") for name in kinds)
    traced = lines.join(sums, on="line_id", how="left")
    differs = [pl.col(name) != pl.col(f"{name}_shared").fill_null(0) for name in kinds]
    _refuse_lines(run, traced.filter(pl.any_horizontal(differs)), "is not the sum of its sessions")
    if rating.amounts(lines) != run.totals["amount_minor"]:
        raise Problem(f"the lines of run {run.number} do not sum to its totals", "draft it again")


def _refuse_lines(run: Run, wrong: pl.DataFrame, what: str) -> None:
    if not wrong.is_empty():
        raise Problem(f"run {run.number}, line {wrong['line'][0]} {what}", "draft it again")


def close(engine: Engine, run: str, actor: str, now_ms: int) -> None:
    """Close an approved run for good: chain its lines to the run closed before it.

    Of two who close at once one wins; the other is told.

    Raises
    ------
    Problem
        The run is in another status, or another run was closed since the draft was made.
    """
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        found = ledger.find_run(connection, run)
        _require(found, ("approved",), "only an approved run can be closed")
        drafting.refuse_overtaken(connection, found.previous_digest, f"run {run}")
        ledger.move(connection, found, "closed", closed_by=actor, closed_ms=now_ms)
        digest = ledger.seal(connection, ledger.find_run(connection, run))
        ledger.replace_run(connection, found.id, {"digest": digest})
        ledger.record_event(connection, actor, "billing close", run, {"digest": digest}, now_ms)


def void(engine: Engine, run: str, actor: str, reason: str, now_ms: int) -> None:
    """Give up a run that is not closed; its period can then be drafted anew, under a new number.

    Raises
    ------
    Problem
        The run is closed or void, or no reason is given.
    """
    if not reason.strip():
        raise Problem("to void a run needs a reason", "give one with --reason TEXT")
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        found = ledger.find_run(connection, run)
        _require(found, ("draft", "review", "approved"), "only a run that is not closed can be void")
        ledger.move(connection, found, "void")
        ledger.record_event(connection, actor, "billing void", run, {"reason": reason.strip()}, now_ms)


def billed_amounts(lines: pl.DataFrame) -> dict[str, int]:
    """Sum what is billed by currency, in minor units: lines that are neither held nor written off."""
    return rating.amounts(billed(lines))


def billed(lines: pl.DataFrame) -> pl.DataFrame:
    """Keep the lines that are neither held nor written off."""
    return lines.filter(~pl.col("review").is_in(ledger.NOT_BILLED).fill_null(value=False))


# --- Show, verify ------------------------------------------------------------------------------------------


def show(engine: Engine, run: str | None = None, line: int | None = None) -> dict[str, Any]:
    """Return what the command line shows, as plain JSON: all runs, one run, or one line and its sessions.

    People appear under no name, amounts in minor units.

    Raises
    ------
    Problem
        There is no such run or line.
    """
    with engine.connect() as connection:
        if run is None:
            return {
                "runs": [
                    _summary(found, ledger.lines_of(engine, found.number))
                    for found in ledger.runs(connection)
                ]
            }
        found = ledger.find_run(connection, run)
    lines = ledger.lines_of(engine, run)
    if line is None:
        return _summary(found, lines) | {"totals": {k: v for k, v in found.totals.items() if k != "words"}}
    mine = lines.filter(pl.col("line") == line)
    if mine.is_empty():
        raise Problem(f"run {run} has no line {line}", f"see them: `process-meter billing show {run}`")
    sessions = ledger.sessions_of(engine, found).filter(pl.col("line") == line)
    reviews = ledger.review_rows(engine, run).filter(pl.col("line") == line)
    return {
        "line": _plain(mine.drop("line_id", "person_id"))[0],
        "sessions": _plain(sessions.drop("line")),
        "reviews": _plain(reviews.drop("line")),
    }


def _plain(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON takes them: days and instants as ISO text."""
    temporal = [name for name, dtype in rows.schema.items() if dtype.is_temporal()]
    return rows.with_columns(pl.col(temporal).dt.to_string("iso")).to_dicts()


def _summary(run: Run, lines: pl.DataFrame) -> dict[str, Any]:
    held = lines.filter(pl.col("review") == "hold")
    return {
        "run": run.number,
        "period": run.period,
        "status": run.status,
        "target": run.target,
        "prepared_by": run.prepared_by,
        "approved_by": run.approved_by,
        "closed_by": run.closed_by,
        "lines": lines.height,
        "billed_minor": billed_amounts(lines),
        "held_minor": rating.amounts(held),
        "disputed_lines": lines.filter(pl.col("review") == "dispute")["line"].to_list(),
        "exceptions": run.totals.get("exceptions", {}),
    }


def verify(engine: Engine) -> list[str]:
    """Check that nothing closed or audited was changed since; return one sentence per change."""
    return ledger.verify(engine)
