from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drafted_run import copied, file_of, fill
from sqlalchemy import Engine


@pytest.fixture(scope="session")
def drafted_file(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> Path:
    """File of a warehouse with a draft to be reviewed."""
    return file_of(tmp_path_factory.mktemp("drafted"), empty_warehouse, fill)


@pytest.fixture
def drafted(drafted_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A warehouse of its own with a draft to be reviewed: see `drafted_run`."""
    with copied(drafted_file, tmp_path) as engine:
        yield engine
