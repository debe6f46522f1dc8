"""What whoever looks at a billing run can do with it now, and in plain words why not the rest.

What is said here opens or hides the buttons of a page and protects nothing: each act checks for itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines import billing, signing_off
from pipelines.answers.run_review import RunReview, Runs
from pipelines.answers.wording import count, listing
from warehouse import ledger
from warehouse.ledger import OPEN

MOST_NAMED = 8
"""Lines or projects named in one sentence."""
ONLY_WAIVED = "over_limit"
"""The kind of exception that cannot be settled: see `settling.settle`."""
REVIEW = ("accept", "hold", "writeoff", "dispute", "transfer")


@dataclass(frozen=True)
class Acts:
    """What can be done.

    Attributes
    ----------
    can
        Of draft, approve, close, void, workbook, export, settle, waive, sign, withdraw, those of `REVIEW`,
        release.
    waits
        What has to happen before the run can be approved, one clause each.
    said
        Why the other acts are not there, and who can do them: one sentence each.
    kinds
        Kinds of exceptions that are open; also those that only inform.
    to_sign, signed
        Numbers of the projects whose lines the viewer can sign for, and whose sign-off can be taken back.
    held
        Numbers of the lines that can be released.
    """

    can: frozenset[str] = frozenset()
    waits: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    to_sign: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    held: tuple[int, ...] = ()


def of_period(engine: Engine, period: dict[str, Any], whose: Runs) -> Acts:
    """Say what can be done with a period without a run, of which `billing.collecting` has told."""
    if not whose.actor.is_staff:
        return Acts(said=(f"There is no draft to review yet: {_staff(engine)} makes it.",))
    if not period["is_over"]:
        return Acts(said=("It can be drafted once the period is over.",))
    return Acts(frozenset({"draft"}), said=("Everything else can be done once there is a draft.",))


def of_run(engine: Engine, found: RunReview, whose: Runs, now_ms: int) -> Acts:
    """Say what can be done with a run."""
    status = found.facts["status"]
    if status in OPEN:
        return _of_draft(engine, found, whose, now_ms)
    if status == "approved":
        return _of_approved(engine, whose)
    return _of_closed(engine, found, whose) if status == "closed" else _of_void(found, whose)


# --- A draft -----------------------------------------------------------------------------------------------


def _of_draft(engine: Engine, found: RunReview, whose: Runs, now_ms: int) -> Acts:
    waits, states = tuple(_waits(found, now_ms)), pl.col("state")
    to_sign = tuple(_unsigned(found.projects))
    signed = tuple(found.projects.filter(states.is_in(["signed", "changed"]))["project"])
    can = frozenset(REVIEW if found.lines.height else ())
    can |= {name for name, those in (("sign", to_sign), ("withdraw", signed)) if those}
    acts = Acts(can, waits, to_sign=to_sign, signed=signed)
    if whose.actor.is_staff:
        return _of_staff(engine, acts, found, whose.actor.name, now_ms)
    rest = "Drafting, exceptions, approval, close and files are for the billing staff"
    return replace(acts, said=(f"{rest}: {_staff(engine)}.",))


def _of_staff(engine: Engine, acts: Acts, found: RunReview, account: str, now_ms: int) -> Acts:
    """Add what only billing staff can do with a draft."""
    facts, kinds = found.facts, tuple(found.exceptions.filter(pl.col("open") > 0)["kind"])
    refused = None if acts.waits else billing.kept_from_approving(engine, facts["run"], account, now_ms)
    can = acts.can | {"draft", "void", "workbook"} | ({"settle", "waive"} if kinds else set())
    can |= set() if acts.waits or refused else {"approve"}
    approval = f"It cannot be approved by you: {refused}." if refused else _approval(engine, acts, facts)
    later = "It can be closed once it is approved."
    files = NEVER if facts["showback"] else IMPORT
    return replace(acts, can=can, said=(approval, later, files), kinds=kinds)


NEVER = "It is showback: shown to its payers, and never exported."
IMPORT = "Its import file can be made once it is closed."


def _waits(found: RunReview, now_ms: int) -> Iterable[str]:
    """Say what keeps a draft from being approved by anybody."""
    facts = found.facts
    for kind, number in facts["blocking"].items():
        how = "waive with a reason" if kind == ONLY_WAIVED else "settle or waive with a reason"
        yield f"{kind.replace('_', ' ')}: {number:,} to {how}"
    seen = set(found.lines["line"])
    for name, what in WAITING:
        if those := [line for line in facts[name] if line in seen]:
            yield f"{count(len(those), 'line')} {what}: {_named(those)}"
    unsigned = _unsigned(found.projects)
    if unsigned and not _is_over(facts["review_until"], now_ms):
        yield f"projects without a sign-off: {_named(unsigned)}"


WAITING = (
    ("disputed_lines", "in dispute (accept, hold back, write off or transfer)"),
    ("transferred_lines", "transferred (draft the period again)"),
)


def _unsigned(projects: pl.DataFrame) -> list[str]:
    return projects.filter(pl.col("state").is_in(signing_off.WAITING))["project"].to_list()


def _is_over(until: str | None, now_ms: int) -> bool:
    return until is not None and now_ms >= datetime.fromisoformat(until).timestamp() * 1000


def _named(those: Iterable[object]) -> str:
    names = [str(each) for each in those]
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _approval(engine: Engine, acts: Acts, facts: dict[str, Any]) -> str:
    """Say who can approve a draft, and when."""
    with engine.connect() as connection:
        rules = billing.separation(connection)
    authors = [f"{facts['prepared_by']} (who prepared it)", "whoever wrote its rates"]
    waiver = ["whoever waived what kept it back"]
    others = (authors if "author" in rules else []) + (waiver if "waiver" in rules else [])
    when = "once nothing of the list above is left, " if acts.waits else ""
    who = f" but {listing(others)}" if others else ", also who prepared it: the billing policy allows that"
    return f"It can be approved {when}by anybody of the billing staff{who}."


# --- What is approved, closed or void ----------------------------------------------------------------------


def _of_approved(engine: Engine, whose: Runs) -> Acts:
    stays = "Its lines, exceptions and sign-offs stay as they were approved."
    if not whose.actor.is_staff:
        return Acts(said=(f"{stays} The billing staff can close it, or make it void: {_staff(engine)}.",))
    change = f"{stays} To change them, make it void and draft the period again."
    return Acts(frozenset({"close", "void", "workbook"}), said=(change, IMPORT))


def _of_closed(engine: Engine, found: RunReview, whose: Runs) -> Acts:
    run, showback = found.facts["run"], found.facts["showback"]
    with engine.connect() as connection:
        gone = ledger.let_go(connection, ledger.find_run(connection, run).id)
    # A reversal is held as the line that it takes back was: there is nothing of its own to bill.
    is_held = (pl.col("review") == "hold") & (pl.col("kind") != "reversal")
    held = tuple(line for line in found.lines.filter(is_held)["line"] if line not in gone)
    can = {"release"} if held else set()
    can |= {"workbook"} if whose.actor.is_staff else set()
    can |= {"export"} if whose.actor.is_staff and not showback else set()
    return Acts(frozenset(can), said=tuple(_closed(engine, found, whose, held)), held=held)


def _closed(engine: Engine, found: RunReview, whose: Runs, held: tuple[int, ...]) -> Iterable[str]:
    yield (
        "It is closed for good: usage that comes late or is corrected is reversed and replaced by the next "
        "period's draft."
    )
    if held:
        yield f"Held lines can be released below, and the next draft bills them: {_named(held)}."
    if found.facts["showback"]:
        yield NEVER
    elif not whose.actor.is_staff:
        yield f"Its files are for the billing staff: {_staff(engine)}."


def _of_void(found: RunReview, whose: Runs) -> Acts:
    period = found.facts["period"]
    may_draft = whose.actor.is_staff and period in whose.collecting
    again = f" Period {period} can be drafted anew." if may_draft else ""
    files = {"workbook"} if whose.actor.is_staff else set()
    return Acts(frozenset(files | ({"draft"} if may_draft else set())), said=(f"It bills nothing.{again}",))


def _staff(engine: Engine) -> str:
    return listing(billing.staff(engine)) or "whoever may run the commands"
