"""Groups that people are in, from day to day, as a directory file tells them."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import schema
from warehouse.directory.storing import Imported
from warehouse.tabular import CLEAR, Row

FILES = ""
"""Source of groups that come from files; those of a directory server are the server's."""

_group, _membership = schema.directory_group, schema.membership


def put_groups(connection: Connection, person: int, row: Row, day: str, done: Imported) -> None:
    """Let a person be in exactly the groups of a row from a day on; an empty cell leaves them as they are.

    A dash ends them all. What a later row has said of later days stays.
    """
    if row.text("groups") is None:
        return
    wanted = {_group_id(connection, name) for name in row.codes("groups") if name != CLEAR}
    held = _held(connection, person, day)
    _end(connection, [held[group] for group in held if group not in wanted], day, done)
    for group in sorted(wanted - set(held)):
        _begin(connection, person, group, day, done)
    for _ in wanted & set(held):
        done.add("memberships", "unchanged")


def _held(connection: Connection, person: int, day: str) -> dict[int, int]:
    """Return the memberships by groups of files that hold on a day."""
    query = (
        sa.select(_membership.c.directory_group_id, _membership.c.id)
        .join(_group, _group.c.id == _membership.c.directory_group_id)
        .where(
            _group.c.source == FILES,
            _membership.c.person_id == person,
            _membership.c.valid_from_on <= day,
            sa.or_(_membership.c.valid_to_on.is_(None), _membership.c.valid_to_on > day),
        )
    )
    return {row.directory_group_id: row.id for row in connection.execute(query)}


def _end(connection: Connection, memberships: Collection[int], day: str, done: Imported) -> None:
    mine = _membership.c.id.in_(memberships)
    connection.execute(sa.delete(_membership).where(mine, _membership.c.valid_from_on == day))
    connection.execute(sa.update(_membership).where(mine).values(valid_to_on=day))
    for _ in memberships:
        done.add("memberships", "changed")


def _begin(connection: Connection, person: int, group: int, day: str, done: Imported) -> None:
    same = (_membership.c.person_id == person) & (_membership.c.directory_group_id == group)
    later = sa.select(sa.func.min(_membership.c.valid_from_on)).where(same, _membership.c.valid_from_on > day)
    row = {
        "person_id": person,
        "directory_group_id": group,
        "valid_from_on": day,
        "valid_to_on": connection.scalar(later),
    }
    connection.execute(sa.insert(_membership).values(row))
    done.add("memberships", "new")


def _group_id(connection: Connection, name: str) -> int:
    key = (_group.c.source == FILES) & (_group.c.name == name)
    found = connection.scalar(sa.select(_group.c.id).where(key))
    if found is None:
        insert = sa.insert(_group).values(source=FILES, name=name).returning(_group.c.id)
        found = connection.execute(insert).scalar_one()
    return int(found)
