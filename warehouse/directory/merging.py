"""Whose accounts are whose: one person has many names, and some names are nobody's.

The organization's rule (its setting `accounts`, docs/directory.md) says which names mean the same: accounts
that the rule gives one plain name are one person's, as soon as one of them is known to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.errors import Problem

KEYS = ("strip_domain", "prefixes", "suffixes", "aliases", "shared")
_account, _person = schema.account, schema.person


@dataclass(frozen=True)
class AccountRule:
    """Which names of accounts mean the same person."""

    strips_domain: bool = False
    """`ACME\\ada` and `ada@acme.example` are `ada`."""
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    """`adm-ada` and `ada-adm` are `ada`."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names that mean another one, whatever the rest of the rule would make of them."""
    shared: tuple[str, ...] = ()
    """Patterns (`*`, `?`) of names that stand for nobody."""

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> AccountRule:
        """Read the setting `accounts`.

        Raises
        ------
        Problem
            Names the key that does not fit.
        """
        for key in document:
            if key not in KEYS:
                raise Problem(f"accounts.{key}: unknown key", f"known ones: {', '.join(KEYS)}")
        strips_domain = document.get("strip_domain", False)
        if not isinstance(strips_domain, bool):
            raise Problem("accounts.strip_domain is neither true nor false", "write true or false")
        aliases = document.get("aliases", {})
        if not isinstance(aliases, dict) or not all(isinstance(name, str) for name in aliases.values()):
            raise Problem("accounts.aliases is no table of names", 'write "old name" = "name"')
        lists = {key: _names(document, key) for key in ("prefixes", "suffixes", "shared")}
        low = {name.lower(): other.lower() for name, other in aliases.items()}
        return AccountRule(strips_domain, aliases=low, **lists)

    def plain(self, name: str) -> str:
        """Return the name that an account stands for."""
        name = name.lower()
        if name in self.aliases:
            return self.aliases[name]
        if self.strips_domain:
            name = name.rpartition("\\")[2].partition("@")[0] or name
        name = _cut(name, self.prefixes, self.suffixes)
        return self.aliases.get(name, name)

    def is_shared(self, name: str) -> bool:
        """Say whether an account stands for nobody; with or without its domain."""
        names = (name.lower(), name.lower().rpartition("\\")[2])
        return any(fnmatchcase(each, pattern) for each in names for pattern in self.shared)


def _names(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise Problem(f"accounts.{key} is no list of texts", f'write {key} = ["...", "..."]')
    return tuple(each.lower() for each in found)


def _cut(name: str, prefixes: Sequence[str], suffixes: Sequence[str]) -> str:
    """Take one prefix and one suffix off a name, unless nothing would be left."""
    for prefix in prefixes:
        if name.startswith(prefix) and name != prefix:
            name = name.removeprefix(prefix)
            break
    for suffix in suffixes:
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix)
    return name


class Linked(NamedTuple):
    """What linking did: accounts that have a person now, accounts that are shared now, and doubts."""

    given: int
    shared: int
    doubts: tuple[str, ...]
    """One sentence for each name that two people claim: its accounts stay nobody's."""


def link_accounts(connection: Connection) -> Linked:
    """Give the accounts that belong to nobody yet to the person whom the organization's rule means.

    Nobody's account is ever taken away. Shared accounts stay nobody's. A name that accounts of two people
    stand for is left alone and told; `refuse_doubts` makes an error of it.
    """
    rule = account_rule(connection)
    if rule is None:
        return Linked(0, 0, ())
    rows = connection.execute(
        sa.select(_account.c.id, _account.c.name, _account.c.person_id, _account.c.shared)
    )
    accounts = [tuple(row) for row in rows]
    shared = {number for number, name, _, is_shared in accounts if is_shared or rule.is_shared(name)}
    marked = shared - {number for number, _, _, is_shared in accounts if is_shared}
    owners: dict[str, set[int]] = {}
    for number, name, person, _ in accounts:
        if person is not None and number not in shared:
            owners.setdefault(rule.plain(name), set()).add(person)
    orphans = [(n, name) for n, name, person, _ in accounts if person is None and n not in shared]
    wanted = [(number, name, owners.get(rule.plain(name), set())) for number, name in orphans]
    given = [{"number": number, "whose": min(who)} for number, _, who in wanted if len(who) == 1]
    _write(connection, given, marked)
    return Linked(len(given), len(marked), _doubts(connection, wanted))


def account_rule(connection: Connection) -> AccountRule | None:
    """Return the organization's rule; None where it has none."""
    settings = connection.scalar(sa.select(schema.organization.c.settings).order_by(schema.organization.c.id))
    document = (settings or {}).get("accounts")
    return None if document is None else AccountRule.from_document(document)


def refuse_doubts(linked: Linked) -> None:
    """Raise the first doubt as an error."""
    if linked.doubts:
        raise Problem(
            linked.doubts[0], "say whose it is in a directory file, in a row of its own with record `account`"
        )


def _write(connection: Connection, given: Sequence[Mapping[str, int]], marked: Iterable[int]) -> None:
    is_it = _account.c.id == sa.bindparam("number")
    if given:
        change = sa.update(_account).where(is_it).values(person_id=sa.bindparam("whose"))
        connection.execute(change, list(given))
    numbers = [{"number": number} for number in marked]
    if numbers:
        connection.execute(sa.update(_account).where(is_it).values(shared=True), numbers)


def _doubts(connection: Connection, wanted: Iterable[tuple[int, str, set[int]]]) -> tuple[str, ...]:
    claimed = [(name, who) for _, name, who in wanted if len(who) > 1]
    if not claimed:
        return ()
    codes = {row.id: row.code for row in connection.execute(sa.select(_person.c.id, _person.c.code))}
    return tuple(
        f"account {name!r} could be any of {', '.join(sorted(codes[each] for each in who))}"
        for name, who in claimed
    )
