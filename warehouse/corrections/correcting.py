"""A correction: a further project entry that outranks those before it, and keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from warehouse import evidence, frames, ledger, store
from warehouse.corrections.deadlines import Deadline, deadlines, passed
from warehouse.corrections.sessions import Entry, Session, entries_of, find_session, refuse_strangers
from warehouse.directory.charging_rights import Rights, rights_of
from warehouse.errors import Problem
from warehouse.periods import zone_of
from warehouse.projects import Codes, Master, shown

LONGEST_REASON = 1_000


@dataclass(frozen=True)
class Correction:
    """What somebody says of a session, or of a stretch of it.

    Attributes
    ----------
    session
        Its number.
    codes
        What it was for.
    reason
        Why it is said now; required.
    from_ms, to_ms
        The stretch, inside the session; None: from its start, to its end.
    fields
        The organization's own fields, by name.
    """

    session: int
    codes: Codes
    reason: str
    from_ms: int | None = None
    to_ms: int | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


class Corrected(NamedTuple):
    """How many corrections were written, and how many said what was in force already."""

    new: int
    unchanged: int

    def __str__(self) -> str:
        return f"corrections: {self.new} new, {self.unchanged} unchanged"


class CorrectionRefused(Problem):
    """Why a correction cannot be.

    `column` is what of it does not fit, as files name it; `place` counts the corrections before it.
    """

    def __init__(self, column: str, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.column, self.place = column, 0


@dataclass(frozen=True)
class _Desk:
    """What every correction of one transaction is judged by."""

    connection: Connection
    rights: Rights
    master: Master
    deadlines: Sequence[Deadline]
    now_ms: int


def correct(
    engine: Engine, corrections: Sequence[Correction], actor: str, now_ms: int, *, on_server: bool = False
) -> Corrected:
    """Write corrections, all or none; again does no harm.

    Each is a row of `project_entry`, and an event of the audit. Sessions of closed periods can be corrected
    like any other: the next draft reverses what was billed, and books what should have been.

    Parameters
    ----------
    actor
        The signed-in or operating-system identity. A person corrects own sessions, a manager those of the
        manager's projects and team, billing staff all, and these alone after the deadline.
    now_ms
        Now, UTC, in milliseconds.
    on_server
        True for a command on the server itself; see `directory.charging_rights.rights_of`.

    Raises
    ------
    CorrectionRefused
        An unknown session, a stretch outside it, codes or fields that the project master does not take on
        one of its days, somebody else's session, a deadline that has passed, no reason.
    """
    master = frames.master(engine)
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        rights = rights_of(connection, actor, on_server=on_server)
        desk = _Desk(connection, rights, master, deadlines(connection), now_ms)
        outcomes = [_numbered(desk, place, each) for place, each in enumerate(corrections)]
    return Corrected(sum(outcomes), len(outcomes) - sum(outcomes))


def _numbered(desk: _Desk, place: int, correction: Correction) -> bool:
    try:
        return _write(desk, correction)
    except CorrectionRefused as refused:
        refused.place = place
        raise


def _write(desk: _Desk, correction: Correction) -> bool:
    """Write a correction; return whether it says anything new."""
    try:
        session = find_session(desk.connection, correction.session)
        entries = entries_of(desk.connection, session.id)
        refuse_strangers(desk.connection, desk.rights, session, entries)
    except Problem as problem:
        raise CorrectionRefused("session", problem.message, problem.remedy) from None
    from_ms, to_ms = _stretch(session, correction)
    days = session.days(from_ms, to_ms, desk.now_ms)
    _refuse_late(desk, session, days)
    fields = {name: text.strip() for name, text in sorted(correction.fields.items()) if text.strip()}
    _refuse_faulty(desk.master, session, correction.codes, fields, days)
    reason = _reason(correction)
    before = next((each for each in reversed(entries) if each.meets(from_ms, to_ms)), None)
    if before is not None and _says(before, correction.codes, fields) and before.covers(from_ms, to_ms):
        return False
    _append(desk, session, Entry(0, None, from_ms, to_ms, correction.codes, fields, "", reason, 0), entries)
    return True


def _says(entry: Entry, codes: Codes, fields: Mapping[str, str]) -> bool:
    return entry.instance is None and entry.codes == codes and dict(entry.fields) == fields


def _append(desk: _Desk, session: Session, new: Entry, entries: Sequence[Entry]) -> None:
    row = evidence.ProjectEntryRow(
        session.id, None, new.from_ms, new.to_ms, *new.codes,
        json.dumps(new.fields, ensure_ascii=False, sort_keys=True),
        desk.rights.actor, new.reason, desk.now_ms,
    )  # fmt: skip
    evidence.add_project_entries(desk.connection, [row])
    before = [each for each in entries if each.meets(new.from_ms, new.to_ms)]
    detail = {
        "from_ms": new.from_ms,
        "to_ms": new.to_ms,
        "before": list(before[-1].codes) if before else None,
        "after": list(new.codes),
        "fields": dict(new.fields),
        "reason": new.reason,
    }
    ledger.record_event(
        desk.connection, desk.rights.actor, "project correct", f"session {session.key}", detail, desk.now_ms
    )


# --- What is refused ---------------------------------------------------------------------------------------


def _stretch(session: Session, correction: Correction) -> tuple[int, int | None]:
    """Return [from, to) in milliseconds; without an end where it reaches to the session's."""
    from_ms = session.started_ms if correction.from_ms is None else correction.from_ms
    to_ms = None if correction.to_ms == session.ended_ms else correction.to_ms
    end = "it is open" if session.ended_ms is None else f"it ends at {_told(session, session.ended_ms)}"
    remedy = f"give a stretch of the session: it starts at {_told(session, session.started_ms)}, {end}"
    is_inside = session.started_ms <= from_ms and (
        session.ended_ms is None or from_ms < session.ended_ms or session.started_ms == session.ended_ms
    )
    if not is_inside:
        message = f"{_told(session, from_ms)} is no moment of session {session.id}"
        raise CorrectionRefused("from", message, remedy)
    if to_ms is not None and (
        to_ms <= from_ms or (session.ended_ms is not None and to_ms > session.ended_ms)
    ):
        what = (
            "not after the start of the stretch" if to_ms <= from_ms else f"after session {session.id} ended"
        )
        raise CorrectionRefused("to", f"{_told(session, to_ms)} is {what}", remedy)
    return from_ms, to_ms


def _told(session: Session, instant_ms: int) -> str:
    """Write an instant as the session's person knows it."""
    moment = datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(zone_of(session.place.zone))
    return moment.isoformat(sep=" ", timespec="milliseconds" if instant_ms % 1000 else "seconds")


def _refuse_late(desk: _Desk, session: Session, days: Sequence[date]) -> None:
    late = None if desk.rights.is_staff else passed(desk.deadlines, days, desk.now_ms)
    if late is not None and late.until_ms is not None:
        raise CorrectionRefused(
            "session",
            f"session {session.id} is of period {late.period}, which could be corrected until "
            f"{_told(session, late.until_ms)}",
            "ask the billing staff",
        )


def _refuse_faulty(
    master: Master, session: Session, codes: Codes, fields: Mapping[str, str], days: Sequence[date]
) -> None:
    known = [rule.name for rule in master.fields]
    for name in fields:
        if name not in known:
            message = f"there is no field {shown(name)}"
            raise CorrectionRefused("field", message, f"known ones: {', '.join(known) or 'none'}")
    for day in days:
        verdict = master.judge(codes, day, session.person_id, fields)
        if verdict.fault:
            column = "field" if verdict.fault == "invalid_field" else "project"
            on = f" on {day}" if len(days) > 1 else ""
            raise CorrectionRefused(column, f"{verdict.reason}{on}", verdict.remedy)


def _reason(correction: Correction) -> str:
    reason = correction.reason.strip()
    if not reason:
        raise CorrectionRefused("reason", "a correction needs a reason", "say why, for whoever asks later")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        message = f"{shown(reason)} is no reason that can be shown"
        remedy = f"give at most {LONGEST_REASON:,} characters on one line"
        raise CorrectionRefused("reason", message, remedy)
    return reason
