"""The sample's bills: the month before last was reviewed and closed in its time; last month has a dispute."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from sqlalchemy import Engine

from pipelines import billing
from pipelines.sample.people import people
from pipelines.sample.plan import DAY_MS, HOUR_MS, Plan, add_months, instant_ms
from pipelines.signing_off import WAITING
from warehouse import frames, ledger
from warehouse.projects import Codes

PREPARER = "service:sample-billing"
TARGET = "generic"
CLERK = "meridian\\mplum"
"""Account of the office in Boston that waives what cannot be cleared up."""
DISPUTED_BY = "meridian\\estrand"
"""Account of a project manager in Boston."""
DISPUTE = "This run used last week's mesh and had to be repeated."
HOLD = "On hold until the client has agreed to the repetition."
NOT_MINE = "I was on site that day; somebody else sat at my machine."
IT_WAS = "The log of the machine shows the work on the drawings of that day."
ASK = "On hold until the client has signed the change order."
SIGNED = "The client has signed the change order."
GOODWILL = "Below what it costs to explain."
WRONG_PROJECT = "Belongs to the other project of the same client."
ON_LEAVE = "The manager is on leave and has agreed on the phone."
WAIVERS = {
    "unassigned": "The offices were asked twice; what is left is overhead of the month.",
    "invalid_project": "Typing errors that nobody could be asked about in time.",
    "closed_project": "Work after the end of the project is at our own cost.",
    "over_limit": "The client has ordered the further work in writing.",
}
"""Why exceptions of a kind are let pass; others are known and small."""
KNOWN = "Known, and small."


def period_name(today: date, months: int) -> str:
    """Return the name of the fiscal period that is `months` away from the current one."""
    return f"{add_months(today.replace(day=1), months):%Y-%m}"


def close_month_before_last(engine: Engine, plan: Plan, approver: str) -> str:
    """Review and close the bill of the month before last as it was done then, and return its run.

    Everything happens at the instants of then: what arrived later is not on it. One line was disputed and
    accepted, one is held, one written off, and one transferred, after which the period was drafted again.
    """
    prepared_ms = instant_ms(add_months(plan.month, -1)) + 3 * DAY_MS + 8 * HOUR_MS
    period = period_name(plan.today, -2)
    run = billing.draft(engine, period, TARGET, PREPARER, prepared_ms)
    _review(engine, run, plan, approver, prepared_ms + 2 * HOUR_MS)
    again_ms = prepared_ms + DAY_MS
    billing.draft(engine, period, TARGET, PREPARER, again_ms)
    _settle_and_sign(engine, run, approver, again_ms + HOUR_MS)
    billing.approve(engine, run, approver, again_ms + DAY_MS)
    billing.close(engine, run, approver, again_ms + DAY_MS + HOUR_MS)
    return run


def close_last_month(engine: Engine, today: date, approver: str, now_ms: int) -> tuple[str, bool]:
    """Bring the bill of the last complete month to its end, from wherever it stands.

    Returns
    -------
    tuple
        The number of the run, and whether it was closed just now.

    Raises
    ------
    Problem
        Nothing was used in that month, or the run cannot be approved.
    """
    period = period_name(today, -1)
    known = {row["period"]: row for row in billing.show(engine)["runs"] if row["status"] != "void"}
    standing = known.get(period, {"status": "none", "run": ""})
    if standing["status"] == "closed":
        return standing["run"], False
    run = standing["run"]
    if standing["status"] != "approved":
        _release(engine, known.get(period_name(today, -2)), approver, now_ms)
        run = billing.draft(engine, period, TARGET, PREPARER, now_ms)
        _dispute_and_hold(engine, run, approver, now_ms)
        _settle_and_sign(engine, run, approver, now_ms)
        billing.approve(engine, run, approver, now_ms)
    billing.close(engine, run, approver, now_ms)
    return run, True


# --- Review ------------------------------------------------------------------------------------------------


def _usage(engine: Engine, run: str) -> list[dict[str, Any]]:
    """Return the lines that are billed for use, the dearest first."""
    is_usage = (pl.col("kind") == "usage") & pl.col("billable") & (pl.col("amount_minor") > 0)
    usage = frames.charge_lines(engine, run).filter(is_usage).collect()
    return usage.sort("amount_minor", "line", descending=[True, False]).to_dicts()


def _review(engine: Engine, run: str, plan: Plan, approver: str, now_ms: int) -> None:
    """Let a person dispute a line, and its project's manager and the office do the rest."""
    lines = _usage(engine, run)
    if len(lines) < 5:
        return
    accounts = {person.id: person.account for person in people(plan)}
    disputed, held, moved = lines[:3]
    author = accounts.get(disputed["person_id"], DISPUTED_BY)
    billing.review(engine, run, disputed["line"], "dispute", author, NOT_MINE, now_ms)
    billing.review(engine, run, disputed["line"], "accept", approver, IT_WAS, now_ms + HOUR_MS)
    billing.review(engine, run, held["line"], "hold", approver, ASK, now_ms)
    billing.review(engine, run, lines[len(lines) // 2]["line"], "writeoff", approver, GOODWILL, now_ms)
    for other in _fitting(lines, moved):
        to = Codes(*(other[name] for name in Codes._fields))
        billing.transfer(engine, run, moved["line"], to, approver, WRONG_PROJECT, now_ms)


def _fitting(lines: list[dict[str, Any]], moved: dict[str, Any]) -> list[dict[str, Any]]:
    """Find where a line could belong: another project of that day, of the same client if there is one."""
    others = [
        line
        for line in lines
        if line["project"] != moved["project"]
        and (line["day"], line["currency"]) == (moved["day"], moved["currency"])
    ]
    return sorted(others, key=lambda line: line["client"] != moved["client"])[:1]


def _dispute_and_hold(engine: Engine, run: str, approver: str, now_ms: int) -> None:
    """Let a project manager dispute the dearest line, and put it on hold."""
    line = _usage(engine, run)[0]["line"]
    billing.review(engine, run, line, "dispute", DISPUTED_BY, DISPUTE, now_ms)
    billing.review(engine, run, line, "hold", approver, HOLD, now_ms)


def _release(engine: Engine, before: dict[str, Any] | None, approver: str, now_ms: int) -> None:
    """Let what was held in the closed run before be billed after all."""
    if before is None or before["status"] != "closed":
        return
    held = frames.charge_lines(engine, before["run"]).filter(pl.col("review") == "hold").collect()
    for line in held.filter(pl.col("kind") == "usage")["line"]:
        billing.release(engine, before["run"], line, approver, SIGNED, now_ms)


def _settle_and_sign(engine: Engine, run: str, approver: str, now_ms: int) -> None:
    """Waive what blocks the run, and let every manager sign; for the last of them somebody else does."""
    for kind in billing.show(engine, run)["blocking"]:
        billing.waive(engine, run, CLERK, WAIVERS.get(kind, KNOWN), now_ms, kind=kind)
    with engine.connect() as connection:
        managers = ledger.manager_accounts(connection)
    waiting = [row["project"] for row in billing.sign_offs(engine, run) if row["state"] in WAITING]
    for project in waiting[:-1]:
        billing.sign(engine, run, project, managers[project], "", now_ms)
    for project in waiting[-1:]:
        billing.sign(engine, run, project, approver, ON_LEAVE, now_ms)
