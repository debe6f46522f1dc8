"""`erase`: a person asks to be forgotten. Bills stay summable and verifiable, and name nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.errors import Problem
from warehouse.ledger import forget_name, record_event, serialize
from warehouse.retention.blanking import ERASED, blank
from warehouse.retention.removing import is_billed, remove_sessions

NAME = "erased person"
BLANK = "erased"
"""What is left of a record that was set aside and names the person."""

_account, _person, _session = schema.account, schema.person, schema.session
_line, _run = schema.charge_line, schema.billing_run


class Erased(NamedTuple):
    """What was taken away, or would be, and under which code the rest is kept."""

    code: str
    counts: Mapping[str, int]
    was_tried_only: bool

    def lines(self) -> list[str]:
        """Return the report, a line for each kind of record."""
        verb = "would go" if self.was_tried_only else "gone"
        found = [
            f"{name.replace('_', ' ')}: {count:,} {verb}" for name, count in self.counts.items() if count
        ]
        return [*found, f"what closed bills stand on is kept, under {self.code}"]


@dataclass(frozen=True)
class _Who:
    """Whom to erase: the person's row, accounts, and every text that names him or her."""

    id: int
    accounts: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def code(self) -> str:
        return f"{ERASED}{self.id}"

    def is_named_in(self, text: str) -> bool:
        """Say whether a text names the person, as whole words, case aside."""
        return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) for name in self.names)


def erase(  # noqa: PLR0913 - of whom, by whom, why, when, and whether for good
    engine: Engine, person: str, actor: str, reason: str, now_ms: int, *, dry_run: bool = False
) -> Erased:
    """Take away a person's evidence and every name of his or hers, all or nothing.

    What lines of closed runs stand on stays, under `erased-N`; everything else of the person is deleted.
    Mirror and rollups follow by landings. The audit says that somebody was erased, and not who.

    Parameters
    ----------
    person
        Code in the directory.
    actor, reason
        Who does it and why, for the audit; the reason must not name the person.
    now_ms
        UTC.
    dry_run
        Count, and take nothing away.

    Raises
    ------
    Problem
        Nobody has the code, a run that is not closed has lines of the person, the reason is missing or names
        the person.
    """
    with store.writing(engine) as connection:
        serialize(connection)
        if connection.dialect.name == "sqlite":  # else the bytes stay in the file until others need the room
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        who = _find(connection, person)
        _refuse_open_runs(connection, who)
        _refuse_reason(reason, who)
        counts = {**_evidence(connection, who, now_ms), **_records(connection, who)}
        _blank_names(connection, who, now_ms)
        if dry_run:
            connection.rollback()
        else:
            detail = {"reason": reason.strip(), **{name: count for name, count in counts.items() if count}}
            record_event(connection, actor, "erase", "a person", detail, now_ms)
    if connection.dialect.name == "sqlite" and not dry_run:
        with engine.connect() as after:
            after.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return Erased(who.code, counts, dry_run)


def _find(connection: Connection, code: str) -> _Who:
    row = connection.execute(sa.select(_person).where(_person.c.code == code)).mappings().first()
    if row is None:
        raise Problem(f"nobody has the code {code!r}", "give the code of the directory")
    if code == f"{ERASED}{row['id']}":
        raise Problem(f"{code} is erased already", "there is nothing left to erase")
    mine = sa.select(_account.c.id, _account.c.name).where(
        _account.c.person_id == row["id"], ~_account.c.shared
    )
    accounts = connection.execute(mine).all()
    texts = [
        row["code"],
        row["name"],
        row["email"],
        row["employee_number"],
        *(each.name for each in accounts),
    ]
    plain = [each.name.rpartition("\\")[2].partition("@")[0] for each in accounts]
    names = tuple(dict.fromkeys(text for text in (*texts, *plain) if text and len(text) > 1))
    return _Who(int(row["id"]), tuple(each.id for each in accounts), names)


def _refuse_open_runs(connection: Connection, who: _Who) -> None:
    query = (
        sa.select(_run.c.number, _run.c.status)
        .join(_line, _line.c.billing_run_id == _run.c.id)
        .where(_line.c.person_id == who.id, _run.c.status.not_in(("closed", "void")))
        .order_by(_run.c.id)
    )
    found = connection.execute(query).first()
    if found is not None:
        message = f"run {found.number} is in {found.status} and has lines of this person"
        raise Problem(message, "close it or void it first")


def _refuse_reason(reason: str, who: _Who) -> None:
    if not reason.strip():
        raise Problem("to erase a person needs a reason", "give one with --reason TEXT")
    if who.is_named_in(reason):
        raise Problem("the reason names the person, and the audit would keep it", "leave the name out")


# --- What goes ---------------------------------------------------------------------------------------------


def _evidence(connection: Connection, who: _Who, now_ms: int) -> dict[str, int]:
    mine = sa.select(_session.c.id).where(_session.c.account_id.in_(who.accounts), ~is_billed())
    counts = remove_sessions(connection, list(connection.scalars(mine.order_by(_session.c.id))), now_ms)
    event, presence, denial = schema.foreign_event, schema.presence, schema.denial
    kept = sa.exists(sa.select(_session.c.key).where(_session.c.key == event.c.session_key).correlate(event))
    lost = sa.delete(event).where(event.c.account_id.in_(who.accounts), ~kept)
    counts["foreign_events"] = connection.execute(lost).rowcount
    shown = sa.delete(presence).where(presence.c.account_id.in_(who.accounts))
    counts["presences"] = connection.execute(shown).rowcount
    # That a license was refused is the server's; to whom and where is the person's.
    nobody = {"account_id": None, "host_id": None}
    refused = sa.update(denial).where(denial.c.account_id.in_(who.accounts)).values(nobody)
    counts["names_in_denials"] = connection.execute(refused).rowcount
    return counts


def _records(connection: Connection, who: _Who) -> dict[str, int]:
    """Take away what is kept about the person beside evidence."""
    found = {"names_in_closed_bills": forget_name(connection, who.id)}
    for table in (schema.directory_entry, schema.membership):
        mine = sa.delete(table).where(table.c.person_id == who.id)
        found[table.name] = connection.execute(mine).rowcount
    found["records_set_aside"] = _blank_quarantine(connection, who)
    entry = schema.project_entry
    lower = [name.lower() for name in who.names]
    by_name = sa.update(entry).where(sa.func.lower(entry.c.author).in_(lower)).values(author=who.code)
    found["names_in_project_entries"] = connection.execute(by_name).rowcount
    return found


def _blank_quarantine(connection: Connection, who: _Who) -> int:
    table = schema.quarantine
    texts = [table.c.record.icontains(name, autoescape=True) for name in who.names]
    rows = connection.execute(sa.select(table.c.id, table.c.record).where(sa.or_(*texts)))
    named = [row.id for row in rows if who.is_named_in(row.record)]
    for number in named:
        connection.execute(sa.update(table).where(table.c.id == number).values(record=BLANK))
    return len(named)


# --- What stays, without a name ----------------------------------------------------------------------------


def _blank_names(connection: Connection, who: _Who, now_ms: int) -> None:
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()
    blank(connection, schema.client_device, _own_devices(who.accounts))
    blank(connection, _account, _account.c.id.in_(who.accounts))
    for table in (schema.assignment, schema.placement):
        _end(connection, table, who.id, today)
    nobody = {"code": who.code, "name": NAME, "email": None, "employee_number": None}
    connection.execute(sa.update(_person).where(_person.c.id == who.id).values(nobody))


def _own_devices(accounts: Sequence[int]) -> sa.ColumnElement[bool]:
    """Return the condition that nobody else's session came from a client device."""
    device = _session.c.client_device_id
    others = sa.select(device).where(device.is_not(None), _session.c.account_id.not_in(accounts))
    return schema.client_device.c.id.not_in(others)


def _end(connection: Connection, table: sa.Table, person: int, today: str) -> None:
    """End what has not ended: a seat is free again, a place empty."""
    mine = table.c.person_id == person
    runs_on = sa.or_(table.c.valid_to_on.is_(None), table.c.valid_to_on > today)
    connection.execute(sa.delete(table).where(mine, table.c.valid_from_on >= today))
    connection.execute(sa.update(table).where(mine, runs_on).values(valid_to_on=today))
