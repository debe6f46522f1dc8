"""Who has a part in a run: billing staff, the person of a line, the manager of its project."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.errors import Problem
from warehouse.ledger.reviews import newest_act

_line, _review, _project = schema.charge_line, schema.line_review, schema.project
_organization, _account = schema.organization, schema.account

STAFF = "billing_staff"
"""The organization's setting that lists the accounts of the billing staff."""


class Party(NamedTuple):
    """One line of a run, and whose it is.

    Attributes
    ----------
    line_id
        Its id in the ledger.
    kind
        usage, month_rounding, cap, package, reversal or replacement.
    person_id
        Whose use it is.
    project, manager_id
        The project's number, and the person who manages it; None where it has no manager.
    action
        The last act of review on the line; None where there was none.
    actor, reason
        Of that act.
    """

    line_id: int
    kind: str
    person_id: int
    project: str
    manager_id: int | None
    action: str | None
    actor: str | None
    reason: str | None


def party_of(connection: Connection, run_id: int, line: int) -> Party | None:
    """Return a line of a run by its number, and whose it is; None where there is no such line."""
    query = (
        sa.select(
            _line.c.id, _line.c.kind, _line.c.person_id, _project.c.number, _project.c.manager_id,
            _review.c.action, _review.c.actor, _review.c.reason,
        )
        .join(_project, _project.c.id == _line.c.project_id)
        .outerjoin(_review, _review.c.id == newest_act())
        .where((_line.c.billing_run_id == run_id) & (_line.c.line_number == line))
    )  # fmt: skip
    row = connection.execute(query).one_or_none()
    return Party(*row) if row else None


def person_behind(connection: Connection, account: str) -> int | None:
    """Return the person whose account this is, upper and lower case alike; None where it is nobody's own."""
    query = sa.select(_account.c.person_id).where(
        (_account.c.name == account.strip().lower()) & ~_account.c.shared
    )
    return connection.scalar(query)


def managed_projects(connection: Connection, person_id: int | None) -> tuple[str, ...]:
    """Return the numbers of the projects that a person manages, in order; nobody (None) manages none."""
    if person_id is None:
        return ()
    query = sa.select(_project.c.number).where(_project.c.manager_id == person_id)
    return tuple(sorted(str(number) for number in connection.scalars(query)))


def manager_accounts(connection: Connection) -> dict[str, str]:
    """Return an account of the manager of each project that has one, by the project's number."""
    query = (
        sa.select(_project.c.number, _account.c.name)
        .join(_account, _account.c.person_id == _project.c.manager_id)
        .where(~_account.c.shared)
        .order_by(_account.c.id.desc())
    )
    return {str(number): str(name) for number, name in connection.execute(query)}


def billing_staff(connection: Connection) -> tuple[str, ...]:
    """Return the accounts of the billing staff, in lower case; none: whoever may run the commands is it."""
    named = _settings(connection).get(STAFF) or ()
    return tuple(str(name).strip().lower() for name in named)


def set_billing_staff(connection: Connection, accounts: Collection[str]) -> None:
    """Make these accounts the billing staff.

    Raises
    ------
    Problem
        Nobody has named the organization yet.
    """
    settings = {**_settings(connection), STAFF: sorted({name.strip().lower() for name in accounts})}
    if not connection.execute(sa.update(_organization).values(settings=settings)).rowcount:
        raise Problem(
            "the organization has no name yet",
            "import a directory file with a row `organization`: `process-meter directory import FILE`",
        )


def requires_separation(connection: Connection) -> bool:
    """Whether the organization insists on the separation of duties, whatever the billing policy says."""
    return _settings(connection).get("separation_of_duties") is True


def _settings(connection: Connection) -> dict[str, Any]:
    return dict(connection.scalar(sa.select(_organization.c.settings)) or {})
