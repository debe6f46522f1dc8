"""Moving a whole warehouse into an empty one, of the other database or the same, and proving both equal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import directory, schema, store
from warehouse.errors import Problem
from warehouse.evidence.inserting import append

CHUNK = 100_000
HALF = 2**32
KEYS = ("pseudonym.key", "manager.key")
OWN_MARK = "identity"
"""The mark that stays each warehouse's own: their mirrors must not be mistaken for each other."""

Tell = Callable[[str, float], None]
"""Called with the table that is being copied and the share of all rows that are done, 0 to 1."""


@dataclass(frozen=True)
class Content:
    """What a table holds, whatever the order of its rows: how many, and a sum over their hashes."""

    rows: int = 0
    digest: int = 0

    def with_rows(self, frame: pl.DataFrame) -> Content:
        """Take more rows in."""
        hashes = frame.hash_rows(seed=7306096)
        high, low = int((hashes // HALF).sum()), int((hashes % HALF).sum())
        return Content(self.rows + frame.height, self.digest + high * HALF + low)


@dataclass(frozen=True)
class Copied:
    """What was copied.

    Attributes
    ----------
    target
        Where to, without any password.
    rows
        By table; on both sides, with equal content.
    keys
        Names of the key files that the target did not have.
    """

    target: str
    rows: Mapping[str, int]
    keys: tuple[str, ...]


def copy(from_url: str, to_url: str, tell: Tell = lambda _what, _share: None) -> Copied:
    """Copy everything of a warehouse into an empty one, which is made where there is none.

    One transaction: the target is whole, and compared row by row with the source as it was at one moment, or
    it stays empty. The mirror is not copied; the target's own is made by its next update.

    Raises
    ------
    Problem
        The target holds something already, or keys of its own; or the copy is not equal.
    """
    source = store.open_warehouse(from_url)
    try:
        target = store.upgrade(to_url)
        try:
            return _copy(source, target, tell)
        finally:
            target.dispose()
    finally:
        source.dispose()


def _copy(source: Engine, target: Engine, tell: Tell) -> Copied:
    with _reading(source) as reader, store.writing(target) as writer:
        _require_empty(writer)
        keys = _missing_keys(source, target)
        _let_closed_runs_in(writer)
        total = sum(_count(reader, table) for table in schema.metadata.sorted_tables)
        rows: dict[str, int] = {}
        for table in schema.metadata.sorted_tables:
            tell(table.name.replace("_", " "), sum(rows.values()) / max(1, total))
            with _refusals(writer, table):
                rows[table.name] = _copy_table(reader, writer, table).rows
        _go_on_counting(reader, writer)
        _copy_keys(keys)
    return Copied(store.place(target.url), rows, tuple(path.name for path, _ in keys))


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    """Hold one moment of the source."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
        else:
            connection.exec_driver_sql("BEGIN")
        yield connection


def _require_empty(writer: Connection) -> None:
    held = {table.name: _count(writer, table) for table in schema.metadata.sorted_tables}
    full = [f"{name.replace('_', ' ')}: {count:,} rows" for name, count in held.items() if count]
    if full:
        shown = ", ".join(full[:3]) + (", ..." if len(full) > 3 else "")
        raise Problem(
            f"The warehouse {store.place(writer.engine.url)} is not empty ({shown})",
            "name an empty database or a new file",
        )


def _let_closed_runs_in(writer: Connection) -> None:
    if writer.dialect.name == "postgresql":
        writer.execute(sa.text("SET LOCAL process_meter.copying = 'yes'"))


def _count(connection: Connection, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return int(connection.scalar(_without_own(query, table)) or 0)


def _without_own(query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    return query.where(table.c.name != OWN_MARK) if table is schema.mark else query


@contextmanager
def _refusals(writer: Connection, table: sa.Table) -> Iterator[None]:
    """Turn what the target says against a row into one line."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, psycopg.Error) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        place, what = store.place(writer.engine.url), table.name.replace("_", " ")
        raise Problem(
            f"The warehouse {place} refuses a row of {what}: {reason}",
            "run `process-meter warehouse check` on the one to be copied; nothing was copied",
        ) from error


# --- One table ---------------------------------------------------------------------------------------------


def _copy_table(reader: Connection, writer: Connection, table: sa.Table) -> Content:
    """Copy one table, and compare what the target then holds with what the source gave."""
    given, columns = Content(), [column.name for column in table.c]
    for rows in _chunks(reader, table):
        append(writer, table, columns, rows)
        given = given.with_rows(_frame(table, rows))
    held = Content()
    for rows in _chunks(writer, table):
        held = held.with_rows(_frame(table, rows))
    if held != given:
        raise Problem(
            f"The copy of {table.name.replace('_', ' ')} is not equal: {given.rows:,} rows were read, "
            f"{held.rows:,} are there, or their content differs",
            "nothing was copied; try again, and report it when it happens again",
        )
    return held


def _chunks(connection: Connection, table: sa.Table) -> Iterator[list[tuple[Any, ...]]]:
    """Give a table's rows, JSON as the text that is stored."""
    columns = [sa.cast(c, sa.Text) if isinstance(c.type, sa.JSON) else c for c in table.c]
    query = _without_own(sa.select(*columns).order_by(*table.primary_key.columns), table)
    for rows in connection.execute(query, execution_options={"yield_per": CHUNK}).partitions():
        yield [tuple(row) for row in rows]


def _frame(table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Return rows as columns of the table's own types, the same whatever the database is."""
    columns = zip(table.c, zip(*rows, strict=True), strict=True)
    return pl.DataFrame([_series(column, values) for column, values in columns])


def _series(column: sa.Column[Any], values: Sequence[Any]) -> pl.Series:
    kind = column.type
    if isinstance(kind, sa.Double):
        return pl.Series(column.name, values, dtype=pl.Float64)
    if isinstance(kind, sa.Integer):
        return pl.Series(column.name, values, dtype=pl.Int64)
    if isinstance(kind, sa.Boolean):
        return pl.Series(column.name, [None if value is None else bool(value) for value in values])
    return pl.Series(column.name, values, dtype=pl.String)


# --- What is beside the rows -------------------------------------------------------------------------------


def _go_on_counting(reader: Connection, writer: Connection) -> None:
    """Let the target give new rows the numbers after those of the source."""
    # Old landings are deleted, and none of their numbers may come again: readers would take it for known.
    landed = max(_last_number(reader), _greatest(writer, schema.landing))
    if writer.dialect.name == "sqlite":
        writer.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'landing'"))
        writer.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('landing', :seq)"), {"seq": landed}
        )
        return
    for table in schema.metadata.sorted_tables:
        if "id" in table.c and isinstance(table.c.id.type, sa.Integer):
            greatest = landed if table is schema.landing else _greatest(writer, table)
            if greatest:
                sequence = "SELECT setval(pg_get_serial_sequence(:name, 'id'), :greatest)"
                writer.execute(sa.text(sequence), {"name": table.name, "greatest": greatest})


def _greatest(connection: Connection, table: sa.Table) -> int:
    return int(connection.scalar(sa.select(sa.func.max(table.c.id))) or 0)


def _last_number(connection: Connection) -> int:
    """Return the number that the last landing was given, be it still there or not."""
    if connection.dialect.name == "sqlite":
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'landing'"
    else:
        query = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM landing_id_seq"
    return int(connection.scalar(sa.text(query)) or 0)


def _missing_keys(source: Engine, target: Engine) -> list[tuple[Path, Path]]:
    """Return which key files go where; refuse a target that has others: its pseudonyms are others."""
    folders = [directory.keys_folder(engine.url) for engine in (source, target)]
    pairs = [(folders[0] / name, folders[1] / name) for name in KEYS]
    there = [(ours, theirs) for ours, theirs in pairs if ours.exists()]
    for ours, theirs in there:
        if theirs.exists() and theirs.read_bytes() != ours.read_bytes():
            raise Problem(
                f"The key file {theirs} is not that of the warehouse to be copied",
                "move it away, or name another folder of keys with PROCESS_METER_KEYS",
            )
    return [(ours, theirs) for ours, theirs in there if not theirs.exists()]


def _copy_keys(keys: Sequence[tuple[Path, Path]]) -> None:
    for ours, theirs in keys:
        theirs.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = theirs.with_name(f"{theirs.name}.part")
        shutil.copyfile(ours, draft)
        draft.chmod(0o600)
        draft.replace(theirs)
