"""What the warehouse knows of people before a sync, read at once: most of them have not changed."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from warehouse import schema

Stored = RowMapping

_person, _placement, _entry = schema.person, schema.placement, schema.directory_entry


class Known:
    """People, their places, accounts and entries, as they were when the sync began.

    `entries` alone is kept up to date: person ids by the unchanging ids of a server's entries.
    """

    def __init__(self, connection: Connection, source: str) -> None:
        self.people = {row["id"]: row for row in connection.execute(sa.select(_person)).mappings()}
        self._by_code = {row["code"]: row for row in self.people.values()}
        self._places: dict[int, list[Stored]] = {}
        for row in connection.execute(sa.select(_placement)).mappings():
            self._places.setdefault(row["person_id"], []).append(row)
        account = schema.account
        owners = connection.execute(sa.select(account.c.name, account.c.person_id))
        self._owners = {row.name: row.person_id for row in owners}
        entries = connection.execute(sa.select(_entry).where(_entry.c.source == source))
        self.entries: dict[str, int] = {row.entry: row.person_id for row in entries}

    def find(self, entry: str, codes: Iterable[str]) -> Stored | None:
        """Return the person of an entry: by what never changes, else by one of the codes."""
        known = self.entries.get(entry)
        if known is not None:
            return self.people[known]
        return next((self._by_code[code] for code in codes if code in self._by_code), None)

    def has_code(self, code: str) -> bool:
        """Say whether somebody has a code."""
        return code in self._by_code

    def place_on(self, person: int, day: str) -> Stored | None:
        """Return the placement that holds on a day."""
        for row in self._places.get(person, ()):
            if row["valid_from_on"] <= day and (row["valid_to_on"] is None or row["valid_to_on"] > day):
                return row
        return None

    def owns(self, person: int, accounts: Iterable[str]) -> bool:
        """Say whether accounts are all a person's."""
        return all(self._owners.get(name) == person for name in accounts)
