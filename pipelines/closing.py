"""The end of a billing run: approved by somebody else, closed for good, or void; and held lines released."""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection, Engine

from pipelines import budgets, drafting, rating, settling, signing_off
from pipelines.acting import Actor, acting, find_actor, require_reason, require_status
from pipelines.reviewing import WAYS, refuse_stray, under_same_cap
from warehouse import evidence, frames, ledger
from warehouse.errors import Problem
from warehouse.ledger import OPEN, Release, Run
from warehouse.metrics import caps, tie_out
from warehouse.money import amount_minor_expr

CORRECT = (
    "it stays as it is: what was wrong is reversed and replaced by the next period's draft "
    "(`process-meter billing draft`), a held line is billed by `process-meter billing release`, "
    "and what was imported wrongly is exported anew"
)

# --- Approve -----------------------------------------------------------------------------------------------


def approve(engine: Engine, run: str, actor: str, now_ms: int) -> None:
    """Approve a draft: another identity than its preparer's and the authors of its rates.

    Raises
    ------
    Problem
        The run is in another status; the actor is not of the billing staff, or prepared it, wrote one of its
        rates or waived what blocked it (as far as the separation of duties goes, see `separation`); a line is
        disputed or was transferred; an exception that blocks is open; a project with a manager is not signed
        and the deadline has not passed; or the lines do not sum to what the draft says.
    """
    with acting(engine, run, actor) as (connection, found, who):
        who.require_staff(f"approve run {run}")
        require_status(found, OPEN, "only a draft can be approved")
        budgets.note(connection, found)
        lines, rules = _approvable(connection, engine, found, who, now_ms)
        ledger.move(connection, found, "approved", approved_by=actor, approved_ms=now_ms)
        detail = {
            "amount_minor": billed_amounts(lines),
            "separation_of_duties": "author" in rules,
            "unsigned": sorted(signing_off.waiting(connection, found)),
        }
        ledger.record_event(connection, actor, "billing approve", run, detail, now_ms)


def kept_from_approving(engine: Engine, run: str, actor: str, now_ms: int) -> str | None:
    """Say in words what would keep an account from approving a run now; None: nothing. Changes nothing.

    Raises
    ------
    Problem
        There is no such run.
    """
    with engine.connect() as connection:
        found, who = ledger.find_run(connection, run), find_actor(connection, actor)
        try:
            who.require_staff(f"approve run {run}")
            require_status(found, OPEN, "only a draft can be approved")
            _approvable(connection, engine, found, who, now_ms)
        except Problem as problem:
            return str(problem)
    return None


def _approvable(
    connection: Connection, engine: Engine, run: Run, who: Actor, now_ms: int
) -> tuple[pl.DataFrame, frozenset[str]]:
    """Return the lines of a draft, and the separation of duties; refuse one that cannot be approved so."""
    drafting.refuse_overtaken(connection, run.previous_digest, f"run {run.number}")
    lines, rules = ledger.lines_of(engine, run.number), separation(connection)
    _refuse_involved(connection, engine, run, lines, who, rules)
    _refuse_marked(connection, run)
    settling.refuse_open(connection, run)
    signing_off.refuse_unsigned(connection, run, now_ms)
    _refuse_strays(connection, run)
    _refuse_split_caps(connection, run, lines)
    check_lines(run, lines, ledger.shares_of(engine, run.number))
    return lines, rules


def separation(connection: Connection) -> frozenset[str]:
    """Say whom the separation of duties keeps from approving: `author` (preparer, rate editor), `waiver`.

    The stricter one wins: the billing policy relaxes it with `separation_of_duties = false`, unless the
    organization's setting of the same name is true. Who waived an exception that blocked may approve, unless
    the policy says `waiver_may_approve = false`.
    """
    policy = evidence.newest_policy(connection, "billing")
    document = policy.document if policy else {}
    is_strict = document.get("separation_of_duties", True) or ledger.requires_separation(connection)
    found = {"author"} if is_strict else set()
    return frozenset(found | ({"waiver"} if document.get("waiver_may_approve", True) is False else set()))


def _refuse_involved(  # noqa: PLR0913, PLR0917 - who approves what, of which lines, by which rules
    connection: Connection, engine: Engine, run: Run, lines: pl.DataFrame, who: Actor, rules: frozenset[str]
) -> None:
    remedy = "let somebody else approve it, or relax separation_of_duties in the billing policy"
    if "author" in rules:
        if _same(connection, run.prepared_by, who):
            raise Problem(f"{who.name} prepared run {run.number} and cannot approve it", remedy)
        used = lines["rate_id"].drop_nulls().unique().to_list()
        authors = (
            frames.rates(engine).filter(pl.col("rate_id").is_in(used)).select("rate_id", "author").collect()
        )
        for rate, author in authors.iter_rows():
            if _same(connection, author, who):
                raise Problem(
                    f"{who.name} wrote rate version {rate} of run {run.number} and cannot approve it", remedy
                )
    if "waiver" in rules:
        _refuse_waiver(connection, run, who)


def _refuse_waiver(connection: Connection, run: Run, who: Actor) -> None:
    rows = [row for row in ledger.exceptions_in(connection, run.id) if settling.kind_of(row.kind).blocks]
    names = {row.settled_by for row in rows if row.settled_by}
    own = {name for name in names if _same(connection, name, who)}
    for row in rows:
        if row.settled_by in own:
            raise Problem(
                f"{who.name} {row.settlement} exception {row.number} of run {run.number} and cannot approve",
                "let somebody else approve it, or allow it with waiver_may_approve in the billing policy",
            )


def _same(connection: Connection, name: str, who: Actor) -> bool:
    """Whether an account is the actor's: this one, or another one of the same person."""
    if name.strip().casefold() == who.name.strip().casefold():
        return True
    return who.person_id is not None and ledger.person_behind(connection, name) == who.person_id


def _refuse_marked(connection: Connection, run: Run) -> None:
    for action, what, remedy in (
        ("dispute", "has disputed lines", "accept, hold, write off or transfer each of them first"),
        ("transfer", "has transferred lines", "draft the period again, so that they are where they belong"),
    ):
        lines = ledger.lines_in(connection, run.id, action)
        if lines:
            shown = ", ".join(str(line) for line in lines[:10]) + (", ..." if len(lines) > 10 else "")
            raise Problem(f"run {run.number} {what}: {shown}", remedy)


def _refuse_strays(connection: Connection, run: Run) -> None:
    """Refuse a run whose corrections do not go as what they correct."""
    for reversal in ledger.reversals(connection, run.id):
        if reversal.kept != reversal.original_kept:
            refuse_stray(run, reversal)
    released = ledger.released_since(connection, run.id)
    if released:
        raise Problem(
            f"run {run.number} holds line {released[0]}, and what that corrects was released since the draft",
            "draft the period again",
        )


def _refuse_split_caps(connection: Connection, run: Run, lines: pl.DataFrame) -> None:
    """Refuse a run that bills some of the lines under a cap and holds or writes off others.

    Acts of review take such lines together; a draft after them may have added one. Lines that correct a
    closed period go as those that stand for it, unless these were closed split.
    """
    own = lines.filter(pl.col("period") == run.period).rename({"run": "of"})
    standing = ledger.corrected_like(connection, run.id).with_columns(of="run")
    for each, number in ((own, "line"), (standing, "number")):
        told = each.select("line", "of", number=number, how=_how())
        split = caps.together(each).join(told, on="line").filter(pl.col("how").n_unique().over("cap") > 1)
        ways_closed = pl.col("how").filter(pl.col("of") != run.number).n_unique().over("cap")
        split = split.filter(ways_closed <= 1)
        if not split.is_empty():
            first = split.filter(pl.col("cap") == pl.col("cap").min())
            _refuse_split(run, first)


def _how() -> pl.Expr:
    return pl.when(pl.col("review").is_in(ledger.NOT_BILLED)).then("review").fill_null("billed")


def _refuse_split(run: Run, lines: pl.DataFrame) -> None:
    ways = ", ".join(
        f"line {line}{'' if of == run.number else f' of run {of}'} {WAYS[ledger.kept_by(way)]}"
        for line, of, way in lines.select("number", "of", "how").head(5).rows()
    )
    raise Problem(
        f"run {run.number}: lines under one cap are not billed alike: {ways}",
        "hold, write off or accept one of them again, which takes the others along",
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


# --- Close, void, release ----------------------------------------------------------------------------------


def close(engine: Engine, run: str, actor: str, now_ms: int) -> None:
    """Close an approved run for good: chain its lines to the run closed before it.

    Of two who close at once one wins; the other is told.

    Raises
    ------
    Problem
        The run is in another status, another run was closed since the draft was made, or the actor is not of
        the billing staff.
    """
    with acting(engine, run, actor) as (connection, found, who):
        who.require_staff(f"close run {run}")
        require_status(found, ("approved",), "only an approved run can be closed")
        drafting.refuse_overtaken(connection, found.previous_digest, f"run {run}")
        sealing = ledger.sealing(connection, found)
        ledger.move(connection, found, "closed", closed_by=actor, closed_ms=now_ms, **sealing)
        digest = ledger.seal(connection, ledger.find_run(connection, run))
        ledger.replace_run(connection, found.id, {"digest": digest})
        ledger.record_event(connection, actor, "billing close", run, {"digest": digest}, now_ms)


def void(engine: Engine, run: str, actor: str, reason: str, now_ms: int) -> None:
    """Give up a run that is not closed; its period can then be drafted anew, under a new number.

    Raises
    ------
    Problem
        The run is closed (naming what to do instead) or void, no reason is given, or the actor is not of the
        billing staff.
    """
    reason = require_reason(reason, "to void a run")
    with acting(engine, run, actor) as (connection, found, who):
        who.require_staff(f"void run {run}")
        require_status(found, (*OPEN, "approved", "void"), CORRECT)
        require_status(found, (*OPEN, "approved"), "draft its period anew")
        ledger.move(connection, found, "void")
        ledger.record_event(connection, actor, "billing void", run, {"reason": reason}, now_ms)


def release(  # noqa: PLR0913, PLR0917 - which line is billed after all, by whose word, why and when
    engine: Engine, run: str, line: int, actor: str, reason: str, now_ms: int
) -> list[int]:
    """Let a held line of a closed run be billed after all, by the next draft; return which are new in that.

    The next draft reverses the held line, unbilled as it was, and books what replaces it in the period
    incurred. The lines that are held with it under one cap are released with it, those of other runs too.

    Returns
    -------
    list of int
        Numbers of this run's lines released, the named one first if it is new; none: they were before.

    Raises
    ------
    Problem
        Unknown run or line, a run that is not closed, a line that is not held, that takes back a held one or
        that a closed or approved run has booked anew, no reason, an actor who neither manages the line's
        project nor is of the billing staff.
    """
    reason = require_reason(reason, "release")
    with acting(engine, run, actor) as (connection, found, who):
        party = ledger.party_of(connection, found.id, line)
        if party is None:
            raise Problem(f"run {run} has no line {line}", f"see them: `process-meter billing lines {run}`")
        who.require_manager(party, f"release line {line} of run {run}")
        require_status(found, ("closed",), "accept the line of a draft instead")
        if party.action != "hold":
            raise Problem(f"line {line} of run {run} is not held", "release held lines alone")
        if party.kind == "reversal":
            raise Problem(f"line {line} of run {run} takes back what was held", "its replacement is billed")
        booked = ledger.reversed_by(connection, party.line_id)
        if booked:
            raise Problem(f"line {line} of run {run} was booked anew by run {booked}", "look for it there")
        approved = ledger.approved_by(connection, party.line_id)
        if approved:
            raise Problem(
                f"line {line} of run {run} is booked anew by run {approved}, which is approved",
                "close that first, and release there what it holds; or void it",
            )
        held = under_same_cap(connection, found, line).filter(pl.col("review") == "hold")
        chosen = [(run, line, party.line_id), *held.select("run", "number", "line").rows()]
        return [
            number
            for of, number, line_id in chosen
            if _release(connection, of, number, Release(line_id, actor, reason, now_ms)) and of == run
        ]


def _release(connection: Connection, run: str, line: int, act: Release) -> bool:
    """Write that a line is released; return whether that is new and the line is not booked anew yet."""
    if ledger.release_of(connection, act.line_id) or ledger.reversed_by(connection, act.line_id):
        return False
    ledger.add_release(connection, act)
    detail = {"line": line, "reason": act.reason}
    ledger.record_event(connection, act.actor, "billing release", run, detail, act.at_ms)
    return True


# --- What is billed ----------------------------------------------------------------------------------------


def billed_amounts(lines: pl.DataFrame) -> dict[str, int]:
    """Sum what is billed by currency, in minor units: lines that are neither held nor written off."""
    return rating.amounts(billed(lines))


def billed(lines: pl.DataFrame) -> pl.DataFrame:
    """Keep the lines that are neither held nor written off."""
    return lines.filter(~pl.col("review").is_in(ledger.NOT_BILLED).fill_null(value=False))
