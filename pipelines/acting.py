"""Who may do what to a billing run, asked in one place: web pages and commands only call the acts.

An actor is an account: the signed-in or the operating-system identity. Billing staff is whom the
organization's setting `billing_staff` lists; where it lists nobody, whoever may run the commands is it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from sqlalchemy import Connection, Engine

from warehouse import ledger, store
from warehouse.errors import Problem
from warehouse.ledger import Party, Run
from warehouse.projects import shown

LONGEST_REASON = 1_000
"""Characters of a reason."""


@dataclass(frozen=True)
class Actor:
    """Who acts: an account, the person behind it (None: nobody known), and whether it is billing staff."""

    name: str
    person_id: int | None
    is_staff: bool

    def manages(self, manager_id: int | None) -> bool:
        """Whether the actor is this manager of a project."""
        return manager_id is not None and self.person_id == manager_id

    def require_staff(self, act: str) -> None:
        """Refuse whoever is not of the billing staff.

        Raises
        ------
        Problem
            Naming the actor and the act.
        """
        if not self.is_staff:
            self._refuse(act, "is not of the billing staff")

    def require_manager(self, party: Party, act: str) -> None:
        """Refuse whoever neither manages the line's project nor is of the billing staff.

        Raises
        ------
        Problem
            Naming the actor and the act.
        """
        if not (self.is_staff or self.manages(party.manager_id)):
            self._refuse(act, f"neither manages project {party.project} nor is of the billing staff")

    def require_part(self, party: Party, act: str) -> None:
        """Refuse whoever has no part in a line: it is not theirs, nor of a project that they manage.

        Raises
        ------
        Problem
            Naming the actor and the act.
        """
        if not (self.is_staff or self.person_id == party.person_id or self.manages(party.manager_id)):
            self._refuse(
                act,
                f"neither is the person of the line, nor manages project {party.project}, nor is of the "
                "billing staff",
            )

    def _refuse(self, act: str, why: str) -> NoReturn:
        raise Problem(
            f"{self.name} cannot {act}: {self.name} {why}",
            "sign in as somebody who may, or let the billing staff do it: `process-meter billing staff`",
        )


def find_actor(connection: Connection, account: str) -> Actor:
    """Return what is known of who acts."""
    staff = ledger.billing_staff(connection)
    is_staff = not staff or account.strip().lower() in staff
    return Actor(account, ledger.person_behind(connection, account), is_staff)


def require_staff(connection: Connection, account: str, act: str) -> None:
    """Refuse an account that is not of the billing staff.

    Raises
    ------
    Problem
        Naming the account and the act.
    """
    find_actor(connection, account).require_staff(act)


@contextmanager
def acting(engine: Engine, run: str, account: str) -> Iterator[tuple[Connection, Run, Actor]]:
    """Open the one transaction of an act on a run, alone with the ledger.

    Raises
    ------
    Problem
        There is no such run.
    """
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        yield connection, ledger.find_run(connection, run), find_actor(connection, account)


def require_status(run: Run, statuses: tuple[str, ...], remedy: str) -> None:
    """Refuse an act on a run in another status.

    Raises
    ------
    Problem
        Naming the status.
    """
    if run.status not in statuses:
        raise Problem(f"run {run.number} is {run.status}", remedy)


def require_reason(reason: str, act: str) -> str:
    """Return a reason without blanks around it.

    Raises
    ------
    Problem
        There is none, or none that can be shown.
    """
    if not reason.strip():
        raise Problem(f"{act} needs a reason", "say why in a few words")
    return readable(reason)


def readable(reason: str) -> str:
    """Return a reason, which may be empty, on one line: it is shown in workbooks for years.

    Raises
    ------
    Problem
        It is too long, or holds what cannot be printed: NUL, a mark that turns the direction of writing.
    """
    told = " ".join(reason.split())
    if len(told) > LONGEST_REASON or not told.isprintable():
        remedy = f"give at most {LONGEST_REASON:,} characters that can be printed"
        raise Problem(f"{shown(told)} is no reason that can be shown", remedy)
    return told


def staff(engine: Engine) -> list[str]:
    """Return the accounts of the billing staff; none: whoever may run the commands is it."""
    with engine.connect() as connection:
        return list(ledger.billing_staff(connection))


def change_staff(
    engine: Engine, actor: str, now_ms: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
) -> bool:
    """Add accounts to the billing staff, and take others away; return whether anything changed.

    Raises
    ------
    Problem
        The actor is not of the billing staff, an account is named that none can be, or nobody would be left,
        or nobody but accounts that the directory does not know: a slip of the pen would lock everybody out.
    """
    with store.writing(engine) as connection:
        ledger.serialize(connection)
        find_actor(connection, actor).require_staff("change the billing staff")
        before = ledger.billing_staff(connection)
        after = sorted({*before, *(_plain(name) for name in add)} - {_plain(name) for name in remove})
        if after == sorted(before):
            return False
        if before and not after:
            raise Problem(
                "nobody would be left in the billing staff, and so everybody be of it",
                "add somebody first: `process-meter billing staff --add ACCOUNT`",
            )
        _refuse_lockout(connection, actor, after)
        ledger.set_billing_staff(connection, after)
        ledger.record_event(connection, actor, "billing staff", "organization", {"accounts": after}, now_ms)
        return True


def _plain(name: str) -> str:
    if not name.strip():
        raise Problem("an account of the billing staff has no name", "name the account")
    if not name.strip().isprintable():
        raise Problem(f"{shown(name)} is no name of an account", "name the account as the directory has it")
    return name.strip().lower()


def _refuse_lockout(connection: Connection, actor: str, accounts: list[str]) -> None:
    if actor.strip().lower() in accounts:
        return
    if all(ledger.person_behind(connection, name) is None for name in accounts):
        raise Problem(
            f"nobody of the directory has the account {' or '.join(accounts)}, and {actor} would not be left "
            "in the billing staff",
            "mind the spelling, name yourself as well, or import the directory first: "
            "`process-meter directory import FILE`",
        )
