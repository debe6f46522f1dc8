"""The trace of a session: who said when, for which stretch, what it was for, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from warehouse.corrections.sessions import Entry, entries_of, find_session, refuse_strangers
from warehouse.directory.charging_rights import rights_of
from warehouse.projects import Codes


class Said(NamedTuple):
    """One statement of a session's trace.

    Attributes
    ----------
    entry
        Its number: a higher one outranks a lower one where they overlap.
    at_ms, author, reason
        When, by which account, why.
    from_ms, to_ms, instance
        Of which stretch (None: open) and process (None: all) it speaks; UTC in milliseconds.
    before
        What was in force at `from_ms` until then; None: nothing.
    after, fields
        What it says.
    """

    entry: int
    at_ms: int
    author: str
    reason: str
    from_ms: int
    to_ms: int | None
    instance: int | None
    before: Codes | None
    after: Codes
    fields: Mapping[str, str]


def trace(engine: Engine, session: int, actor: str, *, on_server: bool = False) -> list[Said]:
    """Return all that was ever said of a session, in order.

    Parameters
    ----------
    actor, on_server
        Who asks: whoever may correct the session may see its trace, also after the deadline.

    Raises
    ------
    Problem
        There is no such session, or it is somebody else's.
    """
    with engine.connect() as connection:
        rights = rights_of(connection, actor, on_server=on_server)
        found = find_session(connection, session)
        entries = entries_of(connection, found.id)
        refuse_strangers(connection, rights, found, entries)
    return [_said(entry, entries[:place]) for place, entry in enumerate(entries)]


def _said(entry: Entry, earlier: Sequence[Entry]) -> Said:
    fits = [
        each
        for each in earlier
        if each.meets(entry.from_ms, entry.from_ms + 1) and each.instance in (None, entry.instance)
    ]
    return Said(
        entry.id, entry.created_ms, entry.author, entry.reason, entry.from_ms, entry.to_ms, entry.instance,
        fits[-1].codes if fits else None, entry.codes, entry.fields,
    )  # fmt: skip
