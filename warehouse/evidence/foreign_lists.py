"""Lists of any length in a condition: neither database takes a parameter for each of 100,000 values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection


def among(connection: Connection, column: str, parameter: str = "these") -> str:
    """Return the condition that a column is in the list that `one_list` binds to the parameter."""
    if connection.dialect.name == "postgresql":
        return f"{column} = ANY(:{parameter})"
    return f"{column} IN (SELECT value FROM json_each(:{parameter}))"  # noqa: S608 - no value is in it


def one_list(connection: Connection, values: Iterable[int | str]) -> Any:
    """Return a list of numbers or texts as one value to bind."""
    listed = list(values)
    return listed if connection.dialect.name == "postgresql" else json.dumps(listed)


def rows_among(
    connection: Connection, select: str, column: str, values: Collection[int | str]
) -> list[tuple[Any, ...]]:
    """Run `SELECT ... FROM ...` for the rows whose column has one of the values."""
    if not values:
        return []
    statement = sa.text(f"{select} WHERE {among(connection, column)}")
    return [tuple(row) for row in connection.execute(statement, {"these": one_list(connection, values)})]


def run_among(connection: Connection, statement: str, column: str, values: Collection[int | str]) -> None:
    """Run a DELETE or UPDATE on the rows whose column has one of the values."""
    if values:
        text = sa.text(f"{statement} WHERE {among(connection, column)}")
        connection.execute(text, {"these": one_list(connection, values)})
