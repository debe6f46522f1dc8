"""People whose time an accounting system could not book: nobody has entered their employee number."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema
from warehouse.directory import pseudonym, pseudonym_key


def without_employee_number(engine: Engine, people: Collection[int]) -> list[str]:
    """Return the pseudonyms of those of some people who have no employee number, in order."""
    person = schema.person.c
    lacking = sa.func.coalesce(sa.func.trim(person.employee_number), "") == ""
    with engine.connect() as connection:
        found = [
            number for number in connection.scalars(sa.select(person.id).where(lacking)) if number in people
        ]
    key = pseudonym_key(engine.url)
    return sorted(pseudonym("P", number, key) for number in found)
