"""Review of a draft, line by line: dispute, accept, hold, write off, transfer; each with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines import budgets, rating
from pipelines.acting import acting, require_reason, require_status
from pipelines.transferring import entry_rows, line_stretches
from warehouse import evidence, ledger
from warehouse.errors import Problem
from warehouse.ledger import OPEN, Party, Reversal, Review, Run
from warehouse.metrics import caps
from warehouse.metrics.charges import Tariff
from warehouse.projects import Codes, Master

REVIEW_ACTIONS = ("dispute", "accept", "hold", "writeoff")


def review(  # noqa: PLR0913, PLR0917 - an act of review is who does what to which line, why and when
    engine: Engine, run: str, line: int, action: str, actor: str, reason: str, now_ms: int
) -> list[int]:
    """Dispute, accept, hold or write off a line of a draft, with a reason; return which lines are new in it.

    A held or written-off line stays in the ledger, and is neither exported nor in the billed total. A dispute
    is settled by one of the other three, or by a transfer. Whoever a line is of may dispute it; the others
    are for the manager of its project and the billing staff, who may dispute too.

    Lines on the same codes under one cap are held, written off and taken back together, with the cap's own
    line: see `caps.together`.

    Returns
    -------
    list of int
        Numbers of the lines so marked, the named one first if it is new; none: it was so before.

    Raises
    ------
    Problem
        Unknown run, line or action, a run that is no longer in review, a line that was transferred, one that
        takes back what was not billed and would be (or the other way round), no reason, an actor who has no
        right to the act.
    """
    if action not in REVIEW_ACTIONS:
        raise Problem(f"unknown act of review {action!r}", f"use one of {', '.join(REVIEW_ACTIONS)}")
    reason = require_reason(reason, action)
    with acting(engine, run, actor) as (connection, found, who):
        party = _party(connection, found, line)
        require = who.require_part if action == "dispute" else who.require_manager
        require(party, f"{action} line {line} of run {run}")
        require_status(found, OPEN, "only a draft can be reviewed")
        if party.action == "transfer":
            raise Problem(f"line {line} of run {run} was transferred", "draft the period again")
        _refuse_reversed(connection, found, line, action)
        marked = _also(connection, found, line, action)
        if party.action != action:
            marked = {line: party.line_id} | marked
        if marked:
            acts = {
                number: Review(line_id, action, actor, reason, now_ms) for number, line_id in marked.items()
            }
            _write(connection, found, acts)
    return list(marked)


def _refuse_reversed(connection: Connection, run: Run, line: int, action: str) -> None:
    """Refuse to bill what takes back a line that was not billed, or to keep from the bill what was."""
    if action == "dispute":
        return
    for reversal in ledger.reversals(connection, run.id):
        if reversal.line == line and ledger.kept_by(action) != reversal.original_kept:
            refuse_stray(run, reversal)


WAYS = {"hold": "is held", "writeoff": "is written off", None: "is billed"}
"""How a line is kept from the bill, in words."""


def refuse_stray(run: Run, reversal: Reversal) -> NoReturn:
    """Say that a line which takes back another one goes as that one.

    Raises
    ------
    Problem
        Naming both.
    """
    raise Problem(
        f"line {reversal.line} of run {run.number} takes back line {reversal.original_line} of run "
        f"{reversal.original_run}, which {WAYS[reversal.original_kept]}: it goes as that line",
        "hold, write off or accept what replaces it",
    )


def _also(connection: Connection, run: Run, line: int, action: str) -> dict[int, int]:
    """Return the other lines under the cap of this one that its act has to take along: number, id."""
    if action == "dispute":
        return {}
    others = under_same_cap(connection, run, line)
    _refuse_billed_otherwise(run, line, action, others)
    review = pl.col("review").fill_null("")
    # To accept a line takes back what kept the others from the bill, and leaves their disputes alone.
    is_due = review.is_in(ledger.NOT_BILLED) if action == "accept" else ~review.is_in([action, "transfer"])
    due = others.filter(pl.col("run") == run.number, is_due)
    return dict(due.select("number", "line").rows())


def _refuse_billed_otherwise(run: Run, line: int, action: str, others: pl.DataFrame) -> None:
    """Refuse an act on a correction that would split it from what closed runs have booked under its cap."""
    ways = {(number, of, ledger.kept_by(act)) for number, of, act in others["number", "run", "review"].rows()}
    closed = sorted((of, number, way or "") for number, of, way in ways if of != run.number)
    if len({way for *_, way in closed}) == 1 and closed[0][2] != (ledger.kept_by(action) or ""):
        of, number, way = closed[0]
        raise Problem(
            f"line {line} of run {run.number} is under one cap with line {number} of run {of}, "
            f"which {WAYS[way or None]}: it goes as that line",
            "transfer its time where it is wrong, or release what is held there",
        )


def under_same_cap(connection: Connection, run: Run, line: int) -> pl.DataFrame:
    """Return the other lines that are billed together with this one or not at all: as `ledger.lines_like`.

    Of a period that is closed they are also those of other closed runs.
    """
    alike = ledger.lines_like(connection, run.id, line)
    is_it = (pl.col("run") == run.number) & (pl.col("number") == line)
    together = caps.together(alike)
    mine = together.join(alike.filter(is_it), on="line", how="semi")
    others = together.join(mine, on="cap", how="semi")
    return alike.join(others, on="line", how="semi").filter(~is_it)


def transfer(  # noqa: PLR0913, PLR0917 - which line goes where, by whom, why and when
    engine: Engine, run: str, line: int, to: Codes, actor: str, reason: str, now_ms: int
) -> bool:
    """Move the time of a line to another project, phase and task; return whether that is new.

    The project layer gets a further entry for exactly the stretches of the line's sessions that it charges;
    evidence and earlier entries stay as they are. The line is marked, and the run has to be drafted again,
    which books the time where it belongs.

    Raises
    ------
    Problem
        Unknown run or line, a run that is no longer in review, no reason, an actor who neither manages the
        line's project nor is of the billing staff; a line without time of its own, or one that takes back
        what was billed; a target that does not take the person's time of that day; sessions whose project
        somebody has changed since the draft.
    """
    reason = require_reason(reason, "transfer")
    with acting(engine, run, actor) as (connection, found, who):
        party = _party(connection, found, line)
        who.require_manager(party, f"transfer line {line} of run {run}")
        require_status(found, OPEN, "only a line of a draft can be transferred")
        row = ledger.lines_of(engine, run).row(by_predicate=pl.col("line") == line, named=True)
        detail = {"project": to.project, "phase": to.phase, "task": to.task}
        if party.action == "transfer":
            return _refuse_other_target(connection, found, party, detail)
        sessions, tariff = _sessions(engine, found, row), rating.tariff_of(engine)
        _refuse_target(tariff, row, to)
        _refuse_moved(connection, found, line, sessions)
        cut_off = datetime.fromtimestamp(found.cut_off_ms / 1000, UTC)
        spans = line_stretches(engine, row, sessions, cut_off, tariff)
        why = f"line {line} of run {run} transferred: {reason}"
        fields = ledger.entered_fields(connection, spans["entry"].drop_nulls().to_list())
        rows = entry_rows(spans, to, fields, (actor, why, now_ms))
        evidence.add_project_entries(connection, rows)
        act = Review(party.line_id, "transfer", actor, reason, now_ms, detail)
        _write(connection, found, {line: act})
    return True


def _party(connection: Connection, run: Run, line: int) -> Party:
    party = ledger.party_of(connection, run.id, line)
    if party is None:
        raise Problem(
            f"run {run.number} has no line {line}", f"see them: `process-meter billing lines {run.number}`"
        )
    return party


def _write(connection: Connection, run: Run, acts: dict[int, Review]) -> None:
    """Write acts by the number of their line, which may bring a project below its limit or beyond."""
    ledger.start_review(connection, run)
    ledger.add_reviews(connection, list(acts.values()))
    budgets.note(connection, run)
    for line, act in acts.items():
        detail = {"line": line, "reason": act.reason, **({"to": act.detail} if act.detail else {})}
        ledger.record_event(connection, act.actor, f"billing {act.action}", run.number, detail, act.at_ms)


# --- What cannot be transferred ----------------------------------------------------------------------------


def _refuse_other_target(
    connection: Connection, run: Run, party: Party, detail: dict[str, str | None]
) -> bool:
    """Say that a transfer is not new, if it is to the same target."""
    last = [act for act in ledger.reviews_of(connection, run.id) if act.line_id == party.line_id][-1]
    if last.detail != detail:
        raise Problem(
            f"the line was transferred to project {(last.detail or {}).get('project')} by {last.actor}",
            "draft the period again, and transfer it from there",
        )
    return False


def _sessions(engine: Engine, run: Run, row: dict[str, Any]) -> list[int]:
    """Return the sessions that gave a line its time."""
    name = f"line {row['line']} of run {run.number}"
    if run.policy_document.get("charge_to", "project") != "project":
        raise Problem(
            f"{name} is charged to the person's cost center, whatever was entered",
            "correct the person's place: `process-meter directory import FILE`",
        )
    if row["kind"] == "reversal":
        raise Problem(f"{name} takes back what was billed", "transfer the line that replaces it")
    shares = ledger.shares_of(engine, run.number).filter(pl.col("line_id") == row["line_id"])
    if shares.is_empty():
        raise Problem(f"{name} has no time of its own", "transfer the lines that it rounds or caps")
    return shares["session"].to_list()


def _refuse_target(tariff: Tariff, row: dict[str, Any], to: Codes) -> None:
    """Refuse a target that would not take the line's time."""
    if to == Codes(*(row[name] for name in Codes._fields)):
        raise Problem(f"line {row['line']} is on project {to.project} already", "name another target")
    master = Master.of(tariff.projects, tariff.phases, tariff.tasks, tariff.members)
    verdict = master.judge(to, row["day"], row["person_id"])
    if verdict.fault:
        raise Problem(f"line {row['line']} cannot be transferred: {verdict.reason}", verdict.remedy)


def _refuse_moved(connection: Connection, run: Run, line: int, sessions: list[int]) -> None:
    """Refuse to outrank what somebody has entered since the draft, and the draft does not know."""
    moved = ledger.entered_since(connection, sessions, run.cut_off_ms)
    if moved:
        raise Problem(
            f"line {line} of run {run.number}: the project of session {moved[0]} was changed since the draft",
            "draft the period again, and transfer what is still wrong",
        )
