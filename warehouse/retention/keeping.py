"""`retain`: take away what has been kept for long enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema, store
from warehouse.ledger import record_event
from warehouse.retention.blanking import blank, unspoken_accounts, unused_devices
from warehouse.retention.limits import Limits
from warehouse.retention.removing import is_billed, last_known_ms, remove_sessions

UNNAMED = "unnamed"
_session = schema.session


class Retained(NamedTuple):
    """How many rows of what were taken away, or would be."""

    counts: Mapping[str, int]
    was_tried_only: bool

    def lines(self) -> list[str]:
        """Return the report, a line for each kind of record."""
        verb = "would go" if self.was_tried_only else "gone"
        found = [
            f"{name.replace('_', ' ')}: {count:,} {verb}" for name, count in self.counts.items() if count
        ]
        return found or ["Nothing is older than it is kept for."]


def retain(engine: Engine, now_ms: int, dry_run: bool = False, *, actor: str = UNNAMED) -> Retained:
    """Take away what is older than the organization's setting `retention` keeps it for, all or nothing.

    What a billing run stands on that is not void is kept, however old. Mirror and rollups follow by landings.

    Parameters
    ----------
    now_ms
        UTC.
    dry_run
        Count, and take nothing away.
    actor
        Who does it, for the audit.

    Raises
    ------
    Problem
        The setting does not fit.
    """
    with store.writing(engine) as connection:
        settings = connection.scalar(sa.select(schema.organization.c.settings))
        limits = Limits((settings or {}).get("retention", {}), now_ms)
        counts = {
            **_evidence(connection, limits, now_ms),
            **_by_age(connection, limits),
            **_names(connection),
        }
        if dry_run:
            connection.rollback()
        elif any(counts.values()):
            detail = {name: count for name, count in counts.items() if count}
            record_event(connection, actor, "retain", "warehouse", detail, now_ms)
    return Retained(counts, dry_run)


def _evidence(connection: Connection, limits: Limits, now_ms: int) -> dict[str, int]:
    before = limits.before_ms("evidence_months")
    is_open_now = sa.exists(
        sa.select(schema.presence.c.session_key)
        .where(schema.presence.c.session_key == _session.c.key)
        .correlate(_session)
    )
    old = sa.select(_session.c.id).where(
        _session.c.started_ms < before, last_known_ms() < before, ~is_billed(), ~is_open_now
    )
    numbers = list(connection.scalars(old.order_by(_session.c.id)))
    return remove_sessions(connection, numbers, now_ms)


def _by_age(connection: Connection, limits: Limits) -> dict[str, int]:
    """Take away what hangs on no session."""
    tables = schema.metadata.tables
    ages = {
        "watch_interval": ("end_ms", "evidence_months"),
        "capacity_reading": ("at_ms", "evidence_months"),
        "denial": ("at_ms", "evidence_months"),
        "vendor_count": ("end_ms", "evidence_months"),
        "import_run": ("at_ms", "import_months"),
        "report_run": ("started_ms", "report_months"),
        "job_run": ("due_ms", "report_months"),
        "quarantine": ("received_ms", "set_aside_days"),
        "enrollment_token": ("expires_ms", "token_days"),
        "presence": ("heard_ms", "presence_days"),
    }
    found = {}
    for name, (column, key) in ages.items():
        old = tables[name].c[column] < limits.before_ms(key)
        found[f"{name}s"] = connection.execute(sa.delete(tables[name]).where(old)).rowcount
    for name in ("installation", "membership"):
        old = tables[name].c.valid_to_on < limits.before_on("evidence_months")
        found[f"{name}s"] = connection.execute(sa.delete(tables[name]).where(old)).rowcount
    event = schema.foreign_event
    kept = sa.exists(sa.select(_session.c.key).where(_session.c.key == event.c.session_key).correlate(event))
    lost = (event.c.at_ms < limits.before_ms("evidence_months")) & ~kept
    found["foreign_events"] = connection.execute(sa.delete(event).where(lost)).rowcount
    return found


def _names(connection: Connection) -> dict[str, int]:
    """Take the names of accounts and client devices away that no record speaks of any more."""
    return {
        "names_of_accounts": blank(connection, schema.account, unspoken_accounts()),
        "names_of_client_devices": blank(connection, schema.client_device, unused_devices()),
    }
