from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from drafted_run import copied, fill
from sqlalchemy import Engine

from warehouse import store


@pytest.fixture(scope="session")
def drafted_file(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    """File of a warehouse with a draft to be reviewed."""
    path = tmp_path_factory.mktemp("drafted") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    engine = store.open_warehouse(f"sqlite:///{path}")
    fill(engine)
    engine.dispose()
    return path


@pytest.fixture
def drafted(drafted_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A warehouse of its own with a draft to be reviewed: see `drafted_run`."""
    with copied(drafted_file, tmp_path) as engine:
        yield engine
