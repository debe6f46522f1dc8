"""A week in which somebody forgot, mistyped and overlapped, and the people who may put it right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from billing_warehouse import hour, ms, on, organize, use
from sqlalchemy import Engine

from warehouse import schema, store

NOW = ms("2026-10-20 12:00")


@pytest.fixture(scope="module")
def used(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a warehouse, to be copied: sessions of an hour from 11:00 in Berlin.

    1 of person 1 without a project, 2 of person 1 on project A, 3 of person 2 on the unknown project nope.
    """
    path = tmp_path_factory.mktemp("used") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    organize(engine)
    use(engine, hour(1, "2026-10-05"), hour(2, "2026-10-06"), hour(3, "2026-10-06", person=2))
    on(engine, 2, "A", at_="2026-10-06 09:00")
    on(engine, 3, "nope", at_="2026-10-06 09:00")
    engine.dispose()
    return path


@pytest.fixture
def week(used: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copyfile(used, tmp_path / "week.sqlite")
    engine = store.open_warehouse(f"sqlite:///{tmp_path / 'week.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def change() -> Callable[..., None]:
    """Give a function that changes columns of the rows of a table that one column tells."""

    def changed(engine: Engine, table: str, where: dict[str, Any], **values: Any) -> None:
        rows = schema.metadata.tables[table]
        with store.writing(engine) as connection:
            same = [rows.c[name] == value for name, value in where.items()]
            connection.execute(sa.update(rows).where(*same).values(values))

    return changed


@pytest.fixture
def settings(change: Callable[..., None]) -> Callable[..., None]:
    """Give a function that sets the organization's settings."""

    def set_to(engine: Engine, **values: Any) -> None:
        change(engine, "organization", {"id": 1}, settings=values)

    return set_to


@pytest.fixture
def entries() -> Callable[[Engine], list[tuple[Any, ...]]]:
    """Give a function that lists (id, session, from, to, project, phase, task, fields, author, reason)."""

    def listed(engine: Engine) -> list[tuple[Any, ...]]:
        rows = store.read(engine, "SELECT * FROM project_entry ORDER BY id").select(
            "id", "session_id", "from_ms", "to_ms", "project_number", "phase_number", "task_number",
            pl.col("fields"), "author", "reason",
        )  # fmt: skip
        return [(*row[:7], json.loads(row[7]), *row[8:]) for row in rows.rows()]

    return listed
