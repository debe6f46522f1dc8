"""The life of a billing run: collecting, draft, review, approve, close; and show and verify.

Who acts is told by the caller: the signed-in or the operating-system identity; what it may do is checked
here, so that pages and commands only call. Each act is one transaction, whole or not at all, and leaves an
audited event; done again, it changes nothing and says so. Instants are UTC in ms.
"""

from __future__ import annotations

from sqlalchemy import Engine

from pipelines import drafting, recomputing
from pipelines.acting import change_staff, staff
from pipelines.closing import (
    approve,
    billed,
    billed_amounts,
    check_lines,
    close,
    kept_from_approving,
    release,
    separation,
    void,
)
from pipelines.collecting import collecting
from pipelines.exporting import find_target
from pipelines.reviewing import REVIEW_ACTIONS, review, transfer
from pipelines.seeing import refuse_stranger, visible_lines
from pipelines.settling import KINDS, exceptions, settle, waive
from pipelines.showing import show
from pipelines.signing_off import sign, sign_offs, withdraw
from warehouse import ledger

__all__ = [
    "KINDS",
    "REVIEW_ACTIONS",
    "approve",
    "billed",
    "billed_amounts",
    "change_staff",
    "check_lines",
    "close",
    "collecting",
    "draft",
    "exceptions",
    "kept_from_approving",
    "refuse_stranger",
    "release",
    "review",
    "separation",
    "settle",
    "show",
    "sign",
    "sign_offs",
    "staff",
    "transfer",
    "verify",
    "visible_lines",
    "void",
    "waive",
    "withdraw",
]


def draft(  # noqa: PLR0913 - what of, for which target, by whom, with which cut-off
    engine: Engine, period: str, target: str, actor: str, now_ms: int, *, showback: bool = False
) -> str:
    """Rate a fiscal period, and book what changed in closed ones; replaces an open draft of the period.

    Acts of review and settlements stay with the lines and exceptions that stay.

    Parameters
    ----------
    period
        Name of a fiscal period that is over.
    target
        One of `exporting.TARGETS`; it fixes the run's quantum.
    actor
        Who prepares it.
    now_ms
        The cut-off: evidence received later belongs to a later run. The managers' deadline counts from it.
    showback
        Whether the run is shown to its payers alone, and never exported.

    Returns
    -------
    str
        The run's number, as `2026-10/1`.

    Raises
    ------
    Problem
        Unknown target or period, a period that is not over, already approved or closed, or without usage;
        rates that collide; a tie-out that fails; an actor who is not of the billing staff.
    """
    quantum = find_target(target).QUANTUM_PER_HOUR
    return drafting.draft(engine, drafting.Order(period, target, quantum, actor, now_ms, showback))


def verify(engine: Engine, *, recompute: bool = False) -> list[str]:
    """Check that nothing closed or audited was changed since; return one sentence per change.

    With `recompute`, every closed period is charged again from the evidence of its cut-off as well: that
    takes as long as its draft did.
    """
    found = ledger.verify(engine)
    return [*found, *recomputing.differences(engine)] if recompute else found
