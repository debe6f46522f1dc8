from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from reruns import closed_month, count_from, digests
from sqlalchemy import Engine

from pipelines import billing


def test_a_closed_month_is_written_the_same_a_year_later_and_on_the_other_database(
    engine: Engine, postgres_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "own"
    keys.mkdir()
    (keys / "pseudonym.key").write_bytes(b"k" * 32)
    monkeypatch.setenv("PROCESS_METER_KEYS", str(keys))
    count_from(postgres_engine, 1_000)
    found = set()
    for each in (engine, postgres_engine):
        run = closed_month(each)
        found |= digests(each, run, tmp_path, 2)
        assert billing.verify(each, recompute=True) == []
    assert len(found) == 1
    with postgres_engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT min(id) FROM audit_event")) == 1_000
