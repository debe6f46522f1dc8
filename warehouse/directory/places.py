"""Which office, department or cost center of ours a text of a directory server means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from warehouse import schema
from warehouse.directory.ldap_settings import LdapSettings
from warehouse.errors import Problem
from warehouse.tabular import CLEAR


class Office(NamedTuple):
    """An office that people can be placed in."""

    code: str
    zone: str


class Places:
    """Looks texts up: the settings' own words first, then codes, then names, case aside.

    Offices must be there, because a server knows neither their zone nor their currency. Departments and cost
    centers that are new are made under the text itself.
    """

    def __init__(self, connection: Connection, settings: LdapSettings) -> None:
        self._connection, self._settings = connection, settings
        office = schema.office
        rows = connection.execute(sa.select(office.c.id, office.c.code, office.c.zone, office.c.name)).all()
        self._offices = {row.code: Office(row.code, row.zone) for row in rows}
        self._ids = {"office": {row.code: int(row.id) for row in rows}}
        self._names = {"office": _by_name([(row.code, row.name) for row in rows])}
        for what in ("department", "cost_center"):
            table = schema.metadata.tables[what]
            known = connection.execute(sa.select(table.c.id, table.c.code, table.c.name)).all()
            self._ids[what] = {row.code: int(row.id) for row in known}
            self._names[what] = _by_name([(row.code, row.name) for row in known])

    def office(self, text: str | None) -> Office | None:
        """Return the office that a text means, the settings' default without one; None: there is none."""
        default = self._settings.default_office
        wanted = default if text is None else text
        code = None if wanted is None else self._known("office", wanted)
        if code is None and text is None and default is not None:
            message = f"people.default_office: no office is called {default!r}"
            raise Problem(message, "import it first: `process-meter directory import FILE`")
        return None if code is None else self._offices[code]

    def code(self, what: str, text: str | None) -> str | None:
        """Return the code of a department or cost center; a new one is made."""
        if text is None:
            return None
        known = self._known(what, text)
        if known is not None:
            return known
        table = schema.metadata.tables[what]
        insert = sa.insert(table).values(code=text, name=text).returning(table.c.id)
        self._ids[what][text] = int(self._connection.execute(insert).scalar_one())
        self._names[what].setdefault(text.casefold(), []).append(text)
        return text

    def _known(self, what: str, text: str) -> str | None:
        wanted = self._settings.words[f"{what}s"].get(text.casefold(), text)
        if wanted in self._ids[what]:
            return wanted
        codes = self._names[what].get(wanted.casefold(), ())
        if len(codes) > 1:
            message = f"{wanted!r} is the name of two: {', '.join(codes)}"
            raise Problem(message, f'say which in the settings: [{what}s] "{wanted}" = "{codes[0]}"')
        return next(iter(codes), None)

    def is_same(self, placement: RowMapping, placed: Mapping[str, str]) -> bool:
        """Say whether a stored placement is where a person is placed now."""
        return all(
            placement[f"{what}_id"] == (None if code == CLEAR else self._ids[what][code])
            for what, code in placed.items()
        )


def _by_name(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Collect codes by names and by themselves, in lower case."""
    found: dict[str, list[str]] = {}
    for code, name in rows:
        for text in dict.fromkeys((code.casefold(), name.casefold())):
            found.setdefault(text, []).append(code)
    return {text: sorted(codes) for text, codes in found.items()}
