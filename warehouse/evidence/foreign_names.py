"""Whom and what foreign logs name: ids of applications, accounts and hosts, made in bulk where new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.directory.accounts import ALWAYS_ON
from warehouse.evidence.foreign_lists import rows_among
from warehouse.evidence.inserting import insert_new


class Names:
    """Ids by name, kept for one import.

    Applications are compared as they are written; accounts and hosts in lower case. A new application is
    metered and not billed, a new account is nobody's, a new host is outside the directory.

    Parameters
    ----------
    zone
        Of hosts that are new.
    """

    def __init__(self, connection: Connection, zone: str) -> None:
        self._connection = connection
        self._zone = zone
        self.applications: dict[str, int] = {}
        self.accounts: dict[str, int] = {}
        self.hosts: dict[str, int] = {}

    def learn(self, applications: Iterable[str], accounts: Iterable[str], hosts: Iterable[str]) -> None:
        """Make sure that ids of all these names are known; empty ones mean nobody and nothing."""
        self._learn(schema.application, "code", self.applications, set(applications), _application)
        self._learn(schema.account, "name", self.accounts, {name.lower() for name in accounts}, _account)
        self._learn(schema.host, "name", self.hosts, {name.lower() for name in hosts}, self._host)

    def application(self, code: str) -> int:
        """Return the id of an application that was learned."""
        return self.applications[code]

    def account(self, name: str) -> int:
        """Return the id of an account that was learned."""
        return self.accounts[name.lower()]

    def host(self, name: str) -> int:
        """Return the id of a host that was learned."""
        return self.hosts[name.lower()]

    def _learn(
        self, table: sa.Table, column: str, known: dict[str, int], wanted: set[str], new_row: Any
    ) -> None:
        absent = {name for name in wanted if name and name not in known}
        select = f"SELECT {column}, id FROM {table.name}"  # noqa: S608 - names of schema.py
        known.update(rows_among(self._connection, select, column, absent))
        new = sorted(absent - known.keys())
        if new:
            insert_new(self._connection, table, [new_row(name) for name in new])
            known.update(rows_among(self._connection, select, column, new))

    def _host(self, name: str) -> Mapping[str, Any]:
        return {"name": name, "zone": self._zone, "kind": "workstation", "valid_from_on": ALWAYS_ON}


def _application(code: str) -> Mapping[str, Any]:
    return {"code": code, "name": code, "metered": True, "billed": False}


def _account(name: str) -> Mapping[str, Any]:
    return {"name": name}
