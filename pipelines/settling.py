"""Exceptions of a billing run: which of them keep it from being approved, and how they are dealt with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine

from pipelines import budgets
from pipelines.acting import acting, require_reason, require_status
from warehouse import directory, ledger
from warehouse.errors import Problem
from warehouse.ledger import OPEN, Exceptional, Run, Settlement


class Kind(NamedTuple):
    """A kind of exception: whether it has to be settled or waived before approval, and why it has or not."""

    blocks: bool
    why: str


KINDS = {
    "unassigned": Kind(True, "nobody pays for this time until it has a project"),
    "invalid_project": Kind(True, "nobody pays for this time until its project is a known one"),
    "closed_project": Kind(True, "nobody pays for this time until its project is an open one"),
    "not_a_member": Kind(True, "nobody pays for this time until the person may charge to its project"),
    "invalid_field": Kind(True, "the project takes no time without this field"),
    "no_account": Kind(True, "nobody pays for this time until its cost center has an account"),
    "unknown_person": Kind(True, "time of an account that is nobody's is on no line"),
    "no_rate": Kind(True, "time without a price is on no line"),
    "no_conversion": Kind(True, "time whose price cannot be converted is on no line"),
    "over_limit": Kind(True, "the client agreed to pay no more than that"),
    "over_budget": Kind(False, "a budget is a plan: its owner is told"),
    "late": Kind(False, "what arrived late is reversed and replaced on lines of its own"),
    "clock": Kind(False, "durations do not depend on the wall clock"),
    "preset": Kind(False, "a preset has said which project it is for"),
    "cap": Kind(False, "the rate's cap has decided it"),
    "below_minimum": Kind(False, "the rate's minimum has decided it"),
}
"""Which kinds of exceptions block the approval of a run, and which only inform."""

UNKNOWN_KIND = Kind(True, "nobody has said yet that it may pass")
"""What a kind that this table does not have is taken for."""


def kind_of(name: str) -> Kind:
    """Say whether a kind of exception blocks, and why."""
    return KINDS.get(name, UNKNOWN_KIND)


def exceptions(engine: Engine, run: str) -> list[dict[str, Any]]:
    """Return the exceptions of a run as plain JSON, in the order of their numbers.

    Returns
    -------
    list
        Each with number, kind, session, person (a pseudonym; null: nobody's, or of no session), milliseconds,
        detail, blocks, why (it blocks or not), state (open, settled, waived), by, reason, at.

    Raises
    ------
    Problem
        There is no such run.
    """
    with engine.connect() as connection:
        found = ledger.find_run(connection, run)
        rows = ledger.exceptions_in(connection, found.id)
    people = ledger.exceptions_of(engine, run)["person_id"].to_list()
    key = directory.pseudonym_key(engine.url)
    return [
        _plain(row, None if person is None else directory.pseudonym("P", person, key))
        for row, person in zip(rows, people, strict=True)
    ]


def _plain(row: Exceptional, person: str | None) -> dict[str, Any]:
    kind = kind_of(row.kind)
    at = None if row.settled_ms is None else datetime.fromtimestamp(row.settled_ms / 1000, UTC)
    return {
        "number": row.number,
        "kind": row.kind,
        "session": row.session,
        "person": person,
        "milliseconds": row.milliseconds,
        "detail": row.detail,
        "blocks": kind.blocks,
        "why": kind.why,
        "state": row.settlement or "open",
        "by": row.settled_by,
        "reason": row.settlement_reason,
        "at": None if at is None else at.isoformat(),
    }


def open_exceptions(connection: Connection, run: Run) -> dict[str, int]:
    """Count by kind the exceptions that block the run: neither settled nor waived."""
    counts: dict[str, int] = {}
    for row in ledger.exceptions_in(connection, run.id):
        if row.settlement is None and kind_of(row.kind).blocks:
            counts[row.kind] = counts.get(row.kind, 0) + 1
    return dict(sorted(counts.items()))


def refuse_open(connection: Connection, run: Run) -> None:
    """Refuse to approve a run with exceptions that block it.

    Raises
    ------
    Problem
        Counting them by kind.
    """
    counts = open_exceptions(connection, run)
    if counts:
        told = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items())
        raise Problem(
            f"run {run.number} has open exceptions: {told}",
            f"see them: `process-meter billing exceptions {run.number}`; "
            "correct their cause and draft again, or settle or waive each with a reason",
        )


# --- Acts --------------------------------------------------------------------------------------------------


def settle(  # noqa: PLR0913 - which exceptions of which run, by whom, why and when
    engine: Engine, run: str, actor: str, reason: str, now_ms: int, *,
    kind: str | None = None, number: int | None = None,
) -> int:  # fmt: skip
    """Say that the cause of exceptions is dealt with elsewhere; return how many were open until now.

    Parameters
    ----------
    kind
        All of this kind that are open.
    number
        This one alone. One of the two is given.

    Raises
    ------
    Problem
        No reason, unknown run, kind or number, a run that is no longer in review, an actor who is not of the
        billing staff; a project over its limit, which can only be waived.
    """
    return _deal(engine, run, actor, ("settled", reason, now_ms), kind, number)


def waive(  # noqa: PLR0913 - which exceptions of which run, by whom, why and when
    engine: Engine, run: str, actor: str, reason: str, now_ms: int, *,
    kind: str | None = None, number: int | None = None,
) -> int:  # fmt: skip
    """Let exceptions pass as they are; return how many were open until now. See `settle`."""
    return _deal(engine, run, actor, ("waived", reason, now_ms), kind, number)


def _deal(  # noqa: PLR0913, PLR0917 - what the two acts have in common
    engine: Engine, run: str, account: str, how: tuple[Literal["settled", "waived"], str, int],
    kind: str | None, number: int | None,
) -> int:  # fmt: skip
    word, reason, now_ms = how
    reason = require_reason(reason, "to settle or waive an exception")
    with acting(engine, run, account) as (connection, found, actor):
        actor.require_staff("settle or waive exceptions")
        require_status(found, OPEN, "only exceptions of a draft can be settled or waived")
        budgets.note(connection, found)
        chosen = _chosen(ledger.exceptions_in(connection, found.id), found, kind, number)
        left = [row for row in chosen if row.settlement is None]
        if word == "settled" and any(row.kind == "over_limit" for row in left):
            raise Problem(
                f"run {run}: what is over a project's limit cannot be settled",
                "hold, write off or transfer lines of the project, or waive it",
            )
        settlement = Settlement(word, account, reason, now_ms)
        ledger.settle_exceptions(connection, [(row.id, settlement) for row in left])
        if left:
            ledger.start_review(connection, found)
            detail = {
                "kind": left[0].kind,
                "exceptions": len(left),
                "milliseconds": sum(row.milliseconds for row in left),
                "which": list(left[0].key) if number else None,
                "reason": reason,
            }
            ledger.record_event(connection, account, f"billing {_VERBS[word]}", run, detail, now_ms)
    return len(left)


_VERBS = {"settled": "settle", "waived": "waive"}


def _chosen(rows: list[Exceptional], run: Run, kind: str | None, number: int | None) -> list[Exceptional]:
    if (kind is None) == (number is None):
        raise Problem("say which exceptions", "give either --kind KIND or --exception NUMBER")
    chosen = [row for row in rows if kind in (None, row.kind) and number in (None, row.number)]
    if not chosen:
        what = f"exception {number}" if kind is None else f"exception of kind {kind!r}"
        raise Problem(
            f"run {run.number} has no {what}",
            f"see them: `process-meter billing exceptions {run.number}`",
        )
    return chosen


# --- From one draft to the next ----------------------------------------------------------------------------

Settled = dict[tuple[str, int | None, str], tuple[int, Settlement]]
"""By the key of an exception: the milliseconds that were settled or waived, and how."""


def settled_before(connection: Connection, run: Run) -> Settled:
    """Return what was settled or waived in a draft, for the next version of it."""
    return {
        row.key: (
            row.milliseconds,
            Settlement(
                row.settlement, row.settled_by or "", row.settlement_reason or "", row.settled_ms or 0
            ),
        )
        for row in ledger.exceptions_in(connection, run.id)
        if row.settlement
    }


def restore(connection: Connection, run_id: int, before: Settled) -> list[str]:
    """Give a new draft's exceptions the settlements of the same ones in the draft before.

    One that has grown is not the same: nobody has waived that much time.

    Returns
    -------
    list[str]
        In words, the settlements whose exception is gone or has grown.
    """
    left, again = dict(before), []
    for row in ledger.exceptions_in(connection, run_id):
        milliseconds, settlement = before.get(row.key, (-1, None))
        if settlement is not None and row.milliseconds <= milliseconds:
            again.append((row.id, settlement))
            left.pop(row.key, None)
    ledger.settle_exceptions(connection, again)
    return [f"{how.settlement} by {how.settled_by}: {how.settlement_reason}" for _, how in left.values()]
