"""Names that stand for nobody any more: the row stays, so that what points at it still does."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema

ERASED = "erased-"
"""What names and codes begin with that have been taken away; the row's own number follows."""

_account, _device, _session = schema.account, schema.client_device, schema.session


def blank(connection: Connection, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    """Take the names of rows away; return of how many."""
    name = sa.literal(ERASED, sa.Text()) + sa.cast(table.c.id, sa.Text())
    still_named = table.c.name.not_like(f"{ERASED}%")
    return connection.execute(sa.update(table).where(condition, still_named).values(name=name)).rowcount


def unspoken_accounts() -> sa.ColumnElement[bool]:
    """Return the condition that an account is nobody's, and no record speaks of it."""
    speaking = (schema.session, schema.presence, schema.foreign_event, schema.denial)
    spoken = [
        sa.exists(
            sa.select(table.c.account_id).where(table.c.account_id == _account.c.id).correlate(_account)
        )
        for table in speaking
    ]
    return _account.c.person_id.is_(None) & ~_account.c.shared & ~sa.or_(*spoken)


def unused_devices() -> sa.ColumnElement[bool]:
    """Return the condition that no session came from a client device."""
    used = sa.select(_session.c.client_device_id).where(_session.c.client_device_id.is_not(None))
    return _device.c.id.not_in(used)
