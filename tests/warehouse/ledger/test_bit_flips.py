from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_flips import closed_ledger, columns, unnamed
from sqlalchemy import Engine

from pipelines import billing
from warehouse import store


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("flips")
    engine = store.upgrade(f"sqlite:///{folder / 'warehouse.sqlite'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        patch.delenv("PROCESS_METER_KEYS", raising=False)
        closed_ledger(engine)
    yield engine
    engine.dispose()


def test_a_changed_value_of_any_column_of_the_ledger_is_named_with_its_run_and_line(closed: Engine) -> None:
    assert billing.verify(closed) == []
    faults = [unnamed(closed, table, column, seed) for seed, (table, column) in enumerate(columns())]
    assert [fault for fault in faults if fault] == []
    assert billing.verify(closed) == []


def test_on_postgresql_it_is_named_as_well(postgres_engine: Engine) -> None:
    closed_ledger(postgres_engine)
    faults = [unnamed(postgres_engine, table, column, 7) for table, column in columns()[::12]]
    assert [fault for fault in faults if fault] == []
    assert billing.verify(postgres_engine) == []
