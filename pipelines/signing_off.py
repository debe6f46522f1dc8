"""Sign-offs of project managers on a run: who has seen which lines, and which projects keep it waiting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from pipelines.acting import Actor, acting, readable, require_reason, require_status
from warehouse import directory, ledger
from warehouse.errors import Problem
from warehouse.ledger import OPEN, ProjectLines, Run, SignOff

State = Literal["signed", "changed", "withdrawn", "unsigned", "not needed"]
"""Of a project on a run: changed is signed, but other lines than there are now; not needed is a project that
has no manager, or none of whose lines is billed."""

WAITING: tuple[State, ...] = ("changed", "withdrawn", "unsigned")


# --- What stands -------------------------------------------------------------------------------------------


def sign_offs(engine: Engine, run: str) -> list[dict[str, Any]]:
    """Return where each project of a run stands, as plain JSON, ordered by number.

    Returns
    -------
    list
        Each with project, manager (a pseudonym; null: none), lines, billed (how many of them), state (see
        `State`), and by, reason, at of the last act (null: none).

    Raises
    ------
    Problem
        There is no such run.
    """
    with engine.connect() as connection:
        found = ledger.find_run(connection, run)
        acts = ledger.sign_offs(connection, found.id)
        projects = ledger.project_lines(connection, found.id)
    key = directory.pseudonym_key(engine.url)
    return [_plain(project, acts.get(project.project_id), key) for project in projects]


def _plain(project: ProjectLines, act: SignOff | None, key: bytes) -> dict[str, Any]:
    manager = project.manager_id
    return {
        "project": project.project,
        "manager": None if manager is None else directory.pseudonym("P", manager, key),
        "lines": project.lines,
        "billed": project.billed,
        "state": _state(project, act),
        "by": act.actor if act else None,
        "reason": act.reason if act else None,
        "at": datetime.fromtimestamp(act.at_ms / 1000, UTC).isoformat() if act else None,
    }


def _state(project: ProjectLines, act: SignOff | None) -> State:
    if project.manager_id is None or not project.billed:
        return "not needed"
    if act is None:
        return "unsigned"
    if act.action == "withdraw":
        return "withdrawn"
    return "signed" if act.lines_digest == project.lines_digest else "changed"


def waiting(connection: Connection, run: Run) -> dict[str, State]:
    """Return the projects that are not signed as they are now, by number."""
    acts = ledger.sign_offs(connection, run.id)
    states = {
        project.project: _state(project, acts.get(project.project_id))
        for project in ledger.project_lines(connection, run.id)
    }
    return {number: state for number, state in states.items() if state in WAITING}


def refuse_unsigned(connection: Connection, run: Run, now_ms: int) -> None:
    """Refuse to approve a run with unsigned projects before its deadline; without a deadline, for good.

    Raises
    ------
    Problem
        Naming the projects.
    """
    if run.review_until_ms is not None and now_ms >= run.review_until_ms:
        return
    found = waiting(connection, run)
    if found:
        told = ", ".join(f"{number} ({state})" for number, state in list(found.items())[:10])
        more = ", ..." if len(found) > 10 else ""
        raise Problem(
            f"run {run.number} waits for the managers of {told}{more}",
            f"let them sign: `process-meter billing sign {run.number} --project NUMBER`{_deadline(run)}",
        )


def _deadline(run: Run) -> str:
    if run.review_until_ms is None:
        return ""
    until = datetime.fromtimestamp(run.review_until_ms / 1000, UTC)
    return f", or wait until {until:%Y-%m-%d %H:%M} UTC"


# --- Acts --------------------------------------------------------------------------------------------------


def sign(  # noqa: PLR0913, PLR0917 - who signs what, why and when
    engine: Engine, run: str, project: str, actor: str, reason: str, now_ms: int
) -> bool:
    """Sign all lines of a project on a draft, as its manager; return whether that is new.

    Billing staff that does not manage the project may sign for its manager, with a reason.

    Raises
    ------
    Problem
        Unknown run, a project without lines on it or without a manager, one with a line in dispute or
        transferred, a run that is no longer in review, an actor who is neither, staff without a reason.
    """
    with acting(engine, run, actor) as (connection, found, who):
        lines = _lines_of(connection, found, project)
        reason = _right(who, lines, reason)
        require_status(found, OPEN, "only a draft can be signed")
        if lines.manager_id is None:
            raise Problem(f"project {project} has no manager: nobody has to sign it", "import one with it")
        _refuse_unsettled(connection, found, project)
        last = ledger.sign_offs(connection, found.id).get(lines.project_id)
        if last and (last.action, last.lines_digest) == ("sign", lines.lines_digest):
            return False
        _write(
            connection, found, SignOff(lines.project_id, "sign", actor, reason, lines.lines_digest, now_ms)
        )
        detail = {"project": project, "reason": reason, "lines_digest": lines.lines_digest}
        ledger.record_event(connection, actor, "billing sign", run, detail, now_ms)
    return True


def withdraw(  # noqa: PLR0913, PLR0917 - who takes back what, why and when
    engine: Engine, run: str, project: str, actor: str, reason: str, now_ms: int
) -> bool:
    """Take back the sign-off of a project; return whether there was one.

    Raises
    ------
    Problem
        Unknown run, a project without lines on it, a run that is no longer in review, an actor who is neither
        its manager nor of the billing staff, staff without a reason.
    """
    with acting(engine, run, actor) as (connection, found, who):
        lines = _lines_of(connection, found, project)
        reason = _right(who, lines, reason)
        require_status(found, OPEN, "only a sign-off on a draft can be withdrawn")
        last = ledger.sign_offs(connection, found.id).get(lines.project_id)
        if last is None or last.action != "sign":
            return False
        _write(
            connection, found, SignOff(lines.project_id, "withdraw", actor, reason, last.lines_digest, now_ms)
        )
        detail = {"project": project, "reason": reason}
        ledger.record_event(connection, actor, "billing withdraw", run, detail, now_ms)
    return True


def _lines_of(connection: Connection, run: Run, project: str) -> ProjectLines:
    for lines in ledger.project_lines(connection, run.id, project):
        return lines
    raise Problem(
        f"run {run.number} has no line of project {project}",
        f"see it: `process-meter billing show {run.number}`",
    )


def _right(actor: Actor, lines: ProjectLines, reason: str) -> str:
    """Return the reason of who may sign: a manager needs none."""
    if actor.manages(lines.manager_id):
        return readable(reason)
    actor.require_staff(f"sign project {lines.project}, which is somebody else's")
    return require_reason(reason, f"to act for the manager of project {lines.project}")


def _refuse_unsettled(connection: Connection, run: Run, project: str) -> None:
    for action, remedy in (
        ("dispute", "accept, hold, write off or transfer each of them first"),
        ("transfer", "draft the period again, so that they are where they belong"),
    ):
        lines = ledger.lines_in(connection, run.id, action, project)
        if lines:
            told = ", ".join(map(str, lines[:10]))
            raise Problem(f"project {project} has lines in {action}: {told}", remedy)


def _write(connection: Connection, run: Run, act: SignOff) -> None:
    ledger.add_sign_off(connection, run.id, act)
    ledger.start_review(connection, run)
