"""Who may change what is charged: a person of own sessions, a manager of a team's, billing staff the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.errors import Problem


@dataclass(frozen=True)
class Rights:
    """What somebody who acts may do.

    Attributes
    ----------
    actor
        The signed-in or operating-system identity.
    account_id
        Of the account of that name; None: nothing was ever heard of it, or several people use it.
    person_id
        Whose account it is; None where nobody's or several people's.
    is_staff
        Whether the actor is one of the billing staff.
    projects
        Ids of the projects that the person manages.
    """

    actor: str
    account_id: int | None
    person_id: int | None
    is_staff: bool
    projects: frozenset[int]


def rights_of(connection: Connection, actor: str, *, on_server: bool) -> Rights:
    """Look up who acts; upper and lower case are the same.

    Parameters
    ----------
    on_server
        True for a command on the server itself: where nobody is named as billing staff
        (`process-meter billing staff`), whoever may run it there is.
    """
    from warehouse.ledger import billing_staff  # noqa: PLC0415  the ledger reads pseudonyms from this package

    account = schema.account.c
    found = connection.execute(
        sa.select(account.id, account.person_id, account.shared).where(account.name == actor.strip().lower())
    ).first()
    known = found if found and not found.shared else None
    person = known.person_id if known else None
    managed = sa.select(schema.project.c.id).where(schema.project.c.manager_id == person)
    staff = billing_staff(connection)
    return Rights(
        actor,
        known.id if known else None,
        person,
        actor.strip().lower() in staff if staff else on_server,
        frozenset(connection.scalars(managed)) if person is not None else frozenset(),
    )


def organization_settings(connection: Connection) -> Mapping[str, Any]:
    """Return the organization's settings; none where nobody has named it yet."""
    found = connection.scalar(sa.select(schema.organization.c.settings).order_by(schema.organization.c.id))
    return dict(found or {})


def correction_days(settings: Mapping[str, Any]) -> int | None:
    """Return how many days after a period's end its sessions may be corrected; None: without a deadline.

    Raises
    ------
    Problem
        The setting is no whole number of 0 to 366.
    """
    days = settings.get("correction_days")
    if days is None:
        return None
    if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= 366:
        raise Problem("correction_days is no number of days", "write a whole number of 0 to 366")
    return days


def refuse_all_but_staff(connection: Connection, actor: str, what: str) -> None:
    """Refuse what only the billing staff may do: rates, projects, periods and the rules that charges follow.

    Where the organization lists nobody, everybody who gets as far as a command is billing staff.

    Parameters
    ----------
    connection
        The transaction of the change itself, so that the list cannot be another one by the time of it.
    actor
        The operating-system identity; upper and lower case are the same.
    what
        What is to be done, as `import rates`.

    Raises
    ------
    Problem
        There is a list, and the actor is not on it.
    """
    if not rights_of(connection, actor, on_server=True).is_staff:
        raise Problem(
            f"{actor} cannot {what}: {actor} is not of the billing staff",
            "let the billing staff do it, or be added to it by one of them: `process-meter billing staff` "
            "says who that is",
        )


def refuse_others(rights: Rights, project_id: int | None, what: str) -> None:
    """Refuse what only the billing staff and the manager of a project may do.

    Parameters
    ----------
    project_id
        None: nobody's project, such as a person's cost center.

    Raises
    ------
    Problem
        The actor is neither.
    """
    if not rights.is_staff and project_id not in rights.projects:
        raise Problem(
            f"{rights.actor} neither manages this project nor is one of the billing staff, and cannot {what}",
            "let its manager or the billing staff do it",
        )
